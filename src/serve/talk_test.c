/*
 * The course of connections: each closing after, before and without an answer, with the peer's end
 * at each place. Steps: R read, L look, W write, F write with the FIN to follow, S say, P peek, U
 * shutdown, T wait, K leak, C close, ? waits for the peer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "serve/protocols.h"
#include "serve/talk_testing.h"

#define HTTP_LAST "GET / HTTP/1.0\r\n\r\n"
#define HTTP_KEEP "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

struct course {
	const char *line; /* where it stands, for the failure */
	const struct serve_protocol *protocol;
	enum serve_closing closing;
	const char *says;
	bool ends;
	int breaks;
	bool before_answer;
	int64_t close_after_ns;
	const char *late;

	const char *trace;
	int linger;
	enum tally_ending ending;
};

static void run_course(const struct course *course, struct peer *peer)
{
	struct serve_plan plan = {
		.protocol = course->protocol,
		.closing = course->closing,
		.linger_s = 7,
		.before_answer = course->before_answer,
		.close_after_ns = course->close_after_ns,
		.http_body = 3,
	};

	*peer = (struct peer){
		.says = course->says,
		.length = course->says ? strlen(course->says) : 0,
		.ends = course->ends,
		.breaks = course->breaks,
		.late = course->late,
	};
	peer_run(peer, &plan);
}

static void check_courses(const struct course *courses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct course *course = &courses[i];
		static struct peer peer;
		bool closes = course->trace[strlen(course->trace) - 1] == 'C';

		run_course(course, &peer);
		if (strcmp(peer.trace, course->trace) != 0 ||
		    (closes &&
		     (peer.last.linger != course->linger || peer.last.ending != course->ending)))
			fail_msg("%s %s, %s: %s, linger %d, ending %d; expected %s, %d, %d",
				 course->protocol->name, serve_closing_name(course->closing),
				 course->line, peer.trace, peer.last.linger, peer.last.ending,
				 course->trace, course->linger, course->ending);
		assert_int_equal(peer.error, course->breaks);
	}
}

#define DAYTIME	 .protocol = &protocol_daytime
#define HTTP	 .protocol = &protocol_http
#define ECHO_	 .protocol = &protocol_echo
#define CLOSE(c) .closing = SERVE_CLOSE_##c

static void test_after_the_answer(void **state)
{
	static const struct course courses[] = {
		{"a", DAYTIME, CLOSE(ACTIVE), .trace = "FLC", .linger = -1, .ending = ENDED_BY_US},
		{"b", DAYTIME, CLOSE(PASSIVE), .trace = "WR?"},
		{"c", DAYTIME, CLOSE(NEVER), .trace = "WR?"},
		{"d", DAYTIME, CLOSE(HALF), .trace = "WLUR?"},
		{"e", DAYTIME, CLOSE(RST), .trace = "WLC", .linger = 0, .ending = ENDED_BY_US},
		{"f", DAYTIME, CLOSE(LINGER), .trace = "WLC", .linger = 7, .ending = ENDED_BY_US},
		{"g", DAYTIME, CLOSE(UNREAD), .trace = "WP?"},
		{"h", DAYTIME, CLOSE(UNREAD), .late = "x", .trace = "WPC", .linger = -1,
		 .ending = ENDED_BY_US},
		{"i", HTTP, CLOSE(ACTIVE), HTTP_LAST, .trace = "RFLC", .linger = -1,
		 .ending = ENDED_BY_US},
		{"j", HTTP, CLOSE(PASSIVE), HTTP_LAST, .trace = "RWR?"},
		{"k", HTTP, CLOSE(HALF), HTTP_LAST, .trace = "RWLUR?"},
		{"l", HTTP, CLOSE(RST), HTTP_LAST, .trace = "RWLC", .linger = 0,
		 .ending = ENDED_BY_US},
		{"m", HTTP, CLOSE(UNREAD), HTTP_LAST, .late = "x", .trace = "RWPC", .linger = -1,
		 .ending = ENDED_BY_US},
		/* keep-alive is the peer's to end, whatever the closing */
		{"n", HTTP, CLOSE(ACTIVE), HTTP_KEEP, .trace = "RWR?"},
		{"o", HTTP, CLOSE(RST), HTTP_KEEP, .trace = "RWR?"},
		{"p", ECHO_, CLOSE(ACTIVE), "no line end", .trace = "RWR?"},
		{"q", ECHO_, CLOSE(ACTIVE), "a line\n", .trace = "RWLC", .linger = -1,
		 .ending = ENDED_BY_US},
		{"r", ECHO_, CLOSE(PASSIVE), "a line\n", .trace = "RWR?"},
		{"s", .protocol = &protocol_discard, CLOSE(ACTIVE), "x\n", .trace = "RLC",
		 .linger = -1, .ending = ENDED_BY_US},
		{"t", .protocol = &protocol_chargen, CLOSE(ACTIVE), .trace = "WFLC", .linger = -1,
		 .ending = ENDED_BY_US},
		{"u", .protocol = &protocol_chat, CLOSE(ACTIVE), "hello\nquit\n", .trace = "RSLC",
		 .linger = -1, .ending = ENDED_BY_US},
	};

	(void)state;
	check_courses(courses, ARRAY_SIZE(courses));
}

