#include "lab/experiments/judge_test.h"

static enum verdict verdict_of(double established, double waiting, double control)
{
	struct evidence *evidence = evidence_new();

	evidence_set_number(evidence, "other-ports", "established_on_the_port", established);
	evidence_set_number(evidence, "other-ports", "time_wait_on_the_port", waiting);
	evidence_set_number(evidence, "same-port", "established_on_the_port", control);
	evidence_set_text(evidence, "same-port", "last_errno",
			  control > 0 ? "none" : "EADDRNOTAVAIL");
	return judge_made(&experiment_five_tuple, evidence);
}

static void holds_when_the_port_is_shared(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 1, 0), VERDICT_HOLDS);
}

static void refuted_when_a_connection_is_missing(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(1, 1, 0), VERDICT_REFUTED);
	assert_int_equal(verdict_of(0, 1, 0), VERDICT_REFUTED);
	assert_int_equal(verdict_of(2, 0, 0), VERDICT_REFUTED);
}

static void inconclusive_when_the_same_tuple_works_too(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 1, 1), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_control(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_number(evidence, "other-ports", "established_on_the_port", 2);
	evidence_set_number(evidence, "other-ports", "time_wait_on_the_port", 1);
	assert_int_equal(judge_made(&experiment_five_tuple, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_when_the_port_is_shared),
		cmocka_unit_test(refuted_when_a_connection_is_missing),
		cmocka_unit_test(inconclusive_when_the_same_tuple_works_too),
		cmocka_unit_test(inconclusive_without_a_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
