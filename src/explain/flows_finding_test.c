/* What the streaming tracker finds of a connection: endings, openings, one behind the other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain/flows_testing.h"
#include "tcp/state.h"

/* --- endings --- */

static void graceful(void **state)
{
	struct finding f = find_last(CLOSED);

	(void)state;
	assert_ending(&f, ENDING_GRACEFUL, WHO_SERVER, WHO_SERVER);
	assert_int_equal(f.number, 1);
	assert_int_equal(f.opened, OPENED_CLIENT_SYN);
	assert_true(f.handshake);
	assert_false(f.opened_inferred || f.one_way || f.evicted || f.rst.any || f.reuses ||
		     f.reused_by || f.newer_syn_ignored);
	assert_int_equal(f.handshake_ns, 2 * MS);
	assert_int_equal(f.first_ns, 1 * MS);
	assert_int_equal(f.last_ns, 21 * MS);
	assert_end(&f, 0, TCP_STATE_NONE, 21);
	assert_end(&f, 1, TCP_TIME_WAIT, 20);
	assert_int_equal(f.end[1].fin_ns, 10 * MS);
	assert_int_equal(f.end[1].fin_acked_ns, 11 * MS);
	assert_int_equal(f.end[0].fin_ns, 20 * MS);
	assert_int_equal(f.end[0].fin_acked_ns, 21 * MS);
	assert_int_equal(f.end[0].fin_count, 1);
	assert_false(f.end[0].fin_acked_by_fin || f.end[1].fin_acked_by_fin);
	assert_int_equal(f.end[0].packets, 4);
	assert_int_equal(f.end[1].packets, 3);
	assert_true(f.end[1].time_wait && !f.end[0].time_wait);
	assert_int_equal(f.end[0].last_ns, 20 * MS);
	assert_int_equal(f.end[0].endpoint.port, 40000);
}

