/*
 * Courses: each protocol, closing and number of requests, with the peer's end at each place and an
 * error at each step. First some by their traces (course_testing.h), then all there are against
 * what the header promises.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "load/course_testing.h"
#include "load/proto_list.h"

#define OK    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BYE   "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbye"
#define NONE  "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define FULL  "HTTP/1.1 503 Full\r\nConnection: close\r\n\r\nfull"
#define OPEN  "HTTP/1.1 200 OK\r\n\r\nup to the FIN"
#define TODAY "today\r\n"

/* Of each protocol a way to use it; and what a peer answers to that. */
struct use {
	const char *name;
	const struct load_protocol *protocol;
	const char *payload;
	size_t answer_bytes;
	const char *answer;
};

enum { CONNECT, DAYTIME, ECHO_, HTTP, RAW, RAW_SAYS, RAW_HEARS, USES };
static const struct use uses[] = {
	[CONNECT] = {"connect", &load_protocol_connect},
	[DAYTIME] = {"daytime", &load_protocol_daytime, .answer = TODAY},
	[ECHO_] = {"echo", &load_protocol_echo, "contest\n", .answer = "contest\n"},
	[HTTP] = {"http", &load_protocol_http, .answer = OK},
	[RAW] = {"raw", &load_protocol_raw, "question", 5, "abcde"},
	[RAW_SAYS] = {"raw, no answer", &load_protocol_raw, "question"},
	[RAW_HEARS] = {"raw, no request", &load_protocol_raw, NULL, 5, "abcde"},
};

static struct load_plan make_plan(const struct use *use, enum load_closing closing,
				  unsigned requests, bool thinks)
{
	return (struct load_plan){
		.protocol = use->protocol,
		.closing = closing,
		.requests = requests,
		.think_ns = thinks ? 1000 : 0,
		.linger_s = 7,
		.payload = use->payload,
		.payload_length = use->payload ? strlen(use->payload) : 0,
		.answer_bytes = use->answer_bytes,
		.http_host = "a",
	};
}

static void run(struct course_peer *peer, const struct load_plan *plan)
{
	struct course_plan course_plan;

	assert_int_equal(course_plan_init(&course_plan, plan), 0);
	course_peer_run(peer, &course_plan);
	course_plan_done(&course_plan);
}

/* ---- by their traces */

struct course_case {
	const char *line; /* where it stands, for the failure */
	int use;
	enum load_closing closing;
	unsigned requests; /* 0: one */
	bool thinks;
	struct course_peer peer;

	const char *trace;
	unsigned answered;
	unsigned failure;
	int linger; /* as all of step, where it closes or is kept */
	bool peer_closed, peer_reset;
};

static void check_cases(const struct course_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct course_case *c = &cases[i];
		struct load_plan plan = make_plan(&uses[c->use], c->closing,
						  c->requests ? c->requests : 1, c->thinks);
		static struct course_peer peer;
		const struct course_step *last = &peer.last;

		peer = c->peer;
		run(&peer, &plan);
		if (strcmp(peer.trace, c->trace) != 0 || peer.course.requests != c->answered)
			fail_msg("%s: %s, %u answered; expected %s, %u", c->line, peer.trace,
				 peer.course.requests, c->trace, c->answered);
		if (strchr(c->trace, 'C') &&
		    (last->failure != c->failure || last->linger != c->linger))
			fail_msg("%s: failure %u, linger %d; expected %u, %d", c->line,
				 last->failure, last->linger, c->failure, c->linger);
		if (last->peer_closed != c->peer_closed || last->peer_reset != c->peer_reset)
			fail_msg("%s: closed %d, reset %d; expected %d, %d", c->line,
				 last->peer_closed, last->peer_reset, c->peer_closed,
				 c->peer_reset);
	}
}

#define ACTIVE	.closing = LOAD_CLOSE_ACTIVE
#define PASSIVE .closing = LOAD_CLOSE_PASSIVE
#define RST	.closing = LOAD_CLOSE_RST
#define HALF	.closing = LOAD_CLOSE_HALF
#define LINGER	.closing = LOAD_CLOSE_LINGER
#define ABANDON .closing = LOAD_CLOSE_ABANDON
#define PLAINLY .linger = -1

