/*
 * Question: how many connections can a client make to one destination before it runs out of
 * local ports, what does connect() say then, and when do the ports come back?
 *
 * Kernel path: __inet_hash_connect() (net/ipv4/inet_hashtables.c, 6.18) goes through
 * ip_local_port_range once; a port whose 4-tuple is taken by a TIME-WAIT socket is skipped
 * (__inet_check_established(); tcp_tw_reuse = 0 here), and when none is left it returns
 * -EADDRNOTAVAIL.
 *
 * The range is cut to 200 and to 400 ports: if the number of connections is exactly the size of
 * the range in both, it is so for any, and 28,232 need not be spent to know. Control: the server
 * closes first, so TIME-WAIT is on its side, and the client never runs out.
 */
#include "lab/experiments/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Tries to find the end of a range that has none. */
#define BEYOND 2
/* TCP_TIMEWAIT_LEN (include/net/tcp.h, 6.18). */
#define TIME_WAIT_S 60.0
/* Scheduling on a busy machine, on top of the timer wheel's own lateness. */
#define NOISE_S 1.0
/* "about 500/s": the article's 30,000 / 60, to a tenth of it. */
#define CLAIMED_RATE   500.0
#define RATE_TOLERANCE 0.1

/* Ports of the range that this host has by default, before it is cut. */
static int default_ports(struct stage *stage, double *ret)
{
	char text[64];
	int low, high;

	TRY(stage,
	    host_sysctl_read(stage->client, "net.ipv4.ip_local_port_range", text, sizeof(text)));
	if (sscanf(text, "%d %d", &low, &high) != 2)
		return stage_fail(stage, -EPROTO, "ip_local_port_range reads \"%s\"", text);
	*ret = high - low + 1;
	return 0;
}

/* When the first port comes back, connect() works again: from its first TIME-WAIT on. */
static int measure_recovery(struct stage *stage, const struct ports_spent *spent)
{
	CLEANUP_CLOSE int again = -1;
	struct observer_change began, gone;

	TRY(stage, stage_await(stage, STAGE_CLIENT, &spent->first_key, TCP_TIME_WAIT, 2, &began));
	TRY(stage, stage_await(stage, STAGE_CLIENT, &spent->first_key, TCP_STATE_NONE, 70, &gone));
	stage_measure(stage, "first_port_back_after_s", change_distance(&began, &gone));
	stage_measure(stage, "connects_again", stage_connect(stage, NULL, 5, &again, NULL) == 0);
	return 0;
}

/* arm->value: ports in the range. */
static int play(struct stage *stage)
{
	bool client_first = stage->arm->role == ARM_TREATMENT;
	size_t ports = (size_t)stage->arm->value;
	CLEANUP_CLOSE int listener = -1;
	struct ports_spent spent;
	double by_default = 0;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, default_ports(stage, &by_default));
	TRY(stage, ports_cut(stage, ports, 0));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &listener));
	stage_state(stage, -1, "using up %zu ports", ports);
	TRY(stage, ports_spend(stage, listener, STAGE_PORT, ports * BEYOND, client_first, &spent));

	stage_measure(stage, "ports_in_range", (double)ports);
	stage_measure(stage, "ports_by_default", by_default);
	stage_measure(stage, "connections", (double)spent.connections);
	stage_measure_text(stage, "errno", spent.error ? strerrorname_np(spent.error) : "none");
	stage_measure(stage, "client_time_wait", (double)ports_in_time_wait(stage, STAGE_CLIENT));
	stage_measure(stage, "wheel_slack_s",
		      clock_seconds(clock_wheel_slack_ns((int64_t)(TIME_WAIT_S * NS_PER_S))));
	if (spent.error && spent.connections > 0)
		TRY(stage, measure_recovery(stage, &spent));
	return 0;
}

/* Some ports of the range are set aside: there are fewer connections than ports. */
static int falsify(struct stage *stage)
{
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_reserved_ports",
				 "40000-40099");
}

/*
 * All ports of the range are held by TIME-WAIT when connect() fails. Connections may be more than
 * that: a machine out of orphans or memory drops a socket without TIME-WAIT (tcp_max_orphans
 * counts those of all namespaces), and its port is free again.
 */
static bool exact(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "client_time_wait") ==
		       evidence_number(evidence, arm, "ports_in_range") &&
	       strcmp(evidence_text(evidence, arm, "errno"), "EADDRNOTAVAIL") == 0;
}

