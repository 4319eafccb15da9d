/* The tracker under segments that no TCP would send: it must keep its books whatever comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "explain/seqset.h"
#include "explain/track.h"
#include "tcp/state.h"

#define SEGMENTS 100000
#define PAIRS	 6

/* The same numbers on each machine and in each run. */
static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static struct tcp_endpoint random_endpoint(unsigned who, unsigned pair)
{
	struct tcp_endpoint endpoint = {.port = (uint16_t)(who ? 80 : 40000 + pair)};

	/* The last pair is a socket that is connected to itself. */
	tcp_address_parse(pair == PAIRS - 1 || who ? "fd00::1" : "fd00::2", &endpoint.address);
	if (pair == PAIRS - 1)
		endpoint.port = 7;
	return endpoint;
}

/* Numbers from a small range around the wrap, so that they meet. */
static struct segment random_segment(uint64_t *seed, int64_t *now_ns)
{
	static const uint8_t usual[] = {
		TCP_FLAG_SYN, TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_ACK,
		TCP_FLAG_ACK, TCP_FLAG_FIN | TCP_FLAG_ACK, TCP_FLAG_RST | TCP_FLAG_ACK,
		TCP_FLAG_RST, TCP_FLAG_ACK | TCP_FLAG_PSH,
	};
	unsigned pair = next_random(seed) % PAIRS, who = next_random(seed) % 2;
	struct segment s = {
		.source = random_endpoint(who, pair),
		.target = random_endpoint(!who, pair),
		.seq = next_random(seed) % 24 - 12,
		.ack = next_random(seed) % 24 - 12,
		.window = (uint16_t)(next_random(seed) % 3),
		.flags = usual[next_random(seed) % sizeof(usual)],
		.ttl = 64,
		.payload = (const uint8_t *)"?",
	};

	if (next_random(seed) % 4 == 0)
		s.payload_length = next_random(seed) % 8;
	if (next_random(seed) % 50 == 0)
		s.flags = (uint8_t)next_random(seed);
	if (next_random(seed) % 50 == 0)
		s.seq = next_random(seed) << 1;
	if (next_random(seed) % 50 == 0)
		s.ack = next_random(seed) << 1;
	if (next_random(seed) % 200 == 0)
		s.payload_length = next_random(seed);
	*now_ns += (int64_t)(next_random(seed) % 100) - 10;
	s.time_ns = *now_ns;
	return s;
}

static void check_end(const struct connection *c, unsigned at)
{
	const struct track_end *end = &c->end[at];

	assert_true(end->state >= -1 && end->state <= TCP_CLOSING);
	assert_false(end->fin_seen && end->fin_inferred);
	if (end->fin_acked)
		assert_true(end->fin_seen || end->fin_inferred);
	if (end->fin_seen)
		assert_true(end->fin_count > 0);
	if (end->state == TCP_TIME_WAIT)
		assert_true(c->time_wait[at]);
}

static void check_closing(const struct connection *c)
{
	bool fins[2];

	assert_string_not_equal(track_closing_name(c->closing), "?");
	for (unsigned end = 0; end < 2; end++)
		fins[end] = c->end[end].fin_seen || c->end[end].fin_inferred;
	assert_in_range(c->first_closer + 1, 0, 2);
	if (c->first_closer >= 0)
		assert_true(fins[c->first_closer]);
	if (c->closing == CLOSING_GRACEFUL || c->closing == CLOSING_LAST_ACK)
		assert_true(c->first_closer >= 0 && fins[0] && fins[1]);
	if (c->closing == CLOSING_SIMULTANEOUS)
		assert_true(c->first_closer < 0 && fins[0] && fins[1]);
	if (c->closing == CLOSING_HALF)
		assert_true(fins[0] != fins[1]);
}

static void check_segments(const struct connection *c, bool *seen)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct tracked_segment *tracked = &c->segments[i];

		assert_false(seen[tracked->index]);
		seen[tracked->index] = true;
		assert_null(tracked->segment.payload);
		assert_true(tracked->delivered_ns >= tracked->segment.time_ns);
		assert_string_not_equal(segment_role_text(tracked->role), "?");
		assert_string_not_equal(rst_cause_text(tracked->cause), "?");
		assert_int_equal(tracked->role == ROLE_RST, tracked->cause != RST_NONE);
		for (unsigned end = 0; end < 2; end++)
			assert_true(tracked->state[end] >= -1 &&
				    tracked->state[end] <= TCP_CLOSING);
		assert_true(tcp_endpoint_equal(&tracked->segment.source,
					       &c->end[tracked->from].endpoint));
		bytes += tracked->segment.payload_length;
	}
	assert_true(c->end[0].bytes + c->end[1].bytes <= bytes);
}

static void check_links(const struct tracker *tracker, size_t index)
{
	const struct connection *c = tracker_connection(tracker, index);

	if (c->reused_by >= 0)
		assert_int_equal(tracker_connection(tracker, (size_t)c->reused_by)->reuses, index);
	if (c->reuses >= 0)
		assert_int_equal(tracker_connection(tracker, (size_t)c->reuses)->reused_by, index);
}