static void test_traces(void **state)
{
	static const struct course_case cases[] = {
		{"connect", CONNECT, ACTIVE, .trace = "C", PLAINLY},
		{"connect rst", CONNECT, RST, .trace = "C"},
		{"connect linger", CONNECT, LINGER, .trace = "C", .linger = 7},
		{"connect abandon", CONNECT, ABANDON, .trace = "K", PLAINLY},
		{"connect half", CONNECT, HALF, .trace = "UR?", PLAINLY},
		{"connect passive", CONNECT, PASSIVE, .trace = "R?", PLAINLY},
		{"connect idle", CONNECT, ACTIVE, .thinks = true, .trace = "TC", PLAINLY},
		{"echo", ECHO_, ACTIVE, .peer = {{"contest\n"}}, .trace = "SRC", .answered = 1,
		 PLAINLY},
		{"echo 3", ECHO_, ACTIVE, 3, .peer = {{"contest\n", "contest\n", "contest\n"}},
		 .trace = "SRSRSRC", .answered = 3, PLAINLY},
		{"echo 3 thinking",
		 ECHO_,
		 ACTIVE,
		 3,
		 true,
		 {{"contest\n", "contest\n", "contest\n"}},
		 "SRTSRTSRTC",
		 3,
		 PLAINLY},
		/* before the peer's close there is nothing to think about */
		{"echo passive thinking",
		 ECHO_,
		 PASSIVE,
		 2,
		 true,
		 {{"contest\n", "contest\n"}, PEER_FIN, 2},
		 "SRTSRC",
		 2,
		 PLAINLY,
		 .peer_closed = true},
		{"echo passive thinking, to the end",
		 ECHO_,
		 PASSIVE,
		 2,
		 true,
		 {{"contest\n", "contest\n"}},
		 "SRTSR?",
		 2,
		 PLAINLY},
		{"echo abandon thinking",
		 ECHO_,
		 ABANDON,
		 2,
		 true,
		 {{"contest\n", "contest\n"}},
		 "SRTSRK",
		 2,
		 PLAINLY},
		{"echo half", ECHO_, HALF, .peer = {{"contest\n"}, PEER_FIN, 1, .hidden = true},
		 .trace = "SRURC", .answered = 1, PLAINLY},
		{"echo half, FIN seen", ECHO_, HALF, .peer = {{"contest\n"}, PEER_FIN, 1},
		 .trace = "SRC", .answered = 1, PLAINLY, .peer_closed = true},
		{"daytime", DAYTIME, PASSIVE, .peer = {{TODAY}, PEER_FIN, 1}, .trace = "RC",
		 .answered = 1, PLAINLY, .peer_closed = true},
		{"daytime, no line's end", DAYTIME, PASSIVE, .peer = {{"today"}, PEER_FIN, 1},
		 .trace = "RC", .answered = 1, PLAINLY, .peer_closed = true},
		{"daytime, more lines", DAYTIME, PASSIVE,
		 .peer = {{TODAY, "tomorrow\r\n"}, PEER_FIN, 2}, .trace = "RC", .answered = 1,
		 PLAINLY, .peer_closed = true},
		{"daytime, more lines", DAYTIME, ACTIVE, .peer = {{TODAY, "tomorrow\r\n"}},
		 .trace = "RC", .answered = 1, PLAINLY},
		/* the server has no more than one line for anybody */
		{"daytime twice", DAYTIME, PASSIVE, 2, .peer = {{TODAY}, PEER_FIN, 1},
		 .trace = "RC", .answered = 1, .failure = LOAD_FAIL_SHORT, PLAINLY,
		 .peer_closed = true},
		{"raw, three at once", RAW_HEARS, ACTIVE, 3, .peer = {{"abcdeabcdeabcdexyz"}},
		 .trace = "RC", .answered = 3, PLAINLY},
		{"raw, two and a half", RAW_HEARS, ACTIVE, 3,
		 .peer = {{"abcdeabcdeabc"}, PEER_FIN, 1}, .trace = "RC", .answered = 2,
		 .failure = LOAD_FAIL_SHORT, PLAINLY, .peer_closed = true},
		/* their FIN may go with the last bytes */
		{"raw", RAW_SAYS, ACTIVE, 2, .trace = "SFC", .answered = 2, PLAINLY},
		{"raw linger", RAW_SAYS, LINGER, .peer = {.sends = 3}, .trace = "FC", .answered = 1,
		 .linger = 7},
		{"raw rst", RAW_SAYS, RST, .trace = "SC", .answered = 1},
		{"raw half", RAW_SAYS, HALF, .trace = "SUR?", .answered = 1, PLAINLY},
		{"raw thinking", RAW_SAYS, ACTIVE, .thinks = true, .trace = "STC", .answered = 1,
		 PLAINLY},
		{"raw passive", RAW_SAYS, PASSIVE, .trace = "SR?", .answered = 1, PLAINLY},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases));
}

