/*
 * Question: net.ipv4.tcp_max_tw_buckets is reached. Which sockets have no TIME-WAIT?
 *
 * Kernel path (6.18): inet_twsk_alloc() (net/ipv4/inet_timewait_sock.c) makes no minisock once
 * dr->tw_refcount is at sysctl_max_tw_buckets. Those that exist are left alone, whatever their
 * age: tcp_time_wait() (net/ipv4/tcp_minisocks.c) counts TCPTimeWaitOverflow and tcp_done()s the
 * socket that asked, from where it is to CLOSED. So it is the connection that closes now that goes
 * without. An orphan asks as soon as it is in FIN-WAIT-2 (tcp_rcv_state_process(),
 * net/ipv4/tcp_input.c): when the peer acknowledges the FIN and closes later, the connection is
 * gone before the peer's FIN comes. close() has returned 0 long before.
 *
 * Packets expected, within the limit: FIN, ACK; FIN, ACK. Beyond it, when the peer closes later:
 * FIN, ACK; FIN, RST. When its ACK and FIN are one segment, this is still acknowledged, but
 * nothing stays to answer a repeat, or to keep out old duplicates.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/experiments/common.h"
#include "lab/experiments/ports.h"

/* Connections that find room, the oldest, and those after them. */
#define HALF	    40
#define CONNECTIONS (2 * HALF)
/* A machine out of orphans resets a connection instead of closing it (tcp_max_orphans counts those
 * of all namespaces): a few may be missing, and leave room for as many others. */
#define FEW 4

/* What takes a round trip, or a system call, on a busy machine. */
#define ANSWER_SECONDS 5

struct story {
	long limit;	   /* tcp_max_tw_buckets; 0: left alone */
	size_t limit_from; /* set before this connection */
	bool late_peer;	   /* closes when the client's end has left FIN-WAIT-1 */
};

struct scene {
	const struct story *story;
	int listener;
	int servers[CONNECTIONS];
	struct tcp_key keys[CONNECTIONS]; /* as the client sees them */
	size_t count;
	size_t close_errors; /* of the end that closes first */
};

/* One connection, closed at the client first. */
static int open_and_close(struct stage *stage, struct scene *scene, size_t i)
{
	CLEANUP_CLOSE int client = -1;

	TRY(stage, stage_connect(stage, NULL, ANSWER_SECONDS, &client, &scene->keys[i]));
	TRY(stage, stage_accept(stage, scene->listener, ANSWER_SECONDS, &scene->servers[i]));
	scene->count++;
	if (stage_shut(stage, &client) < 0)
		scene->close_errors++;
	TRY(stage, stage_receive_end(stage, scene->servers[i], ANSWER_SECONDS));
	if (scene->story->late_peer)
		stage_outcome(stage, STAGE_CLIENT, &scene->keys[i], ~STATE_BIT(TCP_FIN_WAIT1),
			      ANSWER_SECONDS);
	/* The descriptor stays: its socket has an error to tell. */
	return stage_shut_write(stage, scene->servers[i]);
}

/* The state of a socket that somebody has open. */
static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return TCP_STATE_NONE;
	return info.tcpi_state;
}

/* Waits until the servers' ends are closed, all of them at most so long. */
static void await_servers(const struct scene *scene)
{
	int64_t end = clock_now_ns() + ANSWER_SECONDS * NS_PER_S;
	struct timespec nap = clock_timespec(NS_PER_MS);

	for (size_t i = 0; i < scene->count; i++)
		while (state_of(scene->servers[i]) != TCP_CLOSE && clock_now_ns() < end)
			nanosleep(&nap, NULL);
}

/* What the applications of the peers are told. */
static void measure_peers(struct stage *stage, const struct scene *scene)
{
	size_t errors = 0;
	int last = 0;

	for (size_t i = 0; i < scene->count; i++) {
		socklen_t size = sizeof(int);
		int error = 0;

		getsockopt(scene->servers[i], SOL_SOCKET, SO_ERROR, &error, &size);
		if (!error)
			continue;
		errors++;
		last = error;
	}
	stage_measure(stage, "peer_error_count", (double)errors);
	stage_measure_text(stage, "peer_errno", last ? errno_name(last) : "none");
}

