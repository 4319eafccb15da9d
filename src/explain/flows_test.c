/* What the streaming tracker keeps, and what it tells when: memory, absurd times, evictions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "explain/flows_testing.h"
#include "explain/script_testing.h"
#include "tcp/state.h"

/* --- memory --- */

static struct segment syn_of(unsigned port, int64_t time_ns)
{
	struct segment s = {.flags = TCP_FLAG_SYN, .time_ns = time_ns, .seq = port};

	s.source.port = (uint16_t)port;
	s.target.port = 80;
	tcp_address_parse("fd00::1", &s.source.address);
	s.source.address.bytes[14] = (uint8_t)port; /* addresses come and go, too */
	tcp_address_parse("fd00::2", &s.target.address);
	return s;
}

static void idle_longest_goes_first(void **state)
{
	static const unsigned ports[] = {1, 2, 3, 1, 4, 2, 5};
	struct capture capture = {0};
	struct findings findings = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		struct segment s = syn_of(ports[i], (int64_t)i);

		capture_add(&capture, &s);
	}
	findings_make(&findings, &capture, 100, 3);
	/* 4 makes 2 go, the new 2 makes 3 go, 5 makes 1 go; then what is left, in order. */
	static const unsigned told[] = {2, 3, 1, 4, 2, 5};

	assert_int_equal(findings.count, ARRAY_SIZE(told));
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		assert_int_equal(findings.items[i].end[0].endpoint.port, told[i]);
		assert_int_equal(findings.items[i].evicted, i < 3);
		assert_int_equal(findings.items[i].end[0].endpoint.address.bytes[14], told[i]);
	}
	assert_int_equal(findings.sums.evicted, 3);
	assert_int_equal(findings.sums.connections, 6);
	findings_done(&findings);
	capture_done(&capture);
}

static void links_outlive_who_is_evicted(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	struct segment s;

	(void)state;
	capture_read(&capture, CLOSED "isn 500000 900000\nc S 0 t=5021\n");
	s = syn_of(9, 6000 * MS);
	capture_add(&capture, &s); /* makes the closed one go */
	findings_make(&findings, &capture, 100, 2);
	assert_int_equal(findings.count, 3);
	assert_true(findings.items[0].evicted);
	assert_int_equal(findings.items[0].reused_by, 2);
	assert_int_equal(findings.items[1].reuses, 1);
	assert_int_equal(findings.items[1].reused_held_by, WHO_SERVER);
	assert_int_equal(findings.items[1].reused_after_ns, 5000 * MS);
	findings_done(&findings);
	capture_done(&capture);
}

static void who_came_behind_may_go_first(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	struct segment s;

	(void)state;
	capture_read(&capture, CLOSED "isn 500000 900000\n"
				      "c S 0 t=5021\n"
				      "s A 2 2 old t=5022\n");
	s = syn_of(9, 6000 * MS);
	capture_add(&capture, &s);
	findings_make(&findings, &capture, 100, 2);
	assert_int_equal(findings.count, 3);
	assert_int_equal(findings.items[0].number, 2);
	assert_true(findings.items[0].evicted);
	assert_int_equal(findings.items[1].number, 1);
	assert_int_equal(findings.items[1].reused_by, 2);
	findings_done(&findings);
	capture_done(&capture);
}

static void counts_beyond_a_byte(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	struct segment again;

	(void)state;
	capture_read(&capture, OPEN "c PA 1 1 5\n");
	again = capture.segments[3];
	for (unsigned i = 0; i < 1000; i++) {
		again.time_ns += 300 * MS;
		capture_add(&capture, &again);
	}
	findings_make(&findings, &capture, 100, 0);
	assert_int_equal(findings.items[0].end[0].data_repeated, 1000);
	findings_done(&findings);
	capture_done(&capture);
}