static void test_http(void **state)
{
	static const struct course_case cases[] = {
		{"once", HTTP, ACTIVE, .peer = {{OK}}, .trace = "SRC", .answered = 1, PLAINLY},
		{"the server closes", HTTP, PASSIVE, .peer = {{BYE}, PEER_FIN, 1}, .trace = "SRC",
		 .answered = 1, PLAINLY, .peer_closed = true},
		/* both close: who was first is known only where RDHUP told */
		{"crossing", HTTP, ACTIVE, .peer = {{BYE}, PEER_FIN, 1, .hidden = true},
		 .trace = "SRC", .answered = 1, PLAINLY},
		{"crossing, seen", HTTP, ACTIVE, .peer = {{BYE}, PEER_FIN, 1}, .trace = "SRC",
		 .answered = 1, PLAINLY, .peer_closed = true},
		{"up to the FIN", HTTP, ACTIVE, .peer = {{OPEN}, PEER_FIN, 1}, .trace = "SRC",
		 .answered = 1, PLAINLY, .peer_closed = true},
		{"up to the FIN, another was due", HTTP, ACTIVE, 2, .peer = {{OPEN}, PEER_FIN, 1},
		 .trace = "SRC", .answered = 1, .failure = LOAD_FAIL_SHORT, PLAINLY,
		 .peer_closed = true},
		{"keep-alive ends by word", HTTP, ACTIVE, 3, .peer = {{OK, BYE}}, .trace = "SRSRC",
		 .answered = 2, .failure = LOAD_FAIL_SHORT, PLAINLY},
		{"keep-alive ends by FIN", HTTP, ACTIVE, 3, .peer = {{OK, OK}, PEER_FIN, 2},
		 .trace = "SRSRC", .answered = 2, .failure = LOAD_FAIL_SHORT, PLAINLY,
		 .peer_closed = true},
		{"keep-alive ends unseen", HTTP, ACTIVE, 3,
		 .peer = {{OK, OK}, PEER_FIN, 2, .hidden = true}, .trace = "SRSRSRC", .answered = 2,
		 .failure = LOAD_FAIL_SHORT, PLAINLY, .peer_closed = true},
		{"status", HTTP, ACTIVE, .peer = {{NONE}}, .trace = "SRC", .answered = 1,
		 .failure = LOAD_FAIL_STATUS, PLAINLY},
		{"status, and on", HTTP, RST, 3, .peer = {{OK, NONE, OK}}, .trace = "SRSRSRC",
		 .answered = 3, .failure = LOAD_FAIL_STATUS},
		{"status, closed as planned", HTTP, LINGER, .peer = {{NONE}}, .trace = "SRC",
		 .answered = 1, .failure = LOAD_FAIL_STATUS, .linger = 7},
		{"status, half", HTTP, HALF, .peer = {{NONE}, PEER_FIN, 1, .hidden = true},
		 .trace = "SRURC", .answered = 1, .failure = LOAD_FAIL_STATUS, PLAINLY},
		{"status, reset then", HTTP, HALF, .peer = {{NONE}, PEER_RST, 1}, .trace = "SRURC",
		 .answered = 1, .failure = LOAD_FAIL_STATUS, PLAINLY, .peer_reset = true},
		{"status, reset while thinking",
		 HTTP,
		 RST,
		 1,
		 true,
		 {{NONE}, PEER_RST, 1},
		 "SRTC",
		 1,
		 LOAD_FAIL_STATUS,
		 PLAINLY,
		 .peer_reset = true},
		{"status, not to be kept", HTTP, ABANDON, .peer = {{NONE}}, .trace = "SRC",
		 .answered = 1, .failure = LOAD_FAIL_STATUS, PLAINLY},
		{"first reason", HTTP, ACTIVE, 3, .peer = {{NONE, BYE}}, .trace = "SRSRC",
		 .answered = 2, .failure = LOAD_FAIL_STATUS, PLAINLY},
		/* a server that is full answers before it is asked, and closes */
		{"full", HTTP, ACTIVE, .peer = {{FULL}, PEER_FIN, 1, .eager = true}, .trace = "SRC",
		 .answered = 1, .failure = LOAD_FAIL_STATUS, PLAINLY, .peer_closed = true},
		{"full, read early", HTTP, ACTIVE,
		 .peer = {{FULL}, PEER_FIN, 0, .eager = true, .sends = 1}, .trace = "SC",
		 .failure = LOAD_FAIL_SHORT, PLAINLY, .peer_closed = true},
		{"no HTTP", HTTP, ACTIVE, .peer = {{"SSH-2.0\r\n"}}, .trace = "SRC",
		 .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"no HTTP, rst", HTTP, RST, .peer = {{"SSH-2.0\r\n"}}, .trace = "SRC",
		 .failure = LOAD_FAIL_MALFORMED},
		{"no HTTP, linger", HTTP, LINGER, .peer = {{"SSH-2.0\r\n"}}, .trace = "SRC",
		 .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"no HTTP, abandon", HTTP, ABANDON, .peer = {{"SSH-2.0\r\n"}}, .trace = "SRC",
		 .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		/* bytes of an answer that nobody asked for */
		{"two for one", HTTP, ACTIVE, 2, .peer = {{OK OK}}, .trace = "SRC", .answered = 1,
		 .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"more than the last", HTTP, ACTIVE, .peer = {{OK OK}}, .trace = "SRC",
		 .answered = 1, PLAINLY},
		{"more, up to the FIN", HTTP, PASSIVE, .peer = {{OK OK}, PEER_FIN, 1, .piece = 3},
		 .trace = "SRC", .answered = 1, PLAINLY, .peer_closed = true},
		{"more while thinking", HTTP, ACTIVE, 2, true,
		 .peer = {{OK OK}, .piece = sizeof(OK) - 1}, .trace = "SRTC", .answered = 1,
		 .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"more while thinking at the end", HTTP, ACTIVE, 1, true,
		 .peer = {{OK OK}, .piece = sizeof(OK) - 1}, .trace = "SRTC", .answered = 1,
		 PLAINLY},
		{"FIN before thinking", HTTP, ACTIVE, 2, true, .peer = {{OK}, PEER_FIN, 1},
		 .trace = "SRC", .answered = 1, .failure = LOAD_FAIL_SHORT, PLAINLY,
		 .peer_closed = true},
		{"FIN while thinking", HTTP, ACTIVE, 2, true,
		 .peer = {{OK}, PEER_FIN, 1, .hidden = true}, .trace = "SRTC", .answered = 1,
		 .failure = LOAD_FAIL_SHORT, PLAINLY, .peer_closed = true},
		{"FIN while thinking at the end", HTTP, ACTIVE, 1, true,
		 .peer = {{OK}, PEER_FIN, 1, .hidden = true}, .trace = "SRTC", .answered = 1,
		 PLAINLY, .peer_closed = true},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases));
}

