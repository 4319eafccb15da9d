#include "lab/experiments/judge_test.h"

#include <stdio.h>

static void set(struct evidence *evidence, const char *arm, const char *what, const char *level,
		double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_at_%s", what, level);
	evidence_set_number(evidence, arm, name, value);
}

static void set_level(struct evidence *evidence, const char *arm, const char *level, double count,
		      double times)
{
	set(evidence, arm, "time_wait_count", level, count);
	set(evidence, arm, "cpu_us", level, 60 * times);
	set(evidence, arm, "cpu_times", level, times);
	set(evidence, arm, "connections_per_s", level, 15000 / times);
	set(evidence, arm, "rate_times", level, 1 / times);
	set(evidence, arm, "noise_times", level, 1.05);
	set(evidence, arm, "restart_cpu_us", level, 20 + count / 50);
}

/* How many times the CPU with 100,000, with 400,000, and in chains. */
static struct evidence *made(double at_100k, double at_most, double in_chains)
{
	struct evidence *evidence = evidence_new();

	set_level(evidence, "usual-hash", "0", 0, 1);
	set_level(evidence, "usual-hash", "10k", 10000, 1);
	set_level(evidence, "usual-hash", "100k", 100000, at_100k);
	set_level(evidence, "usual-hash", "500k", 400000, at_most);
	set_level(evidence, "small-hash", "0", 0, 1);
	set_level(evidence, "small-hash", "20k", 20000, in_chains);
	return evidence;
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_time_wait_slowdown, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(1.01, 1.05, 2)), VERDICT_HOLDS);
	assert_int_equal(verdict_of(made(0.95, 1.25, 1.6)), VERDICT_HOLDS);
}

static void refuted_when_they_cost(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(1.4, 2, 2)), VERDICT_REFUTED);
	assert_int_equal(verdict_of(made(1.1, 1.5, 2)), VERDICT_REFUTED);
	assert_int_equal(verdict_of(made(5, 9, 5)), VERDICT_REFUTED);
}

static void inconclusive_when_chains_cost_nothing(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(1.01, 1.05, 1.1)), VERDICT_INCONCLUSIVE);
}

static void inconclusive_with_too_few(void **state)
{
	struct evidence *evidence = made(1.01, 1.05, 2);

	(void)state;
	set(evidence, "usual-hash", "time_wait_count", "100k", 50000);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_noise_is_great(void **state)
{
	struct evidence *evidence = made(1.01, 1.05, 2);

	(void)state;
	set(evidence, "usual-hash", "noise_times", "500k", 1.5);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = made(1.01, 2, 2);
	set(evidence, "usual-hash", "noise_times", "100k", 1.5);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_level(evidence, "usual-hash", "100k", 100000, 1);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_they_cost),
		cmocka_unit_test(inconclusive_when_chains_cost_nothing),
		cmocka_unit_test(inconclusive_with_too_few),
		cmocka_unit_test(inconclusive_when_noise_is_great),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
