/*
 * The contract of `serve`, on the wire: every engine with every protocol closes in the way it was
 * told, and in no other. The server runs on one host of a world, the kernel's own client on the
 * other; what was sent is read from the wire's record, and who keeps TIME-WAIT or CLOSE-WAIT from
 * both kernels. What engines do beyond the close is tested in src/serve/engine_test.c.
 */
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "serve/protocol.h"
#include "serve_scene.h"

/* ---- what each protocol is asked, and answers */

struct question {
	const char *protocol, *text; /* "": it speaks first */
	size_t answer;		     /* bytes; 0: none */
	const char *begins;	     /* what the answer begins with */
};

#define CHARGEN_TURN (95 * 74)

static const struct question questions[] = {
	{"daytime", "", 26, ""},
	{"echo", "to be sent back\n", 16, "to be sent back\n"},
	{"discard", "to be thrown away\n", 0, ""},
	{"chargen", "", CHARGEN_TURN, " !\"#$%&'()*+,-./0123456789"},
	{"chat", "quit\r\n", 0, ""},
	{"http", "GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n", 0,
	 "HTTP/1.1 200 OK\r\n"},
};

/* ---- what each closing looks like */

struct closing {
	enum serve_closing closing;
	int first; /* who closes first; -1: nobody, it is aborted */
	enum track_closing kind;
	bool server_fins, client_fins, server_resets;
	int server_state, client_state; /* what is left in the end */
};

static const struct closing closings[] = {
	{SERVE_CLOSE_ACTIVE, TRACK_SERVER, CLOSING_GRACEFUL, true, true, false, TCP_TIME_WAIT,
	 TCP_STATE_NONE},
	{SERVE_CLOSE_PASSIVE, TRACK_CLIENT, CLOSING_GRACEFUL, true, true, false, TCP_STATE_NONE,
	 TCP_TIME_WAIT},
	{SERVE_CLOSE_NEVER, TRACK_CLIENT, CLOSING_HALF, false, true, false, TCP_CLOSE_WAIT,
	 TCP_FIN_WAIT2},
	{SERVE_CLOSE_HALF, TRACK_SERVER, CLOSING_GRACEFUL, true, true, false, TCP_TIME_WAIT,
	 TCP_STATE_NONE},
	{SERVE_CLOSE_RST, -1, CLOSING_ABORTED, false, false, true, TCP_STATE_NONE, TCP_STATE_NONE},
	{SERVE_CLOSE_LINGER, TRACK_SERVER, CLOSING_GRACEFUL, true, true, false, TCP_TIME_WAIT,
	 TCP_STATE_NONE},
	{SERVE_CLOSE_UNREAD, -1, CLOSING_ABORTED, false, false, true, TCP_STATE_NONE,
	 TCP_STATE_NONE},
};
static_assert(ARRAY_SIZE(closings) == SERVE_CLOSING_COUNT, "each closing has its line");

#define MORE   "more, after the server's FIN\n"
#define UNREAD "this nobody reads\n"

static bool waits_for_peer(const struct play *play)
{
	return play->plan.closing == SERVE_CLOSE_PASSIVE || play->plan.closing == SERVE_CLOSE_NEVER;
}

/* ---- the client's part */

/* The whole answer of http: its length is told in its head. */
static bool receive_http(struct play *play, char *head, size_t room)
{
	const char *end;

	while (!(end = strstr(head, "\r\n\r\n"))) {
		EXPECT(play->on, play->received + 1 < room);
		if (!play_receive(play, play->received + 1, head, room - 1))
			return false;
	}
	EXPECT(play->on, strstr(head, "\r\nContent-Length: 100\r\n"));
	return play_receive(play, (size_t)(end + 4 - head) + 100, head, room - 1);
}

static bool receive_answer(struct play *play, const struct question *question)
{
	char start[1024] = "";

	if (play->plan.protocol == protocol_find("http")) {
		if (!receive_http(play, start, sizeof(start)))
			return false;
	} else if (!play_receive(play, question->answer, start, sizeof(start) - 1)) {
		return false;
	}
	EXPECT_EQUAL(play->on, strncmp(start, question->begins, strlen(question->begins)), 0);
	if (play->plan.protocol == protocol_find("daytime"))
		EXPECT_EQUAL(play->on, strcmp(start + 24, "\r\n"), 0);
	return true;
}