/* How many connections from @first up to @end are in TIME-WAIT at the client. */
static int measure_time_wait(struct stage *stage, const struct scene *scene, const char *name,
			     size_t first, size_t end)
{
	struct socket_status status;
	size_t count = 0;

	for (size_t i = first; i < end; i++) {
		TRY(stage, stage_status(stage, STAGE_CLIENT, &scene->keys[i], &status));
		count += status.state == TCP_TIME_WAIT;
	}
	stage_measure(stage, name, (double)count);
	return 0;
}

static int measure(struct stage *stage, const struct scene *scene)
{
	struct wire_match resets = WIRE_MATCH_ALL;

	TRY(stage, measure_time_wait(stage, scene, "oldest_in_time_wait", 0, HALF));
	TRY(stage, measure_time_wait(stage, scene, "newest_in_time_wait", HALF, CONNECTIONS));
	stage_measure(stage, "overflow_count",
		      (double)stage_counter(stage, STAGE_CLIENT, "TcpExt.TCPTimeWaitOverflow"));
	stage_measure(stage, "close_error_count", (double)scene->close_errors);
	measure_peers(stage, scene);
	resets.from = STAGE_CLIENT;
	resets.flags_set = TCP_FLAG_RST;
	stage_measure(stage, "rst_count", stage_segments(stage, &resets, NULL, 0));
	return 0;
}

/* Once the last connection so far has got what it gets. */
static void await_last(struct stage *stage, const struct scene *scene)
{
	if (scene->count > 0)
		stage_outcome(stage, STAGE_CLIENT, &scene->keys[scene->count - 1],
			      STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE), ANSWER_SECONDS);
}

static int set_limit(struct stage *stage, const struct scene *scene)
{
	await_last(stage, scene);
	return stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_max_tw_buckets",
			    scene->story->limit);
}

static int play_in(struct stage *stage, struct scene *scene)
{
	const struct story *story = scene->story;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, ports_spare_time_wait(stage, STAGE_CLIENT));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &scene->listener));
	for (size_t i = 0; i < CONNECTIONS; i++) {
		if (story->limit && i == story->limit_from)
			TRY(stage, set_limit(stage, scene));
		stage_state(stage, -1, "connection %zu of %d", i + 1, CONNECTIONS);
		TRY(stage, open_and_close(stage, scene, i));
	}
	await_servers(scene);
	await_last(stage, scene);
	return measure(stage, scene);
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	struct scene scene = {.story = stage->arm->extra, .listener = -1};
	int r = play_in(stage, &scene);

	for (size_t i = 0; i < scene.count; i++)
		close(scene.servers[i]);
	cleanup_close(&scene.listener);
	return r;
}

/* No FIN of the peers arrives: there is no TIME-WAIT, with or without a limit. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, STAGE_SERVER, TCP_FLAG_FIN, "no FIN, no TIME-WAIT");
}

/* ---- the verdict */

static const char *const treatments[] = {"limit", "limit-late-peer", "lowered-later"};

struct outcome {
	double oldest, newest, overflow;
};

static struct outcome outcome_of(const struct evidence *evidence, const char *arm)
{
	return (struct outcome){
		.oldest = evidence_number(evidence, arm, "oldest_in_time_wait"),
		.newest = evidence_number(evidence, arm, "newest_in_time_wait"),
		.overflow = evidence_number(evidence, arm, "overflow_count"),
	};
}

/* Those that were there stayed, and all new ones went without. */
static bool skips_new(const struct outcome *outcome)
{
	return outcome->oldest >= HALF - FEW && outcome->newest <= FEW &&
	       outcome->overflow >= HALF - FEW;
}

/* The new ones found room in the place of old ones. */
static bool drops_oldest(const struct outcome *outcome)
{
	return outcome->newest >= HALF - FEW && outcome->oldest <= FEW;
}

