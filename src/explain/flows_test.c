/* What the streaming tracker finds out about connections told by hand, in the words of
 * script_testing.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "explain/flow_key.h"
#include "explain/flows_testing.h"
#include "explain/script_testing.h"
#include "tcp/state.h"

#define MS INT64_C(1000000)

#define OPEN                                                                                       \
	"c S 0\n"                                                                                  \
	"s SA 0 1\n"                                                                               \
	"c A 1 1\n"

/* The server closes first. */
#define CLOSED                                                                                     \
	OPEN "s FA 1 1 t=10\n"                                                                     \
	     "c A 1 2 t=11\n"                                                                      \
	     "c FA 1 2 t=20\n"                                                                     \
	     "s A 2 2 t=21\n"

/* The lines as a capture; the caller's time shift and so on come afterwards. */
static void read_capture(struct capture *capture, const char *lines)
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

/* What is found of the only connection in the lines; of the last one where there are more. */
static struct finding find_last(const char *lines)
{
	struct capture capture = {0};
	struct findings findings = {0};
	struct finding last;

	read_capture(&capture, lines);
	findings_make(&findings, &capture, 7, 0);
	assert_true(findings.count > 0);
	last = findings.items[findings.count - 1];
	findings_done(&findings);
	capture_done(&capture);
	return last;
}

static void assert_end(const struct finding *f, unsigned end, int state, int64_t since_ms)
{
	assert_int_equal(f->end[end].state, state);
	assert_int_equal(f->end[end].since_ns, since_ms < 0 ? FINDING_TIME_UNKNOWN : since_ms * MS);
}

static void assert_ending(const struct finding *f, enum finding_ending ending,
			  enum finding_who closed_first, enum finding_who holder)
{
	assert_int_equal(f->ending, ending);
	assert_int_equal(f->closed_first, closed_first);
	assert_int_equal(f->time_wait_holder, holder);
}

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
	read_capture(&capture, OPEN);
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
	read_capture(&capture, CLOSED "isn 500000 900000\n"
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
	read_capture(&capture, CLOSED "isn 500000 900000\n"
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
	read_capture(&capture, OPEN "isn 500000 900000\n"
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
	read_capture(&capture, CLOSED "isn 500000 900000\nc S 0 t=5021\n");
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
	read_capture(&capture, CLOSED "isn 500000 900000\n"
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
	read_capture(&capture, OPEN "c PA 1 1 5\n");
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
	read_capture(&capture, OPEN "c PA 1 1 5\ns A 1 6\n");
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

		read_capture(&capture, CLOSED);
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
	read_capture(&capture, CLOSED);
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
	read_capture(&capture, CLOSED "s A 2 2 t=900\n");
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
	read_capture(&capture, lines);
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

/* --- parts --- */

static uint64_t bad_hash(const void *context, uint32_t id)
{
	(void)context;
	return (uint64_t)(id % 3) << 62 | id % 2;
}

static void no_fetch(const void *context, uint32_t id)
{
	(void)context;
	(void)id;
}

static bool in_table(const struct flow_table *table, uint32_t id)
{
	struct flow_probe probe;
	uint32_t found;

	flow_table_begin(table, bad_hash(NULL, id), &probe);
	while (flow_table_next(table, &probe, &found))
		if (found == id)
			return true;
	return false;
}

static void table_with_full_buckets(void **state)
{
	const struct flow_table_records records = {bad_hash, no_fetch, NULL};
	struct flow_table table = {0};

	(void)state;
	assert_false(in_table(&table, 1));
	for (uint32_t id = 0; id < 600; id++) {
		assert_int_equal(flow_table_reserve(&table, &records), 0);
		flow_table_add(&table, bad_hash(NULL, id), id);
	}
	for (uint32_t id = 0; id < 600; id += 2)
		flow_table_remove(&table, bad_hash(NULL, id), id);
	assert_int_equal(table.count, 300);
	for (uint32_t id = 0; id < 700; id++)
		assert_int_equal(in_table(&table, id), id < 600 && id % 2);
	for (uint32_t id = 1; id < 600; id += 2)
		flow_table_remove(&table, bad_hash(NULL, id), id);
	for (uint32_t at = 0; at < table.bucket_count; at++)
		assert_int_equal(table.buckets[at].passed, 0);
	flow_table_done(&table);
}

static void addresses_come_and_go(void **state)
{
	struct flow_addresses addresses = {.free = FLOW_ADDRESS_NONE};
	uint8_t bytes[16] = {0};
	uint32_t first, numbers[1000];

	(void)state;
	assert_int_equal(flow_addresses_find(&addresses, bytes), FLOW_ADDRESS_NONE);
	for (unsigned i = 0; i < 1000; i++) {
		memcpy(bytes, &i, sizeof(i));
		numbers[i] = flow_addresses_take(&addresses, bytes);
		assert_int_equal(flow_addresses_take(&addresses, bytes), numbers[i]);
	}
	for (unsigned i = 0; i < 1000; i++) {
		memcpy(bytes, &i, sizeof(i));
		assert_int_equal(flow_addresses_find(&addresses, bytes), numbers[i]);
		flow_addresses_drop(&addresses, numbers[i]);
		assert_int_equal(flow_addresses_find(&addresses, bytes), numbers[i]);
		flow_addresses_drop(&addresses, numbers[i]);
		assert_int_equal(flow_addresses_find(&addresses, bytes), FLOW_ADDRESS_NONE);
	}
	first = addresses.used;
	assert_true(flow_addresses_take(&addresses, bytes) < first); /* used again */
	flow_addresses_done(&addresses);
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
		cmocka_unit_test(table_with_full_buckets),
		cmocka_unit_test(addresses_come_and_go),
	};

	return cmocka_run_group_tests_name("flows", tests, NULL, NULL);
}
