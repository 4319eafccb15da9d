/*
 * Question: one client is slow. Must each request have a thread or process of its own, or else
 * block the others?
 *
 * Kernel path (6.18): recv(2) on a blocking socket without data sleeps in sk_wait_data()
 * (net/core/sock.c); a loop that serves one connection after the other calls no accept(2) until it
 * returns, and the next client, which the kernel connected all the same, waits in the accept queue.
 * A thread that asks epoll_wait(2) first (do_epoll_wait(), fs/eventpoll.c) sleeps for all its
 * connections at once and is woken by whichever has data. The same goes for an answer that is not
 * read: send(2) sleeps in sk_stream_wait_memory() (net/core/stream.c) once the buffers are full.
 *
 * The slow client connects, is accepted, and says nothing until the other has its answer, at most
 * for 2 s (10 s where the answer is to come meanwhile); or, in the arms "reader-…", it asks, and
 * for as long reads nothing of an answer that fits into no buffer. So the order of packets decides,
 * not a speed: the answer to the other comes before the slow client goes on, or only after the
 * answer to that.
 *
 * Packets expected: both handshakes; line and answer of the other between the handshake and the
 * line of the slow client; in the blocked server behind them. With the slow reader: its window goes
 * to 0, and only after that the other asks, or is answered.
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

#define LINE	"a line\n"
#define REQUEST "GET / HTTP/1.0\r\n\r\n"

/* Of the reader: more than its receive buffer and a send buffer of tcp_wmem take, and the one
 * segment of up to 64 KiB that may be begun beyond that. */
#define ANSWER_BYTES   (256 << 10)
#define SEND_BUFFER    "4096 16384 16384"
#define RECEIVE_BUFFER 4096

/* How the first client is slow. */
enum slowness { SLOW_SENDER, SLOW_READER };

/* In the world where the claim is false nobody is slow. */
static bool all_are_quick;

/* ---- the server that blocks */

struct servers {
	enum slowness slowness;
	int listener; /* (owned) of the server that blocks, or -1 */
	struct server *engine;
};

static void answer_at_length(int fd)
{
	static const char answer[ANSWER_BYTES];
	char request[256];

	if (recv(fd, request, sizeof(request), 0) > 0)
		(void)!send(fd, answer, sizeof(answer), MSG_NOSIGNAL);
	close(fd);
}

/* Echoes one line, and closes; as the engines do with the same protocol. */
static void echo_line(int fd)
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
	const struct servers *servers = context;

	(void)stage;
	for (;;) {
		int fd = accept(servers->listener, NULL, NULL);

		if (fd < 0)
			return 1;
		if (servers->slowness == SLOW_READER)
			answer_at_length(fd);
		else
			echo_line(fd);
	}
}

/* ---- the story */

/* arm->extra: the engine's name; NULL: the server that blocks. */
static int start_server(struct stage *stage, struct servers *ret)
{
	bool reader = ret->slowness == SLOW_READER;
	struct serve_plan plan = {
		.protocol = protocol_find(reader ? "http" : "echo"),
		.http_body = ANSWER_BYTES,
		.threads = 1,
	};
	pid_t pid;

	if (reader)
		TRY(stage,
		    stage_sysctl_text(stage, STAGE_SERVER, "net.ipv4.tcp_wmem", SEND_BUFFER));

	if (stage->arm->extra) {
		plan.engine = engine_find(stage->arm->extra);
		if (!plan.engine)
			return stage_not_testable(stage, "this build has no engine \"%s\"",
						  (const char *)stage->arm->extra);
		return serving_start(stage, &plan, STAGE_PORT, &ret->engine);
	}
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &ret->listener));
	/* It ends with the arm. */
	return stage_fork(stage, serve_one_after_the_other, ret, &pid);
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

static int narrow(int fd, void *context)
{
	(void)context;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){RECEIVE_BUFFER}, sizeof(int));
}

static int connect_slow(struct stage *stage, enum slowness slowness, int *ret_fd)
{
	struct pair_options options = PAIR_DEFAULT;
	struct tcp_key key;

	options.prepare = slowness == SLOW_READER ? narrow : NULL;
	TRY(stage, stage_connect(stage, &options, ANSWER_SECONDS, ret_fd, &key));
	return await_accepted(stage, &key);
}

