/*
 * Question: how old must a TIME-WAIT at the client be before connect() may take it over, with
 * tcp_tw_reuse=1?
 *
 * Kernel path: tcp_twsk_unique() (net/ipv4/tcp_ipv4.c, 6.18) allows it when tcp_clock_ms() is
 * beyond tw_entry_stamp, the millisecond in which TIME-WAIT began, plus tcp_tw_reuse_delay (1 to
 * 60000 ms, by default 1000; since 6.14). Before that it compared whole seconds of the monotonic
 * clock, ktime_get_seconds() > tw_ts_recent_stamp, so a TIME-WAIT that begins late in a second was
 * reused early in the next one. A socket whose port was named by bind() is not asked for the
 * setting nor for the age: __inet_hash_connect() then passes no twp.
 *
 * The client has one port. TIME-WAIT begins early, then late in a second of the monotonic clock;
 * connect() is tried every 5 ms, which is refused with EADDRNOTAVAIL without a packet, until one
 * goes out. Packets expected: SYN … the last ACK of the first connection; a second or the set
 * delay of silence; SYN, SYN+ACK, ACK from the same port.
 */
#include "lab/experiments/ports.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define CLIENT_PORT  40000 /* what ports_cut() leaves when it leaves one */
#define DELAY_SYSCTL "net.ipv4.tcp_tw_reuse_delay"

#define CLAIMED_S 1.0
/* How long connect() is tried: longer than the longest delay that is set. */
#define WATCHED_S 5.0
#define TRY_AGAIN (5 * NS_PER_MS)

/*
 * The age is taken on the wire, from the FIN that begins TIME-WAIT to the SYN that ends it, so it
 * is never less than what the kernel counts, but for its rounding to milliseconds. A try that was
 * refused may be dated too old by as long as a busy machine left that FIN lying.
 */
#define EARLY_S 0.001
#define LATE_S	0.5
/* Between the last refused try and the first that was not lie 5 ms, or what a busy machine makes of
 * it: more than this says nothing about one second. */
#define WIDE_S 1.0

struct plan {
	long tw_reuse;
	long delay_ms;	 /* of tcp_tw_reuse_delay; 0: as it is */
	double phase;	 /* of the second in which TIME-WAIT shall begin */
	bool names_port; /* bind() to CLIENT_PORT, which otherwise the kernel has to choose */
};

static int set_up(struct stage *stage, const struct plan *plan)
{
	char delay[24];

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, ports_cut(stage, 1, plan->tw_reuse));
	if (plan->delay_ms) {
		TRY(stage, stage_sysctl(stage, STAGE_CLIENT, DELAY_SYSCTL, plan->delay_ms));
		stage_measure_text(stage, "errno_of_delay_0",
				   host_sysctl(stage->client, DELAY_SYSCTL, "0") == -EINVAL
					   ? "EINVAL"
					   : "none");
		/* In case it was taken. */
		TRY(stage, stage_sysctl(stage, STAGE_CLIENT, DELAY_SYSCTL, plan->delay_ms));
	}
	if (host_sysctl_read(stage->client, DELAY_SYSCTL, delay, sizeof(delay)) < 0)
		strcpy(delay, "none");
	stage_measure_text(stage, "tcp_tw_reuse_delay_ms", delay);
	return 0;
}

/* When the next second of the monotonic clock is @phase old, from 0 to below 1. */
static int64_t next_phase(double phase)
{
	return (clock_now_ns() / NS_PER_S + 1) * NS_PER_S + (int64_t)(phase * NS_PER_S);
}

/* One connection, closed first by the client; hands back when the FIN that begins its TIME-WAIT
 * was on the wire. */
static int leave_time_wait(struct stage *stage, const struct pair_options *options,
			   int64_t *ret_began)
{
	struct wire_match fins = WIRE_MATCH_ALL;
	struct stage_segment fin;
	struct pair pair;

	TRY(stage, stage_pair(stage, options, &pair));
	TRY(stage, stage_shut(stage, &pair.client));
	TRY(stage, stage_await(stage, STAGE_SERVER, &pair.server_key, TCP_CLOSE_WAIT, 3, NULL));
	TRY(stage, stage_shut(stage, &pair.server));
	TRY(stage, stage_await(stage, STAGE_CLIENT, &pair.client_key, TCP_TIME_WAIT, 3, NULL));
	fins.from = STAGE_SERVER;
	fins.flags_set = TCP_FLAG_FIN;
	TRY(stage, stage_await_segments(stage, &fins, 1, 1, &fin));
	*ret_began = fin.segment.time_ns;
	return 0;
}

