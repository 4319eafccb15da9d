/*
 * Question: an orphan waits in FIN-WAIT-2 with tcp_fin_timeout=90, and the peer's FIN comes after
 * 45 s: is what follows a full TIME-WAIT of 60 s, or what is left of the wait?
 *
 * Kernel path (6.18): 30 s on the keepalive timer (tcp_rcv_state_process()), then a minisock with
 * 30 s (tcp_keepalive_timer(), tcp_time_wait()). A FIN to the minisock is taken by
 * tcp_timewait_state_process() (net/ipv4/tcp_minisocks.c), which makes its substate TIME-WAIT and
 * sets its timer anew, to TCP_TIMEWAIT_LEN. A FIN in the keepalive phase goes through tcp_fin()
 * (net/ipv4/tcp_input.c) to tcp_time_wait(), with the same length.
 *
 * Packets expected: FIN, ACK; after 45 s FIN, ACK.
 */
#include "lab/experiments/common.h"
#include "lab/experiments/orphan.h"

#include <math.h>

#include "base/clock.h"
#include "world/wire.h"

#define TIMEWAIT_LEN	60 /* TCP_TIMEWAIT_LEN (include/net/tcp.h), in seconds */
#define KEEPALIVE_PHASE 30 /* 90 - 60 */
#define FIN_AT		45

/* Until the orphan is gone, FIN or no FIN; beyond any life expected here. */
#define LIFE_SECONDS_MAX 120

struct story {
	long fin_timeout;
	double fin_after_s; /* since FIN-WAIT-2 began; NAN: never */
};

static int send_fin(struct stage *stage, struct orphan *orphan, double after_s)
{
	TRY(stage, stage_pass_until(stage, orphan->acked_ns + (int64_t)(after_s * NS_PER_S),
				    "client FIN-WAIT-2, until the server closes"));
	/* The change is known to lie between this look and the one that close() brings about. */
	TRY(stage, observer_look(stage->observer));
	TRY(stage, stage_shut(stage, &orphan->pair.server));
	stage_measure_text(stage, "client_after_fin",
			   tcp_state_name(stage_outcome(
				   stage, STAGE_CLIENT, &orphan->pair.client_key,
				   STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE), 2)));
	return 0;
}

/* arm->extra: struct story. */
static int play(struct stage *stage)
{
	const struct story *story = stage->arm->extra;
	struct orphan_life life;
	struct orphan orphan;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, orphan_make(stage, story->fin_timeout, &orphan));
	if (!isnan(story->fin_after_s))
		TRY(stage, send_fin(stage, &orphan, story->fin_after_s));
	TRY(stage, orphan_outlive(stage, &orphan, LIFE_SECONDS_MAX, &life));

	stage_measure(stage, "keepalive_s", life.keepalive_s);
	stage_measure(stage, "timewait_s", life.timewait_s);
	stage_measure(stage, "time_wait_s", life.time_wait_s);
	stage_measure(stage, "life_s", life.life_s);
	stage_measure(stage, "slack_s_of_30_s_timer", timer_slack_s(KEEPALIVE_PHASE));
	stage_measure(stage, "slack_s_of_60_s_timer", timer_slack_s(TIMEWAIT_LEN));
	/* The server is left open, to go with the process: its FIN is no part of the evidence. */
	return 0;
}

