/*
 * Connections out of segments of any kind. Each 10 bytes are a segment between one of a few pairs
 * of ends, near to what the connection expects (its numbers are kept account of here) or far from
 * it. Fed at once, in pieces, with room for few connections, and to the tracker: nothing crashes,
 * sums add up, and what is told does not depend on the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "explain/dedup.h"
#include "explain/flows.h"
#include "explain/summary.h"
#include "explain/track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define BYTES_EACH   10
#define SEGMENTS_MAX 600
#define PAIRS	     8

/* ---- bytes into segments */

struct account {
	uint32_t next[2]; /* of both ends, as if all were sent in order */
	uint16_t ip_id[2];
};

static struct tcp_endpoint end_of(unsigned pair, unsigned end)
{
	struct tcp_endpoint endpoint = {.port = (uint16_t)(end ? 80 : 40000 + pair)};

	endpoint.address.family = pair % 4 == 3 ? AF_INET6 : AF_INET;
	endpoint.address.bytes[0] = pair % 4 == 3 ? 0xfd : 10;
	endpoint.address.bytes[3] = (uint8_t)(end + 1);
	return endpoint;
}

/* Steps of time: none, small, those of repeats, longer than TIME-WAIT, back, unheard-of. */
static int64_t step_ns(uint8_t byte)
{
	static const int64_t steps[] = {
		0,	    1000,	 1000000,  40000000,	 200000000,
		1000000000, 61000000000, -5000000, -70000000000, INT64_MAX / 64};
	return steps[byte % ARRAY_SIZE(steps)] * (1 + byte / 64);
}

static uint32_t number(uint32_t expected, uint8_t how)
{
	static const int64_t offsets[] = {0,	  -1,	 1,	     -100,	 100,
					  -70000, 70000, 0x7fffffff, 0x80000000, -1460};
	return expected + (how < 128 ? 0 : (uint32_t)offsets[how % ARRAY_SIZE(offsets)]);
}

static void set_options(struct segment *segment, uint8_t what)
{
	segment->options = (struct tcp_options){
		.has_mss = what & 1,
		.mss = 1460,
		.has_window_scale = what & 2,
		.window_scale = what >> 4,
		.sack_permitted = what & 4,
		.has_timestamps = what & 8,
		.ts_value = what,
		.has_fastopen = what == 0xff,
		.sack_count = what % 5 == 4 ? 1 : 0,
		.sack = {{segment->ack + what, segment->ack + 2u * what}},
	};
}

static size_t make_segments(const uint8_t *data, size_t size, struct segment *ret)
{
	struct account accounts[PAIRS] = {0};
	int64_t now_ns = 1000000000;
	size_t count = 0;

	for (; size >= BYTES_EACH && count < SEGMENTS_MAX; data += BYTES_EACH, size -= BYTES_EACH) {
		unsigned pair = data[0] % PAIRS, from = data[0] >> 7;
		struct account *account = &accounts[pair];
		struct segment *segment = &ret[count++];

		if (__builtin_add_overflow(now_ns, step_ns(data[1]), &now_ns) || now_ns < 0)
			now_ns = 0;
		*segment = (struct segment){
			.time_ns = now_ns,
			.source = end_of(pair, from),
			.target = end_of(pair, !from),
			.flags = data[2],
			.seq = number(account->next[from], data[3]),
			.ack = data[2] & TCP_FLAG_ACK ? number(account->next[!from], data[4]) : 0,
			.payload_length = data[5] < 250 ? data[5] & 0x7f : 65000u + data[5],
			.window = (uint16_t)(data[6] << 8 | data[6]),
			.ttl = data[7],
			.ip_id = data[8] < 200 ? account->ip_id[from]++ : 0,
		};
		set_options(segment, data[9]);
		if (data[0] & 0x40) /* a good many: nothing but what it acknowledges and says */
			segment->payload_length = 0;
		if (data[3] < 128)
			account->next[from] = segment_end(segment);
	}
	return count;
}

/* ---- what is told */

struct told {
	bool words;		  /* said of each */
	struct finding *findings; /* (owned) */
	size_t count;
	struct summary summary;
};

static void check_words(const struct finding *finding)
{
	char text[FINDING_TEXT_MAX];

	CHECK(strlen(finding_sentence(finding, text)) > 0);
	for (unsigned i = 0; i < 2; i++)
		finding_state_why(finding, i, text);
	CHECK(finding_problem(finding) < PROBLEM_COUNT);
	finding_advice(finding, text);
	CHECK((finding_problem(finding) == PROBLEM_NONE) == (text[0] == '\0'));
	CHECK(finding_rst_confidence(finding) < CONFIDENCE_COUNT);
	CHECK(finding_timestamps(finding) < OPTION_AGREEMENT_COUNT);
	CHECK(finding_sack(finding) < OPTION_AGREEMENT_COUNT);
	CHECK(finding_window_scale(finding) < OPTION_AGREEMENT_COUNT);
}

