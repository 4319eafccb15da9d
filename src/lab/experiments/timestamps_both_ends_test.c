#include "lab/experiments/judge_test.h"

#define SEGMENTS 9

/* What an arm counted: the SYN's option, and those after it. */
static void set_arm(struct evidence *evidence, const char *arm, double syn, double after)
{
	evidence_set_number(evidence, arm, "client_segments", 6);
	evidence_set_number(evidence, arm, "client_segments_with_timestamps", syn + after / 2);
	evidence_set_number(evidence, arm, "client_syn_with_timestamps", syn);
	evidence_set_number(evidence, arm, "server_segments", 4);
	evidence_set_number(evidence, arm, "server_segments_with_timestamps", after / 2);
	evidence_set_number(evidence, arm, "segments_after_syn", SEGMENTS);
	evidence_set_number(evidence, arm, "with_timestamps_after_syn", after);
}

/* A world in which the claim holds. */
static struct evidence *good(void)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "off-at-server", 1, 0);
	set_arm(evidence, "off-at-client", 0, 0);
	set_arm(evidence, "off-at-server-v6", 1, 0);
	set_arm(evidence, "off-at-client-v6", 0, 0);
	set_arm(evidence, "on-at-both", 1, SEGMENTS);
	set_arm(evidence, "on-at-both-v6", 1, SEGMENTS);
	set_arm(evidence, "off-while-open", 1, SEGMENTS);
	return evidence;
}

static enum verdict verdict_with(const char *arm, double syn, double after)
{
	struct evidence *evidence = good();

	set_arm(evidence, arm, syn, after);
	return judge_made(&experiment_timestamps_both_ends, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_timestamps_both_ends, good()), VERDICT_HOLDS);
}

/* A kernel that knows the peer to be without may leave the offer out; the claim says after it. */
static void holds_whatever_the_syn_offers(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("off-at-server", 0, 0), VERDICT_HOLDS);
}

static void refuted_by_one_segment(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("off-at-server", 1, 1), VERDICT_REFUTED);
	assert_int_equal(verdict_with("off-at-client", 0, 1), VERDICT_REFUTED);
	assert_int_equal(verdict_with("off-at-server-v6", 1, 1), VERDICT_REFUTED);
	assert_int_equal(verdict_with("off-at-client-v6", 0, 1), VERDICT_REFUTED);
}

static void inconclusive_when_controls_have_none(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("on-at-both", 1, 0), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("on-at-both-v6", 1, SEGMENTS - 1), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("off-while-open", 1, 4), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "off-at-server", 1, 0);
	set_arm(evidence, "on-at-both", 1, SEGMENTS);
	assert_int_equal(judge_made(&experiment_timestamps_both_ends, evidence),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(holds_whatever_the_syn_offers),
		cmocka_unit_test(refuted_by_one_segment),
		cmocka_unit_test(inconclusive_when_controls_have_none),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
