#include "explain/finding_testing.h"

static struct tcp_endpoint endpoint(uint8_t host, uint16_t port)
{
	struct tcp_endpoint result = {.address.family = AF_INET, .port = port};

	result.address.bytes[0] = 10;
	result.address.bytes[3] = host;
	return result;
}

static struct finding_end an_end(uint8_t host, uint16_t port)
{
	return (struct finding_end){
		.endpoint = endpoint(host, port),
		.state = TCP_ESTABLISHED,
		.since_ns = MS(1),
		.seen = true,
		.syn_seen = true,
		.fin_ns = FINDING_TIME_UNKNOWN,
		.fin_acked_ns = FINDING_TIME_UNKNOWN,
		.packets = 3,
		.syn_count = 1,
		.last_ns = MS(1200),
	};
}

struct finding finding_open(void)
{
	struct finding finding = {
		.number = 1,
		.end = {an_end(1, 40000), an_end(2, 5000)},
		.handshake = true,
		.ending = ENDING_OPEN,
		.closed_first = WHO_NONE,
		.time_wait_holder = WHO_NONE,
		.reused_after_ns = FINDING_TIME_UNKNOWN,
		.reused_held_by = WHO_NONE,
		.first_ns = START_NS,
		.last_ns = MS(1200),
		.handshake_ns = 2 * NS_PER_MS,
	};

	finding.end[TRACK_SERVER].bytes = 26;
	return finding;
}

void finding_fin(struct finding *finding, unsigned end, int64_t at_ms)
{
	struct finding_end *me = &finding->end[end];

	me->fin_seen = me->fin_acked = true;
	me->fin_count = 1;
	me->fin_ns = me->since_ns = me->last_ns = MS(at_ms);
	me->fin_acked_ns = finding->last_ns = MS(at_ms + 1);
}

struct finding finding_closed(unsigned first)
{
	struct finding finding = finding_open();

	finding_fin(&finding, first, 1200);
	finding_fin(&finding, !first, 1240);
	finding.ending = ENDING_GRACEFUL;
	finding.closed_first = finding.time_wait_holder = first ? WHO_SERVER : WHO_CLIENT;
	finding.end[first].state = TCP_TIME_WAIT;
	finding.end[first].since_ns = MS(1240);
	finding.end[first].time_wait = true;
	finding.end[!first].state = TCP_STATE_NONE;
	finding.end[!first].since_ns = MS(1241);
	return finding;
}

void finding_reset(struct finding *finding, unsigned from, enum rst_cause cause)
{
	finding->ending = ENDING_RESET;
	finding->rst = (struct finding_rst){.any = true,
					    .from = from,
					    .cause = cause,
					    .at_ns = MS(3000),
					    .ends = true,
					    .count = 1};
	finding->end[0].state = finding->end[1].state = TCP_STATE_NONE;
	finding->end[0].since_ns = finding->end[1].since_ns = MS(3000);
	finding->end[from].rst_count = 1;
	finding->last_ns = finding->end[from].last_ns = MS(3000);
}

/* splitmix64, by its published constants. */
static uint64_t next(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static bool flip(uint64_t *seed)
{
	return next(seed) & 1;
}

/* Small, large, and those in between. */
static uint64_t number(uint64_t *seed)
{
	return next(seed) >> (next(seed) % 64);
}

static int64_t moment(uint64_t *seed)
{
	switch (next(seed) % 6) {
	case 0:
		return FINDING_TIME_UNKNOWN;
	case 1:
		return (int64_t)next(seed);
	default:
		return START_NS + (int64_t)(number(seed) >> 16) - NS_PER_S;
	}
}

static struct finding_end random_end(uint64_t *seed)
{
	struct finding_end end = {
		.endpoint = endpoint((uint8_t)next(seed), flip(seed) ? 179 : (uint16_t)next(seed)),
		.state = (int)(next(seed) % (TCP_STATE_COUNT + 1)) - 1,
		.since_ns = moment(seed),
		.seen = flip(seed),
		.syn_seen = flip(seed),
		.has_timestamps = flip(seed),
		.sack_permitted = flip(seed),
		.has_window_scale = flip(seed),
		.fin_seen = flip(seed),
		.fin_acked = flip(seed),
		.fin_acked_by_fin = flip(seed),
		.fin_count = (unsigned)number(seed),
		.fin_ns = moment(seed),
		.fin_acked_ns = moment(seed),
		.packets = number(seed),
		.bytes = number(seed),
		.syn_count = (uint32_t)number(seed),
		.keepalives = (uint32_t)number(seed),
		.unanswered_keepalives = flip(seed) ? 0 : (uint32_t)number(seed),
		.zero_window = flip(seed),
		.data_unanswered = flip(seed),
		.time_wait = flip(seed),
		.last_ns = moment(seed),
	};

	end.fin_inferred = end.fin_seen && flip(seed);
	return end;
}

struct finding finding_random(uint64_t *seed)
{
	struct finding finding = {
		.number = number(seed),
		.end = {random_end(seed), random_end(seed)},
		.opened = next(seed) % OPENED_COUNT,
		.handshake = flip(seed),
		.fast_open_taken = flip(seed),
		.ending = next(seed) % ENDING_COUNT,
		.closed_first = next(seed) % WHO_COUNT,
		.time_wait_holder = next(seed) % WHO_COUNT,
		.rst = {.any = flip(seed),
			.from = flip(seed),
			.cause = next(seed) % RST_CAUSE_COUNT,
			.at_ns = moment(seed),
			.ends = flip(seed),
			.ttl_known = flip(seed),
			.ttl = (uint8_t)next(seed),
			.sender_ttl = (uint8_t)next(seed),
			.count = (unsigned)number(seed)},
		.fin_repeater = flip(seed),
		.fin_interval_count = next(seed) % (FINDING_INTERVALS + 1),
		.fin_intervals_cut = flip(seed),
		.reuses = flip(seed) ? 0 : number(seed),
		.reused_by = flip(seed) ? 0 : number(seed),
		.reused_after_ns = flip(seed) ? FINDING_TIME_UNKNOWN : (int64_t)number(seed),
		.reused_held_by = next(seed) % WHO_COUNT,
		.reused_in_time_wait = flip(seed),
		.newer_syn_ignored = flip(seed),
		.first_ns = moment(seed),
		.last_ns = moment(seed),
		.handshake_ns = number(seed),
		.evicted = flip(seed),
		.one_way = flip(seed),
	};

	for (unsigned i = 0; i < FINDING_INTERVALS; i++)
		finding.fin_interval_ms[i] = (uint32_t)number(seed);
	return finding;
}
