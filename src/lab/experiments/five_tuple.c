/*
 * Question: can one local port carry several connections?
 *
 * Kernel path: connect() without bind() takes a port for a connection, not for itself alone:
 * __inet_hash_connect() (net/ipv4/inet_hashtables.c, 6.18) shares a bound port as long as
 * __inet_check_established() finds no socket, TIME-WAIT included, with the same four addresses
 * and ports.
 *
 * The client's port range has one port, so there is nothing else to choose. Expected: TIME-WAIT
 * towards port 5000, ESTABLISHED towards 5001 and 5002, all from that port; a second connection
 * to 5000 has no tuple left and fails.
 */
#include "lab/stage.h"

#include <string.h>

#include "base/cleanup.h"

#define ONLY_PORT 40000 /* as in the range below */

static int open_stage(struct stage *stage)
{
	TRY(stage, stage_open(stage, NULL));
	/* Else TIME-WAIT may be reused over loopback; and the question is about tuples. */
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_tw_reuse", 0));
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_port_range",
				 "40000 40000");
}

/* Leaves one connection to port 5000 in TIME-WAIT at the client. */
static int leave_time_wait(struct stage *stage, struct pair *pair, int *ret_state)
{
	int r = stage_pair(stage, NULL, pair);

	/* In a world without free ports there is nothing to leave; that is an outcome, too. */
	if (r < 0) {
		*pair = (struct pair){.client = -1, .server = -1, .listener = -1};
		*ret_state = TCP_STATE_NONE;
		return 0;
	}
	TRY(stage, stage_shut(stage, &pair->client));
	TRY(stage, stage_await(stage, STAGE_SERVER, &pair->server_key, TCP_CLOSE_WAIT, 3, NULL));
	TRY(stage, stage_shut(stage, &pair->server));
	*ret_state = stage_outcome(stage, STAGE_CLIENT, &pair->client_key, STATE_BIT(TCP_TIME_WAIT),
				   3);
	return 0;
}

/* One more connection, to @port; 1 when it came about from the only port. */
static int try_port(struct stage *stage, uint16_t port, int *ret_fd, int *ret_errno)
{
	struct pair_options options = PAIR_DEFAULT;
	struct tcp_key key;
	int r;

	options.port = port;
	r = stage_connect(stage, &options, 2, ret_fd, &key);
	*ret_errno = -r;
	return r == 0 && key.local.port == ONLY_PORT;
}

static int play_other_ports(struct stage *stage)
{
	CLEANUP_CLOSE int first = -1, second = -1, listener_1 = -1, listener_2 = -1;
	int state, established = 0, error = 0;
	struct pair pair;

	TRY(stage, open_stage(stage));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT + 1, &listener_1));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT + 2, &listener_2));
	TRY(stage, leave_time_wait(stage, &pair, &state));
	established += try_port(stage, STAGE_PORT + 1, &first, &error);
	established += try_port(stage, STAGE_PORT + 2, &second, &error);

	stage_measure(stage, "established_on_the_port", established);
	stage_measure(stage, "time_wait_on_the_port", state == TCP_TIME_WAIT);
	stage_measure_text(stage, "last_errno", error ? strerrorname_np(error) : "none");
	pair_close(&pair);
	return 0;
}

static int play_same_port(struct stage *stage)
{
	CLEANUP_CLOSE int again = -1;
	int state, established, error = 0;
	struct pair pair;

	TRY(stage, open_stage(stage));
	TRY(stage, leave_time_wait(stage, &pair, &state));
	established = try_port(stage, STAGE_PORT, &again, &error);

	stage_measure(stage, "established_on_the_port", established);
	stage_measure(stage, "time_wait_on_the_port", state == TCP_TIME_WAIT);
	stage_measure_text(stage, "last_errno", error ? strerrorname_np(error) : "none");
	pair_close(&pair);
	return 0;
}

/* The only port is set aside: nothing can be shared. */
static int falsify(struct stage *stage)
{
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_reserved_ports", "40000");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double established = evidence_number(evidence, "other-ports", "established_on_the_port");
	double waiting = evidence_number(evidence, "other-ports", "time_wait_on_the_port");
	double control = evidence_number(evidence, "same-port", "established_on_the_port");
	const char *error = evidence_text(evidence, "same-port", "last_errno");

	judge_measured(ret, established, "established_to_other_ports");
	judge_measured(ret, waiting, "time_wait_to_first_port");
	judge_measured(ret, control, "established_to_same_port");
	judge_measured_text(ret, error, "errno_to_same_port");
	judge_deciding(ret, "%.0f connections on 1 local port", established + waiting);

	if (established < 2 || waiting < 1)
		judge_say(ret, VERDICT_REFUTED,
			  "With one local port only %.0f of 3 connections to different ports were "
			  "possible.",
			  established + waiting);
	else if (control > 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Even a second connection of the same 5-tuple came about: the tuple is "
			  "not what limits here.");
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"A local port is used up per destination, not in all: connections to other "
			"addresses or ports go on (the same destination gives %s).",
			error);
}

static const struct arm arms[] = {
	{
		.name = "other-ports",
		.role = ARM_TREATMENT,
		.what = "one local port; TIME-WAIT to port 5000, then connections to 5001 and 5002",
		.seconds = 1,
		.play = play_other_ports,
	},
	{
		.name = "same-port",
		.role = ARM_CONTROL,
		.what = "one local port; TIME-WAIT to port 5000, then a connection to 5000 again",
		.seconds = 1,
		.play = play_same_port,
	},
};

const struct experiment experiment_five_tuple = {
	.id = "five-tuple",
	.claim = "One local port serves several connections as long as the 5-tuple differs.",
	.source = "article, 자원 할당 and 재사용",
	.section = "C. What it costs",
	.method =
		"The client's ip_local_port_range is cut to one port. One connection is left in "
		"TIME-WAIT, then others are opened to other ports of the same server; the control "
		"opens one to the same port.",
	.why = "\"28,000 ports\" is a limit per destination address and port, not per host. A second "
	       "destination, a second source address or a second port doubles it.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
