/*
 * Question: the client holds TIME-WAIT on all its ports; does tcp_tw_reuse let it connect again?
 *
 * Kernel path: __inet_check_established() (net/ipv4/inet_hashtables.c, 6.18) finds a TIME-WAIT
 * socket on the wanted 4-tuple and asks tcp_twsk_unique() (net/ipv4/tcp_ipv4.c), which lets it be
 * taken over when net.ipv4.tcp_tw_reuse is 1, or 2 and the address is a loopback one (the default
 * since 4.19), the old connection used timestamps, and its last segment is older than
 * net.ipv4.tcp_tw_reuse_delay (1 s; fixed before 6.14).
 *
 * 20 ports, all in TIME-WAIT towards one destination and older than that delay; then 20 more
 * connections, with tcp_tw_reuse 0, 1 and 2, over a link and over loopback.
 */
#include "lab/experiments/ports.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PORTS 20
/* More than the kernel's 1 s, which it counts in whole seconds before 6.14. */
#define OLD_ENOUGH_S 2.2

struct setting {
	bool loopback;
	long tw_reuse;
};

static const struct world_spec on_loopback = {
	.link = WORLD_LINK_LOOPBACK,
	.host_count = 2,
	/* Loopback addresses: tcp_twsk_unique() goes by the address, not by the device. */
	.hosts = {{.name = "client", .addresses = {"127.0.0.11/8"}},
		  {.name = "server", .addresses = {"127.0.0.12/8"}}},
};

static int play(struct stage *stage)
{
	const struct setting *setting = stage->arm->extra;
	CLEANUP_CLOSE int listener = -1;
	struct ports_spent before, after;

	TRY(stage, stage_open(stage, setting->loopback ? &on_loopback : NULL));
	TRY(stage, ports_cut(stage, PORTS, setting->tw_reuse));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &listener));
	TRY(stage, ports_spend(stage, listener, STAGE_PORT, PORTS, true, &before));
	stage_measure(stage, "time_wait_before", (double)ports_in_time_wait(stage, STAGE_CLIENT));
	TRY(stage, stage_pass_time(stage, OLD_ENOUGH_S, "TIME-WAIT grows old enough"));
	TRY(stage, ports_spend(stage, listener, STAGE_PORT, PORTS, true, &after));

	stage_measure(stage, "connections_before", (double)before.connections);
	stage_measure(stage, "connections_after", (double)after.connections);
	stage_measure_text(stage, "errno_after",
			   after.error ? strerrorname_np(after.error) : "none");
	stage_measure(stage, "reused",
		      (double)stage_counter(stage, STAGE_CLIENT, "TcpExt.TWRecycled"));
	return 0;
}

/* Without timestamps the kernel has nothing to tell old segments by, and reuses nothing. */
static int falsify(struct stage *stage)
{
	return stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_timestamps", 0);
}

static void measure_arm(const struct evidence *evidence, struct judgement *ret, const char *arm)
{
	char name[40];

	snprintf(name, sizeof(name), "%s", arm);
	for (char *at = name; *at; at++)
		if (*at == '-')
			*at = '_';
	judge_measured(ret, evidence_number(evidence, arm, "connections_after"),
		       "connections_after_%s", name);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	static const char *const all[] = {"link-0",	"link-1",     "link-2",
					  "loopback-0", "loopback-1", "loopback-2"};
	double cured = evidence_number(evidence, "link-1", "connections_after");
	double cured_loopback = evidence_number(evidence, "loopback-1", "connections_after");
	double untouched = evidence_number(evidence, "link-0", "connections_after");
	double loopback_only = evidence_number(evidence, "link-2", "connections_after");
	double loopback_only_there = evidence_number(evidence, "loopback-2", "connections_after");

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		measure_arm(evidence, ret, all[i]);
	judge_measured_text(ret, evidence_text(evidence, "link-0", "errno_after"),
			    "errno_without_reuse");
	judge_deciding(ret, "%.0f of %d again with 1, %.0f with 0", cured, PORTS, untouched);

	if (untouched > 0)
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"With tcp_tw_reuse=0, too, %.0f connections came about: the ports were not "
			"used up.",
			untouched);
	else if (cured < PORTS || cured_loopback < PORTS)
		judge_say(ret, VERDICT_REFUTED,
			  "tcp_tw_reuse=1 gave %.0f of %d connections over the link and %.0f over "
			  "loopback: it is no cure here.",
			  cured, PORTS, cured_loopback);
	else if (loopback_only_there == PORTS && loopback_only == 0)
		judge_say(
			ret, VERDICT_HOLDS,
			"tcp_tw_reuse=1 cures it; the value 2, today's default, does so on loopback "
			"only, so a client of another host has to set 1.");
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"tcp_tw_reuse=1 cures it; the value 2 gave %.0f of %d connections over the "
			"link and %.0f over loopback.",
			loopback_only, PORTS, loopback_only_there);
}

#define ARM(arm_name, arm_role, arm_what, is_loopback, reuse)                                      \
	{                                                                                          \
		.name = (arm_name), .role = (arm_role), .what = (arm_what), .seconds = 4,          \
		.extra = &(const struct setting){.loopback = (is_loopback), .tw_reuse = (reuse)},  \
		.play = play,                                                                      \
	}

static const struct arm arms[] = {
	ARM("link-0", ARM_CONTROL, "over a link, tcp_tw_reuse=0", false, 0),
	ARM("link-1", ARM_TREATMENT, "over a link, tcp_tw_reuse=1", false, 1),
	ARM("link-2", ARM_TREATMENT, "over a link, tcp_tw_reuse=2 (loopback only)", false, 2),
	ARM("loopback-0", ARM_CONTROL, "over loopback, tcp_tw_reuse=0", true, 0),
	ARM("loopback-1", ARM_TREATMENT, "over loopback, tcp_tw_reuse=1", true, 1),
	ARM("loopback-2", ARM_TREATMENT, "over loopback, tcp_tw_reuse=2", true, 2),
};

const struct experiment experiment_reuse_client_side = {
	.id = "reuse-client-side",
	.claim = "When TIME-WAIT at the client has used up its ports connect() fails, and "
		 "tcp_tw_reuse=1 cures that.",
	.source = "article, 재사용 (second case)",
	.section = "D. Local ports and reuse",
	.method =
		"20 local ports are put into TIME-WAIT; once these are old enough to be reused, 20 "
		"more connections are tried with tcp_tw_reuse 0, 1 and 2, over a link and over "
		"loopback.",
	.why = "It is the one setting that helps a busy client, and its default of today (2) looks "
	       "as if it were on, but helps only on loopback.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