/* What comes while a request is still being sent. */
static void test_early(void **state)
{
	static const struct course_case cases[] = {
		{"echo byte by byte", ECHO_, ACTIVE,
		 .peer = {{"contest\n"}, .eager = true, .piece = 1, .sends = 1}, .trace = "SC",
		 .answered = 1, PLAINLY},
		{"raw, in answer to the first byte", RAW, ACTIVE,
		 .peer = {{"abcde"}, .eager = true, .sends = 2}, .trace = "SFC", .answered = 1,
		 PLAINLY},
		{"raw, more than that", RAW, ACTIVE,
		 .peer = {{"abcde", "xyz"}, .eager = true, .sends = 2}, .trace = "SFC",
		 .answered = 1, PLAINLY},
		{"raw, more before the next", RAW, ACTIVE, 2,
		 .peer = {{"abcde", "xyz"}, .eager = true, .sends = 2, .piece = 5}, .trace = "SC",
		 .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"raw, before the next request", RAW, ACTIVE, 2,
		 .peer = {{"abcde", "abcde"}, .eager = true, .piece = 5}, .trace = "SC",
		 .answered = 1, .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"raw, ends it early", RAW, ACTIVE, 2,
		 .peer = {{"abcde"}, PEER_FIN, 1, .eager = true, .sends = 3, .hidden = true},
		 .trace = "SC", .answered = 1, .failure = LOAD_FAIL_SHORT, PLAINLY,
		 .peer_closed = true},
		{"raw, nobody listens to it", RAW_SAYS, ACTIVE, 2,
		 .peer = {{"abcde"}, .eager = true, .sends = 2}, .trace = "SFC", .answered = 2,
		 PLAINLY},
		{"raw, FIN before all is said", RAW_SAYS, ACTIVE, 2,
		 .peer = {{NULL}, PEER_FIN, 0, .eager = true, .sends = 2}, .trace = "SC",
		 .failure = LOAD_FAIL_SHORT, PLAINLY, .peer_closed = true},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases));
}

