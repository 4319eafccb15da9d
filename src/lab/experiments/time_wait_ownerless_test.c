#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

static void set_arm(struct evidence *evidence, const char *arm, int before, int after,
		    double inode_before, double inode_after)
{
	evidence_set_text(evidence, arm, "state_before", tcp_state_name(before));
	evidence_set_text(evidence, arm, "state_after", tcp_state_name(after));
	evidence_set_number(evidence, arm, "inode_before", inode_before);
	evidence_set_number(evidence, arm, "inode_after", inode_after);
	evidence_set_number(evidence, arm, "timer_left_after_s", 59.9);
	evidence_set_number(evidence, arm, "descriptors_given_back", 1);
}

/* As on a kernel where the claim holds; tests change one thing. */
static struct evidence *made(void)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "exits", TCP_TIME_WAIT, TCP_TIME_WAIT, 0, 0);
	set_arm(evidence, "killed", TCP_TIME_WAIT, TCP_TIME_WAIT, 0, 0);
	set_arm(evidence, "lives-on", TCP_TIME_WAIT, TCP_TIME_WAIT, 0, 0);
	set_arm(evidence, "killed-established", TCP_ESTABLISHED, TCP_FIN_WAIT2, 4711, 0);
	return evidence;
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_time_wait_ownerless, made()), VERDICT_HOLDS);
}

static void refuted_when_it_dies_with_the_process(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "killed", TCP_TIME_WAIT, TCP_STATE_NONE, 0, 0);
	assert_int_equal(judge_made(&experiment_time_wait_ownerless, evidence), VERDICT_REFUTED);
}

static void refuted_when_it_has_an_inode(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "lives-on", TCP_TIME_WAIT, TCP_TIME_WAIT, 4711, 4711);
	assert_int_equal(judge_made(&experiment_time_wait_ownerless, evidence), VERDICT_REFUTED);
}

static void inconclusive_when_established_outlives_too(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "killed-established", TCP_ESTABLISHED, TCP_ESTABLISHED, 4711, 4711);
	assert_int_equal(judge_made(&experiment_time_wait_ownerless, evidence),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_time_wait_ownerless, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_dies_with_the_process),
		cmocka_unit_test(refuted_when_it_has_an_inode),
		cmocka_unit_test(inconclusive_when_established_outlives_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
