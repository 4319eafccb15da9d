/*
 * Question: both ends close before either has heard of the other's close. What are they left in,
 * and how rare is that?
 *
 * Kernel path (6.18): a FIN that comes to FIN-WAIT-1 and does not acknowledge the own FIN takes
 * tcp_fin() (net/ipv4/tcp_input.c) to CLOSING, and it is acknowledged at once; the ACK of the own
 * FIN takes tcp_rcv_state_process() from CLOSING to tcp_time_wait(). Each end does the same, so
 * each is left in TIME-WAIT. Both ACKs follow from the FINs: they are no second coincidence.
 *
 * Packets expected: FIN each way, on the wire at the same time; then ACK each way.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lab/experiments/common.h"

/*
 * How long a packet takes where the second close() must come before the first FIN: long enough
 * that a busy machine is never later than that.
 */
#define ONE_WAY_S 1

#define ANSWER_SECONDS 4

#define SETTLED (STATE_BIT(TCP_TIME_WAIT) | STATE_BIT(TCP_STATE_NONE))

/* A state and those before, as it was seen: "FIN-WAIT-1, CLOSING". */
struct path {
	char text[80];
	int last;
};

static void path_add(struct path *path, int state)
{
	size_t used = strlen(path->text);

	if (used && path->last == state)
		return;
	snprintf(path->text + used, sizeof(path->text) - used, "%s%s", used ? ", " : "",
		 tcp_state_name(state));
	path->last = state;
}

struct paths {
	struct path client, server;
};

static void see_both(struct stage *stage, const struct pair *pair, uint32_t states,
		     struct paths *paths)
{
	path_add(&paths->client,
		 stage_outcome(stage, STAGE_CLIENT, &pair->client_key, states, ANSWER_SECONDS));
	path_add(&paths->server,
		 stage_outcome(stage, STAGE_SERVER, &pair->server_key, states, ANSWER_SECONDS));
}

/* FINs pass only once: held for long they are repeated, and that is another story. */
static int lose_repeats(struct stage *stage)
{
	TRY(stage, lose_repeated_fins(stage, STAGE_CLIENT, NULL));
	TRY(stage, lose_repeated_fins(stage, STAGE_SERVER, NULL));
	return 0;
}

static int hold(struct stage *stage, uint8_t flags, uint8_t but_not, const char *note)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD, .note = note};

	rule.match.flags_set = flags;
	rule.match.flags_clear = but_not;
	return wire_rule_add(stage->wire, &rule);
}

static bool was_closing(struct stage *stage, size_t host, const struct tcp_key *key)
{
	return observer_wait(stage->observer, host, key, TCP_CLOSING, 0, 0, NULL) == 0;
}

static int count_acks(struct stage *stage, size_t host)
{
	struct wire_match fins = WIRE_MATCH_ALL, acks = WIRE_MATCH_ALL;
	struct stage_segment fin, ack;
	int count = 0;

	fins.from = (int)host;
	fins.flags_set = TCP_FLAG_FIN;
	if (stage_segments(stage, &fins, &fin, 1) < 1)
		return 0;
	acks.from = (int)host;
	acks.flags_set = TCP_FLAG_ACK;
	acks.flags_clear = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;
	for (acks.count = 1; stage_segments(stage, &acks, &ack, 1) == 1; acks.skip++)
		count += ack.index > fin.index;
	return count;
}

static void measure(struct stage *stage, const struct pair *pair, const struct paths *paths)
{
	stage_measure_text(stage, "client_left_in", tcp_state_name(paths->client.last));
	stage_measure_text(stage, "server_left_in", tcp_state_name(paths->server.last));
	stage_measure(stage, "left_in_time_wait_count",
		      (paths->client.last == TCP_TIME_WAIT) +
			      (paths->server.last == TCP_TIME_WAIT));
	stage_measure(stage, "ends_seen_in_closing_count",
		      was_closing(stage, STAGE_CLIENT, &pair->client_key) +
			      was_closing(stage, STAGE_SERVER, &pair->server_key));
	stage_measure(stage, "acks_of_client_after_its_fin_count", count_acks(stage, STAGE_CLIENT));
	stage_measure(stage, "acks_of_server_after_its_fin_count", count_acks(stage, STAGE_SERVER));
}

