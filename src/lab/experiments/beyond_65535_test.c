#include "lab/experiments/judge_test.h"

/* TIME-WAIT from four addresses and from one, and the connections that were made for each. */
static enum verdict verdict_of(double many, double made, double one, double one_made)
{
	struct evidence *evidence = evidence_new();

	evidence_set_number(evidence, "four-addresses", "time_wait_count", many);
	evidence_set_number(evidence, "four-addresses", "connections", made);
	evidence_set_number(evidence, "four-addresses", "seconds", 6.5);
	evidence_set_number(evidence, "one-address", "time_wait_count", one);
	evidence_set_number(evidence, "one-address", "connections", one_made);
	return judge_made(&experiment_beyond_65535, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(100000, 100000, 28232, 40000), VERDICT_HOLDS);
	assert_int_equal(verdict_of(65536, 100000, 28232, 40000), VERDICT_HOLDS);
}

static void refuted_when_something_bounds_it(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(65535, 100000, 28232, 40000), VERDICT_REFUTED);
	assert_int_equal(verdict_of(20000, 100000, 20000, 40000), VERDICT_REFUTED);
}

static void inconclusive_when_one_address_makes_as_many(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(100000, 100000, 40000, 40000), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(100000, 100000, 28233, 40000), VERDICT_INCONCLUSIVE);
}

static void inconclusive_with_too_few_connections(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(60000, 60000, 28232, 40000), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(100000, 100000, 20000, 20000), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_number(evidence, "four-addresses", "time_wait_count", 100000);
	evidence_set_number(evidence, "four-addresses", "connections", 100000);
	evidence_set_number(evidence, "one-address", "time_wait_count", 28232);
	evidence_set_number(evidence, "one-address", "connections", 40000);
	assert_int_equal(judge_made(&experiment_beyond_65535, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_something_bounds_it),
		cmocka_unit_test(inconclusive_when_one_address_makes_as_many),
		cmocka_unit_test(inconclusive_with_too_few_connections),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