static bool ask(struct play *play, const struct question *question)
{
	if (play->plan.before_answer && !waits_for_peer(play))
		return true;
	if (!play_send(play, question->text))
		return false;
	if (play->plan.before_answer)
		return true;
	/* RST takes from a long answer what waits to be sent behind Nagle's algorithm. */
	if (play->plan.closing == SERVE_CLOSE_RST && question->answer > 1000)
		return true;
	if (!receive_answer(play, question))
		return false;
	/* What is sent from now on is no part of the question. */
	return AWAIT_COUNTER(play, bytes_in, play->sent);
}

/* The client's end of each closing, to the point where nothing more happens by itself. */
static bool close_with(struct play *play)
{
	switch (play->plan.closing) {
	case SERVE_CLOSE_ACTIVE:
	case SERVE_CLOSE_LINGER:
		EXPECT_EQUAL(play->on, play_receive_all(play), 0);
		play_close(play);
		break;
	case SERVE_CLOSE_PASSIVE:
		play->asked_ns = clock_now_ns();
		play_shut(play);
		EXPECT_EQUAL(play->on, play_receive_all(play), 0);
		play_close(play);
		break;
	case SERVE_CLOSE_NEVER:
		play_shut(play);
		return play_await_quiet(play);
	case SERVE_CLOSE_HALF:
		EXPECT_EQUAL(play->on, play_receive_all(play), 0);
		if (!play_await_state(play, SERVER_HOST, TCP_FIN_WAIT2, NULL) ||
		    !play_send(play, MORE) || !AWAIT_COUNTER(play, bytes_in, play->sent))
			return false;
		EXPECT_EQUAL(play->on, play_sum(play).open, 1);
		play_close(play);
		break;
	case SERVE_CLOSE_RST:
		EXPECT_EQUAL(play->on, play_receive_all(play), ECONNRESET);
		play_close(play);
		break;
	case SERVE_CLOSE_UNREAD:
		play->asked_ns = clock_now_ns();
		if (!play_send(play, UNREAD))
			return false;
		play->sent -= strlen(UNREAD);
		EXPECT_EQUAL(play->on, play_receive_all(play), ECONNRESET);
		play_close(play);
		break;
	default:
		return false;
	}
	return true;
}

/* ---- the judgement */

static bool counted_right(struct play *play, const struct question *question)
{
	enum serve_closing closing = play->plan.closing;
	struct tally_sum sum;

	if (!AWAIT_COUNTER(play, open, closing == SERVE_CLOSE_NEVER))
		return false;
	/* Nothing on the wire says that one who never closes has read. */
	if (closing == SERVE_CLOSE_NEVER && !AWAIT_COUNTER(play, bytes_in, play->sent))
		return false;
	sum = play_sum(play);
	EXPECT_EQUAL(play->on, sum.accepted, 1);
	EXPECT_EQUAL(play->on, sum.reset, 0);
	EXPECT_EQUAL(play->on, sum.closed_by_us, !waits_for_peer(play));
	EXPECT_EQUAL(play->on, sum.closed_by_peer, closing == SERVE_CLOSE_PASSIVE);
	EXPECT_EQUAL(play->on, sum.bytes_in, play->sent);
	if (closing != SERVE_CLOSE_RST)
		EXPECT_EQUAL(play->on, sum.bytes_out, play->received);
	if (play->plan.before_answer)
		EXPECT_EQUAL(play->on, sum.bytes_out + sum.answers, 0);
	else if (question->answer == CHARGEN_TURN && waits_for_peer(play))
		EXPECT(play->on, sum.answers >= 1);
	else
		EXPECT_EQUAL(play->on, sum.answers, 1);
	return true;
}