static void check_finding(const struct finding *finding)
{
	CHECK(finding->ending < ENDING_COUNT && finding->opened < OPENED_COUNT);
	CHECK(finding->closed_first < WHO_COUNT && finding->time_wait_holder < WHO_COUNT);
	CHECK(finding->end[0].packets + finding->end[1].packets > 0);
	CHECK(finding->first_ns <= finding->last_ns);
	CHECK(finding->fin_interval_count <= FINDING_INTERVALS);
	for (int i = 0; i < 2; i++) {
		CHECK(finding->end[i].state >= -1 && finding->end[i].state < 14);
		CHECK(finding->end[i].seen == (finding->end[i].packets > 0));
	}
	CHECK(!finding->rst.any || finding->rst.count > 0);
}

static int tell(void *context, const struct finding *finding)
{
	struct told *told = context;

	check_finding(finding);
	if (told->words)
		check_words(finding);
	told->findings = reallocarray(told->findings, told->count + 1, sizeof(*finding));
	CHECK(told->findings);
	told->findings[told->count++] = *finding;
	return summary_add(&told->summary, finding);
}

static void told_done(struct told *told)
{
	free(told->findings);
	summary_done(&told->summary);
}

static uint64_t packets_of(const struct told *told)
{
	uint64_t packets = 0;

	for (size_t i = 0; i < told->count; i++)
		packets += told->findings[i].end[0].packets + told->findings[i].end[1].packets;
	return packets;
}

/* In pieces of @piece segments, with the plan's bound. */
static void run(const struct flows_plan *plan, const struct segment *segments, size_t count,
		size_t piece, struct told *ret)
{
	struct flows *flows;
	struct flows_sums sums;

	*ret = (struct told){.words = plan->history && !plan->max_connections};
	flows = flows_new(plan, tell, ret);
	CHECK(flows);
	for (size_t at = 0; at < count; at += piece) {
		CHECK(flows_feed(flows, segments + at, count - at < piece ? count - at : piece) ==
		      0);
		flows_sums(flows, &sums);
		CHECK(!plan->max_connections ||
		      sums.connections - sums.evicted <= plan->max_connections);
	}
	CHECK(flows_finish(flows) == 0);
	flows_sums(flows, &sums);
	CHECK(sums.segments == count);
	CHECK(sums.connections == ret->count && ret->summary.connections == ret->count);
	CHECK(sums.evicted == ret->summary.evicted);
	CHECK(packets_of(ret) + sums.copies == count);
	flows_free(flows);
}

/* Told in the order of their first segment, whatever the pieces were. */
static void check_same(const struct told *a, const struct told *b)
{
	CHECK(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct finding *x = &a->findings[i], *y = &b->findings[i];

		CHECK(x->number == y->number && x->number == i + 1);
		CHECK(x->ending == y->ending && x->opened == y->opened);
		CHECK(x->closed_first == y->closed_first && x->rst.cause == y->rst.cause);
		for (int e = 0; e < 2; e++) {
			CHECK(x->end[e].state == y->end[e].state);
			CHECK(x->end[e].packets == y->end[e].packets);
			CHECK(x->end[e].bytes == y->end[e].bytes);
		}
	}
}

/* SYNs with another number that were not answered: flows remembers the last one only, so what
 * belongs to the connection that one of them opens may be less than the tracker finds. */
static bool has_strays(const struct tracker *tracker)
{
	for (size_t i = 0; i < tracker_count(tracker); i++) {
		const struct connection *connection = tracker_connection(tracker, i);

		for (size_t j = 0; j < connection->count; j++)
			if (connection->segments[j].role == ROLE_STRAY)
				return true;
	}
	return false;
}

/* The tracker, which keeps all segments, comes to the same. */
static void check_tracker(const struct segment *segments, size_t count, const struct told *told)
{
	struct tracker *tracker = tracker_new();
	struct dedup dedup = {0};
	bool strays;

	CHECK(tracker);
	for (size_t i = 0; i < count; i++)
		if (!dedup_is_copy(&dedup, &segments[i]))
			CHECK(tracker_feed(tracker, &segments[i], NULL) == 0);
	CHECK(tracker_count(tracker) == told->count);
	strays = has_strays(tracker);
	for (size_t i = 0; !strays && i < told->count; i++) {
		const struct connection *connection = tracker_connection(tracker, i);
		const struct finding *finding = &told->findings[i];

		for (int e = 0; e < 2; e++) {
			CHECK(tcp_endpoint_equal(&connection->end[e].endpoint,
						 &finding->end[e].endpoint));
			CHECK(connection->end[e].state == finding->end[e].state);
		}
		CHECK(connection->count == finding->end[0].packets + finding->end[1].packets);
	}
	tracker_free(tracker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct flows_plan plans[] = {
		{0}, {.history = true}, {.max_connections = 3, .history = true}};
	struct segment segments[SEGMENTS_MAX];
	size_t count = make_segments(data, size, segments);
	struct told whole, pieces, few;

	run(&plans[0], segments, count, count ? count : 1, &whole);
	run(&plans[1], segments, count, 1, &pieces);
	run(&plans[2], segments, count, 7, &few);
	check_same(&whole, &pieces);
	check_tracker(segments, count, &whole);
	told_done(&whole);
	told_done(&pieces);
	told_done(&few);
	return 0;
}
