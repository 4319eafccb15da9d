/*
 * Question: does tcp_tw_reuse work when one of the two ends has its timestamps off?
 *
 * Kernel path: tcp_twsk_unique() (net/ipv4/tcp_ipv4.c, 6.18) reuses a TIME-WAIT only if
 * tw_ts_recent_stamp is not 0, which tcp_time_wait() copies from the connection: it is set once
 * the peer's timestamp was accepted, and that takes both ends (tcp_parse_options(),
 * tcp_store_ts_recent()). What tcp_timestamps says when the port is wanted again is not asked.
 *
 * Ten ports, all in TIME-WAIT towards one destination and older than the reuse delay; then ten
 * more connections. Packets expected of the second ten: SYN, SYN+ACK, ACK where the first ten had
 * timestamps in each segment; none at all, not even a SYN, where they had not.
 */
#include "lab/experiments/ports.h"

#include <string.h>

#include "base/cleanup.h"

#define TIMESTAMPS_SYSCTL "net.ipv4.tcp_timestamps"
#define PORTS		  10
#define SEGMENTS_MAX	  512 /* of so many connections: about 70 */

struct plan {
	bool at_client, at_server;   /* timestamps of the connections that end in TIME-WAIT */
	enum { KEPT, OFF, ON } then; /* at both ends, when the ports are wanted again */
	long tw_reuse;
};

static int set_timestamps(struct stage *stage, bool at_client, bool at_server)
{
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, TIMESTAMPS_SYSCTL, at_client));
	return stage_sysctl(stage, STAGE_SERVER, TIMESTAMPS_SYSCTL, at_server);
}

/* Segments after the SYN so far that carry timestamps. */
static int count_timestamps(struct stage *stage)
{
	static struct stage_segment segments[SEGMENTS_MAX];
	struct wire_match match = WIRE_MATCH_ALL;
	int with = 0, n;

	match.flags_clear = TCP_FLAG_SYN;
	n = stage_segments(stage, &match, segments, SEGMENTS_MAX);
	for (int i = 0; i < n && i < SEGMENTS_MAX; i++)
		with += segments[i].segment.options.has_timestamps;
	return n < 0 ? n : with;
}

/* arm->extra: struct plan. */
static int play(struct stage *stage)
{
	const struct plan *plan = stage->arm->extra;
	CLEANUP_CLOSE int listener = -1;
	struct ports_spent before, after;
	int with_timestamps;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, ports_cut(stage, PORTS, plan->tw_reuse));
	TRY(stage, set_timestamps(stage, plan->at_client, plan->at_server));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &listener));
	TRY(stage, ports_spend(stage, listener, STAGE_PORT, PORTS, true, &before));
	stage_measure(stage, "time_wait_before", (double)ports_in_time_wait(stage, STAGE_CLIENT));
	with_timestamps = count_timestamps(stage);
	TRY(stage, with_timestamps);
	stage_measure(stage, "segments_with_timestamps", with_timestamps);

	if (plan->then != KEPT)
		TRY(stage, set_timestamps(stage, plan->then == ON, plan->then == ON));
	TRY(stage, stage_pass_time(stage, PORTS_OLD_ENOUGH_S, "TIME-WAIT grows old enough"));
	TRY(stage, ports_spend(stage, listener, STAGE_PORT, PORTS, true, &after));
	stage_measure(stage, "reused", (double)after.connections);
	stage_measure_text(stage, "errno_after",
			   after.error ? strerrorname_np(after.error) : "none");
	return 0;
}

/* A box on the way takes the timestamps out of each SYN: both ends have them on, and yet none. */
static int falsify(struct stage *stage)
{
	static uint8_t kind = 8; /* timestamps, RFC 7323 3.2 */
	struct wire_rule rule = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_REWRITE,
				 .rewrite = wire_rewrite_strip_option,
				 .context = &kind,
				 .note = "the SYN loses its timestamp"};

	rule.match.flags_set = TCP_FLAG_SYN;
	return wire_rule_add(stage->wire, &rule);
}

/* ---- the verdict */

static const char *const both_on = "both-on";
static const char *const client_off = "client-off";
static const char *const server_off = "server-off";
static const char *const off_later = "both-off-later";
static const char *const on_later = "both-on-later";
static const char *const reuse_off = "reuse-off";