/* When the server began to close, as the wire saw it; INT64_MAX: never. */
static int64_t server_close_ns(const struct connection *connection)
{
	for (size_t i = 0; i < connection->count; i++)
		if (connection->segments[i].from == TRACK_SERVER &&
		    connection->segments[i].segment.flags & (TCP_FLAG_FIN | TCP_FLAG_RST))
			return connection->segments[i].segment.time_ns;
	return INT64_MAX;
}

static bool seen_right(struct play *play, const struct closing *closing)
{
	const struct connection *connection = play_connection(play);

	EXPECT(play->on, connection);
	EXPECT_EQUAL(play->on, connection->closing, closing->kind);
	if (closing->first >= 0)
		EXPECT_EQUAL(play->on, connection->first_closer, closing->first);
	EXPECT_EQUAL(play->on, connection->end[TRACK_SERVER].fin_seen, closing->server_fins);
	EXPECT_EQUAL(play->on, connection->end[TRACK_CLIENT].fin_seen, closing->client_fins);
	/* One from the socket; what of the client's was under way draws more, from none. */
	EXPECT_EQUAL(play->on, play_count(connection, TRACK_SERVER, TCP_FLAG_RST) > 0,
		     closing->server_resets);
	EXPECT_EQUAL(play->on, play_count(connection, TRACK_CLIENT, TCP_FLAG_RST), 0);
	EXPECT_EQUAL(play->on, connection->time_wait[TRACK_SERVER],
		     closing->server_state == TCP_TIME_WAIT);
	EXPECT_EQUAL(play->on, connection->time_wait[TRACK_CLIENT],
		     closing->client_state == TCP_TIME_WAIT);
	if (play->plan.before_answer)
		EXPECT_EQUAL(play->on, connection->end[TRACK_SERVER].bytes, 0);
	EXPECT(play->on, server_close_ns(connection) >= play->asked_ns + play->plan.close_after_ns);
	return true;
}

/* Both ends have come to rest, so that the last segment has been recorded, too. */
static bool await_rest(struct play *play, int server_state, int client_state)
{
	return play_await_state(play, SERVER_HOST, server_state, NULL) &&
	       play_await_state(play, CLIENT_HOST, client_state, NULL);
}

static bool judge(struct play *play, const struct closing *closing, const struct question *question)
{
	return await_rest(play, closing->server_state, closing->client_state) &&
	       counted_right(play, question) && seen_right(play, closing);
}

static bool act(struct play *play, const struct closing *closing, const struct question *question)
{
	int error = play_connect(play);

	/* The RST may be quicker than the client's connect(2) is to return. */
	if (error == ECONNRESET && play->plan.closing == SERVE_CLOSE_RST)
		play_close(play);
	else if (error)
		return play_failed(play->on, __FILE__, __LINE__, "connect", error);
	else if (!ask(play, question) || !close_with(play))
		return false;
	return judge(play, closing, question);
}

/* ---- the contract: all protocols and closings, in each variant */

static const struct variant {
	const char *name;
	bool before_answer;
	int64_t close_after_ns;
	int family;
} variants[] = {
	{"", false, 0, AF_INET},
	{"before the answer", true, 0, AF_INET6},
	{"later", false, 20 * NS_PER_MS, AF_INET6},
	{"before the answer and later", true, 20 * NS_PER_MS, AF_INET},
};

static void play_one(struct serve_scene *on, const char *engine, const struct variant *variant,
		     const struct question *question, const struct closing *closing)
{
	struct serve_plan plan = play_plan(engine, question->protocol, closing->closing);
	struct play play;

	plan.before_answer = variant->before_answer;
	plan.close_after_ns = variant->close_after_ns;
	snprintf(on->name, sizeof(on->name), "%s, %s, %s %s", engine, question->protocol,
		 serve_closing_name(closing->closing), variant->name);
	play_end(&play, play_begin(&play, on, &plan, variant->family, false) &&
				act(&play, closing, question));
}

static void contract(struct serve_scene *on, const char *engine)
{
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++)
		for (size_t q = 0; q < ARRAY_SIZE(questions); q++)
			for (size_t c = 0; c < ARRAY_SIZE(closings); c++)
				play_one(on, engine, &variants[v], &questions[q], &closings[c]);
}

