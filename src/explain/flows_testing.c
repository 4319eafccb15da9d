#include "explain/flows_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "explain/script_testing.h"

#define MS_NS 1000000

uint32_t flows_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

void capture_add(struct capture *capture, const struct segment *segment)
{
	assert_int_equal(ARRAY_ROOM(capture->segments, capture->capacity, capture->count), 0);
	capture->segments[capture->count++] = *segment;
}

void capture_done(struct capture *capture)
{
	free(capture->segments);
	*capture = (struct capture){0};
}

static struct tcp_endpoint endpoint_of(unsigned who, unsigned pair)
{
	struct tcp_endpoint endpoint = {.port = (uint16_t)(who ? 80 : 40000 + pair)};

	if (pair % 3 == 2)
		tcp_address_parse(who ? "fd00::2" : "fd00::1", &endpoint.address);
	else
		tcp_address_parse(who ? "10.0.0.2" : "10.0.0.1", &endpoint.address);
	return endpoint;
}

/* --- conversations --- */

struct talker {
	uint32_t next, acked; /* its next number; the other's, as far as it knows */
	bool closed;
};

struct talk {
	struct capture *capture;
	uint64_t *seed;
	int64_t now_ns;
	unsigned pair;
	struct talker end[2];
};

static bool one_in(struct talk *talk, unsigned n)
{
	return flows_random(talk->seed) % n == 0;
}

static void say(struct talk *talk, unsigned who, uint8_t flags, uint32_t length)
{
	struct talker *me = &talk->end[who];
	struct segment s = {
		.source = endpoint_of(who, talk->pair),
		.target = endpoint_of(!who, talk->pair),
		.seq = me->next,
		.ack = (flags & TCP_FLAG_ACK) ? me->acked : 0,
		.flags = flags,
		.window = (uint16_t)(one_in(talk, 20) ? 0 : 1000),
		.ttl = (uint8_t)(who ? 64 : 128),
		.payload_length = length,
	};

	talk->now_ns += 1 + flows_random(talk->seed) % (20 * MS_NS);
	s.time_ns = talk->now_ns;
	s.ip_id = (uint16_t)(flows_random(talk->seed) | 1);
	s.options.has_timestamps = flags & TCP_FLAG_SYN;
	s.options.sack_permitted = (flags & TCP_FLAG_SYN) && one_in(talk, 2);
	me->next += length + ((flags & TCP_FLAG_SYN) != 0) + ((flags & TCP_FLAG_FIN) != 0);
	if (!one_in(talk, 40)) /* else the capture missed it */
		capture_add(talk->capture, &s);
	if (one_in(talk, 30)) {
		s.time_ns = talk->now_ns += 200 * MS_NS;
		s.ip_id = (uint16_t)(s.ip_id + 2);
		capture_add(talk->capture, &s);
	}
	if (!one_in(talk, 12)) /* else what arrives is not known to the other yet */
		talk->end[!who].acked = me->next;
}