static void test_peer_ends(void **state)
{
	static const struct course courses[] = {
		/* unseen while the answer went out, found by looking */
		{"a", DAYTIME, CLOSE(ACTIVE), .ends = true, .trace = "FLC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"b", DAYTIME, CLOSE(RST), .ends = true, .trace = "WLC", .linger = 0,
		 .ending = ENDED_BY_PEER},
		{"c", DAYTIME, CLOSE(HALF), .ends = true, .trace = "WLC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"d", DAYTIME, CLOSE(PASSIVE), .ends = true, .trace = "WRC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"e", DAYTIME, CLOSE(NEVER), .ends = true, .trace = "WRK"},
		{"f", DAYTIME, CLOSE(UNREAD), .ends = true, .trace = "WPC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"g", DAYTIME, CLOSE(PASSIVE), "junk", .ends = true, .trace = "WRC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		/* what was asked is still answered */
		{"h", HTTP, CLOSE(ACTIVE), HTTP_KEEP HTTP_KEEP, .ends = true, .trace = "RWRC",
		 .linger = -1, .ending = ENDED_BY_PEER},
		{"i", HTTP, CLOSE(ACTIVE), "GET", .ends = true, .trace = "RC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"j", HTTP, CLOSE(RST), .ends = true, .trace = "RC", .linger = 0,
		 .ending = ENDED_BY_PEER},
		{"k", HTTP, CLOSE(LINGER), .ends = true, .trace = "RC", .linger = 7,
		 .ending = ENDED_BY_PEER},
		{"l", HTTP, CLOSE(NEVER), HTTP_LAST, .ends = true, .trace = "RWRK"},
		{"m", HTTP, CLOSE(UNREAD), HTTP_KEEP, .ends = true, .trace = "RWRC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"n", ECHO_, CLOSE(PASSIVE), "abc", .ends = true, .trace = "RWRC", .linger = -1,
		 .ending = ENDED_BY_PEER},
		{"o", .protocol = &protocol_chargen, CLOSE(PASSIVE), "x", .ends = true,
		 .trace = "WLWLC", .linger = -1, .ending = ENDED_BY_PEER},
		{"p", .protocol = &protocol_chargen, CLOSE(NEVER), .ends = true, .trace = "WLK"},
		{"q", .protocol = &protocol_chat, CLOSE(ACTIVE), "hello", .ends = true,
		 .trace = "RSC", .linger = -1, .ending = ENDED_BY_PEER},
	};

	(void)state;
	check_courses(courses, ARRAY_SIZE(courses));
}

/* half: our FIN was first although the peer's came, too. */
static void test_half_reads_to_the_end(void **state)
{
	struct serve_plan plan = {.protocol = &protocol_daytime, .closing = SERVE_CLOSE_HALF};
	struct talk_step step;
	struct talk talk;
	char buffer[4096];

	(void)state;
	talk_begin(&talk, &plan, 0);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_WRITE);
	talk_sent(&talk, &plan, (ssize_t)step.length);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_LOOK);
	talk_received(&talk, &plan, NULL, -EAGAIN);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_SHUT);
	talk_shut(&talk);
	for (int i = 0; i < 1000; i++) { /* far more than LINGERING_MAX */
		assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step),
				 TALK_READ);
		talk_received(&talk, &plan, buffer, sizeof(buffer));
	}
	talk_received(&talk, &plan, NULL, 0);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_CLOSE);
	assert_int_equal(step.ending, ENDED_BY_US);
	talk_done(&talk);
}