/* Tries until connect() is not refused, or WATCHED_S have passed. */
static int try_until_reused(struct stage *stage, const struct pair_options *options, int64_t began)
{
	struct wire_match syns = WIRE_MATCH_ALL;
	struct timespec pause = clock_timespec(TRY_AGAIN);
	CLEANUP_CLOSE int client = -1;
	struct stage_segment syn;
	int64_t now, last = began;
	int r = -EADDRNOTAVAIL, refused = 0;

	syns.from = STAGE_CLIENT;
	syns.flags_set = TCP_FLAG_SYN;
	syns.skip = 1;
	stage_state(stage, -1, "trying to connect from the port in TIME-WAIT");
	while ((now = clock_now_ns()) - began < (int64_t)(WATCHED_S * NS_PER_S)) {
		r = stage_connect(stage, options, 1, &client, NULL);
		if (r != -EADDRNOTAVAIL)
			break;
		refused++;
		last = now;
		nanosleep(&pause, NULL);
	}
	stage_measure(stage, "reused", r == 0);
	stage_measure(stage, "refused_count", refused);
	stage_measure(stage, "refused_until_s", clock_seconds(last - began));
	stage_measure_text(stage, "last_errno", r < 0 ? strerrorname_np(-r) : "none");
	if (r == 0) {
		TRY(stage, stage_await_segments(stage, &syns, 1, 1, &syn));
		stage_measure(stage, "reused_at_s", clock_seconds(syn.segment.time_ns - began));
	}
	return 0;
}

/* arm->extra: struct plan. */
static int play(struct stage *stage)
{
	const struct plan *plan = stage->arm->extra;
	struct pair_options options = PAIR_DEFAULT;
	CLEANUP_CLOSE int listener = -1;
	int64_t began;

	TRY(stage, set_up(stage, plan));
	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, STAGE_PORT, &listener));
	options.listener = listener;
	if (plan->names_port)
		options.client_port = CLIENT_PORT;
	TRY(stage, stage_pass_until(stage, next_phase(plan->phase),
				    "TIME-WAIT begins at its place in the second"));
	TRY(stage, leave_time_wait(stage, &options, &began));
	return try_until_reused(stage, &options, began);
}

/* A delay of another length; a kernel that has none reuses nothing without timestamps. */
static int falsify(struct stage *stage)
{
	if (host_sysctl(stage->client, DELAY_SYSCTL, "2000") == 0)
		return 0;
	return stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_timestamps", 0);
}

/* ---- the verdict */

static const struct row {
	const char *arm, *as; /* its name, and what it adds to the names of numbers */
	double delay_s;
} rows[] = {
	{"early-in-second", "early_in_second", CLAIMED_S},
	{"late-in-second", "late_in_second", CLAIMED_S},
	{"delay-1", "delay_1_ms", 0.001},
	{"delay-100", "delay_100_ms", 0.1},
	{"delay-3000", "delay_3000_ms", 3},
	{"named-port", "named_port", 0},
	{"reuse-off", "reuse_off", 0},
};
enum { EARLY_IN_SECOND, LATE_IN_SECOND, DELAY_FIRST, DELAY_LAST = 4 };

/* Refused until it was that old, and then reused. */
static bool reused_in_time(const struct evidence *evidence, const struct row *row)
{
	return evidence_is(evidence, row->arm, "reused") &&
	       evidence_number(evidence, row->arm, "reused_at_s") >= row->delay_s - EARLY_S &&
	       evidence_number(evidence, row->arm, "refused_until_s") <= row->delay_s + LATE_S;
}

/* The machine stood still when it should have tried. */
static bool seldom_tried(const struct evidence *evidence, const struct row *row)
{
	return evidence_is(evidence, row->arm, "reused") &&
	       evidence_number(evidence, row->arm, "reused_at_s") -
			       evidence_number(evidence, row->arm, "refused_until_s") >
		       WIDE_S;
}

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *arm = rows[i].arm;

		if (!evidence_has(evidence, arm))
			continue;
		judge_measured(ret, evidence_number(evidence, arm, "refused_until_s"),
			       "refused_until_s_%s", rows[i].as);
		if (evidence_knows(evidence, arm, "reused_at_s"))
			judge_measured(ret, evidence_number(evidence, arm, "reused_at_s"),
				       "reused_at_s_%s", rows[i].as);
	}
}

static void say_refuted(const struct evidence *evidence, const struct row *row,
			struct judgement *ret)
{
	const char *delay;
	double at;

	if (!evidence_is(evidence, row->arm, "reused")) {
		judge_say(ret, VERDICT_REFUTED,
			  "TIME-WAIT was not reused within %.0f s (%s): tcp_tw_reuse=1 alone does "
			  "not free a port here.",
			  WATCHED_S, evidence_text(evidence, row->arm, "last_errno"));
		return;
	}
	at = evidence_number(evidence, row->arm, "reused_at_s");
	delay = evidence_text(evidence, row->arm, "tcp_tw_reuse_delay_ms");
	if (strcmp(delay, "none") == 0 && at < CLAIMED_S)
		judge_say(ret, VERDICT_REFUTED,
			  "TIME-WAIT was reused when it was only %.2f s old: this kernel (before "
			  "6.14) compares whole seconds, so the delay is anything from 0 to 1 s.",
			  at);
	else if (strcmp(delay, "none") == 0)
		judge_say(ret, VERDICT_REFUTED,
			  "TIME-WAIT was reused only when it was %.2f s old, not after 1 s.", at);
	else
		judge_say(ret, VERDICT_REFUTED,
			  "TIME-WAIT was reused when it was %.2f s old, not after 1 s: "
			  "tcp_tw_reuse_delay is set to %s ms.",
			  at, delay);
}