static void three_segments(void **state)
{
	struct finding f = find_last(OPEN "c FA 1 1\ns FA 1 2\nc A 2 2\n");

	(void)state;
	assert_ending(&f, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	assert_true(f.end[0].fin_acked_by_fin);
	assert_false(f.end[1].fin_acked_by_fin);
	/* Acknowledged and closed by one segment. */
	assert_end(&f, 0, TCP_TIME_WAIT, 5);
	assert_end(&f, 1, TCP_STATE_NONE, 6);
}

static void simultaneous(void **state)
{
	struct finding f = find_last(OPEN "c FA 1 1\ns FA 1 1\ns A 2 2\nc A 2 2\n");

	(void)state;
	assert_ending(&f, ENDING_SIMULTANEOUS, WHO_BOTH, WHO_BOTH);
	assert_end(&f, 0, TCP_TIME_WAIT, 6);
	assert_end(&f, 1, TCP_TIME_WAIT, 7);
}

static void half_closed(void **state)
{
	struct finding f = find_last(OPEN
				     "s FA 1 1 t=50\nc A 1 2 t=60\nc PA 1 2 5 t=70\ns A 2 6\n");

	(void)state;
	assert_ending(&f, ENDING_HALF_CLOSED, WHO_SERVER, WHO_NONE);
	assert_end(&f, 0, TCP_CLOSE_WAIT, 50);
	assert_end(&f, 1, TCP_FIN_WAIT2, 60);
	assert_int_equal(f.end[0].bytes, 5);
}

static void fin_before_its_data(void **state)
{
	/* The FIN is received when the hole before it is filled, after the other's FIN went. */
	struct finding f = find_last(OPEN "s FA 11 1 t=10\n"
					  "c FA 1 1 t=20\n"
					  "s A 12 2 t=30\n"
					  "s PA 1 2 10 t=40\n");

	(void)state;
	assert_end(&f, 0, TCP_TIME_WAIT, 40);
	assert_int_equal(f.end[0].fin_acked_ns, 30 * MS);
	assert_int_equal(f.end[1].bytes, 10);
}

static void last_ack_lost(void **state)
{
	struct finding f = find_last(OPEN "c FA 1 1 t=10\n"
					  "s FA 1 2 t=20\n"
					  "c A 2 2 t=30\n"
					  "s FA 1 2 t=220\n"
					  "s FA 1 2 t=621\n");

	(void)state;
	assert_ending(&f, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	assert_end(&f, 0, TCP_TIME_WAIT, 20);
	assert_end(&f, 1, TCP_LAST_ACK, 20); /* it never left */
	assert_false(f.end[1].fin_acked);
	assert_int_equal(f.end[1].fin_acked_ns, FINDING_TIME_UNKNOWN);
	assert_int_equal(f.end[1].fin_count, 3);
	assert_int_equal(f.fin_repeater, TRACK_SERVER);
	assert_int_equal(f.fin_interval_count, 2);
	assert_int_equal(f.fin_interval_ms[0], 200);
	assert_int_equal(f.fin_interval_ms[1], 401);
	assert_false(f.fin_intervals_cut);
}

static void ack_lost_while_closing(void **state)
{
	struct finding f = find_last(OPEN "c FA 1 1 t=10\n"
					  "s FA 1 1 t=12\n"
					  "s A 2 2 t=20\n"
					  "c FA 1 1 t=210\n");

	(void)state;
	assert_end(&f, 0, TCP_CLOSING, 12);
	assert_int_equal(f.ending, ENDING_SIMULTANEOUS);
}

static void fin_repeated_often(void **state)
{
	char lines[2000] = OPEN "c FA 1 1 t=1000\n";
	struct finding f;

	(void)state;
	for (unsigned i = 0; i < FINDING_INTERVALS + 3; i++)
		strcat(lines, "c FA 1 1\n");
	f = find_last(lines);
	assert_int_equal(f.end[0].fin_count, FINDING_INTERVALS + 4);
	assert_int_equal(f.fin_repeater, TRACK_CLIENT);
	assert_int_equal(f.fin_interval_count, FINDING_INTERVALS);
	assert_int_equal(f.fin_interval_ms[FINDING_INTERVALS - 1], 1);
	assert_true(f.fin_intervals_cut);
}

static void reset(void **state)
{
	struct finding f = find_last(OPEN "c PA 1 1 5\n"
					  "s A 1 6\n"
					  "s RA 1 6 t=90 ttl=63\n"
					  "s RA 1 6 t=99\n");

	(void)state;
	assert_ending(&f, ENDING_RESET, WHO_NONE, WHO_NONE);
	assert_true(f.rst.any && f.rst.ends && f.rst.ttl_known);
	assert_int_equal(f.rst.from, TRACK_SERVER);
	assert_int_equal(f.rst.cause, RST_UNREAD_DATA);
	assert_int_equal(f.rst.at_ns, 90 * MS);
	assert_int_equal(f.rst.ttl, 63);
	assert_int_equal(f.rst.sender_ttl, 64);
	assert_int_equal(f.rst.count, 2);
	assert_int_equal(f.end[1].rst_count, 2);
	assert_true(f.end[1].data_unanswered);
	assert_end(&f, 0, TCP_STATE_NONE, 90);
	assert_end(&f, 1, TCP_STATE_NONE, 90);
}

static void reset_after_a_close(void **state)
{
	struct finding f = find_last(OPEN "s FA 1 1 t=10 ttl=60\n"
					  "c A 1 2 t=11\n"
					  "c PA 1 2 5 t=20\n"
					  "s R 2 t=30\n");

	(void)state;
	assert_ending(&f, ENDING_RESET, WHO_SERVER, WHO_NONE);
	assert_int_equal(f.rst.cause, RST_DATA_AFTER_CLOSE);
	assert_false(f.rst.ttl_known); /* the sender's were various */
	assert_end(&f, 0, TCP_STATE_NONE, 30);
	assert_end(&f, 1, TCP_STATE_NONE, 30); /* although its FIN was acknowledged before */
	assert_int_equal(f.end[1].fin_acked_ns, 11 * MS);
}

static void ignored_rst_is_not_the_one_that_ends(void **state)
{
	struct finding f = find_last(OPEN "c R 50 t=10\n"
					  "s A 1 1 t=11\n"
					  "c RA 1 1 t=20\n");

	(void)state;
	assert_int_equal(f.ending, ENDING_RESET);
	assert_true(f.rst.ends);
	assert_int_equal(f.rst.at_ns, 20 * MS);
	assert_int_equal(f.rst.cause, RST_ABORT);
	assert_int_equal(f.rst.count, 2);
	assert_int_equal(f.end[1].challenges, 1);
}

static void rst_that_is_ignored(void **state)
{
	struct finding f = find_last(OPEN "c R 50\n");

	(void)state;
	assert_ending(&f, ENDING_OPEN, WHO_NONE, WHO_NONE);
	assert_true(f.rst.any && !f.rst.ends);
	assert_int_equal(f.rst.cause, RST_IGNORED);
	assert_end(&f, 0, -1, -1);
	assert_end(&f, 1, TCP_ESTABLISHED, 3);
}

static void rst_into_time_wait(void **state)
{
	struct finding f = find_last(CLOSED "c R 2\n");

	(void)state;
	assert_ending(&f, ENDING_GRACEFUL, WHO_SERVER, WHO_UNKNOWN);
	assert_true(f.rst.any && !f.rst.ends);
	assert_int_equal(f.rst.cause, RST_INTO_TIME_WAIT);
	assert_end(&f, 1, -1, -1);
	assert_true(f.end[1].time_wait);
}

static void refused(void **state)
{
	struct finding f = find_last("c S 0\ns RA -70000 1 t=7\n");

	(void)state;
	assert_ending(&f, ENDING_REFUSED, WHO_NONE, WHO_NONE);
	assert_int_equal(f.rst.cause, RST_REFUSED);
	assert_true(f.rst.ends);
	assert_false(f.rst.ttl_known); /* it sent nothing else */
	assert_false(f.handshake);
	assert_end(&f, 0, TCP_STATE_NONE, 7);
}

static void unanswered(void **state)
{
	struct finding f = find_last("c S 0\nc S 0 t=1000\nc S 0 t=3000\n");

	(void)state;
	assert_ending(&f, ENDING_UNANSWERED, WHO_NONE, WHO_NONE);
	assert_int_equal(f.end[0].syn_count, 3);
	assert_false(f.one_way); /* nothing shows that an answer was missed */
	assert_end(&f, 0, TCP_SYN_SENT, 1);
	assert_end(&f, 1, -1, -1);
	assert_int_equal(f.end[1].last_ns, FINDING_TIME_UNKNOWN);
	assert_false(f.end[1].seen);
}

static void aborted(void **state)
{
	struct finding f = find_last("c S 0\ns SA 0 1\nc R 1\n");

	(void)state;
	assert_ending(&f, ENDING_ABORTED, WHO_NONE, WHO_NONE);
	assert_int_equal(f.rst.cause, RST_CLIENT_GONE);
	assert_false(f.handshake);
	assert_int_equal(f.handshake_ns, 0);
}

static void half_open_stays_in_syn_received(void **state)
{
	struct finding f = find_last("c S 0\ns SA 0 1 t=5\ns SA 0 1 t=1005\n");

	(void)state;
	assert_end(&f, 0, TCP_ESTABLISHED, 5);
	assert_end(&f, 1, TCP_SYN_RECV, 5);
	assert_int_equal(f.end[1].syn_count, 2);
}

static void open_and_stuck(void **state)
{
	struct finding f = find_last(OPEN "s PA 1 1 60\n"
					  "c A 1 61 w=0\n"
					  "s A 60 1 t=300\n"
					  "c A 1 61 w=0\n"
					  "s A 60 1 t=900\n"
					  "s A 60 1 t=1900\n");

	(void)state;
	assert_ending(&f, ENDING_OPEN, WHO_NONE, WHO_NONE);
	assert_true(f.end[0].zero_window && !f.end[1].zero_window);
	assert_int_equal(f.end[1].keepalives, 3);
	assert_int_equal(f.end[1].unanswered_keepalives, 2);
	assert_int_equal(f.end[1].data_repeated, 0);
	assert_int_equal(f.end[1].bytes, 60);
}

static void data_repeated(void **state)
{
	struct finding f = find_last(OPEN "c PA 1 1 5\nc PA 1 1 5\nc PA 1 1 9\ns A 1 10\n");

	(void)state;
	assert_int_equal(f.end[0].data_repeated, 1);
	assert_int_equal(f.end[0].bytes, 9);
}

/* --- openings --- */

static void options(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	const struct finding_end *end;

	(void)state;
	capture_read(&capture, OPEN);
	capture.segments[0].options = (struct tcp_options){.has_mss = true,
							   .mss = 1460,
							   .has_window_scale = true,
							   .window_scale = 7,
							   .sack_permitted = true,
							   .has_timestamps = true};
	capture.segments[1].options = (struct tcp_options){.has_mss = true, .mss = 536};
	findings_make(&findings, &capture, 1, 0);
	end = findings.items[0].end;
	assert_true(end[0].syn_seen && end[0].has_mss && end[0].has_window_scale &&
		    end[0].sack_permitted && end[0].has_timestamps);
	assert_int_equal(end[0].mss, 1460);
	assert_int_equal(end[0].window_scale, 7);
	assert_true(end[1].syn_seen && end[1].has_mss);
	assert_false(end[1].has_window_scale || end[1].sack_permitted || end[1].has_timestamps);
	assert_int_equal(end[1].mss, 536);
	findings_done(&findings);
	capture_done(&capture);
}

static void openings(void **state)
{
	struct finding f = find_last("c S 0\ns S 0\ns SA 0 1\nc SA 0 1\n");

	(void)state;
	assert_int_equal(f.opened, OPENED_SIMULTANEOUS);
	assert_true(f.handshake);
	f = find_last("c S 0 0 5\ns SA 0 6\nc A 6 1\n");
	assert_int_equal(f.opened, OPENED_FAST_OPEN);
	assert_true(f.fast_open_taken);
	f = find_last("c S 0 0 5\ns SA 0 1\nc PA 1 1 5\n");
	assert_int_equal(f.opened, OPENED_FAST_OPEN);
	assert_false(f.fast_open_taken);
	f = find_last("s SA 0 1\nc A 1 1\n");
	assert_int_equal(f.opened, OPENED_CLIENT_SYN);
	assert_true(f.opened_inferred && f.handshake);
	assert_int_equal(f.end[0].endpoint.port, 40000);
	assert_int_equal(f.handshake_ns, 0); /* when the SYN was sent is not known */
	f = find_last("c PA 1 1 5\ns A 1 6\n");
	assert_int_equal(f.opened, OPENED_UNKNOWN);
	assert_false(f.handshake);
	assert_int_equal(f.closed_first, WHO_UNKNOWN); /* the server may have sent a FIN before */
	assert_end(&f, 0, TCP_ESTABLISHED, 1);
	assert_end(&f, 1, -1, -1);
}

static void one_direction(void **state)
{
	struct finding f = find_last("c S 0\nc A 1 1\nc PA 1 1 5\nc A 6 101\nc FA 6 101\n");

	(void)state;
	assert_true(f.one_way);
	assert_ending(&f, ENDING_HALF_CLOSED, WHO_UNKNOWN, WHO_NONE);
	f = find_last("c S 0\nc A 1 1\nc A 1 101\nc FA 1 101\nc A 2 102\n");
	assert_ending(&f, ENDING_GRACEFUL, WHO_CLIENT, WHO_CLIENT);
	assert_true(f.end[1].fin_inferred && !f.end[1].fin_seen);
	assert_int_equal(f.end[1].fin_count, 0);
	assert_int_equal(f.end[1].fin_ns, FINDING_TIME_UNKNOWN);
}

/* --- one pair, one connection after the other --- */

static void reused(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	const struct finding *f;

	(void)state;
	capture_read(&capture, CLOSED "isn 500000 900000\n"
				      "c S 0 t=5021\n"
				      "s SA 0 1\n"
				      "c A 1 1\n"
				      "isn 700000 800000\n"
				      "c S 0 t=100000\n"); /* while it is open: stray */
	findings_make(&findings, &capture, 3, 0);
	assert_int_equal(findings.count, 2);
	f = findings.items;
	assert_int_equal(f[0].reused_by, 2);
	assert_int_equal(f[0].reuses, 0);
	assert_int_equal(f[1].reuses, 1);
	assert_int_equal(f[1].reused_by, 0);
	assert_int_equal(f[1].reused_after_ns, 5000 * MS);
	assert_int_equal(f[1].reused_held_by, WHO_SERVER);
	assert_true(f[1].reused_in_time_wait);
	assert_true(f[1].newer_syn_ignored && !f[0].newer_syn_ignored);
	assert_int_equal(f[1].end[0].packets, 3);
	findings_done(&findings);
	capture_done(&capture);
}

static void reused_after_time_wait(void **state)
{
	struct finding f = find_last(CLOSED "isn 500000 900000\nc S 0 t=60022\n");

	(void)state;
	assert_int_equal(f.reused_held_by, WHO_SERVER);
	assert_false(f.reused_in_time_wait);
	assert_int_equal(f.reused_after_ns, 60001 * MS);
}

static void old_syn_into_time_wait(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};

	(void)state;
	capture_read(&capture, CLOSED "isn 500000 900000\n"
				      "c S 0 t=100\n"
				      "s A 2 2 old t=101\n"
				      "c R 2 old t=102\n"
				      "c S 0 t=1100\n"
				      "s SA 0 1\n");
	findings_make(&findings, &capture, 100, 0);
	assert_int_equal(findings.count, 2);
	assert_true(findings.items[0].newer_syn_ignored);
	assert_int_equal(findings.items[0].rst.cause, RST_ANSWERS_OLD_ACK);
	assert_int_equal(findings.items[0].last_ns, 102 * MS);
	/* As it was when the SYN came, not by what the old one said since. */
	assert_int_equal(findings.items[1].reused_after_ns, 79 * MS);
	assert_int_equal(findings.items[1].reused_held_by, WHO_SERVER);
	assert_int_equal(findings.items[1].end[0].syn_count, 2);
	findings_done(&findings);
	capture_done(&capture);
}

static void stray_syns_move(void **state)
{
	struct capture capture = {0};
	struct findings findings = {0};
	const struct finding *f;

	(void)state;
	capture_read(&capture, OPEN "isn 500000 900000\n"
				    "c S 0 t=100\n"
				    "c S 0 t=1100\n"
				    "c S 0 t=3100\n"
				    "s SA 0 1\n"
				    "c A 1 1\n");
	findings_make(&findings, &capture, 100, 0);
	assert_int_equal(findings.count, 2);
	f = findings.items;
	assert_int_equal(f[0].end[0].packets, 2);
	assert_int_equal(f[0].last_ns, 3 * MS);
	assert_false(f[0].newer_syn_ignored);
	assert_int_equal(f[1].end[0].packets, 4);
	assert_int_equal(f[1].end[0].syn_count, 3);
	assert_int_equal(f[1].first_ns, 100 * MS);
	assert_int_equal(f[1].handshake_ns, 3002 * MS);
	assert_true(f[1].end[0].has_timestamps);
	findings_done(&findings);
	capture_done(&capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(graceful),
		cmocka_unit_test(three_segments),
		cmocka_unit_test(simultaneous),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(fin_before_its_data),
		cmocka_unit_test(last_ack_lost),
		cmocka_unit_test(ack_lost_while_closing),
		cmocka_unit_test(fin_repeated_often),
		cmocka_unit_test(reset),
		cmocka_unit_test(reset_after_a_close),
		cmocka_unit_test(ignored_rst_is_not_the_one_that_ends),
		cmocka_unit_test(rst_that_is_ignored),
		cmocka_unit_test(rst_into_time_wait),
		cmocka_unit_test(refused),
		cmocka_unit_test(unanswered),
		cmocka_unit_test(aborted),
		cmocka_unit_test(half_open_stays_in_syn_received),
		cmocka_unit_test(open_and_stuck),
		cmocka_unit_test(data_repeated),
		cmocka_unit_test(options),
		cmocka_unit_test(openings),
		cmocka_unit_test(one_direction),
		cmocka_unit_test(reused),
		cmocka_unit_test(reused_after_time_wait),
		cmocka_unit_test(old_syn_into_time_wait),
		cmocka_unit_test(stray_syns_move),
	};

	return cmocka_run_group_tests_name("flows-findings", tests, NULL, NULL);
}