/* ---- stories of their own */

/* What the client has sent lies unread when the server closes: that alone would make it RST. */
static bool unread_bytes_do_not_spoil_fin(struct play *play)
{
	const struct connection *connection;

	EXPECT_EQUAL(play->on, play_connect(play), 0);
	if (!play_send(play, "nobody asked for this\n"))
		return false;
	EXPECT_EQUAL(play->on, play_receive_all(play), 0);
	EXPECT_EQUAL(play->on, play->received, 26);
	play_close(play);
	if (!await_rest(play, TCP_TIME_WAIT, TCP_STATE_NONE))
		return false;
	connection = play_connection(play);
	EXPECT(play->on, connection);
	EXPECT_EQUAL(play->on, connection->closing, CLOSING_GRACEFUL);
	EXPECT_EQUAL(play->on, connection->first_closer, TRACK_SERVER);
	return AWAIT_COUNTER(play, closed_by_us, 1);
}

/* The client's FIN comes with its question: it is answered, and counted as what it is. */
static bool early_fin_is_answered(struct play *play)
{
	const struct connection *connection;

	EXPECT_EQUAL(play->on, play_connect(play), 0);
	if (!play_send(play, "half a line"))
		return false;
	play_shut(play);
	EXPECT_EQUAL(play->on, play_receive_all(play), 0);
	EXPECT_EQUAL(play->on, play->received, play->sent);
	play_close(play);
	if (!await_rest(play, TCP_STATE_NONE, TCP_TIME_WAIT))
		return false;
	connection = play_connection(play);
	EXPECT(play->on, connection);
	EXPECT_EQUAL(play->on, connection->closing, CLOSING_GRACEFUL);
	EXPECT_EQUAL(play->on, connection->first_closer, TRACK_CLIENT);
	return AWAIT_COUNTER(play, closed_by_peer, 1);
}

/* The peer's RST is not the server's doing. */
static bool reset_is_counted(struct play *play)
{
	EXPECT_EQUAL(play->on, play_connect(play), 0);
	if (!play_send(play, "x\n") || !play_receive(play, 2, NULL, 0))
		return false;
	play_reset(play);
	if (!AWAIT_COUNTER(play, reset, 1))
		return false;
	EXPECT_EQUAL(play->on, play_sum(play).closed_by_us + play_sum(play).closed_by_peer, 0);
	EXPECT_EQUAL(play->on, play_sum(play).errors[ECONNRESET], 1);
	EXPECT(play->on, play_connection(play));
	EXPECT_EQUAL(play->on, play_count(play_connection(play), TRACK_SERVER, TCP_FLAG_FIN), 0);
	return true;
}

/* `unread` that meets a FIN instead of bytes has nothing to leave unread. */
static bool unread_without_bytes(struct play *play)
{
	const struct connection *connection;

	EXPECT_EQUAL(play->on, play_connect(play), 0);
	if (!play_receive(play, 26, NULL, 0))
		return false;
	play_shut(play);
	EXPECT_EQUAL(play->on, play_receive_all(play), 0);
	play_close(play);
	if (!await_rest(play, TCP_STATE_NONE, TCP_TIME_WAIT))
		return false;
	connection = play_connection(play);
	EXPECT(play->on, connection);
	EXPECT_EQUAL(play->on, connection->closing, CLOSING_GRACEFUL);
	EXPECT_EQUAL(play->on, connection->first_closer, TRACK_CLIENT);
	return AWAIT_COUNTER(play, closed_by_peer, 1);
}

static bool idle_is_closed(struct play *play)
{
	const struct connection *connection;

	EXPECT_EQUAL(play->on, play_connect(play), 0);
	EXPECT_EQUAL(play->on, play_receive_all(play), 0);
	play_close(play);
	if (!await_rest(play, TCP_TIME_WAIT, TCP_STATE_NONE))
		return false;
	connection = play_connection(play);
	EXPECT(play->on, connection);
	EXPECT_EQUAL(play->on, connection->first_closer, TRACK_SERVER);
	EXPECT(play->on,
	       server_close_ns(connection) >= play->asked_ns + play->plan.idle_timeout_ns);
	return AWAIT_COUNTER(play, closed_by_us, 1) && AWAIT_COUNTER(play, idle_closed, 1);
}

