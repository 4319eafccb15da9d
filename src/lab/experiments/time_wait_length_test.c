#include "lab/experiments/judge_test.h"

static const char *const treatments[] = {
	"fin-timeout-5", "fin-timeout-60", "fin-timeout-120",  "fin-timeout-5-held", "linger2-5",
	"tw-reuse-1",	 "rfc1337-1",	   "max-tw-buckets-1", "keepalive-short",    "retries-few",
};

/* HZ=250. */
static void set_life(struct evidence *evidence, const char *arm, double life_s, double slack_s)
{
	evidence_set_number(evidence, arm, "life_s", life_s);
	evidence_set_number(evidence, arm, "life_error_s", 0.02);
	evidence_set_number(evidence, arm, "timer_at_start_s", 60);
	evidence_set_number(evidence, arm, "timer_slack_s", slack_s);
	evidence_set_number(evidence, arm, "timer_tick_s", 0.004);
}

/* A world in which the claim holds. */
static struct evidence *good(void)
{
	struct evidence *evidence = evidence_new();

	for (size_t i = 0; i < sizeof(treatments) / sizeof(treatments[0]); i++)
		set_life(evidence, treatments[i], 60.9, 2.048);
	set_life(evidence, "fin-wait-2-fin-timeout-5", 5.1, 0.256);
	set_life(evidence, "max-tw-buckets-0", 0, 2.048);
	return evidence;
}

static enum verdict verdict_with(const char *arm, double life_s)
{
	struct evidence *evidence = good();

	set_life(evidence, arm, life_s, 2.048);
	return judge_made(&experiment_time_wait_length, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_time_wait_length, good()), VERDICT_HOLDS);
	assert_int_equal(verdict_with("fin-timeout-5", 59.98), VERDICT_HOLDS);
	assert_int_equal(verdict_with("fin-timeout-5", 62.5), VERDICT_HOLDS);
	assert_int_equal(verdict_with("tw-reuse-delay-1", 60.1), VERDICT_HOLDS);
}

static void refuted_when_a_setting_shortens(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("fin-timeout-5", 5.1), VERDICT_REFUTED);
	assert_int_equal(verdict_with("fin-timeout-5", 59.9), VERDICT_REFUTED);
	assert_int_equal(verdict_with("retries-few", 3.5), VERDICT_REFUTED);
	assert_int_equal(verdict_with("rto-max-1000", 3.5), VERDICT_REFUTED);
	assert_int_equal(verdict_with("fin-timeout-60", 0), VERDICT_REFUTED);
}

static void refuted_when_a_setting_lengthens(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("fin-timeout-120", 121), VERDICT_REFUTED);
	assert_int_equal(verdict_with("fin-timeout-120", 62.7), VERDICT_REFUTED);
}

/* The article itself says that it does. */
static void recycling_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("tw-recycle-1", 3.5), VERDICT_HOLDS);
}

static void inconclusive_when_controls_last_as_long(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("fin-wait-2-fin-timeout-5", 60.9), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("fin-wait-2-fin-timeout-5", 1), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("max-tw-buckets-0", 60.9), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_life(evidence, "fin-timeout-5", 60.9, 2.048);
	set_life(evidence, "max-tw-buckets-0", 0, 2.048);
	assert_int_equal(judge_made(&experiment_time_wait_length, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_a_setting_shortens),
		cmocka_unit_test(refuted_when_a_setting_lengthens),
		cmocka_unit_test(recycling_does_not_count),
		cmocka_unit_test(inconclusive_when_controls_last_as_long),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