static void test_before_the_answer(void **state)
{
	static const struct course courses[] = {
		{"a", DAYTIME, CLOSE(ACTIVE), .before_answer = true, .trace = "LC", .linger = -1,
		 .ending = ENDED_BY_US},
		{"b", DAYTIME, CLOSE(PASSIVE), .before_answer = true, .trace = "R?"},
		{"c", DAYTIME, CLOSE(PASSIVE), "x\n", .ends = true, .before_answer = true,
		 .trace = "RC", .linger = -1, .ending = ENDED_BY_PEER},
		{"d", DAYTIME, CLOSE(NEVER), .ends = true, .before_answer = true, .trace = "RK"},
		{"e", DAYTIME, CLOSE(HALF), .before_answer = true, .trace = "LUR?"},
		{"f", DAYTIME, CLOSE(RST), .before_answer = true, .trace = "LC", .linger = 0,
		 .ending = ENDED_BY_US},
		{"g", DAYTIME, CLOSE(LINGER), .before_answer = true, .trace = "LC", .linger = 7,
		 .ending = ENDED_BY_US},
		{"h", HTTP, CLOSE(UNREAD), HTTP_LAST, .before_answer = true, .trace = "PC",
		 .linger = -1, .ending = ENDED_BY_US},
		{"i", HTTP, CLOSE(UNREAD), .ends = true, .before_answer = true, .trace = "PC",
		 .linger = -1, .ending = ENDED_BY_PEER},
		{"j", ECHO_, CLOSE(PASSIVE), "x\n", .before_answer = true, .trace = "R?"},
		{"k", .protocol = &protocol_chat, CLOSE(PASSIVE), "x\n", .before_answer = true,
		 .ends = true, .trace = "RC", .linger = -1, .ending = ENDED_BY_PEER},
	};

	(void)state;
	check_courses(courses, ARRAY_SIZE(courses));
	for (size_t i = 0; i < ARRAY_SIZE(courses); i++) {
		static struct peer peer;

		run_course(&courses[i], &peer);
		assert_int_equal(peer.got_length, 0);
	}
}

static void test_later(void **state)
{
	static const struct course courses[] = {
		{"a", DAYTIME, CLOSE(ACTIVE), .close_after_ns = 5, .trace = "WTLC", .linger = -1,
		 .ending = ENDED_BY_US},
		{"b", DAYTIME, CLOSE(ACTIVE), .close_after_ns = 5, .ends = true, .trace = "WTLC",
		 .linger = -1, .ending = ENDED_BY_PEER},
		{"c", DAYTIME, CLOSE(PASSIVE), .close_after_ns = 5, .ends = true, .trace = "WRTC",
		 .linger = -1, .ending = ENDED_BY_PEER},
		{"d", DAYTIME, CLOSE(HALF), .close_after_ns = 5, .trace = "WTLUR?"},
		{"e", DAYTIME, CLOSE(RST), .close_after_ns = 5, .before_answer = true,
		 .trace = "TLC", .linger = 0, .ending = ENDED_BY_US},
		{"f", DAYTIME, CLOSE(UNREAD), .close_after_ns = 5, .late = "x", .trace = "WPTC",
		 .linger = -1, .ending = ENDED_BY_US},
		{"g", HTTP, CLOSE(UNREAD), HTTP_LAST, .close_after_ns = 5, .before_answer = true,
		 .trace = "PTC", .linger = -1, .ending = ENDED_BY_US},
		{"h", HTTP, CLOSE(ACTIVE), HTTP_LAST, .close_after_ns = 5, .trace = "RWTLC",
		 .linger = -1, .ending = ENDED_BY_US},
		{"i", DAYTIME, CLOSE(NEVER), .close_after_ns = 5, .ends = true, .trace = "WRK"},
	};
	static struct peer peer;

	(void)state;
	check_courses(courses, ARRAY_SIZE(courses));
	run_course(&courses[0], &peer);
	assert_int_equal(peer.waited_until, 1005);
}