/* A client that talks nonsense, and goes on, gets its 400 and a FIN, not a RST. */
static bool nonsense_gets_its_answer(struct play *play)
{
	char start[64] = "";
	const struct connection *connection;

	EXPECT_EQUAL(play->on, play_connect(play), 0);
	if (!play_send(play, "not http at all\r\n\r\n") ||
	    !play_receive(play, 16, start, sizeof(start) - 1))
		return false;
	EXPECT_EQUAL(play->on, strcmp(start, "HTTP/1.1 400 Bad"), 0);
	if (!play_await_state(play, SERVER_HOST, TCP_FIN_WAIT2, NULL) ||
	    !play_send(play, "and more of it\r\n"))
		return false;
	EXPECT_EQUAL(play->on, play_receive_all(play), 0);
	play_close(play);
	if (!await_rest(play, TCP_TIME_WAIT, TCP_STATE_NONE))
		return false;
	connection = play_connection(play);
	EXPECT(play->on, connection);
	EXPECT_EQUAL(play->on, connection->closing, CLOSING_GRACEFUL);
	return AWAIT_COUNTER(play, closed_by_us, 1);
}

/* ---- linger: who waits in close() still owns the socket */

/* Nothing of the server's FIN arrives. */
static int hold_fin(struct play *play)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD};

	rule.match.from = SERVER_HOST;
	rule.match.flags_set = TCP_FLAG_FIN;
	rule.match.key = &play->key;
	return wire_rule_add(play->on->scene->wire, &rule);
}

static bool await_owner(struct play *play, bool owned)
{
	int64_t end_ns = clock_now_ns() + PLAY_PATIENCE_S * NS_PER_S;
	struct socket_status status;

	do {
		if (!play_await_state(play, SERVER_HOST, TCP_FIN_WAIT1, &status))
			return false;
	} while ((status.inode != 0) != owned && clock_now_ns() < end_ns);
	EXPECT_EQUAL(play->on, status.inode != 0, owned);
	return true;
}

static bool with_fin_held(struct play *play, bool (*then)(struct play *play))
{
	struct wire *wire = play->on->scene->wire;
	int rule = hold_fin(play);
	bool well;

	EXPECT(play->on, rule >= 0);
	EXPECT_EQUAL(play->on, play_connect(play), 0);
	EXPECT_EQUAL(play->on, wire_rule_wait(wire, rule, 1, PLAY_PATIENCE_S * NS_PER_S), 0);
	well = then(play);
	wire_rule_remove(wire, rule); /* lets it go */
	if (!well)
		return false;
	EXPECT_EQUAL(play->on, play_receive_all(play), 0);
	play_close(play);
	return play_await_state(play, SERVER_HOST, TCP_TIME_WAIT, NULL) &&
	       AWAIT_COUNTER(play, closed_by_us, 1);
}

static bool still_owned(struct play *play)
{
	if (!await_owner(play, true))
		return false;
	/* io_uring's close() completes before it waits: fput() leaves the rest to task_work. */
	if (play->plan.engine != engine_find("uring"))
		EXPECT_EQUAL(play->on, play_sum(play).open, 1);
	return true;
}

static bool given_up(struct play *play)
{
	return await_owner(play, false) && AWAIT_COUNTER(play, closed_by_us, 1);
}

static bool linger_blocks_close(struct play *play)
{
	return with_fin_held(play, still_owned);
}

static bool linger_ends(struct play *play)
{
	return with_fin_held(play, given_up);
}