static bool back_in_time(const struct evidence *evidence, const char *arm)
{
	double back = evidence_number(evidence, arm, "first_port_back_after_s");
	double slack = evidence_number(evidence, arm, "wheel_slack_s");

	return back >= TIME_WAIT_S - 0.1 && back <= TIME_WAIT_S + slack + NOISE_S &&
	       evidence_is(evidence, arm, "connects_again");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double ports = evidence_number(evidence, "range-200", "ports_by_default");
	double rate = ports / TIME_WAIT_S;

	judge_measured(ret, evidence_number(evidence, "range-200", "connections"),
		       "connections_with_200_ports");
	judge_measured(ret, evidence_number(evidence, "range-400", "connections"),
		       "connections_with_400_ports");
	judge_measured(ret, evidence_number(evidence, "range-400", "client_time_wait"),
		       "time_wait_with_400_ports");
	judge_measured_text(ret, evidence_text(evidence, "range-400", "errno"), "errno");
	judge_measured(ret, evidence_number(evidence, "server-first", "connections"),
		       "connections_when_server_closes_first");
	judge_measured(ret, ports, "ports_by_default");
	judge_measured(ret, rate, "sustained_connections_per_s");

	if (!exact(evidence, "range-200") || !exact(evidence, "range-400")) {
		judge_deciding(ret, "%.0f connections with 400 ports",
			       evidence_number(evidence, "range-400", "connections"));
		judge_say(
			ret, VERDICT_REFUTED,
			"400 ports gave %.0f TIME-WAIT, and then %s: the range is not what limits "
			"here.",
			evidence_number(evidence, "range-400", "client_time_wait"),
			evidence_text(evidence, "range-400", "errno"));
		return;
	}
	judge_measured(ret, evidence_number(evidence, "range-200", "first_port_back_after_s"),
		       "first_port_back_after_s");
	judge_deciding(ret, "%.0f ports / 60 s = %.0f connections/s", ports, rate);
	if (strcmp(evidence_text(evidence, "server-first", "errno"), "none") != 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The client ran out of ports even when TIME-WAIT was at the server.");
	else if (!back_in_time(evidence, "range-200") || !back_in_time(evidence, "range-400"))
		judge_say(ret, VERDICT_REFUTED,
			  "The ports came back after %.1f s, not after TIME-WAIT's 60 s.",
			  evidence_number(evidence, "range-200", "first_port_back_after_s"));
	else if (rate < CLAIMED_RATE * (1 - RATE_TOLERANCE) ||
		 rate > CLAIMED_RATE * (1 + RATE_TOLERANCE))
		judge_say(ret, VERDICT_CHANGED,
			  "Each port of the range gives one connection a minute, but the range has "
			  "%.0f ports here: %.0f connections/s to one destination.",
			  ports, rate);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"A client that closes first can sustain %.0f connections/s to one address "
			"and port; then connect() gives EADDRNOTAVAIL until the oldest TIME-WAIT "
			"ends.",
			rate);
}

static const struct arm arms[] = {
	{
		.name = "range-200",
		.role = ARM_TREATMENT,
		.what = "200 local ports, the client closes first",
		.seconds = 64,
		.value = 200,
		.play = play,
	},
	{
		.name = "range-400",
		.role = ARM_TREATMENT,
		.what = "400 local ports, the client closes first",
		.seconds = 64,
		.value = 400,
		.play = play,
	},
	{
		.name = "server-first",
		.role = ARM_CONTROL,
		.what = "200 local ports, the server closes first: TIME-WAIT is not at the client",
		.seconds = 2,
		.value = 200,
		.play = play,
	},
};

const struct experiment experiment_port_exhaustion = {
	.id = "port-exhaustion",
	.claim = "The local ports and 60 s of TIME-WAIT allow about 500 connections/s to one "
		 "destination; then connect() fails with \"Cannot assign requested address\".",
	.source = "article, 자원 할당 and 재사용",
	.section = "D. Local ports and reuse",
	.method = "With ranges of 200 and of 400 ports connections are opened and closed, at the "
		  "client first, until connect() fails; the count, the errno, and the time until "
		  "the first port is back. Control: the server closes first.",
	.why = "This is the limit that proxies and clients of one backend meet first. It is per "
	       "destination address and port, and it only binds the end that closes first.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