static int ask(struct stage *stage, enum slowness slowness, int fd)
{
	const char *text = slowness == SLOW_READER ? REQUEST : LINE;

	TRY_SYS(stage, send(fd, text, strlen(text), MSG_NOSIGNAL));
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
static int finish(struct stage *stage, enum slowness slowness, int fd)
{
	size_t left = slowness == SLOW_READER ? ANSWER_BYTES : strlen(LINE);
	struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	char part[16384];
	ssize_t n;

	TRY_SYS(stage, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	/* What http says before its body is not counted on. */
	while ((n = recv(fd, part, sizeof(part), 0)) > 0)
		left -= (size_t)n < left ? (size_t)n : left;
	TRY_SYS(stage, n);
	return left ? stage_fail(stage, -EPROTO, "an answer lacks %zu bytes", left) : 0;
}

static int compete(struct stage *stage, enum slowness slowness)
{
	CLEANUP_CLOSE int slow = -1;
	CLEANUP_CLOSE int other = -1;
	int64_t slow_began_ns, other_began_ns, answered_ns;
	bool first;

	slow_began_ns = clock_now_ns();
	TRY(stage, connect_slow(stage, slowness, &slow));
	stage_measure(stage, "slow_was_quick_count", all_are_quick);
	if (all_are_quick || slowness == SLOW_READER)
		TRY(stage, ask(stage, slowness, slow));
	if (all_are_quick)
		TRY(stage, finish(stage, slowness, slow));

	other_began_ns = clock_now_ns();
	TRY(stage, stage_connect(stage, NULL, ANSWER_SECONDS, &other, NULL));
	TRY(stage, ask(stage, slowness, other));
	stage_state(stage, -1, "the slow client %s, the other waits for its answer",
		    slowness == SLOW_READER ? "does not read" : "is silent");
	first = answered_by(other, clock_now_ns() + stage->arm->value * NS_PER_S);
	answered_ns = clock_now_ns();

	stage_measure(stage, "slow_s", clock_seconds(answered_ns - slow_began_ns));
	if (!all_are_quick && slowness == SLOW_SENDER)
		TRY(stage, ask(stage, slowness, slow));
	if (!all_are_quick)
		TRY(stage, finish(stage, slowness, slow));
	if (!first && answered_by(other, clock_now_ns() + ANSWER_SECONDS * NS_PER_S))
		answered_ns = clock_now_ns();
	TRY(stage, finish(stage, slowness, other));
	stage_measure(stage, "other_latency_s", clock_seconds(answered_ns - other_began_ns));
	stage_measure(stage, "answered_meanwhile_count", first);
	return 0;
}

static int play_with(struct stage *stage, enum slowness slowness)
{
	struct servers servers = {.slowness = slowness, .listener = -1};
	int r;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, start_server(stage, &servers));
	r = compete(stage, slowness);
	server_free(servers.engine);
	cleanup_close(&servers.listener);
	return r;
}

static int play_sender(struct stage *stage)
{
	return play_with(stage, SLOW_SENDER);
}

static int play_reader(struct stage *stage)
{
	return play_with(stage, SLOW_READER);
}

/* The first client asks and reads at once: it never keeps a server waiting. */
static int falsify(struct stage *stage)
{
	(void)stage;
	all_are_quick = true;
	return 0;
}

/* ---- the verdict */

struct names {
	const char *loop, *events, *async, *thread, *process;
};

static const struct names senders = {"one-at-a-time", "epoll", "uring", "thread", "fork"};
static const struct names readers = {"reader-one-at-a-time", "reader-epoll", "reader-uring",
				     "reader-thread", "reader-fork"};

static bool blocked(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "answered_meanwhile_count") == 0;
}

/* Both ways of serving many in one thread. */
static bool events_blocked(const struct evidence *evidence, const struct names *of)
{
	return blocked(evidence, of->events) &&
	       (!evidence_has(evidence, of->async) || blocked(evidence, of->async));
}

static bool own_tasks_blocked(const struct evidence *evidence, const struct names *of)
{
	return blocked(evidence, of->thread) || blocked(evidence, of->process);
}

static double latency_ms(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "other_latency_s") * 1000;
}