/* Both FINs are on the wire before either arrives, and both ACKs before either arrives. */
static int play_held(struct stage *stage)
{
	struct paths paths = {0};
	struct pair pair;
	int fins, acks;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &pair));
	TRY(stage, lose_repeats(stage));
	fins = hold(stage, TCP_FLAG_FIN, 0, "held until both FINs are out");
	TRY(stage, fins);
	acks = hold(stage, TCP_FLAG_ACK, TCP_FLAG_FIN | TCP_FLAG_RST,
		    "held until both ends have been seen in CLOSING");
	TRY(stage, acks);

	TRY(stage, stage_shut(stage, &pair.client));
	TRY(stage, stage_shut(stage, &pair.server));
	wire_rule_wait(stage->wire, fins, 2, ANSWER_SECONDS * NS_PER_S);
	see_both(stage, &pair, STATE_BIT(TCP_FIN_WAIT1), &paths);
	stage_measure(stage, "fins_on_the_wire_count", wire_rule_hits(stage->wire, fins));

	TRY(stage, wire_rule_release(stage->wire, fins));
	see_both(stage, &pair, STATE_BIT(TCP_CLOSING), &paths);
	TRY(stage, wire_rule_remove(stage->wire, acks));
	see_both(stage, &pair, SETTLED, &paths);

	stage_measure_text(stage, "client_path", paths.client.text);
	stage_measure_text(stage, "server_path", paths.server.text);
	measure(stage, &pair, &paths);
	pair_close(&pair);
	return 0;
}

static int await_fin(struct stage *stage, int host, struct stage_segment *ret)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = host;
	match.flags_set = TCP_FLAG_FIN;
	return stage_await_segments(stage, &match, 1, ANSWER_SECONDS, ret);
}

/* The second close() comes later than the first, but before the first FIN arrives. */
static int play_slow_path(struct stage *stage)
{
	struct wire_rule slow = {.match = WIRE_MATCH_ALL,
				 .verb = WIRE_DELAY,
				 .delay_ns = ONE_WAY_S * NS_PER_S,
				 .note = "a packet takes a second"};
	struct stage_segment first, second;
	struct paths paths = {0};
	struct pair pair;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &pair));
	TRY(stage, lose_repeats(stage));
	TRY(stage, wire_rule_add(stage->wire, &slow));

	TRY(stage, stage_shut(stage, &pair.client));
	TRY(stage, await_fin(stage, STAGE_CLIENT, &first));
	TRY(stage, stage_pass_until(stage, first.record.time_ns + ONE_WAY_S * NS_PER_S / 4,
				    "the client's FIN is on its way"));
	TRY(stage, stage_shut(stage, &pair.server));
	TRY(stage, await_fin(stage, STAGE_SERVER, &second));
	see_both(stage, &pair, SETTLED, &paths);

	stage_measure(stage, "second_fin_after_s",
		      clock_seconds(second.record.time_ns - first.record.time_ns));
	stage_measure(stage, "one_way_s", ONE_WAY_S);
	measure(stage, &pair, &paths);
	pair_close(&pair);
	return 0;
}

static int play_in_turn(struct stage *stage)
{
	struct paths paths = {0};
	struct pair pair;

	TRY(stage, stage_open(stage, NULL));
	TRY(stage, stage_pair(stage, NULL, &pair));
	TRY(stage, lose_repeats(stage));
	TRY(stage, stage_shut(stage, &pair.client));
	stage_outcome(stage, STAGE_SERVER, &pair.server_key, STATE_BIT(TCP_CLOSE_WAIT),
		      ANSWER_SECONDS);
	TRY(stage, stage_shut(stage, &pair.server));
	see_both(stage, &pair, SETTLED, &paths);

	measure(stage, &pair, &paths);
	pair_close(&pair);
	return 0;
}

/* A FIN that is lost for good does not cross the other: only one end hears of a close. */
static int falsify(struct stage *stage)
{
	return lose_segments(stage, STAGE_SERVER, TCP_FLAG_FIN, "the server's FIN is lost");
}

static const char *const crossing = "fins-crossing";
static const char *const slow_path = "within-one-way";
static const char *const in_turn = "one-after-the-other";