/* What the sysctl does, where the kernel has it. */
static const char *of_the_sysctl(const struct evidence *evidence)
{
	size_t has = 0, obeyed = 0;

	for (size_t i = DELAY_FIRST; i <= DELAY_LAST; i++) {
		if (!evidence_has(evidence, rows[i].arm))
			continue;
		has++;
		obeyed += reused_in_time(evidence, &rows[i]);
	}
	return !has	       ? "This kernel has no setting for it"
	       : obeyed == has ? "tcp_tw_reuse_delay sets another, from 1 ms to 60 s"
			       : "tcp_tw_reuse_delay is not obeyed as it was set";
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const struct row *late = &rows[LATE_IN_SECOND], *early = &rows[EARLY_IN_SECOND];
	bool named = evidence_is(evidence, "named-port", "reused");
	double at = 0;

	tell(evidence, ret);
	if (evidence_is(evidence, "reuse-off", "reused")) {
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "With tcp_tw_reuse=0 the port was reused as well: something else than "
			  "the setting decides here.");
		return;
	}
	if (evidence_is(evidence, late->arm, "reused")) {
		at = evidence_number(evidence, late->arm, "reused_at_s");
		judge_deciding(ret, "refused at %.3f s, reused at %.3f s",
			       evidence_number(evidence, late->arm, "refused_until_s"), at);
	} else {
		judge_deciding(ret, "not reused within %.0f s", WATCHED_S);
	}
	if (seldom_tried(evidence, late) || seldom_tried(evidence, early))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "For more than %.0f s nothing was tried, because the machine was busy: "
			  "the age cannot be told.",
			  WIDE_S);
	else if (!reused_in_time(evidence, late))
		say_refuted(evidence, late, ret);
	else if (!reused_in_time(evidence, early))
		say_refuted(evidence, early, ret);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"With tcp_tw_reuse=1 a port comes back after %.2f s instead of 60: each "
			"gives one connection a second to one destination, not one a minute. %s%s.",
			at, of_the_sysctl(evidence),
			named ? "; a port that bind() names with SO_REUSEADDR is free at once, "
				"even with tcp_tw_reuse=0"
			      : "");
}

#define ARM(arm_name, arm_role, arm_what, arm_optional, takes, ...)                                \
	{                                                                                          \
		.name = (arm_name), .role = (arm_role), .what = (arm_what),                        \
		.optional = (arm_optional), .seconds = (takes),                                    \
		.extra = &(const struct plan){__VA_ARGS__}, .play = play,                          \
	}

static const struct arm arms[] = {
	ARM("early-in-second", ARM_TREATMENT,
	    "tcp_tw_reuse=1; TIME-WAIT begins early in a second of the clock", false, 3,
	    .tw_reuse = 1, .phase = 0.05),
	ARM("late-in-second", ARM_TREATMENT,
	    "tcp_tw_reuse=1; TIME-WAIT begins late in a second of the clock", false, 3,
	    .tw_reuse = 1, .phase = 0.6),
	ARM("delay-1", ARM_TREATMENT, "tcp_tw_reuse_delay=1, the least that it takes", true, 2,
	    .tw_reuse = 1, .delay_ms = 1),
	ARM("delay-100", ARM_TREATMENT, "tcp_tw_reuse_delay=100", true, 2, .tw_reuse = 1,
	    .delay_ms = 100),
	ARM("delay-3000", ARM_TREATMENT, "tcp_tw_reuse_delay=3000", true, 5, .tw_reuse = 1,
	    .delay_ms = 3000),
	ARM("named-port", ARM_TREATMENT,
	    "tcp_tw_reuse=0, the port named by bind(): not the claim, but good to know", false, 2,
	    .names_port = true),
	ARM("reuse-off", ARM_CONTROL, "tcp_tw_reuse=0: must not be reused", false, 6,
	    .tw_reuse = 0),
};

const struct experiment experiment_reuse_delay = {
	.id = "reuse-delay",
	.claim = "With tcp_tw_reuse=1 a TIME-WAIT at the client is reused once it is one second "
		 "old, and not before.",
	.source =
		"Linux, Documentation/networking/ip-sysctl.rst; the article (재사용) names no time",
	.section = "D. Local ports and reuse",
	.method =
		"A client with a single port leaves TIME-WAIT and tries to connect again every 5 ms; "
		"the age at which the SYN leaves, for TIME-WAIT that begin early and late in a "
		"second, and for other values of tcp_tw_reuse_delay. Control: tcp_tw_reuse=0.",
	.why = "It is the rate that tcp_tw_reuse=1 allows: each local port can be used once per "
	       "delay for the same destination.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
