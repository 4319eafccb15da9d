/*
 * Question: can a server that is started again bind() its port while connections of the first run
 * are in TIME-WAIT there, and whose SO_REUSEADDR decides?
 *
 * Kernel path (6.18): inet_csk_get_port() (net/ipv4/inet_connection_sock.c) finds the port's
 * bucket, which the TIME-WAIT sockets keep alive, and inet_csk_bind_conflict() goes through what
 * is bound there: no conflict only if both sockets have sk_reuse. That of a TIME-WAIT socket is
 * tw_reuse, a copy of the connection's (inet_twsk_alloc()), which accept() gave it from the first
 * run's listener. The end of TIME-WAIT takes the bucket away (inet_twsk_bind_unhash()).
 *
 * Packets expected: one connection, closed first by the server. Control: closed first by the
 * client, so that TIME-WAIT is on the other host, and nothing is in the way.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/stage.h"

#define TIME_WAIT_S   60 /* TCP_TIMEWAIT_LEN, include/net/tcp.h */
#define STILL_AFTER_S 55 /* when the restart is tried for the second time */

/* The timer wheel may be late by 4.1 s (HZ=1000), a busy machine adds to that, and the state is
 * seen one look later. */
#define LATE_S	     5
#define EARLY_S	     0.1
#define GONE_SECONDS (TIME_WAIT_S + LATE_S + 10)

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

struct story {
	bool first_reuse, second_reuse; /* SO_REUSEADDR in the first run, and in the second */
	bool client_first;		/* the client closes first */
};

/* A server is started: socket(), perhaps SO_REUSEADDR, bind() to any address, listen(). The
 * errno of what the system refused, or 0 and the listener. */
static int start_server(struct stage *stage, bool reuse, int *ret_fd)
{
	struct tcp_endpoint any = {.address = {.family = AF_INET}, .port = STAGE_PORT};
	CLEANUP_CLOSE int fd = host_socket(stage->server, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_storage name;
	socklen_t length;
	int yes = reuse;

	tcp_endpoint_to_sockaddr(&any, &name, &length);
	if (fd < 0)
		return -fd;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, 128) < 0)
		return errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Starts it and ends it again. */
static int try_server(struct stage *stage, bool reuse)
{
	CLEANUP_CLOSE int fd = -1;

	return start_server(stage, reuse, &fd);
}

/* The first run: serves one connection, which is over when the run is. */
static int first_run(struct stage *stage, const struct story *story, struct pair *ret)
{
	struct pair_options options = PAIR_DEFAULT;
	CLEANUP_CLOSE int listener = -1;
	int *first, *second, error = start_server(stage, story->first_reuse, &listener);
	struct pair pair;

	if (error)
		return stage_fail(stage, -error, "cannot start the first server");
	options.listener = listener;
	TRY(stage, stage_pair(stage, &options, &pair));
	first = story->client_first ? &pair.client : &pair.server;
	second = story->client_first ? &pair.server : &pair.client;
	TRY(stage, stage_shut(stage, first));
	stage_outcome(stage, story->client_first ? STAGE_SERVER : STAGE_CLIENT,
		      story->client_first ? &pair.server_key : &pair.client_key,
		      STATE_BIT(TCP_CLOSE_WAIT), 3);
	TRY(stage, stage_shut(stage, second));
	stage_measure_text(
		stage, "server_left_in",
		tcp_state_name(stage_outcome(stage, STAGE_SERVER, &pair.server_key, SETTLED, 3)));
	*ret = pair;
	return 0;
}

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "none";
}

/* Tried again shortly before TIME-WAIT ends, and when it has. */
static int wait_for_port(struct stage *stage, const struct story *story, const struct pair *pair)
{
	struct observer_change began, gone;
	int error;

	TRY(stage, stage_await(stage, STAGE_SERVER, &pair->server_key, TCP_TIME_WAIT, 1, &began));
	TRY(stage, stage_pass_until(stage, began.time_ns + STILL_AFTER_S * NS_PER_S,
				    "server TIME-WAIT; the next try is at 55 s"));
	stage_measure_text(stage, "errno_at_55_s",
			   error_name(try_server(stage, story->second_reuse)));
	TRY(stage, stage_await(stage, STAGE_SERVER, &pair->server_key, TCP_STATE_NONE, GONE_SECONDS,
			       &gone));
	error = try_server(stage, story->second_reuse);
	stage_measure_text(stage, "errno_when_gone", error_name(error));
	stage_measure(stage, "blocked_s", change_distance(&began, &gone));
	return 0;
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	const struct story *story = stage->arm->extra;
	struct pair pair;
	int error;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, first_run(stage, story, &pair));
	error = try_server(stage, story->second_reuse);
	stage_measure_text(stage, "errno_at_once", error_name(error));
	if (error && !story->client_first)
		TRY(stage, wait_for_port(stage, story, &pair));
	pair_close(&pair);
	return 0;
}

/* No room for TIME-WAIT at the server: nothing is left on its port. */
static int falsify(struct stage *stage)
{
	return stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_max_tw_buckets", 0);
}

static const char *const neither = "neither";
static const char *const first_only = "first-only";
static const char *const second_only = "second-only";
static const char *const both = "both";
static const char *const elsewhere = "time-wait-elsewhere";

static const char *const in_use = "EADDRINUSE";

static bool text_is(const struct evidence *evidence, const char *arm, const char *name,
		    const char *wanted)
{
	return strcmp(evidence_text(evidence, arm, name), wanted) == 0;
}

static bool starts(const struct evidence *evidence, const char *arm)
{
	return text_is(evidence, arm, "errno_at_once", "none");
}