/* A segment is one row, or two, of which the second comes later and not right behind. */
static void check_rows(const struct connection *c)
{
	struct exchange *exchange = connection_exchange(c, "left", "right", 0);
	size_t fates[EXCHANGE_FATE_COUNT] = {0};

	assert_non_null(exchange);
	for (size_t i = 0; i < exchange->count; i++) {
		const struct exchange_row *row = &exchange->rows[i];

		fates[row->fate]++;
		assert_true(fates[EXCHANGE_ARRIVAL] <= fates[EXCHANGE_HELD]);
		assert_true(row->time_ns <= row->delivered_ns);
	}
	assert_int_equal(fates[EXCHANGE_ARRIVAL], fates[EXCHANGE_HELD]);
	assert_int_equal(exchange->count - fates[EXCHANGE_ARRIVAL], c->count);
	exchange_free(exchange);
}

static void check_exchange(const struct connection *c, size_t limit)
{
	struct exchange *exchange = connection_exchange(c, "left", "right", limit);

	assert_non_null(exchange);
	assert_in_range(exchange->count + exchange->left_out, c->count, 2 * c->count);
	assert_true(exchange->count <= limit);
	for (size_t i = 0; i < exchange->count; i++) {
		assert_true(exchange->rows[i].time_ns >= 0);
		assert_true(exchange->rows[i].delivered_ns >= 0);
		assert_non_null(exchange->rows[i].note);
	}
	exchange_free(exchange);
}

static void check_tracker(const struct tracker *tracker, size_t fed)
{
	CLEANUP_FREE bool *seen = calloc(fed, sizeof(*seen));
	size_t count = 0;

	assert_non_null(seen);
	for (size_t i = 0; i < tracker_count(tracker); i++) {
		const struct connection *c = tracker_connection(tracker, i);

		count += c->count;
		assert_true(c->count > 0);
		check_end(c, 0);
		check_end(c, 1);
		check_closing(c);
		check_segments(c, seen);
		check_links(tracker, i);
		check_rows(c);
		check_exchange(c, 1 + i % 30);
	}
	assert_int_equal(count, fed);
}

static void random_segments(void **state)
{
	struct tracker *tracker = tracker_new();
	uint64_t seed = 20150401;
	int64_t now_ns = 0;

	(void)state;
	assert_non_null(tracker);
	for (size_t i = 0; i < SEGMENTS; i++) {
		struct segment s = random_segment(&seed, &now_ns);
		struct segment_passage passage = {.lost = next_random(&seed) % 10 == 0};
		int r;

		if (next_random(&seed) % 4 == 0)
			passage.delivered_ns = s.time_ns + next_random(&seed) % 1000;
		r = tracker_feed(tracker, &s, next_random(&seed) % 2 ? &passage : NULL);
		assert_int_equal(r, 0);
		if (i % 20000 == 777)
			check_tracker(tracker, i + 1);
	}
	check_tracker(tracker, SEGMENTS);
	tracker_free(tracker);
}

/* A set of 256 numbers as plain as can be, to hold the real one against. */
static void seqset_against_a_bitmap(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint32_t base = next_random(&seed) << 1;
		bool map[256] = {false};
		struct seqset_islands islands = {0};
		uint32_t set = base;

		for (int i = 0; i < SEQSET_ISLANDS; i++) {
			uint32_t from = next_random(&seed) % 200;
			uint32_t length = next_random(&seed) % 50, added = 0, edge = 0, top = 0;

			for (uint32_t n = from; n < from + length; n++) {
				added += !map[n];
				map[n] = true;
			}
			for (edge = 0; map[edge]; edge++)
				;
			for (uint32_t n = 0; n < 256; n++)
				if (map[n])
					top = n + 1;
			assert_int_equal(
				seqset_missing(set, &islands, base + from, base + from + length),
				added);
			assert_int_equal(
				seqset_add(&set, &islands, base + from, base + from + length),
				added);
			assert_int_equal(set, base + edge);
			assert_int_equal(seqset_top(set, &islands), base + top);
		}
	}
}

static void seqset_with_too_many_holes(void **state)
{
	struct seqset_islands islands = {0};
	uint32_t set = 0xfffffff0u;

	(void)state;
	for (uint32_t i = 1; i <= SEQSET_ISLANDS + 3; i++)
		assert_int_equal(
			seqset_add(&set, &islands, 0xfffffff0u + 10 * i, 0xfffffff0u + 10 * i + 5),
			5);
	/* The three oldest holes are closed. */
	assert_int_equal(set, 0xfffffff0u + 35);
	assert_int_equal(islands.count, SEQSET_ISLANDS);
}

static void many_connections(void **state)
{
	struct tracker *tracker = tracker_new();
	struct segment s = {.flags = TCP_FLAG_SYN};

	(void)state;
	tcp_address_parse("10.0.0.1", &s.source.address);
	tcp_address_parse("10.0.0.2", &s.target.address);
	s.target.port = 80;
	for (unsigned i = 0; i < 20000; i++) {
		s.source.port = (uint16_t)(i + 1);
		s.seq = i;
		assert_int_equal(tracker_feed(tracker, &s, NULL), 0);
		assert_int_equal(tracker_feed(tracker, &s, NULL), 0);
	}
	assert_int_equal(tracker_count(tracker), 20000);
	for (size_t i = 0; i < 20000; i++) {
		const struct connection *c = tracker_connection(tracker, i);

		assert_int_equal(c->count, 2);
		assert_int_equal(c->end[0].endpoint.port, i + 1);
	}
	tracker_free(tracker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_segments),
		cmocka_unit_test(seqset_against_a_bitmap),
		cmocka_unit_test(seqset_with_too_many_holes),
		cmocka_unit_test(many_connections),
	};

	return cmocka_run_group_tests_name("track-random", tests, NULL, NULL);
}