static void list_latencies(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured(ret, latency_ms(evidence, senders.loop), "other_latency_ms_one_at_a_time");
	judge_measured(ret, latency_ms(evidence, senders.events), "other_latency_ms_epoll");
	if (evidence_has(evidence, senders.async))
		judge_measured(ret, latency_ms(evidence, senders.async), "other_latency_ms_uring");
	judge_measured(ret, latency_ms(evidence, senders.thread), "other_latency_ms_thread");
	judge_measured(ret, latency_ms(evidence, senders.process), "other_latency_ms_fork");
	judge_measured(ret, evidence_number(evidence, senders.loop, "slow_s"), "slow_silent_s");
	judge_measured(ret, latency_ms(evidence, readers.loop),
		       "other_latency_ms_reader_one_at_a_time");
	judge_measured(ret, latency_ms(evidence, readers.events), "other_latency_ms_reader_epoll");
	if (evidence_has(evidence, readers.async))
		judge_measured(ret, latency_ms(evidence, readers.async),
			       "other_latency_ms_reader_uring");
	judge_measured(ret, latency_ms(evidence, readers.thread), "other_latency_ms_reader_thread");
	judge_measured(ret, latency_ms(evidence, readers.process), "other_latency_ms_reader_fork");
	judge_measured(ret, evidence_number(evidence, readers.loop, "slow_s"), "slow_unread_s");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	list_latencies(evidence, ret);
	judge_deciding(ret, "one at a time %.1f s, epoll in one thread %.1f ms",
		       latency_ms(evidence, senders.loop) / 1000,
		       latency_ms(evidence, senders.events));

	if (evidence_is(evidence, senders.loop, "slow_was_quick_count") ||
	    evidence_is(evidence, readers.loop, "slow_was_quick_count"))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "No client was slow, and nobody waited: nothing is said about what a "
			  "slow one does.");
	else if (own_tasks_blocked(evidence, &senders) || own_tasks_blocked(evidence, &readers))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The other client waited for the slow one also where each had a thread "
			  "or a process of its own: something else blocks here.");
	else if (!blocked(evidence, senders.loop) || !blocked(evidence, readers.loop))
		judge_say(ret, VERDICT_REFUTED,
			  "Even a server that serves one after the other answered within %.1f ms "
			  "while the first client was silent, or within %.1f ms while it did not "
			  "read.",
			  latency_ms(evidence, senders.loop), latency_ms(evidence, readers.loop));
	else if (!events_blocked(evidence, &senders) && !events_blocked(evidence, &readers))
		judge_say(ret, VERDICT_REFUTED,
			  "It is the blocking call that blocks: behind a client silent for %.0f s "
			  "the next waits %.1f s in a loop that serves one after the other, and "
			  "behind one that does not read its answer %.1f s; but one thread with "
			  "epoll answers in %.1f and %.1f ms (thread per connection %.1f, fork "
			  "%.1f). No task of its own is needed, only that nothing blocks.",
			  evidence_number(evidence, senders.loop, "slow_s"),
			  latency_ms(evidence, senders.loop) / 1000,
			  latency_ms(evidence, readers.loop) / 1000,
			  latency_ms(evidence, senders.events),
			  latency_ms(evidence, readers.events),
			  latency_ms(evidence, senders.thread),
			  latency_ms(evidence, senders.process));
	else
		judge_say(ret, VERDICT_HOLDS,
			  "The next client waited %.1f s for the slow one, with events in one "
			  "thread %.1f s (%.1f s behind one that does not read); only a thread or "
			  "process of its own let it be served.",
			  latency_ms(evidence, senders.loop) / 1000,
			  latency_ms(evidence, senders.events) / 1000,
			  latency_ms(evidence, readers.events) / 1000);
}

static const struct arm arms[] = {
	{
		.name = "one-at-a-time",
		.role = ARM_TREATMENT,
		.what = "a loop that accepts, reads, answers, closes; the first client is silent",
		.seconds = SILENCE_S + 0.5,
		.value = SILENCE_S,
		.play = play_sender,
	},
	{
		.name = "epoll",
		.role = ARM_TREATMENT,
		.what = "one thread for all connections, told by epoll which has something to read",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "epoll",
		.play = play_sender,
	},
	{
		.name = "uring",
		.role = ARM_TREATMENT,
		.what = "one thread for all connections, with io_uring's asynchronous calls",
		.seconds = 1,
		.optional = true,
		.value = SILENCE_AT_MOST_S,
		.extra = "uring",
		.play = play_sender,
	},
	{
		.name = "thread",
		.role = ARM_CONTROL,
		.what = "a thread per connection: the other client must not wait",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "thread",
		.play = play_sender,
	},
	{
		.name = "fork",
		.role = ARM_CONTROL,
		.what = "a process per connection: the other client must not wait",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "fork",
		.play = play_sender,
	},
	{
		.name = "reader-one-at-a-time",
		.role = ARM_TREATMENT,
		.what = "a loop that accepts, reads, answers, closes; the first client does not read",
		.seconds = SILENCE_S + 0.5,
		.value = SILENCE_S,
		.play = play_reader,
	},
	{
		.name = "reader-epoll",
		.role = ARM_TREATMENT,
		.what = "one thread for all connections, told by epoll which has something to read, or room; the first client does not read",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "epoll",
		.play = play_reader,
	},
	{
		.name = "reader-uring",
		.role = ARM_TREATMENT,
		.what = "one thread for all connections, with io_uring's asynchronous calls; the first client does not read",
		.seconds = 1,
		.optional = true,
		.value = SILENCE_AT_MOST_S,
		.extra = "uring",
		.play = play_reader,
	},
	{
		.name = "reader-thread",
		.role = ARM_CONTROL,
		.what = "a thread per connection: the other client must not wait for a reader",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "thread",
		.play = play_reader,
	},
	{
		.name = "reader-fork",
		.role = ARM_CONTROL,
		.what = "a process per connection: the other client must not wait for a reader",
		.seconds = 1,
		.value = SILENCE_AT_MOST_S,
		.extra = "fork",
		.play = play_reader,
	},
};

const struct experiment experiment_blocking_server = {
	.id = "blocking-server",
	.claim = "A request that has no thread or process of its own blocks the others until it "
		 "ends.",
	.source = "article, 서버 방식",
	.section = "H. Servers",
	.method =
		"The first client says nothing, or reads nothing of a long answer, until the second "
		"has its answer, or for 2 s; how long the second waits for its "
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
