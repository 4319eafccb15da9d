#include "lab/experiments/judge_test.h"

/* How long each phase was, in one arm. */
struct phases {
	double keepalive_s, timewait_s, time_wait_s;
};

struct made {
	struct phases at_45, at_15, never, by_default;
};

static const struct made as_linux_does = {
	.at_45 = {30.7, 14.3, 61.1},
	.at_15 = {15, 0, 60.4},
	.never = {31.2, 30.9, 0},
	.by_default = {0, 15, 60.9},
};

static void set_arm(struct evidence *evidence, const char *arm, const struct phases *phases)
{
	evidence_set_number(evidence, arm, "keepalive_s", phases->keepalive_s);
	evidence_set_number(evidence, arm, "timewait_s", phases->timewait_s);
	evidence_set_number(evidence, arm, "time_wait_s", phases->time_wait_s);
	evidence_set_number(evidence, arm, "life_s",
			    phases->keepalive_s + phases->timewait_s + phases->time_wait_s);
	evidence_set_number(evidence, arm, "slack_s_of_30_s_timer", 2.05);
	evidence_set_number(evidence, arm, "slack_s_of_60_s_timer", 2.05);
}

static enum verdict verdict_of(struct made made)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "fin-after-45-s", &made.at_45);
	set_arm(evidence, "fin-after-15-s", &made.at_15);
	set_arm(evidence, "no-fin", &made.never);
	set_arm(evidence, "fin-timeout-60", &made.by_default);
	evidence_set_text(evidence, "fin-after-45-s", "client_after_fin",
			  made.at_45.time_wait_s > 0 ? "TIME-WAIT" : "CLOSED");
	return judge_made(&experiment_fin_wait2_to_time_wait, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(as_linux_does), VERDICT_HOLDS);
}

static void refuted_without_time_wait(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.at_45 = (struct phases){30.7, 30.5, 0};
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void refuted_when_time_wait_is_the_rest_of_the_wait(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.at_45.time_wait_s = 15.2;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void refuted_by_other_phases(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.at_45.keepalive_s = 0;
	made.at_45.timewait_s = 45;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void inconclusive_when_the_fin_does_not_matter(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.never.time_wait_s = 60.5;
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_default_is_split_too(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.by_default = (struct phases){10, 5, 60.9};
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "fin-after-45-s", &as_linux_does.at_45);
	assert_int_equal(judge_made(&experiment_fin_wait2_to_time_wait, evidence),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_without_time_wait),
		cmocka_unit_test(refuted_when_time_wait_is_the_rest_of_the_wait),
		cmocka_unit_test(refuted_by_other_phases),
		cmocka_unit_test(inconclusive_when_the_fin_does_not_matter),
		cmocka_unit_test(inconclusive_when_the_default_is_split_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