static void more_than_4_gib(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	struct segment part;

	(void)state;
	capture_read(&capture, OPEN "c PA 1 1 5\ns A 1 6\n");
	part = capture.segments[3];
	for (uint32_t at = 6, i = 0; i < 6; i++, at += 1u << 30) {
		struct segment ack = capture.segments[4];

		part.time_ns += 300 * MS;
		part.seq = SCRIPT_CLIENT_ISN + at;
		part.payload_length = 1u << 30;
		capture_add(&capture, &part);
		ack.time_ns = part.time_ns + MS;
		ack.ack = part.seq + part.payload_length;
		capture_add(&capture, &ack);
	}
	findings_make(&findings, &capture, 100, 0);
	assert_int_equal(findings.items[0].end[0].bytes, 5 + (UINT64_C(6) << 30));
	assert_int_equal(findings.items[0].end[0].data_repeated, 0);
	findings_done(&findings);
	capture_done(&capture);
}

/* --- time --- */

static void lasts_for_weeks(void **state)
{
	struct finding f = find_last(OPEN "s FA 1 1 t=1000000000\n" /* eleven days and more */
					  "c A 1 2\n"
					  "c FA 1 2 t=3000000000\n"
					  "s A 2 2\n");

	(void)state;
	assert_int_equal(f.end[1].fin_ns, 1000000000 * MS);
	assert_int_equal(f.end[1].fin_acked_ns, 1000000001 * MS);
	assert_end(&f, 0, TCP_STATE_NONE, 3000000001);
	assert_end(&f, 1, TCP_TIME_WAIT, 3000000000);
	assert_int_equal(f.last_ns, 3000000001 * MS);
	assert_int_equal(f.handshake_ns, 2 * MS);
}

static void times_that_no_clock_shows(void **state)
{
	static const int64_t times[] = {0, INT64_MAX, INT64_MIN + 1, -5, FINDING_TIME_UNKNOWN, 7};

	(void)state;
	for (unsigned shift = 0; shift < ARRAY_SIZE(times); shift++) {
		struct capture capture = {0};
		struct findings findings = {0};

		capture_read(&capture, CLOSED);
		for (size_t i = 0; i < capture.count; i++)
			capture.segments[i].time_ns = times[(i + shift) % ARRAY_SIZE(times)];
		findings_make(&findings, &capture, 2, 0);
		assert_int_equal(findings.count, 1);
		assert_ending(&findings.items[0], ENDING_GRACEFUL, WHO_SERVER, WHO_SERVER);
		assert_int_equal(findings.sums.segments, capture.count);
		assert_true(findings.sums.back_in_time > 0);
		findings_done(&findings);
		capture_done(&capture);
	}
}

static void no_times_at_all(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	const struct finding *f;

	(void)state;
	capture_read(&capture, CLOSED);
	for (size_t i = 0; i < capture.count; i++)
		capture.segments[i].time_ns = FINDING_TIME_UNKNOWN;
	findings_make(&findings, &capture, 2, 0);
	f = &findings.items[0];
	assert_ending(f, ENDING_GRACEFUL, WHO_SERVER, WHO_SERVER);
	assert_int_equal(f->first_ns, FINDING_TIME_UNKNOWN);
	assert_int_equal(f->last_ns, FINDING_TIME_UNKNOWN);
	assert_end(f, 0, TCP_STATE_NONE, -1);
	assert_int_equal(f->end[0].fin_ns, FINDING_TIME_UNKNOWN);
	assert_int_equal(f->handshake_ns, 0);
	assert_int_equal(findings.sums.first_ns, FINDING_TIME_UNKNOWN);
	findings_done(&findings);
	capture_done(&capture);
}

/* --- telling --- */

struct told {
	unsigned count;
	int answer;
	char history[80];
	const struct flows *flows;
};

static int count_told(void *context, const struct finding *finding)
{
	struct told *told = context;

	(void)finding;
	told->count++;
	strncpy(told->history, flows_history(told->flows), sizeof(told->history) - 1);
	return told->answer;
}