static void judge_numbers(const struct evidence *evidence, struct judgement *ret)
{
	static const char *const names[] = {"limit", "late_peer", "lowered_later"};

	for (size_t i = 0; i < ARRAY_SIZE(treatments); i++) {
		struct outcome outcome = outcome_of(evidence, treatments[i]);

		judge_measured(ret, outcome.oldest, "oldest_in_time_wait_%s", names[i]);
		judge_measured(ret, outcome.newest, "newest_in_time_wait_%s", names[i]);
		judge_measured(ret, outcome.overflow, "overflow_count_%s", names[i]);
		judge_measured(ret, evidence_number(evidence, treatments[i], "close_error_count"),
			       "close_error_count_%s", names[i]);
	}
	judge_measured(ret, evidence_number(evidence, "limit-late-peer", "rst_count"),
		       "rst_count_late_peer");
	judge_measured(ret, evidence_number(evidence, "limit-late-peer", "peer_error_count"),
		       "peer_error_count_late_peer");
	judge_measured_text(ret, evidence_text(evidence, "limit-late-peer", "peer_errno"),
			    "peer_errno_late_peer");
	judge_measured(ret, evidence_number(evidence, "default", "newest_in_time_wait"),
		       "newest_in_time_wait_default");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	struct outcome control = outcome_of(evidence, "default");
	size_t skipping = 0, dropping = 0;

	judge_numbers(evidence, ret);
	for (size_t i = 0; i < ARRAY_SIZE(treatments); i++) {
		struct outcome outcome = outcome_of(evidence, treatments[i]);

		skipping += skips_new(&outcome);
		dropping += drops_oldest(&outcome);
	}
	judge_deciding(ret, "TIME-WAIT: %.0f of %d oldest, %.0f newest",
		       evidence_number(evidence, "limit", "oldest_in_time_wait"), HALF,
		       evidence_number(evidence, "limit", "newest_in_time_wait"));

	if (control.oldest < HALF - FEW || control.newest < HALF - FEW || control.overflow > 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Without the limit %.0f of %d connections are in TIME-WAIT: something "
			  "else decides here.",
			  control.oldest + control.newest, CONNECTIONS);
	else if (dropping == ARRAY_SIZE(treatments))
		judge_say(
			ret, VERDICT_HOLDS,
			"With room for %d the newest connections are in TIME-WAIT, and older ones "
			"are gone.",
			HALF);
	else if (skipping == ARRAY_SIZE(treatments))
		judge_say(ret, VERDICT_REFUTED,
			  "The old stay, and what closes beyond the limit gets no TIME-WAIT: no "
			  "error, only TcpExt.TCPTimeWaitOverflow moves, nothing keeps old "
			  "duplicates out, and a peer that closes later is reset (%.0f of %d, %s): "
			  "leave the limit high.",
			  evidence_number(evidence, "limit-late-peer", "rst_count"), HALF,
			  evidence_text(evidence, "limit-late-peer", "peer_errno"));
	else
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Beyond the limit some of the old and some of the new connections are in "
			  "TIME-WAIT.");
}

static const struct arm arms[] = {
	{
		.name = "limit",
		.role = ARM_TREATMENT,
		.what = "tcp_max_tw_buckets=40, 80 connections, closed by both at once",
		.seconds = 1,
		.extra = &(const struct story){.limit = HALF},
		.play = play,
	},
	{
		.name = "limit-late-peer",
		.role = ARM_TREATMENT,
		.what = "the same; the peer closes when it has acknowledged the FIN",
		.seconds = 2,
		.extra = &(const struct story){.limit = HALF, .late_peer = true},
		.play = play,
	},
	{
		.name = "lowered-later",
		.role = ARM_TREATMENT,
		.what = "40 connections, then tcp_max_tw_buckets=20, then 40 more",
		.seconds = 1,
		.extra = &(const struct story){.limit = HALF / 2, .limit_from = HALF},
		.play = play,
	},
	{
		.name = "default",
		.role = ARM_CONTROL,
		.what = "80 connections under the default limit: all must be in TIME-WAIT",
		.seconds = 1,
		.extra = &(const struct story){0},
		.play = play,
	},
};

const struct experiment experiment_max_tw_buckets = {
	.id = "max-tw-buckets",
	.claim = "Beyond tcp_max_tw_buckets the kernel drops the oldest TIME-WAIT sockets to make "
		 "room for new ones.",
	.source = "tuning guides; tcp(7): \"the socket is closed\" does not say which",
	.section = "C. What it costs",
	.method =
		"With room for 40 TIME-WAIT 80 connections are closed one after the other; which "
		"of them are in TIME-WAIT, what the counters, close() and the peers say. Control: "
		"the default limit.",
	.why = "A low tcp_max_tw_buckets is sold as a harmless way to have fewer TIME-WAIT. It "
	       "takes it from the connections that need it most, and silently.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