static void open_talk(struct talk *talk)
{
	talk->end[0] = (struct talker){.next = flows_random(talk->seed) << 1};
	talk->end[1] = (struct talker){.next = flows_random(talk->seed) << 1};
	if (one_in(talk, 12))
		return; /* begun before the capture */
	say(talk, 0, TCP_FLAG_SYN, one_in(talk, 10) ? 5 : 0);
	if (one_in(talk, 10))
		return;
	talk->end[1].acked = talk->end[0].next;
	if (one_in(talk, 12)) {
		talk->end[1].next = 0;
		say(talk, 1, TCP_FLAG_RST | TCP_FLAG_ACK, 0);
		return;
	}
	say(talk, 1, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
	talk->end[0].acked = talk->end[1].next;
	say(talk, 0, one_in(talk, 20) ? TCP_FLAG_RST : TCP_FLAG_ACK, 0);
}

static void keep_alive(struct talk *talk, unsigned who)
{
	talk->end[who].next--;
	say(talk, who, TCP_FLAG_ACK, 0);
	talk->end[who].next++;
	talk->end[!who].acked = talk->end[who].next;
}

static void go_on(struct talk *talk)
{
	unsigned who = flows_random(talk->seed) % 2;
	struct talker *me = &talk->end[who];

	switch (flows_random(talk->seed) % 12) {
	case 0:
		if (!me->closed)
			say(talk, who, TCP_FLAG_FIN | TCP_FLAG_ACK, one_in(talk, 3) ? 7 : 0);
		else if (one_in(talk, 2))
			me->next--, say(talk, who, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
		me->closed = true;
		break;
	case 1:
		if (one_in(talk, 6))
			say(talk, who, TCP_FLAG_RST | (one_in(talk, 2) ? TCP_FLAG_ACK : 0), 0);
		break;
	case 2:
		if (one_in(talk, 3))
			keep_alive(talk, who);
		break;
	case 3:
		me->acked = talk->end[!who].next; /* it hears all now */
		break;
	default:
		say(talk, who, TCP_FLAG_ACK,
		    me->closed || one_in(talk, 2) ? 0 : flows_random(talk->seed) % 9);
	}
}

/* Neighbours change places now and then; the clock goes on. */
static void disorder(struct capture *capture, uint64_t *seed)
{
	for (size_t i = 1; i < capture->count; i++) {
		struct segment moved = capture->segments[i];
		int64_t time_ns = moved.time_ns;

		if (flows_random(seed) % 20)
			continue;
		moved.time_ns = capture->segments[i - 1].time_ns;
		capture->segments[i] = capture->segments[i - 1];
		capture->segments[i].time_ns = time_ns;
		capture->segments[i - 1] = moved;
	}
}

#define PAIRS 7

void capture_conversations(struct capture *capture, uint64_t seed, size_t conversations)
{
	struct talk talks[PAIRS] = {0};
	unsigned left[PAIRS] = {0};
	int64_t now_ns = 1000000000;

	while (conversations) {
		unsigned pair = flows_random(&seed) % PAIRS;
		struct talk *talk = &talks[pair];

		talk->capture = capture;
		talk->seed = &seed;
		talk->pair = pair;
		talk->now_ns = now_ns;
		if (left[pair]-- == 0) {
			left[pair] = flows_random(&seed) % 40;
			if (one_in(talk, 3))
				talk->now_ns += flows_random(&seed) * INT64_C(40);
			open_talk(talk);
			conversations--;
		} else {
			go_on(talk);
		}
		now_ns = talk->now_ns;
	}
	disorder(capture, &seed);
}

/* --- nonsense --- */

void capture_nonsense(struct capture *capture, uint64_t seed, size_t count, unsigned range)
{
	static const uint8_t usual[] = {
		TCP_FLAG_SYN, TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_ACK,
		TCP_FLAG_ACK, TCP_FLAG_FIN | TCP_FLAG_ACK, TCP_FLAG_RST | TCP_FLAG_ACK,
		TCP_FLAG_RST, TCP_FLAG_ACK | TCP_FLAG_PSH,
	};
	int64_t now_ns = 0;

	while (count--) {
		unsigned pair = flows_random(&seed) % PAIRS, who = flows_random(&seed) % 2;
		struct segment s = {
			.source = endpoint_of(who, pair),
			.target = endpoint_of(!who, pair),
			.seq = flows_random(&seed) % range - range / 2,
			.ack = flows_random(&seed) % range - range / 2,
			.window = (uint16_t)(flows_random(&seed) % 3),
			.flags = usual[flows_random(&seed) % sizeof(usual)],
			.ttl = (uint8_t)(64 + flows_random(&seed) % 50 / 49),
			.ip_id = (uint16_t)(flows_random(&seed) | 1),
		};

		if (flows_random(&seed) % 4 == 0)
			s.payload_length = flows_random(&seed) % 8;
		if (flows_random(&seed) % 50 == 0)
			s.flags = (uint8_t)flows_random(&seed);
		if (flows_random(&seed) % 50 == 0)
			s.seq = flows_random(&seed) << 1;
		if (flows_random(&seed) % 50 == 0)
			s.ack = flows_random(&seed) << 1;
		if (flows_random(&seed) % 200 == 0)
			s.payload_length = flows_random(&seed);
		/* Of strays only the first and the last are kept; let the others be like them. */
		if (s.flags == TCP_FLAG_SYN)
			s.payload_length = 0;
		now_ns += 1 + flows_random(&seed) % 100;
		s.time_ns = now_ns;
		capture_add(capture, &s);
	}
}

/* --- findings --- */

static int keep(void *context, const struct finding *finding)
{
	struct findings *findings = context;

	assert_int_equal(ARRAY_ROOM(findings->items, findings->capacity, findings->count), 0);
	findings->items[findings->count++] = *finding;
	return 0;
}

void findings_make(struct findings *findings, const struct capture *capture, size_t batch,
		   size_t max_connections)
{
	struct flows_plan plan = {.max_connections = max_connections};
	struct flows *flows = flows_new(&plan, keep, findings);

	assert_non_null(flows);
	for (size_t at = 0; at < capture->count; at += batch) {
		size_t count = capture->count - at < batch ? capture->count - at : batch;

		assert_int_equal(flows_feed(flows, capture->segments + at, count), 0);
	}
	assert_int_equal(flows_finish(flows), 0);
	flows_sums(flows, &findings->sums);
	flows_free(flows);
}

void findings_done(struct findings *findings)
{
	free(findings->items);
	*findings = (struct findings){0};
}

void capture_read(struct capture *capture, const char *lines)
{
	CLEANUP_FREE char *copy = strdup(lines);
	struct script script = {.isn = {SCRIPT_CLIENT_ISN, SCRIPT_SERVER_ISN},
				.old_isn = {SCRIPT_CLIENT_ISN, SCRIPT_SERVER_ISN}};
	char *rest = NULL;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct segment_passage passage;
		struct segment s;

		if (script_read_isn(&script, line))
			continue;
		script_read(&script, line, &s, &passage);
		capture_add(capture, &s);
	}
}

struct finding find_last(const char *lines)
{
	struct capture capture = {0};
	struct findings findings = {0};
	struct finding last;

	capture_read(&capture, lines);
	findings_make(&findings, &capture, 7, 0);
	assert_true(findings.count > 0);
	last = findings.items[findings.count - 1];
	findings_done(&findings);
	capture_done(&capture);
	return last;
}

void assert_end(const struct finding *f, unsigned end, int state, int64_t since_ms)
{
	assert_int_equal(f->end[end].state, state);
	assert_int_equal(f->end[end].since_ns, since_ms < 0 ? FINDING_TIME_UNKNOWN : since_ms * MS);
}

void assert_ending(const struct finding *f, enum finding_ending ending,
		   enum finding_who closed_first, enum finding_who holder)
{
	assert_int_equal(f->ending, ending);
	assert_int_equal(f->closed_first, closed_first);
	assert_int_equal(f->time_wait_holder, holder);
}
