/*
 * Question: SO_REUSEADDR of a socket and the sysctl tcp_tw_reuse both "reuse TIME-WAIT". Does one
 * do what the other does?
 *
 * Kernel path (6.18): two different functions look at two different things. bind() asks
 * inet_csk_bind_conflict() (net/ipv4/inet_connection_sock.c), which compares sk_reuse of the
 * socket with tw_reuse of the TIME-WAIT, and knows no sysctl. connect() without bind() asks
 * tcp_twsk_unique() (net/ipv4/tcp_ipv4.c), which reads sysctl_tcp_tw_reuse and never looks at
 * sk_reuse.
 *
 * Two failures, each with neither, with the one and with the other cure. A server whose port has
 * a TIME-WAIT is started again: EADDRINUSE. A client with all its ports in TIME-WAIT connects:
 * EADDRNOTAVAIL. The TIME-WAIT are old enough to be reused (tcp_tw_reuse_delay). Packets
 * expected: the connections that leave TIME-WAIT, and those of the client that is cured.
 */
#include "lab/experiments/ports.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define PORTS 10
/* What ports_cut() leaves when it leaves one. */
#define NAMED_PORT 40000

struct plan {
	bool reuse_address; /* SO_REUSEADDR on each socket that could have it */
	long tw_reuse;	    /* at both hosts */
	bool names_port;    /* the client: bind() to its port before connect() */
};

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "none";
}

static int set_reuse_address(int fd, void *context)
{
	int yes = *(const bool *)context;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ? -errno : 0;
}

/* ---- the server's bind() */

/* A server that is started: the errno of what was refused, or 0 and its listener. */
static int start_server(struct stage *stage, const struct plan *plan, int *ret_fd)
{
	struct tcp_endpoint any = {.address = {.family = AF_INET}, .port = STAGE_PORT};
	CLEANUP_CLOSE int fd = host_socket(stage->server, AF_INET, SOCK_STREAM, 0);
	bool reuse = plan->reuse_address;
	struct sockaddr_storage name;
	socklen_t length;

	tcp_endpoint_to_sockaddr(&any, &name, &length);
	if (fd < 0)
		return -fd;
	if (set_reuse_address(fd, &reuse) < 0 || bind(fd, (struct sockaddr *)&name, length) < 0 ||
	    listen(fd, 128) < 0)
		return errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The first run: it closes its connection first, and ends. */
static int serve_once(struct stage *stage, const struct plan *plan)
{
	struct pair_options options = PAIR_DEFAULT;
	CLEANUP_CLOSE int listener = -1;
	struct pair pair;
	int error = start_server(stage, plan, &listener);

	if (error)
		return stage_fail(stage, -error, "cannot start the first server");
	options.listener = listener;
	TRY(stage, stage_pair(stage, &options, &pair));
	TRY(stage, stage_shut(stage, &pair.server));
	stage_outcome(stage, STAGE_CLIENT, &pair.client_key, STATE_BIT(TCP_CLOSE_WAIT), 3);
	TRY(stage, stage_shut(stage, &pair.client));
	stage_outcome(stage, STAGE_SERVER, &pair.server_key, STATE_BIT(TCP_TIME_WAIT), 3);
	return 0;
}

static int play_bind(struct stage *stage)
{
	const struct plan *plan = stage->arm->extra;
	CLEANUP_CLOSE int again = -1;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_tw_reuse", plan->tw_reuse));
	TRY(stage, stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_tw_reuse", plan->tw_reuse));
	TRY(stage, ports_spare_time_wait(stage, STAGE_SERVER));
	TRY(stage, serve_once(stage, plan));
	TRY(stage, stage_pass_time(stage, PORTS_OLD_ENOUGH_S, "TIME-WAIT grows old enough"));
	stage_measure(stage, "time_wait_count", (double)ports_in_time_wait(stage, STAGE_SERVER));
	stage_measure_text(stage, "errno", error_name(start_server(stage, plan, &again)));
	return 0;
}

/* ---- the client's connect() */

static int play_connect(struct stage *stage)
{
	const struct plan *plan = stage->arm->extra;
	size_t count = plan->names_port ? 1 : PORTS;
	struct pair_options options = PAIR_DEFAULT;
	bool reuse = plan->reuse_address;
	CLEANUP_CLOSE int listener = -1;
	struct ports_spent before, after;

	options.prepare = set_reuse_address;
	options.context = &reuse;
	options.client_port = plan->names_port ? NAMED_PORT : 0;
	TRY(stage, stage_open(stage, NULL));
	TRY(stage, ports_cut(stage, count, plan->tw_reuse));
	TRY(stage, stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_tw_reuse", plan->tw_reuse));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &listener));
	TRY(stage, ports_spend_as(stage, &options, listener, count, true, &before));
	TRY(stage, stage_pass_time(stage, PORTS_OLD_ENOUGH_S, "TIME-WAIT grows old enough"));
	stage_measure(stage, "time_wait_count", (double)ports_in_time_wait(stage, STAGE_CLIENT));
	TRY(stage, ports_spend_as(stage, &options, listener, count, true, &after));
	stage_measure(stage, "connections", (double)after.connections);
	stage_measure_text(stage, "errno", error_name(after.error));
	return 0;
}

/* Without timestamps tcp_tw_reuse cures nothing: two options, and only one of them works. */
static int falsify(struct stage *stage)
{
	return stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_timestamps", 0);
}

/* ---- the verdict */

static const char *const bind_neither = "bind-neither";
static const char *const bind_option = "bind-reuseaddr";
static const char *const bind_sysctl = "bind-tw-reuse";
static const char *const connect_neither = "connect-neither";
static const char *const connect_option = "connect-reuseaddr";
static const char *const connect_sysctl = "connect-tw-reuse";
static const char *const connect_named = "connect-reuseaddr-named";

static const char *error_of(const struct evidence *evidence, const char *arm)
{
	return evidence_text(evidence, arm, "errno");
}

static bool cured(const struct evidence *evidence, const char *arm)
{
	return strcmp(error_of(evidence, arm), "none") == 0;
}

static bool ill(const struct evidence *evidence, const char *arm, const char *error)
{
	return evidence_number(evidence, arm, "time_wait_count") > 0 &&
	       strcmp(error_of(evidence, arm), error) == 0;
}

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured_text(ret, error_of(evidence, bind_neither), "bind_errno_with_neither");
	judge_measured_text(ret, error_of(evidence, bind_option), "bind_errno_with_so_reuseaddr");
	judge_measured_text(ret, error_of(evidence, bind_sysctl), "bind_errno_with_tcp_tw_reuse");
	judge_measured_text(ret, error_of(evidence, connect_neither), "connect_errno_with_neither");
	judge_measured_text(ret, error_of(evidence, connect_option),
			    "connect_errno_with_so_reuseaddr");
	judge_measured_text(ret, error_of(evidence, connect_sysctl),
			    "connect_errno_with_tcp_tw_reuse");
	judge_measured_text(ret, error_of(evidence, connect_named),
			    "connect_errno_with_so_reuseaddr_and_bind");
}

static const char *works(bool yes)
{
	return yes ? "works" : "does not";
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	bool option_binds = cured(evidence, bind_option);
	bool sysctl_binds = cured(evidence, bind_sysctl);
	bool option_connects = cured(evidence, connect_option);
	bool sysctl_connects = cured(evidence, connect_sysctl);

	tell(evidence, ret);
	judge_deciding(ret, "bind() cured by %s, connect() by %s",
		       option_binds && sysctl_binds ? "both"
		       : option_binds		    ? "SO_REUSEADDR"
		       : sysctl_binds		    ? "tw_reuse"
						    : "none",
		       option_connects && sysctl_connects ? "both"
		       : option_connects		  ? "SO_REUSEADDR"
		       : sysctl_connects		  ? "tw_reuse"
							  : "none");
	if (!ill(evidence, bind_neither, "EADDRINUSE") ||
	    !ill(evidence, connect_neither, "EADDRNOTAVAIL"))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "With neither of the two bind() gives %s and connect() %s: there is "
			  "nothing to cure.",
			  error_of(evidence, bind_neither), error_of(evidence, connect_neither));
	else if (!option_binds || sysctl_binds || option_connects || !sysctl_connects)
		judge_say(ret, VERDICT_REFUTED,
			  "For a server's bind() SO_REUSEADDR %s and tcp_tw_reuse %s; for a "
			  "client's connect() SO_REUSEADDR %s and tcp_tw_reuse %s.",
			  works(option_binds), works(sysctl_binds), works(option_connects),
			  works(sysctl_connects));
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"EADDRINUSE at a restart: SO_REUSEADDR in the server's code. "
			"EADDRNOTAVAIL at connect(): tcp_tw_reuse=1 on the client's host. Neither "
			"helps with the other%s.",
			cured(evidence, connect_named)
				? "; only a client that bind()s its own port with SO_REUSEADDR "
				  "connects from it again without tcp_tw_reuse"
				: "");
}

