/*
 * Question: one client is slow. Must each request have a thread or process of its own, or else
 * block the others?
 *
 * Kernel path (6.18): recv(2) on a blocking socket without data sleeps in sk_wait_data()
 * (net/core/sock.c); a loop that serves one connection after the other calls no accept(2) until it
 * returns, and the next client, which the kernel connected all the same, waits in the accept queue.
 * A thread that asks epoll_wait(2) first (do_epoll_wait(), fs/eventpoll.c) sleeps for all its
 * connections at once and is woken by whichever has data.
 *
 * The slow client connects, is accepted, and says nothing until the other has its answer, at most
 * for 2 s (10 s where the answer is to come meanwhile). So the order of packets decides, not a
 * speed: the answer to the other comes before the slow client's line, or only after the answer to
 * that.
 *
 * Packets expected: both handshakes; line and answer of the other between the handshake and the
 * line of the slow client; in the blocked server behind them.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/experiments/common.h"
#include "lab/experiments/serving.h"
#include "serve/protocol.h"

/* The slow client's silence while the other waits: it ends with the other's answer. Where that is
 * to come meanwhile there is time for it, also on a busy machine. */
#define SILENCE_S	  2
#define SILENCE_AT_MOST_S 10
/* What takes a round trip, or starting a process, on a busy machine. */
#define ANSWER_SECONDS 5

#define LINE "a line\n"

/* In the world where the claim is false nobody is slow. */
static bool all_are_quick;

/* ---- the server that blocks */

/* Echoes one line, and closes; as the engines do with the same protocol. */
static void serve_one(int fd)
{
	char line[256];

	for (;;) {
		ssize_t n = recv(fd, line, sizeof(line), 0);

		if (n <= 0 || send(fd, line, (size_t)n, MSG_NOSIGNAL) < n)
			break;
		if (memchr(line, '\n', (size_t)n))
			break;
	}
	close(fd);
}

static int serve_one_after_the_other(struct stage *stage, void *context)
{
	const int *listener = context;

	(void)stage;
	for (;;) {
		int fd = accept(*listener, NULL, NULL);

		if (fd < 0)
			return 1;
		serve_one(fd);
	}
}

/* ---- the story */

struct servers {
	int listener; /* (owned) of the server that blocks, or -1 */
	struct server *engine;
};

/* arm->extra: the engine's name; NULL: the server that blocks. */
static int start_server(struct stage *stage, struct servers *ret)
{
	struct serve_plan plan = {.protocol = protocol_find("echo"), .threads = 1};
	pid_t pid;

	if (stage->arm->extra) {
		plan.engine = engine_find(stage->arm->extra);
		if (!plan.engine)
			return stage_not_testable(stage, "this build has no engine \"%s\"",
						  (const char *)stage->arm->extra);
		return serving_start(stage, &plan, STAGE_PORT, &ret->engine);
	}
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &ret->listener));
	/* It ends with the arm. */
	return stage_fork(stage, serve_one_after_the_other, &ret->listener, &pid);
}

/* A socket has an inode from accept(2) on: sock_graft() (include/net/sock.h). */
static int await_accepted(struct stage *stage, const struct tcp_key *client_key)
{
	struct tcp_key key = tcp_key_reverse(client_key);
	int64_t end = clock_now_ns() + ANSWER_SECONDS * NS_PER_S;
	struct timespec nap = clock_timespec(NS_PER_MS);
	struct socket_status status;

	for (;;) {
		TRY(stage, stage_status(stage, STAGE_SERVER, &key, &status));
		if (status.state != TCP_STATE_NONE && status.inode)
			return 0;
		if (clock_now_ns() > end)
			return stage_fail(stage, -ETIMEDOUT,
					  "the server has not accepted its first client");
		nanosleep(&nap, NULL);
	}
}

static int ask(struct stage *stage, int fd)
{
	TRY_SYS(stage, send(fd, LINE, strlen(LINE), MSG_NOSIGNAL));
	return 0;
}

/* Whether something has come at @fd by @until_ns. */
static bool answered_by(int fd, int64_t until_ns)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	int64_t left_ns = until_ns - clock_now_ns();

	return poll(&one, 1, left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0) > 0;
}

/* The whole answer and the end: both clients get what they asked for, sooner or later. */
static int finish(struct stage *stage, int fd)
{
	TRY(stage, stage_receive(stage, fd, strlen(LINE), ANSWER_SECONDS));
	return stage_receive_end(stage, fd, ANSWER_SECONDS);
}

static int compete(struct stage *stage)
{
	CLEANUP_CLOSE int slow = -1;
	CLEANUP_CLOSE int other = -1;
	int64_t slow_began_ns, other_began_ns, answered_ns;
	struct tcp_key slow_key;
	bool first;

	TRY(stage, stage_connect(stage, NULL, ANSWER_SECONDS, &slow, &slow_key));
	slow_began_ns = clock_now_ns();
	TRY(stage, await_accepted(stage, &slow_key));
	stage_measure(stage, "slow_asked_at_once_count", all_are_quick);
	if (all_are_quick)
		TRY(stage, ask(stage, slow));

	other_began_ns = clock_now_ns();
	TRY(stage, stage_connect(stage, NULL, ANSWER_SECONDS, &other, NULL));
	TRY(stage, ask(stage, other));
	stage_state(stage, -1, "the slow client is silent, the other waits for its answer");
	first = answered_by(other, clock_now_ns() + stage->arm->value * NS_PER_S);
	answered_ns = clock_now_ns();

	stage_measure(stage, "slow_silent_s", clock_seconds(answered_ns - slow_began_ns));
	if (!all_are_quick)
		TRY(stage, ask(stage, slow));
	if (!first && answered_by(other, clock_now_ns() + ANSWER_SECONDS * NS_PER_S))
		answered_ns = clock_now_ns();
	TRY(stage, finish(stage, other));
	TRY(stage, finish(stage, slow));
	stage_measure(stage, "other_latency_s", clock_seconds(answered_ns - other_began_ns));
	stage_measure(stage, "answered_while_slow_was_silent_count", first);
	return 0;
}

