/*
 * Question: which end is left in TIME-WAIT?
 *
 * Kernel path: the end whose FIN comes first goes through FIN-WAIT-1 and FIN-WAIT-2, and the
 * peer's FIN takes it to tcp_time_wait() (net/ipv4/tcp_input.c, tcp_fin(), 6.18); the other goes
 * through CLOSE-WAIT and LAST-ACK, and the last ACK takes it to tcp_done().
 *
 * Packets expected: FIN of the closer, its ACK, FIN of the other, its ACK.
 */
#include "lab/experiments/common.h"

#include <string.h>

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

/* arm->value: the host that closes first. */
static int play(struct stage *stage)
{
	bool server_first = stage->arm->value == STAGE_SERVER;
	struct pair pair;
	int *first, *second;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &pair));
	first = server_first ? &pair.server : &pair.client;
	second = server_first ? &pair.client : &pair.server;

	TRY(stage, stage_send(stage, pair.server, 26));
	TRY(stage, stage_receive(stage, pair.client, 26, 2));
	TRY(stage, stage_shut(stage, first));
	/* The other end closes once it has seen the end: it is not simultaneous. */
	stage_outcome(stage, server_first ? STAGE_CLIENT : STAGE_SERVER,
		      server_first ? &pair.client_key : &pair.server_key, STATE_BIT(TCP_CLOSE_WAIT),
		      2);
	TRY(stage, stage_shut(stage, second));

	stage_measure_text(
		stage, "server_left_in",
		tcp_state_name(stage_outcome(stage, STAGE_SERVER, &pair.server_key, SETTLED, 3)));
	stage_measure_text(
		stage, "client_left_in",
		tcp_state_name(stage_outcome(stage, STAGE_CLIENT, &pair.client_key, SETTLED, 3)));
	pair_close(&pair);
	return 0;
}

/* FINs that never arrive leave both ends waiting: nobody gets to TIME-WAIT. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, WIRE_ANY_HOST, TCP_FLAG_FIN, "every FIN is lost");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const char *closer = evidence_text(evidence, "server-first", "server_left_in");
	const char *other = evidence_text(evidence, "server-first", "client_left_in");
	const char *control_closer = evidence_text(evidence, "client-first", "client_left_in");
	const char *control_other = evidence_text(evidence, "client-first", "server_left_in");

	judge_measured_text(ret, closer, "server_left_in_when_it_closes_first");
	judge_measured_text(ret, other, "client_left_in_when_server_closes_first");
	judge_measured_text(ret, control_closer, "client_left_in_when_it_closes_first");
	judge_measured_text(ret, control_other, "server_left_in_when_client_closes_first");
	judge_deciding(ret, "closer %s, other end %s", closer, other);

	if (!state_is(closer, TCP_TIME_WAIT) || !state_is(other, TCP_STATE_NONE))
		judge_say(ret, VERDICT_REFUTED,
			  "The server closed first and is left in %s, the client in %s.", closer,
			  other);
	else if (state_is(control_other, TCP_TIME_WAIT))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The server is left in TIME-WAIT whoever closes first: something else "
			  "than the order decides here.");
	else if (!state_is(control_closer, TCP_TIME_WAIT))
		judge_say(ret, VERDICT_REFUTED,
			  "The client closed first and is left in %s, not in TIME-WAIT.",
			  control_closer);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"TIME-WAIT stays with whoever closes first: to keep it off a host, let the "
			"other end close first.");
}

static const struct arm arms[] = {
	{
		.name = "server-first",
		.role = ARM_TREATMENT,
		.what = "the server closes first, the client once it has seen the end",
		.seconds = 1,
		.value = STAGE_SERVER,
		.play = play,
	},
	{
		.name = "client-first",
		.role = ARM_CONTROL,
		.what = "the client closes first: TIME-WAIT must move to it",
		.seconds = 1,
		.value = STAGE_CLIENT,
		.play = play,
	},
};

const struct experiment experiment_active_close = {
	.id = "active-close",
	.claim = "The end that closes first is left in TIME-WAIT, the other with nothing.",
	.source = "article, 서론 and 종료 과정; RFC 9293 3.6",
	.section = "A. The closing handshake",
	.method = "One connection, closed first by the server, then in a world of its own by the "
		  "client; the state of both ends once both have closed.",
	.why = "Whoever closes first pays: it keeps the connection's 4-tuple for a minute. Knowing "
	       "which end that is tells you where to look, and what to change.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