static void tell(const struct evidence *evidence, struct judgement *ret)
{
	judge_measured_text(ret, evidence_text(evidence, crossing, "client_path"), "client_path");
	judge_measured_text(ret, evidence_text(evidence, crossing, "server_path"), "server_path");
	judge_measured_text(ret, evidence_text(evidence, in_turn, "client_left_in"),
			    "first_closer_left_in_when_in_turn");
	judge_measured_text(ret, evidence_text(evidence, in_turn, "server_left_in"),
			    "second_closer_left_in_when_in_turn");
	judge_measured(ret, evidence_number(evidence, slow_path, "second_fin_after_s"),
		       "second_fin_after_s_within_one_way");
	judge_measured(ret, evidence_number(evidence, slow_path, "one_way_s"), "one_way_s");
	judge_measured(ret,
		       evidence_number(evidence, crossing, "acks_of_client_after_its_fin_count"),
		       "acks_of_client_count");
	judge_measured(ret,
		       evidence_number(evidence, crossing, "acks_of_server_after_its_fin_count"),
		       "acks_of_server_count");
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double both = evidence_number(evidence, crossing, "left_in_time_wait_count");
	double out = evidence_number(evidence, crossing, "fins_on_the_wire_count");
	double closing = evidence_number(evidence, crossing, "ends_seen_in_closing_count");
	double slow = evidence_number(evidence, slow_path, "left_in_time_wait_count");
	double after = evidence_number(evidence, slow_path, "second_fin_after_s");
	double one_way = evidence_number(evidence, slow_path, "one_way_s");
	double control = evidence_number(evidence, in_turn, "left_in_time_wait_count");

	tell(evidence, ret);
	judge_measured(ret, both, "left_in_time_wait_count_when_crossing");
	judge_measured(ret, slow, "left_in_time_wait_count_within_one_way");
	judge_measured(ret, control, "left_in_time_wait_count_when_in_turn");
	judge_measured(ret, closing, "ends_seen_in_closing_count");
	judge_deciding(ret, "%.0f ends in TIME-WAIT, %.0f if in turn", both, control);

	if (both != 2)
		judge_say(
			ret, VERDICT_REFUTED,
			"Both ends closed at the same time, and %.0f of them is left in TIME-WAIT: "
			"the client is %s, the server %s.",
			both, evidence_text(evidence, crossing, "client_left_in"),
			evidence_text(evidence, crossing, "server_left_in"));
	else if (control >= both || out != 2)
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"%.0f ends are left in TIME-WAIT also when they close one after the other, "
			"and %.0f FINs crossed: it is not the crossing that decides here.",
			control, out);
	else if (!(after < one_way))
		judge_say(
			ret, VERDICT_INCONCLUSIVE,
			"The second FIN left %.2f s after the first, which had arrived after %.0f s: "
			"the machine was too busy for this.",
			after, one_way);
	else if (slow != 2)
		judge_say(
			ret, VERDICT_REFUTED,
			"FINs held on the wire left both ends in TIME-WAIT, but a second FIN %.2f s "
			"after the first, on a path of %.0f s, left %.0f.",
			after, one_way, slow);
	else
		judge_say(
			ret, VERDICT_HOLDS,
			"Both ends pay when FINs cross, through CLOSING (%.0f of 2 seen there). It "
			"takes no chance, only a second close() before the first FIN has come: %.2f "
			"s later on a path of %.0f s did it. Two ends with the same idle timeout can "
			"do it every time; let one of them wait for the other's end.",
			closing, after, one_way);
}

static const struct arm arms[] = {
	{
		.name = "fins-crossing",
		.role = ARM_TREATMENT,
		.what = "both close; the FINs are held until both are out, the ACKs likewise",
		.seconds = 0.5,
		.play = play_held,
	},
	{
		.name = "within-one-way",
		.role = ARM_TREATMENT,
		.what = "every packet takes 1 s; the server closes 0.25 s after the client",
		.seconds = 2.5,
		.play = play_slow_path,
	},
	{
		.name = "one-after-the-other",
		.role = ARM_CONTROL,
		.what = "the server closes when the client's FIN has come: one TIME-WAIT only",
		.seconds = 0.5,
		.play = play_in_turn,
	},
};

const struct experiment experiment_simultaneous_close = {
	.id = "simultaneous-close",
	.claim = "If both ends close at the same time, both are left in TIME-WAIT.",
	.source = "article, 쌍방; RFC 9293 3.6",
	.section = "A. The closing handshake",
	.method = "Both ends close while the wire holds their FINs, so that these cross, and then "
		  "their ACKs, so that CLOSING can be seen; the same with a slow path in place of "
		  "holding, and with one end closing after it has seen the other's end.",
	.why = "TIME-WAIT on the end that was meant to be spared is explained by it: timeouts of the "
	       "same length at both ends can make both close at once.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.falsify = falsify,
	.judge = judge,
};
