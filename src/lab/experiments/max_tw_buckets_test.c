#include "lab/experiments/judge_test.h"

static void set_arm(struct evidence *evidence, const char *arm, double oldest, double newest,
		    double overflow)
{
	evidence_set_number(evidence, arm, "oldest_in_time_wait", oldest);
	evidence_set_number(evidence, arm, "newest_in_time_wait", newest);
	evidence_set_number(evidence, arm, "overflow_count", overflow);
	evidence_set_number(evidence, arm, "close_error_count", 0);
	evidence_set_number(evidence, arm, "peer_error_count", overflow);
	evidence_set_text(evidence, arm, "peer_errno", overflow > 0 ? "ECONNRESET" : "none");
	evidence_set_number(evidence, arm, "rst_count", overflow);
}

/* All arms with a limit alike; the control apart. */
static struct evidence *made(double oldest, double newest, double overflow)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "limit", oldest, newest, overflow);
	set_arm(evidence, "limit-late-peer", oldest, newest, overflow);
	set_arm(evidence, "lowered-later", oldest, newest, overflow);
	set_arm(evidence, "default", 40, 40, 0);
	return evidence;
}

static void refuted_when_the_new_go_without(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_max_tw_buckets, made(40, 0, 40)), VERDICT_REFUTED);
	/* A machine out of orphans. */
	assert_int_equal(judge_made(&experiment_max_tw_buckets, made(39, 1, 39)), VERDICT_REFUTED);
}

static void holds_when_the_oldest_make_room(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_max_tw_buckets, made(0, 40, 0)), VERDICT_HOLDS);
}

static void inconclusive_when_old_and_new_are_mixed(void **state)
{
	struct evidence *evidence;

	(void)state;
	assert_int_equal(judge_made(&experiment_max_tw_buckets, made(20, 20, 40)),
			 VERDICT_INCONCLUSIVE);
	assert_int_equal(judge_made(&experiment_max_tw_buckets, made(40, 40, 40)),
			 VERDICT_INCONCLUSIVE);
	/* Nothing limited at all. */
	assert_int_equal(judge_made(&experiment_max_tw_buckets, made(40, 40, 0)),
			 VERDICT_INCONCLUSIVE);

	evidence = made(40, 0, 40);
	set_arm(evidence, "lowered-later", 20, 0, 40);
	assert_int_equal(judge_made(&experiment_max_tw_buckets, evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_control_is_limited_too(void **state)
{
	struct evidence *evidence = made(40, 0, 40);

	(void)state;
	set_arm(evidence, "default", 40, 0, 40);
	assert_int_equal(judge_made(&experiment_max_tw_buckets, evidence), VERDICT_INCONCLUSIVE);

	evidence = made(40, 0, 40);
	set_arm(evidence, "default", 40, 0, 0);
	assert_int_equal(judge_made(&experiment_max_tw_buckets, evidence), VERDICT_INCONCLUSIVE);

	evidence = made(0, 0, 0);
	set_arm(evidence, "default", 0, 0, 0);
	assert_int_equal(judge_made(&experiment_max_tw_buckets, evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "limit", 40, 0, 40);
	set_arm(evidence, "default", 40, 40, 0);
	assert_int_equal(judge_made(&experiment_max_tw_buckets, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuted_when_the_new_go_without),
		cmocka_unit_test(holds_when_the_oldest_make_room),
		cmocka_unit_test(inconclusive_when_old_and_new_are_mixed),
		cmocka_unit_test(inconclusive_when_the_control_is_limited_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