static double reused(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "reused");
}

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured(ret, reused(evidence, both_on), "reused_both_on");
	judge_measured(ret, reused(evidence, client_off), "reused_client_off");
	judge_measured(ret, reused(evidence, server_off), "reused_server_off");
	judge_measured(ret, reused(evidence, off_later), "reused_on_then_off");
	judge_measured(ret, reused(evidence, on_later), "reused_off_then_on");
	judge_measured(ret, reused(evidence, reuse_off), "reused_tcp_tw_reuse_0");
	judge_measured_text(ret, evidence_text(evidence, client_off, "errno_after"),
			    "errno_client_off");
	judge_measured_text(ret, evidence_text(evidence, server_off, "errno_after"),
			    "errno_server_off");
}

/* Each arm began with all its ports in TIME-WAIT. */
static bool all_spent(const struct evidence *evidence)
{
	const char *const all[] = {both_on, client_off, server_off, off_later, on_later, reuse_off};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (evidence_number(evidence, all[i], "time_wait_before") != PORTS)
			return false;
	return true;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double without = reused(evidence, client_off) + reused(evidence, server_off);

	tell(evidence, ret);
	judge_deciding(ret, "of %d: both on %.0f, one off %.0f", PORTS, reused(evidence, both_on),
		       without);
	if (!all_spent(evidence))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Not all of the client's %d ports were in TIME-WAIT when the second "
			  "connections were tried.",
			  PORTS);
	else if (reused(evidence, reuse_off) > 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "%.0f ports were reused with tcp_tw_reuse=0: something else than the "
			  "setting decides here.",
			  reused(evidence, reuse_off));
	else if (without > 0)
		judge_say(ret, VERDICT_REFUTED,
			  "With timestamps off at one end %.0f of %d TIME-WAIT were reused: it "
			  "works without them.",
			  without, 2 * PORTS);
	else if (reused(evidence, both_on) < PORTS)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "On at both ends, too, only %.0f of %d TIME-WAIT were reused; timestamps "
			  "were in %.0f of their segments.",
			  reused(evidence, both_on), PORTS,
			  evidence_number(evidence, both_on, "segments_with_timestamps"));
	else
		judge_say(ret, VERDICT_HOLDS,
			  "tcp_tw_reuse=1 has no effect towards a peer with timestamps off. The "
			  "connection that left TIME-WAIT must have had them: turned on afterwards "
			  "%.0f of %d are reused; turned off afterwards %.0f, but then nothing "
			  "tells old segments from new ones.",
			  reused(evidence, on_later), PORTS, reused(evidence, off_later));
}

#define ARM(arm_name, arm_role, arm_what, client, server, later, reuse)                            \
	{                                                                                          \
		.name = (arm_name), .role = (arm_role), .what = (arm_what), .seconds = 4,          \
		.extra = &(const struct plan){.at_client = (client),                               \
					      .at_server = (server),                               \
					      .then = (later),                                     \
					      .tw_reuse = (reuse)},                                \
		.play = play,                                                                      \
	}

static const struct arm arms[] = {
	ARM("both-on", ARM_CONTROL, "timestamps on at both ends: must be reused", true, true, KEPT,
	    1),
	ARM("client-off", ARM_TREATMENT, "timestamps off at the client", false, true, KEPT, 1),
	ARM("server-off", ARM_TREATMENT, "timestamps off at the server", true, false, KEPT, 1),
	ARM("both-off-later", ARM_TREATMENT,
	    "on, and off at both ends when the ports are wanted again", true, true, OFF, 1),
	ARM("both-on-later", ARM_TREATMENT,
	    "off, and on at both ends when the ports are wanted again", false, false, ON, 1),
	ARM("reuse-off", ARM_CONTROL, "on at both ends, tcp_tw_reuse=0: must not be reused", true,
	    true, KEPT, 0),
};

const struct experiment experiment_reuse_needs_timestamps = {
	.id = "reuse-needs-timestamps",
	.claim = "tcp_tw_reuse reuses a TIME-WAIT only if both ends have their timestamps on.",
	.source = "article, 타임스탬프",
	.section = "D. Local ports and reuse",
	.method =
		"Ten local ports are put into TIME-WAIT with timestamps on or off at either end; once "
		"these are old enough to be reused, ten more connections are tried with "
		"tcp_tw_reuse=1. Control: on at both ends, and the same with tcp_tw_reuse=0.",
	.why = "Timestamps turned off at the server, by hardening or by a middlebox, silently take "
	       "away the cure that was set at the client.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