static const struct story {
	const char *name, *protocol;
	enum serve_closing closing;
	bool (*tell)(struct play *play);
	bool defer;
	int linger_s;
	int64_t idle_timeout_ns;
} stories[] = {
	{"unread bytes do not spoil the FIN", "daytime", SERVE_CLOSE_ACTIVE,
	 unread_bytes_do_not_spoil_fin, .defer = true},
	{"nor before a linger", "daytime", SERVE_CLOSE_LINGER, unread_bytes_do_not_spoil_fin,
	 .defer = true, .linger_s = PLAY_PATIENCE_S},
	{"an early FIN is answered", "echo", SERVE_CLOSE_ACTIVE, early_fin_is_answered},
	{"an early FIN is answered", "echo", SERVE_CLOSE_HALF, early_fin_is_answered},
	{"an early FIN is answered", "echo", SERVE_CLOSE_LINGER, early_fin_is_answered,
	 .linger_s = PLAY_PATIENCE_S},
	{"the peer's RST", "echo", SERVE_CLOSE_PASSIVE, reset_is_counted},
	{"the peer's RST", "echo", SERVE_CLOSE_NEVER, reset_is_counted},
	{"unread without bytes", "daytime", SERVE_CLOSE_UNREAD, unread_without_bytes},
	{"idle", "echo", SERVE_CLOSE_PASSIVE, idle_is_closed, .idle_timeout_ns = 20 * NS_PER_MS},
	{"idle", "http", SERVE_CLOSE_ACTIVE, idle_is_closed, .idle_timeout_ns = 20 * NS_PER_MS},
	{"nonsense gets its answer", "http", SERVE_CLOSE_ACTIVE, nonsense_gets_its_answer},
	{"linger blocks close()", "daytime", SERVE_CLOSE_LINGER, linger_blocks_close,
	 .linger_s = PLAY_PATIENCE_S},
	{"linger ends", "daytime", SERVE_CLOSE_LINGER, linger_ends, .linger_s = 1},
	{"active does not wait in close()", "daytime", SERVE_CLOSE_ACTIVE, linger_ends},
};

static void tell_stories(struct serve_scene *on, const char *engine)
{
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		const struct story *story = &stories[i];
		struct serve_plan plan = play_plan(engine, story->protocol, story->closing);
		struct play play;

		plan.linger_s = story->linger_s;
		plan.idle_timeout_ns = story->idle_timeout_ns;
		snprintf(on->name, sizeof(on->name), "%s, %s, %s: %s", engine, story->protocol,
			 serve_closing_name(story->closing), story->name);
		play_end(&play,
			 play_begin(&play, on, &plan, AF_INET, story->defer) && story->tell(&play));
	}
}

/* ---- each engine in a world of its own */

static void with_engine(struct scene *scene, const char *name)
{
	const struct serve_engine *engine = engine_find(name);
	struct serve_scene on;
	struct why why = {0};

	CHECK(engine);
	if (engine->probe && engine->probe(&why) < 0)
		scene_skip("%s", why.text);
	serve_scene_open(&on, scene);
	contract(&on, name);
	tell_stories(&on, name);
	serve_scene_close(&on);
}

#define ENGINES(X) X(epoll) X(poll) X(select) X(thread) X(fork) X(uring)

#define STORY(name)                                                                                \
	static void engine_##name(struct scene *scene)                                             \
	{                                                                                          \
		with_engine(scene, #name);                                                         \
	}
ENGINES(STORY)

/* A new engine gets its line above. */
static void every_engine_is_here(void **state)
{
	static const char *const here[] = {
#define NAME(name) #name,
		ENGINES(NAME)};
	size_t count = 0;

	(void)state;
	while (engines[count]) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(here); i++)
			found = found || strcmp(here[i], engines[count]->name) == 0;
		assert_true(found);
		count++;
	}
	assert_int_equal(count, ARRAY_SIZE(here));
	for (size_t i = 0; protocols[i]; i++)
		assert_string_equal(protocols[i]->name,
				    i < ARRAY_SIZE(questions) ? questions[i].protocol : "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_engine_is_here),
#define TEST(name) TRIAL_ON(engine_##name, WORLD_LINK_WIRE, "engine " #name),
					   ENGINES(TEST)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
