/*
 * Question: the ports towards one destination port are used up by TIME-WAIT; can the client still
 * connect to another port of the same server?
 *
 * Kernel path: __inet_hash_connect() -> __inet_check_established() (net/ipv4/inet_hashtables.c,
 * 6.18) looks for the whole 4-tuple: a port in TIME-WAIT towards port 5000 is free towards 5001.
 *
 * 50 ports, all spent on port 5000. Treatment: 50 more connections to port 5001, no reuse allowed
 * (tcp_tw_reuse = 0). Control: one more to port 5000.
 */
#include "lab/experiments/ports.h"

#include <string.h>

#include "base/cleanup.h"

#define PORTS 50

/* arm->value: the destination port of the second round. */
static int play(struct stage *stage)
{
	CLEANUP_CLOSE int first = -1, other = -1;
	uint16_t port = (uint16_t)stage->arm->value;
	struct ports_spent before, after;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, ports_cut(stage, PORTS, 0));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &first));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT + 1, &other));

	TRY(stage, ports_spend(stage, first, STAGE_PORT, 2L * PORTS, true, &before));
	stage_measure(stage, "time_wait_before", (double)ports_in_time_wait(stage, STAGE_CLIENT));
	TRY(stage,
	    ports_spend(stage, port == STAGE_PORT ? first : other, port, PORTS, true, &after));

	stage_measure(stage, "connections_before", (double)before.connections);
	stage_measure_text(stage, "errno_before",
			   before.error ? strerrorname_np(before.error) : "none");
	stage_measure(stage, "connections_after", (double)after.connections);
	stage_measure_text(stage, "errno_after",
			   after.error ? strerrorname_np(after.error) : "none");
	stage_measure(stage, "time_wait_after", (double)ports_in_time_wait(stage, STAGE_CLIENT));
	return 0;
}

/* The ports are gone for every destination: the administrator set them aside. */
static int falsify(struct stage *stage)
{
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_reserved_ports",
				 "40000-40099");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double before = evidence_number(evidence, "other-port", "connections_before");
	double after = evidence_number(evidence, "other-port", "connections_after");
	double control = evidence_number(evidence, "same-port", "connections_after");

	judge_measured(ret, before, "connections_to_first_port");
	judge_measured(ret, after, "connections_to_other_port");
	judge_measured(ret, control, "more_connections_to_first_port");
	judge_measured(ret, evidence_number(evidence, "other-port", "time_wait_after"),
		       "time_wait_with_50_ports");
	judge_deciding(ret, "%.0f of %d to another port", after, PORTS);

	if (after < PORTS)
		judge_say(ret, VERDICT_REFUTED,
			  "Only %.0f of %d connections to another port came about (%s).", after,
			  PORTS, evidence_text(evidence, "other-port", "errno_after"));
	else if (before != PORTS || control > 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The ports were not used up: the first destination took %.0f connections "
			  "and then %.0f more.",
			  before, control);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"A second port (or address) of the server gives the client the whole range "
			"again, with no setting changed and nothing reused.");
}

static const struct arm arms[] = {
	{
		.name = "other-port",
		.role = ARM_TREATMENT,
		.what = "50 ports used up towards port 5000, then 50 connections to port 5001",
		.seconds = 2,
		.value = STAGE_PORT + 1,
		.play = play,
	},
	{
		.name = "same-port",
		.role = ARM_CONTROL,
		.what = "50 ports used up towards port 5000, then more to port 5000",
		.seconds = 2,
		.value = STAGE_PORT,
		.play = play,
	},
};

const struct experiment experiment_reuse_other_port = {
	.id = "reuse-other-port",
	.claim =
		"With all local ports in TIME-WAIT towards one port of a server, a client can still "
		"connect to another port of it.",
	.source = "article, 재사용 (third case)",
	.section = "D. Local ports and reuse",
	.method = "50 local ports are spent on port 5000 until connect() fails; then port 5001 is "
		  "tried 50 times, or, as control, port 5000 again.",
	.why = "Running out of ports can be cured without touching TIME-WAIT: let the backend listen "
	       "on more ports or addresses.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