static void test_errors(void **state)
{
	static const struct course_case cases[] = {
		{"send", ECHO_, ACTIVE, .peer = {.send_error = ENETUNREACH}, .trace = "SC",
		 .failure = ENETUNREACH, PLAINLY},
		{"send, dead already", ECHO_, RST, .peer = {.send_error = ETIMEDOUT}, .trace = "SC",
		 .failure = ETIMEDOUT, PLAINLY},
		{"send, reset behind a FIN", ECHO_, ACTIVE, .peer = {.send_error = EPIPE},
		 .trace = "SC", .failure = EPIPE, PLAINLY, .peer_reset = true},
		{"second send", ECHO_, ACTIVE, 2,
		 .peer = {{"contest\n"}, .send_error = ECONNRESET, .error_at = 1}, .trace = "SRSC",
		 .answered = 1, .failure = ECONNRESET, PLAINLY, .peer_reset = true},
		{"read", ECHO_, ACTIVE, .peer = {.read_error = ECONNRESET}, .trace = "SRC",
		 .failure = ECONNRESET, PLAINLY, .peer_reset = true},
		{"read, abandon", ECHO_, ABANDON, .peer = {.read_error = ETIMEDOUT}, .trace = "SRC",
		 .failure = ETIMEDOUT, PLAINLY},
		{"closing read", ECHO_, PASSIVE,
		 .peer = {{"contest\n"}, .read_error = ETIMEDOUT, .error_at = 1}, .trace = "SRC",
		 .answered = 1, .failure = ETIMEDOUT, PLAINLY},
		{"reset while thinking", ECHO_, RST, .thinks = true,
		 .peer = {{"contest\n"}, PEER_RST, 1}, .trace = "SRTC", .answered = 1,
		 .failure = ECONNRESET, PLAINLY, .peer_reset = true},
		{"malformed, then reset", ECHO_, ACTIVE, .peer = {{"other"}, PEER_RST, 1},
		 .trace = "SRC", .failure = LOAD_FAIL_MALFORMED, PLAINLY},
		{"timeout", ECHO_, ACTIVE, .peer = {.times_out = true}, .trace = "SR?C",
		 .failure = LOAD_FAIL_TIMEOUT, PLAINLY},
		{"timeout, rst", ECHO_, RST, .peer = {.times_out = true}, .trace = "SR?C",
		 .failure = LOAD_FAIL_TIMEOUT},
		{"timeout, linger", ECHO_, LINGER, .peer = {.times_out = true}, .trace = "SR?C",
		 .failure = LOAD_FAIL_TIMEOUT, PLAINLY},
		{"timeout of closing", HTTP, PASSIVE, .peer = {{OK}, .times_out = true},
		 .trace = "SR?C", .answered = 1, .failure = LOAD_FAIL_TIMEOUT, PLAINLY},
	};

	(void)state;
	check_cases(cases, ARRAY_SIZE(cases));
}