static void over_is_told_once(void **state)
{
	const struct flows_plan plan = {0};
	struct capture capture = {0};
	struct told told = {0};
	struct flows *flows = flows_new(&plan, count_told, &told);
	struct segment other = syn_of(5, 0);

	(void)state;
	assert_non_null(flows);
	told.flows = flows;
	capture_read(&capture, CLOSED "s A 2 2 t=900\n");
	capture_add(&capture, &other);
	assert_int_equal(flows_feed(flows, capture.segments, capture.count), 0);
	assert_int_equal(flows_tell_over(flows, 899 * MS), 0);
	assert_int_equal(told.count, 0);
	assert_int_equal(flows_tell_over(flows, 900 * MS), 0);
	assert_int_equal(told.count, 1);
	assert_int_equal(flows_tell_over(flows, 900 * MS), 0);
	assert_int_equal(told.count, 1);
	/* It is still found, and opens nothing new. */
	assert_int_equal(flows_feed(flows, &capture.segments[7], 1), 0);
	assert_int_equal(flows_finish(flows), 0);
	assert_int_equal(told.count, 2);
	flows_free(flows);
	capture_done(&capture);
}

static void what_is_answered_ends_it(void **state)
{
	const struct flows_plan plan = {.max_connections = 1};
	struct told told = {.answer = -EIO};
	struct flows *flows = flows_new(&plan, count_told, &told);
	struct segment two[] = {syn_of(1, 0), syn_of(2, 1)};

	(void)state;
	assert_non_null(flows);
	told.flows = flows;
	assert_int_equal(flows_feed(flows, two, 2), -EIO);
	assert_int_equal(flows_finish(flows), -EIO);
	assert_int_equal(told.count, 2);
	flows_free(flows);
}

static void history_of(const char *lines, const char *expected)
{
	const struct flows_plan plan = {.history = true};
	struct capture capture = {0};
	struct told told = {0};
	struct flows *flows = flows_new(&plan, count_told, &told);

	assert_non_null(flows);
	told.flows = flows;
	capture_read(&capture, lines);
	assert_int_equal(flows_feed(flows, capture.segments, capture.count), 0);
	assert_int_equal(flows_finish(flows), 0);
	assert_string_equal(told.history, expected);
	assert_string_equal(flows_history(flows), "");
	flows_free(flows);
	capture_done(&capture);
}

static void history(void **state)
{
	(void)state;
	history_of(OPEN
		   "c PA 1 1 5\ns A 1 6\ns PA 1 6 9\nc A 6 10\ns FA 10 6\nc FA 6 11\ns A 11 7\n",
		   "ShADadfF");
	history_of("c S 0\ns RA -70000 1\n", "Sr");
	history_of("s SA 0 1\nc A 1 1\n", "^hA");
	history_of(OPEN "c PA 1 1 5\nc PA 1 1 5\nc A 6 1 w=0\nc A 6 1 w=0\n", "ShADTW");
	history_of("c S 0\nc S 0\nisn 5 6\nc S 9\n", "S");
	history_of(OPEN "c FA 50 1\nc FA 1 1\nc FA 1 1\n", "ShAFF");
	history_of("c SF 0\nc FR 0\n", "QI");
	history_of(OPEN "c A 1 100\n", "ShAg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_longest_goes_first),
		cmocka_unit_test(links_outlive_who_is_evicted),
		cmocka_unit_test(who_came_behind_may_go_first),
		cmocka_unit_test(counts_beyond_a_byte),
		cmocka_unit_test(more_than_4_gib),
		cmocka_unit_test(lasts_for_weeks),
		cmocka_unit_test(times_that_no_clock_shows),
		cmocka_unit_test(no_times_at_all),
		cmocka_unit_test(over_is_told_once),
		cmocka_unit_test(what_is_answered_ends_it),
		cmocka_unit_test(history),
	};

	return cmocka_run_group_tests_name("flows", tests, NULL, NULL);
}