static void test_errors(void **state)
{
	static const struct course courses[] = {
		{"a", HTTP, CLOSE(ACTIVE), "GET", .breaks = ECONNRESET, .trace = "RC", .linger = -1,
		 .ending = ENDED_RESET},
		{"b", DAYTIME, CLOSE(RST), .breaks = ECONNRESET, .trace = "WLC", .linger = -1,
		 .ending = ENDED_RESET},
		{"c", DAYTIME, CLOSE(NEVER), .breaks = ETIMEDOUT, .trace = "WRC", .linger = -1,
		 .ending = ENDED_RESET},
		{"d", DAYTIME, CLOSE(HALF), .breaks = ECONNRESET, .trace = "WLC", .linger = -1,
		 .ending = ENDED_RESET},
		{"e", DAYTIME, CLOSE(UNREAD), .breaks = ECONNRESET, .trace = "WPC", .linger = -1,
		 .ending = ENDED_RESET},
	};

	(void)state;
	check_courses(courses, ARRAY_SIZE(courses));
}

static void test_write_fails(void **state)
{
	struct serve_plan plan = {.protocol = &protocol_daytime, .closing = SERVE_CLOSE_RST};
	struct talk_step step;
	struct talk talk;
	char buffer[4096];

	(void)state;
	talk_begin(&talk, &plan, 0);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_WRITE);
	talk_sent(&talk, &plan, -EAGAIN);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_WRITE);
	assert_int_equal(step.length, 26);
	talk_sent(&talk, &plan, -EPIPE);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_CLOSE);
	assert_int_equal(step.ending, ENDED_RESET);
	assert_int_equal(talk.error, EPIPE);
	talk_done(&talk);
}

/* A peer that never stops sending does not keep us from closing. */
static void test_endless_peer(void **state)
{
	struct serve_plan plan = {.protocol = &protocol_daytime};
	char buffer[4096];
	struct talk_step step;
	struct talk talk;
	int looks = 0;

	(void)state;
	talk_begin(&talk, &plan, 0);
	talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step);
	talk_sent(&talk, &plan, (ssize_t)step.length);
	while (talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step) == TALK_LOOK) {
		talk_received(&talk, &plan, buffer, sizeof(buffer));
		assert_true(++looks < 1000);
	}
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_CLOSE);
	assert_int_equal(step.ending, ENDED_BY_US);
}