/* ---- all there are */

struct every {
	const struct use *use;
	struct load_plan plan;
	struct course_peer peer; /* as it is asked for */
	bool awaits;
};

struct outcome {
	unsigned failure;
	bool kept, peer_closed;
};

static bool closes_first(enum load_closing closing)
{
	return closing != LOAD_CLOSE_PASSIVE && closing != LOAD_CLOSE_ABANDON;
}

/* After all has been said. */
static struct outcome expect_closing(const struct every *every)
{
	enum load_closing closing = every->plan.closing;
	bool thinks = every->plan.think_ns && closes_first(closing);
	bool reads = closing == LOAD_CLOSE_PASSIVE || closing == LOAD_CLOSE_HALF;
	struct outcome outcome = {.kept = closing == LOAD_CLOSE_ABANDON};

	switch (every->peer.end) {
	case PEER_STAYS:
		outcome.failure = reads ? LOAD_FAIL_TIMEOUT : 0;
		break;
	case PEER_FIN:
		outcome.peer_closed = thinks || closing == LOAD_CLOSE_PASSIVE ||
				      (every->awaits && !every->peer.hidden);
		break;
	case PEER_RST:
		outcome.failure = reads || thinks ? ECONNRESET : 0;
		break;
	}
	return outcome;
}

static struct outcome expect(const struct every *every)
{
	bool early = every->peer.after < every->plan.requests && every->use != &uses[CONNECT];

	if (!early || every->peer.end == PEER_STAYS)
		return expect_closing(every);
	if (every->peer.end == PEER_RST)
		return (struct outcome){.failure = ECONNRESET};
	/* Who never reads does not see a FIN before it has time to think. */
	if (!every->awaits && (!every->plan.think_ns || every->plan.requests == 1))
		return expect_closing(every);
	return (struct outcome){.failure = LOAD_FAIL_SHORT, .peer_closed = true};
}

static int expect_linger(const struct every *every, const struct outcome *outcome)
{
	if (every->plan.closing == LOAD_CLOSE_RST && outcome->failure != ECONNRESET)
		return 0;
	return every->plan.closing == LOAD_CLOSE_LINGER && !outcome->failure ? 7 : -1;
}

static void describe(const struct every *every, const struct course_peer *peer, char *text,
		     size_t room)
{
	snprintf(text, room,
		 "%s, %s, requests %u, think %d, end %d after %u, hidden %d, pieces %zu, %zu: %s, "
		 "failure %u, linger %d, closed %d, reset %d",
		 every->use->name, load_closing_name(every->plan.closing), every->plan.requests,
		 every->plan.think_ns > 0, every->peer.end, every->peer.after, every->peer.hidden,
		 every->peer.piece, every->peer.sends, peer->trace, peer->last.failure,
		 peer->last.linger, peer->last.peer_closed, peer->last.peer_reset);
}

/* The bytes sent are the requests, one after the other; all of them, if it is completed. */
static bool sent_well(const struct course_plan *plan, const struct course_peer *peer, bool whole)
{
	size_t at = 0;

	for (unsigned i = 1; i <= plan->plan->requests && plan->request; i++) {
		bool last = i == plan->plan->requests;
		size_t length = last ? plan->last_length : plan->request_length;
		size_t n = peer->got_length - at < length ? peer->got_length - at : length;

		if (memcmp(peer->got + at, last ? plan->last : plan->request, n) != 0)
			return false;
		at += n;
		if (n < length)
			return !whole;
	}
	return at == peer->got_length;
}