/* A FIN that never arrives brings nobody to TIME-WAIT. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, STAGE_SERVER, TCP_FLAG_FIN, "the peer's FIN is lost");
}

static const char *const treatment = "fin-after-45-s";
static const char *const early = "fin-after-15-s";
static const char *const never = "no-fin";
static const char *const default_60 = "fin-timeout-60";

static bool is_about(double s, double wanted, double slack)
{
	return s > wanted - NOISE_S && s < wanted + slack + NOISE_S;
}

static void tell(const struct evidence *evidence, const char *arm, const char *suffix,
		 struct judgement *ret)
{
	judge_measured(ret, evidence_number(evidence, arm, "keepalive_s"), "keepalive_s_%s",
		       suffix);
	judge_measured(ret, evidence_number(evidence, arm, "timewait_s"), "fin_wait2_timewait_s_%s",
		       suffix);
	judge_measured(ret, evidence_number(evidence, arm, "time_wait_s"), "time_wait_s_%s",
		       suffix);
	judge_measured(ret, evidence_number(evidence, arm, "life_s"), "life_s_%s", suffix);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double keepalive = evidence_number(evidence, treatment, "keepalive_s");
	double timewait = evidence_number(evidence, treatment, "timewait_s");
	double time_wait = evidence_number(evidence, treatment, "time_wait_s");
	double early_time_wait = evidence_number(evidence, early, "time_wait_s");
	double slack_30 = evidence_number(evidence, treatment, "slack_s_of_30_s_timer");
	double slack_60 = evidence_number(evidence, treatment, "slack_s_of_60_s_timer");
	const char *after = evidence_text(evidence, treatment, "client_after_fin");

	tell(evidence, treatment, "fin_after_45_s", ret);
	tell(evidence, early, "fin_after_15_s", ret);
	tell(evidence, never, "no_fin", ret);
	tell(evidence, default_60, "fin_timeout_60", ret);
	judge_deciding(ret, "%.1f + %.1f s FIN-WAIT-2, %.1f s TIME-WAIT", keepalive, timewait,
		       time_wait);

	if (evidence_number(evidence, never, "time_wait_s") > 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "TIME-WAIT came although the peer never closed: it is not the FIN that "
			  "brings it here.");
	else if (evidence_number(evidence, default_60, "keepalive_s") > NOISE_S)
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"With tcp_fin_timeout=60 there is a keepalive phase as well: it is not 90 "
			"that brings it here.");
	else if (!(time_wait > 0))
		judge_say(
			ret, VERDICT_REFUTED,
			"The peer closed after %d s, and the socket, then in %s, never came to TIME-WAIT.",
			FIN_AT, after);
	else if (!is_about(keepalive, KEEPALIVE_PHASE, slack_30) ||
		 !is_about(keepalive + timewait, FIN_AT, 0))
		judge_say(
			ret, VERDICT_REFUTED,
			"FIN-WAIT-2 was %.1f s on the keepalive and %.1f s on the timewait timer, "
			"not 30 and 15 s.",
			keepalive, timewait);
	else if (!is_about(time_wait, TIMEWAIT_LEN, slack_60))
		judge_say(ret, VERDICT_REFUTED,
			  "The FIN after %d s was followed by %.1f s of TIME-WAIT, not by 60 s.",
			  FIN_AT, time_wait);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"The time spent in FIN-WAIT-2 is not taken off TIME-WAIT: %.1f s on the "
			"keepalive timer and %.1f s on timewait were followed by %.1f s of "
			"TIME-WAIT, and a FIN after 15 s by %.1f s. Whoever closes first and waits "
			"for a slow peer holds the 4-tuple for both.",
			keepalive, timewait, time_wait, early_time_wait);
}

static const struct arm arms[] = {
	{
		.name = "fin-after-45-s",
		.role = ARM_TREATMENT,
		.what = "tcp_fin_timeout=90, the peer closes after 45 s: in the timewait phase",
		.seconds = 106.5,
		.extra = &(const struct story){90, FIN_AT},
		.play = play,
	},
	{
		.name = "fin-after-15-s",
		.role = ARM_TREATMENT,
		.what = "tcp_fin_timeout=90, the peer closes after 15 s: in the keepalive phase",
		.seconds = 76.5,
		.extra = &(const struct story){90, 15},
		.play = play,
	},
	{
		.name = "no-fin",
		.role = ARM_CONTROL,
		.what = "tcp_fin_timeout=90, the peer never closes: there must be no TIME-WAIT",
		.seconds = 62.5,
		.extra = &(const struct story){90, NAN},
		.play = play,
	},
	{
		.name = "fin-timeout-60",
		.role = ARM_CONTROL,
		.what = "the default 60, the peer closes after 15 s: no keepalive phase",
		.seconds = 76.5,
		.extra = &(const struct story){60, 15},
		.play = play,
	},
};

const struct experiment experiment_fin_wait2_to_time_wait = {
	.id = "fin-wait2-to-time-wait",
	.claim =
		"With tcp_fin_timeout=90 an orphan is in FIN-WAIT-2 for 30 s under the keepalive "
		"timer, then under timewait, and a FIN after 45 s starts a full 60 s of TIME-WAIT.",
	.source = "article, 타임아웃; RFC 9293 3.6",
	.section = "F. FIN_WAIT",
	.method = "The client closes with tcp_fin_timeout=90, the server's application 45 s later; "
		  "the time the client's end spends on each timer and in TIME-WAIT, beside a FIN "
		  "after 15 s, no FIN at all, and the default of 60.",
	.why = "Tells how long a connection holds its 4-tuple at the end that closed first: the wait "
	       "for the peer's FIN and TIME-WAIT add up.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