/* It could not start until TIME-WAIT was over, and could then. */
static bool blocked(const struct evidence *evidence, const char *arm)
{
	double blocked_s;

	if (!text_is(evidence, arm, "errno_at_once", in_use))
		return false;
	blocked_s = evidence_number(evidence, arm, "blocked_s");
	return text_is(evidence, arm, "errno_at_55_s", in_use) &&
	       text_is(evidence, arm, "errno_when_gone", "none") &&
	       blocked_s >= TIME_WAIT_S - EARLY_S && blocked_s <= TIME_WAIT_S + LATE_S;
}

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	const struct {
		const char *arm, *suffix;
	} told[] = {
		{neither, "neither"},
		{first_only, "option_in_first_run_only"},
		{second_only, "option_in_second_run_only"},
		{both, "option_in_both_runs"},
		{elsewhere, "time_wait_elsewhere"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		judge_measured_text(ret, evidence_text(evidence, told[i].arm, "errno_at_once"),
				    "errno_at_once_%s", told[i].suffix);
		if (evidence_knows(evidence, told[i].arm, "blocked_s"))
			judge_measured(ret, evidence_number(evidence, told[i].arm, "blocked_s"),
				       "blocked_s_%s", told[i].suffix);
	}
}

/* Whether TIME-WAIT was on the server's port in each of the four arms of the square. */
static bool time_wait_there(const struct evidence *evidence)
{
	const char *const arms[] = {neither, first_only, second_only, both};

	for (size_t i = 0; i < ARRAY_SIZE(arms); i++)
		if (!text_is(evidence, arms[i], "server_left_in", tcp_state_name(TCP_TIME_WAIT)))
			return false;
	return true;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double blocked_s = NAN;

	tell(evidence, ret);
	if (evidence_knows(evidence, neither, "blocked_s"))
		blocked_s = evidence_number(evidence, neither, "blocked_s");
	judge_deciding(ret, "2nd run only: %s; both: %s",
		       evidence_text(evidence, second_only, "errno_at_once"),
		       evidence_text(evidence, both, "errno_at_once"));

	if (!time_wait_there(evidence))
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"The server closed first and is left in %s: no TIME-WAIT was on its port.",
			evidence_text(evidence, neither, "server_left_in"));
	else if (!starts(evidence, elsewhere))
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"The restart fails (%s) although TIME-WAIT is at the other end: it is not "
			"what stands in the way here.",
			evidence_text(evidence, elsewhere, "errno_at_once"));
	else if (!blocked(evidence, neither))
		judge_say(
			ret, VERDICT_REFUTED,
			"Without SO_REUSEADDR the restart gave %s at once; TIME-WAIT does not block "
			"it for its time.",
			evidence_text(evidence, neither, "errno_at_once"));
	else if (!starts(evidence, both))
		judge_say(
			ret, VERDICT_REFUTED,
			"The restart is blocked for %.1f s, and SO_REUSEADDR in both runs does not "
			"help: %s.",
			blocked_s, evidence_text(evidence, both, "errno_at_once"));
	else if (!starts(evidence, second_only))
		judge_say(ret, VERDICT_REFUTED,
			  "Without SO_REUSEADDR bind() fails for %.1f s, but setting it at the "
			  "restart is too late (%s): the run that left TIME-WAIT must have had it, "
			  "too. Set it in every server, always.",
			  blocked_s, evidence_text(evidence, second_only, "errno_at_once"));
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"Without SO_REUSEADDR bind() fails for %.1f s after a restart; with it the "
			"server starts at once.",
			blocked_s);
}

#define BLOCKED_SECONDS (TIME_WAIT_S + 3)

static const struct arm arms[] = {
	{
		.name = "neither",
		.role = ARM_TREATMENT,
		.what = "SO_REUSEADDR in neither run",
		.seconds = BLOCKED_SECONDS,
		.extra = &(const struct story){.first_reuse = false, .second_reuse = false},
		.play = play,
	},
	{
		.name = "first-only",
		.role = ARM_TREATMENT,
		.what = "SO_REUSEADDR in the first run only",
		.seconds = BLOCKED_SECONDS,
		.extra = &(const struct story){.first_reuse = true, .second_reuse = false},
		.play = play,
	},
	{
		.name = "second-only",
		.role = ARM_TREATMENT,
		.what = "SO_REUSEADDR in the second run only: set once the restart has failed",
		.seconds = BLOCKED_SECONDS,
		.extra = &(const struct story){.first_reuse = false, .second_reuse = true},
		.play = play,
	},
	{
		.name = "both",
		.role = ARM_TREATMENT,
		.what = "SO_REUSEADDR in both runs",
		.seconds = 1,
		.extra = &(const struct story){.first_reuse = true, .second_reuse = true},
		.play = play,
	},
	{
		.name = "time-wait-elsewhere",
		.role = ARM_CONTROL,
		.what = "in neither run, but the client closed first: nothing must be in the way",
		.seconds = 1,
		.extra = &(const struct story){.client_first = true},
		.play = play,
	},
};

const struct experiment experiment_reuseaddr_restart = {
	.id = "reuseaddr-restart",
	.claim =
		"A server cannot bind() its port again while TIME-WAIT remain on it, and can at once "
		"when the restarted one sets SO_REUSEADDR.",
	.source = "article, 종료 과정 and 소켓 옵션",
	.section = "D. Local ports and reuse",
	.method =
		"A server whose connection is in TIME-WAIT is started again: with SO_REUSEADDR in "
		"the first run, in the second, in both, in neither; at once, after 55 s, and when "
		"TIME-WAIT is over. Beside it a server whose client closed first.",
	.why = "\"Address already in use\" after a restart or a crash is a minute of downtime, and "
	       "the one line that avoids it has to be there before it is needed.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