static void check(const struct every *every, const struct course_plan *plan)
{
	static struct course_peer peer;
	struct outcome outcome = expect(every);
	bool early = every->peer.end != PEER_STAYS && every->use != &uses[CONNECT] &&
		     every->peer.after < every->plan.requests && outcome.failure;
	bool well;
	char text[512];

	peer = every->peer;
	course_peer_run(&peer, plan);
	well = peer.last.failure == outcome.failure &&
	       peer.last.peer_closed == outcome.peer_closed &&
	       peer.last.peer_reset == (outcome.failure == ECONNRESET) &&
	       peer.last.linger == expect_linger(every, &outcome) &&
	       strchr(peer.trace, outcome.kept && !outcome.failure ? 'K' : 'C') &&
	       course_answered(&peer.course) == !early && sent_well(plan, &peer, !early);
	if (well)
		return;
	describe(every, &peer, text, sizeof(text));
	fail_msg("%s", text);
}

static void check_peers(struct every *every, const struct course_plan *plan)
{
	unsigned most = every->plan.requests;

	for (unsigned i = 0; i < most; i++)
		every->peer.answers[i] = every->use->answer;
	for (unsigned i = 0; i < 8; i++) {
		every->peer.hidden = i & 1;
		every->peer.piece = i & 2 ? 1 : 0;
		every->peer.sends = i & 4 ? 1 : 0;
		every->peer.end = PEER_STAYS;
		check(every, plan);
		for (every->peer.after = 0; every->peer.after <= most; every->peer.after++) {
			every->peer.end = PEER_FIN;
			check(every, plan);
			every->peer.end = PEER_RST;
			check(every, plan);
		}
	}
}

typedef void check_fn(struct every *every, const struct course_plan *plan);

static void for_every_plan(check_fn *check_plan)
{
	for (unsigned i = 0; i < USES * LOAD_CLOSING_COUNT * 2 * 2; i++) {
		const struct use *use = &uses[i % USES];
		unsigned rest = i / USES;
		unsigned requests = rest / LOAD_CLOSING_COUNT % 2 ? 3 : 1;
		struct course_plan course_plan;
		static struct every every;

		/* more than one is none of its protocol: see test_traces() */
		if (use == &uses[DAYTIME] && requests > 1)
			continue;
		every = (struct every){
			.use = use,
			.plan = make_plan(use, (enum load_closing)(rest % LOAD_CLOSING_COUNT),
					  requests, rest / LOAD_CLOSING_COUNT / 2),
			.peer.times_out = true,
		};
		assert_int_equal(course_plan_init(&course_plan, &every.plan), 0);
		every.awaits = course_plan.awaits;
		check_plan(&every, &course_plan);
		course_plan_done(&course_plan);
	}
}

static void test_every(void **state)
{
	(void)state;
	for_every_plan(check_peers);
}

/* The timeout at each step: that is the end of it, whatever was to come. */
static void check_expiry(struct every *every, const struct course_plan *plan)
{
	static struct course_peer whole, peer;

	for (unsigned i = 0; i < every->plan.requests; i++)
		every->peer.answers[i] = every->use->answer;
	every->peer.piece = every->peer.sends = 3;
	every->peer.end = PEER_FIN;
	every->peer.after = every->plan.requests;
	whole = every->peer;
	course_peer_run(&whole, plan);
	for (unsigned at = 1; at <= whole.steps; at++) {
		peer = every->peer;
		peer.expire_at = at;
		course_peer_run(&peer, plan);
		assert_int_equal(peer.steps, at);
		assert_int_equal(peer.last.failure, LOAD_FAIL_TIMEOUT);
		assert_int_equal(peer.last.linger, every->plan.closing == LOAD_CLOSE_RST ? 0 : -1);
		assert_non_null(strchr(peer.trace, 'C'));
	}
}

static void test_expiry(void **state)
{
	(void)state;
	for_every_plan(check_expiry);
}