static int play(struct stage *stage)
{
	struct servers servers = {.listener = -1};
	int r;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, start_server(stage, &servers));
	r = compete(stage);
	server_free(servers.engine);
	cleanup_close(&servers.listener);
	return r;
}

/* The slow client has its line ready: a request never keeps a server waiting. */
static int falsify(struct stage *stage)
{
	(void)stage;
	all_are_quick = true;
	return 0;
}

/* ---- the verdict */

static const char *const loop = "one-at-a-time";
static const char *const events = "epoll";
static const char *const async = "uring";
static const char *const threads = "thread";
static const char *const processes = "fork";

static bool blocked(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "answered_while_slow_was_silent_count") == 0;
}

static double latency_ms(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "other_latency_s") * 1000;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	bool has_async = evidence_has(evidence, async);

	judge_measured(ret, latency_ms(evidence, loop), "other_latency_ms_one_at_a_time");
	judge_measured(ret, latency_ms(evidence, events), "other_latency_ms_epoll");
	if (has_async)
		judge_measured(ret, latency_ms(evidence, async), "other_latency_ms_uring");
	judge_measured(ret, latency_ms(evidence, threads), "other_latency_ms_thread");
	judge_measured(ret, latency_ms(evidence, processes), "other_latency_ms_fork");
	judge_measured(ret, evidence_number(evidence, loop, "slow_silent_s"), "slow_silent_s");
	judge_deciding(ret, "one at a time %.1f s, epoll in one thread %.1f ms",
		       latency_ms(evidence, loop) / 1000, latency_ms(evidence, events));

	if (evidence_is(evidence, loop, "slow_asked_at_once_count"))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "No client was slow, and nobody waited: nothing is said about what a "
			  "slow one does.");
	else if (blocked(evidence, threads) || blocked(evidence, processes))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The other client waited for the slow one also where each had a thread "
			  "or a process of its own: something else blocks here.");
	else if (!blocked(evidence, loop))
		judge_say(ret, VERDICT_REFUTED,
			  "Even a server that serves one after the other answered within %.1f ms "
			  "while the first client was silent.",
			  latency_ms(evidence, loop));
	else if (!blocked(evidence, events) || (has_async && !blocked(evidence, async)))
		judge_say(
			ret, VERDICT_REFUTED,
			"It is the blocking read that blocks: behind a client silent for %.0f s "
			"the next waits %.1f s in a loop that serves one after the other, but "
			"one thread with epoll answers it in %.1f ms (thread per connection %.1f, "
			"fork %.1f). No task of its own is needed, only that nothing blocks.",
			evidence_number(evidence, loop, "slow_silent_s"),
			latency_ms(evidence, loop) / 1000, latency_ms(evidence, events),
			latency_ms(evidence, threads), latency_ms(evidence, processes));
	else
		judge_say(ret, VERDICT_HOLDS,
			  "The next client waited %.1f s for the slow one, with events in one "
			  "thread %.1f s; only a thread or process of its own let it be served.",
			  latency_ms(evidence, loop) / 1000, latency_ms(evidence, events) / 1000);
}

static const struct arm arms[] = {
	{
		.name = "one-at-a-time",
		.role = ARM_TREATMENT,
		.what = "a loop that accepts, reads, answers, closes; the first client is silent",
		.seconds = SILENCE_S + 0.5,
		.value = SILENCE_S,
		.play = play,
	},
	{
		.name = "epoll",
		.role = ARM_TREATMENT,
		.what = "one thread for all connections, told by epoll which has something to read",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "epoll",
		.play = play,
	},
	{
		.name = "uring",
		.role = ARM_TREATMENT,
		.what = "one thread for all connections, with io_uring's asynchronous calls",
		.seconds = 1,
		.optional = true,
		.value = SILENCE_AT_MOST_S,
		.extra = "uring",
		.play = play,
	},
	{
		.name = "thread",
		.role = ARM_CONTROL,
		.what = "a thread per connection: the other client must not wait",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "thread",
		.play = play,
	},
	{
		.name = "fork",
		.role = ARM_CONTROL,
		.what = "a process per connection: the other client must not wait",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "fork",
		.play = play,
	},
};

const struct experiment experiment_blocking_server = {
	.id = "blocking-server",
	.claim = "A request that has no thread or process of its own blocks the others until it "
		 "ends.",
	.source = "article, 서버 방식",
	.section = "H. Servers",
	.method =
		"The first client says nothing until the second has its answer, or for 2 s; how long the second waits for its "
		"answer, at a server that serves one connection after the other, at contest "
		"serve's event engines with one thread, and with a thread or process each.",
	.why = "One client on a bad line, or one that means harm, can stop a server that waits for "
	       "it. Which servers that concerns is a question of how they wait, not of how many "
	       "threads they have.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