/* After an HTTP error the answer is not to be lost by an RST: FIN, then reading for a while. */
static void test_http_error_lingers(void **state)
{
	static const struct course courses[] = {
		{"a", HTTP, CLOSE(ACTIVE), "nonsense\r\n", .trace = "RWLUR?"},
		{"b", HTTP, CLOSE(ACTIVE), "nonsense\r\nmore", .ends = true, .trace = "RWLC",
		 .linger = -1, .ending = ENDED_BY_PEER},
		{"c", HTTP, CLOSE(RST), "nonsense\r\n", .trace = "RWLC", .linger = 0,
		 .ending = ENDED_BY_US},
		{"d", HTTP, CLOSE(PASSIVE), "nonsense\r\n", .trace = "RWR?"},
		{"e", HTTP, CLOSE(NEVER), "nonsense\r\n", .ends = true, .trace = "RWRK"},
	};
	struct serve_plan plan = {.protocol = &protocol_http};
	char buffer[4096];
	struct talk_step step;
	struct talk talk;
	int reads = 0;

	(void)state;
	check_courses(courses, ARRAY_SIZE(courses));
	talk_begin(&talk, &plan, 0);
	talk_received(&talk, &plan, "?", 1);
	talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step);
	talk_sent(&talk, &plan, (ssize_t)step.length);
	/* The FIN does not wait until a peer who goes on sending has been read to the end. */
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_LOOK);
	talk_received(&talk, &plan, "more", 4);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_SHUT);
	talk_shut(&talk);
	while (talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step) == TALK_READ) {
		talk_received(&talk, &plan, buffer, sizeof(buffer));
		assert_true(++reads < 1000);
	}
	assert_true(reads > 200);
	assert_int_equal(step.ending, ENDED_BY_US);
	talk_done(&talk);
}

static void test_expire(void **state)
{
	struct serve_plan plan = {.protocol = &protocol_http};
	char buffer[4096];
	struct talk_step step;
	struct talk talk;

	(void)state;
	talk_begin(&talk, &plan, 0);
	assert_true(talk_idle(&talk));
	talk_expire(&talk, ENDED_IDLE);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_CLOSE);
	assert_int_equal(step.ending, ENDED_IDLE);
	assert_int_equal(step.linger, -1);
	talk_expire(&talk, ENDED_BY_US); /* too late */
	talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step);
	assert_int_equal(step.ending, ENDED_IDLE);

	/* leaked, and the server ends: the peer had closed first */
	plan.closing = SERVE_CLOSE_NEVER;
	talk_begin(&talk, &plan, 0);
	talk_received(&talk, &plan, NULL, 0);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_LEAK);
	talk_expire(&talk, ENDED_BY_US);
	assert_int_equal(talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step), TALK_CLOSE);
	assert_int_equal(step.ending, ENDED_BY_PEER);

	plan.closing = SERVE_CLOSE_RST;
	talk_begin(&talk, &plan, 0);
	talk_expire(&talk, ENDED_BY_US);
	talk_next(&talk, &plan, 0, buffer, sizeof(buffer), &step);
	assert_int_equal(step.linger, 0);
}

static void test_idle(void **state)
{
	static const struct {
		const struct serve_protocol *protocol;
		const char *says;
		bool idle;
	} cases[] = {
		{&protocol_http, "", true},	    {&protocol_http, "GET /", false},
		{&protocol_http, HTTP_KEEP, true},  {&protocol_daytime, "", true},
		{&protocol_daytime, "junk", true},  {&protocol_chat, "half a line", false},
		{&protocol_chat, "a line\n", true}, {&protocol_echo, "a line\n", true},
	};
	struct serve_plan plan = {.closing = SERVE_CLOSE_PASSIVE};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		static struct peer peer;

		plan.protocol = cases[i].protocol;
		peer = (struct peer){.says = cases[i].says, .length = strlen(cases[i].says)};
		peer_run(&peer, &plan);
		assert_int_equal(peer.idle, cases[i].idle);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < SERVE_CLOSING_COUNT; i++)
		assert_int_equal(serve_closing_find(serve_closing_name(i)), i);
	assert_null(serve_closing_name(SERVE_CLOSING_COUNT));
	assert_int_equal(serve_closing_find("activ"), -EINVAL);
	assert_int_equal(serve_closing_find(""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_the_answer),
		cmocka_unit_test(test_peer_ends),
		cmocka_unit_test(test_half_reads_to_the_end),
		cmocka_unit_test(test_before_the_answer),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_endless_peer),
		cmocka_unit_test(test_http_error_lingers),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