/* An errno from elsewhere (SO_ERROR), and what comes after the end. */
static void test_fail(void **state)
{
	struct load_plan plan = make_plan(&uses[ECHO_], LOAD_CLOSE_RST, 1, false);
	struct course_plan course_plan;
	struct course_step step;
	struct course course;

	(void)state;
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	course_begin(&course, &course_plan);
	course_fail(&course, ECONNRESET);
	course_fail(&course, LOAD_FAIL_TIMEOUT);
	course_received(&course, &course_plan, "x", 1);
	course_received(&course, &course_plan, NULL, 0);
	course_sent(&course, &course_plan, 8);
	course_thought(&course);
	course_shut(&course);
	assert_int_equal(course_next(&course, &course_plan, &step), COURSE_CLOSE);
	assert_int_equal(step.failure, ECONNRESET);
	assert_true(step.peer_reset);
	assert_int_equal(step.linger, -1);
	assert_false(course_answered(&course));

	course_begin(&course, &course_plan);
	course_fail(&course, LOAD_FAIL_TIMEOUT);
	course_fail(&course, ECONNRESET);
	assert_int_equal(course_next(&course, &course_plan, &step), COURSE_CLOSE);
	assert_int_equal(step.failure, LOAD_FAIL_TIMEOUT);
	assert_false(step.peer_reset);
	assert_int_equal(step.linger, 0);
	course_plan_done(&course_plan);
}

/* RDHUP before a request: the answer to the first may lie before the FIN, as to one that has begun
 * to go out. */
static void test_fin_before_request(void **state)
{
	struct load_plan plan = make_plan(&uses[ECHO_], LOAD_CLOSE_ACTIVE, 2, false);
	struct course_plan course_plan;
	struct course_step step;
	struct course course;

	(void)state;
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	course_begin(&course, &course_plan);
	course_saw_fin(&course);
	assert_int_equal(course_next(&course, &course_plan, &step), COURSE_SEND);

	course_begin(&course, &course_plan);
	course_sent(&course, &course_plan, 8);
	course_received(&course, &course_plan, "contest\n", 8);
	course_sent(&course, &course_plan, 3);
	course_saw_fin(&course);
	assert_int_equal(course_next(&course, &course_plan, &step), COURSE_SEND);
	assert_int_equal(step.length, 5);
	course_sent(&course, &course_plan, 5);
	course_received(&course, &course_plan, "contest\n", 8);
	assert_int_equal(course_next(&course, &course_plan, &step), COURSE_CLOSE);
	assert_int_equal(step.failure, 0);
	assert_true(step.peer_closed);
	course_plan_done(&course_plan);
}

/* As long as the others, and still another one. */
static int make_other(const struct load_plan *plan, bool last, char **ret, size_t *ret_length)
{
	(void)plan;
	*ret_length = 1;
	*ret = strdup(last ? "b" : "a");
	return *ret ? 0 : -ENOMEM;
}

static void test_plan(void **state)
{
	struct load_plan plan = make_plan(&uses[HTTP], LOAD_CLOSE_PASSIVE, 3, false);
	struct course_plan course_plan, untouched = {.request_length = 77};

	(void)state;
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	assert_null(strstr(course_plan.request, "Connection"));
	assert_non_null(strstr(course_plan.last, "Connection: close"));
	assert_true(course_plan.awaits);
	course_plan_done(&course_plan);
	course_plan_done(&course_plan); /* allowed */

	plan.closing = LOAD_CLOSE_ACTIVE; /* kept once */
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	assert_ptr_equal(course_plan.request, course_plan.last);
	course_plan_done(&course_plan);

	plan.protocol = &(const struct load_protocol){.request = make_other};
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	assert_string_equal(course_plan.request, "a");
	assert_string_equal(course_plan.last, "b");
	course_plan_done(&course_plan);

	plan = make_plan(&uses[HTTP], LOAD_CLOSE_ACTIVE, 3, false);
	plan.http_host = "a b";
	assert_int_equal(course_plan_init(&untouched, &plan), -EINVAL);
	assert_int_equal(untouched.request_length, 77);

	plan = make_plan(&uses[RAW_HEARS], LOAD_CLOSE_ACTIVE, 1, false);
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	assert_null(course_plan.request);
	assert_true(course_plan.awaits);
	course_plan_done(&course_plan);
	plan = make_plan(&uses[RAW_SAYS], LOAD_CLOSE_ACTIVE, 1, false);
	assert_int_equal(course_plan_init(&course_plan, &plan), 0);
	assert_false(course_plan.awaits);
	course_plan_done(&course_plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traces), cmocka_unit_test(test_http),
		cmocka_unit_test(test_early),  cmocka_unit_test(test_errors),
		cmocka_unit_test(test_every),  cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_fail),   cmocka_unit_test(test_fin_before_request),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