#define ARM(arm_name, arm_role, arm_what, arm_play, ...)                                           \
	{                                                                                          \
		.name = (arm_name), .role = (arm_role), .what = (arm_what), .seconds = 4,          \
		.extra = &(const struct plan){__VA_ARGS__}, .play = (arm_play),                    \
	}

static const struct arm arms[] = {
	ARM("bind-neither", ARM_CONTROL, "a server restarts over TIME-WAIT: must fail", play_bind,
	    .tw_reuse = 0),
	ARM("bind-reuseaddr", ARM_TREATMENT, "the same with SO_REUSEADDR in both runs", play_bind,
	    .reuse_address = true),
	ARM("bind-tw-reuse", ARM_TREATMENT, "the same with tcp_tw_reuse=1 at both hosts", play_bind,
	    .tw_reuse = 1),
	ARM("connect-neither", ARM_CONTROL, "a client whose ports are all in TIME-WAIT: must fail",
	    play_connect, .tw_reuse = 0),
	ARM("connect-reuseaddr", ARM_TREATMENT, "the same with SO_REUSEADDR on all its sockets",
	    play_connect, .reuse_address = true),
	ARM("connect-tw-reuse", ARM_TREATMENT, "the same with tcp_tw_reuse=1 at both hosts",
	    play_connect, .tw_reuse = 1),
	ARM("connect-reuseaddr-named", ARM_TREATMENT,
	    "SO_REUSEADDR, the port named by bind(): not the claim, but good to know", play_connect,
	    .reuse_address = true, .names_port = true),
};

const struct experiment experiment_reuseaddr_is_not_tw_reuse = {
	.id = "reuseaddr-is-not-tw-reuse",
	.claim = "SO_REUSEADDR lets a server bind() over TIME-WAIT and tcp_tw_reuse lets a client "
		 "connect() over it, and neither does the other's work.",
	.source = "article, 소켓 옵션 (against the myth that they are the same)",
	.section = "D. Local ports and reuse",
	.method = "A server that restarts over a TIME-WAIT, and a client all of whose ports are in "
		  "TIME-WAIT, each with SO_REUSEADDR, with tcp_tw_reuse=1, and as control with "
		  "neither.",
	.why = "Both are sold as \"reuse TIME_WAIT\". Whoever sets the wrong one changes nothing, "
	       "and concludes that the right one would not have helped either.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
