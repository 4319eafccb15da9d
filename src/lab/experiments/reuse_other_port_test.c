#include "lab/experiments/judge_test.h"

static enum verdict verdict_of(double before, double after, double control)
{
	struct evidence *evidence = evidence_new();

	evidence_set_number(evidence, "other-port", "connections_before", before);
	evidence_set_number(evidence, "other-port", "connections_after", after);
	evidence_set_number(evidence, "other-port", "time_wait_after", before + after);
	evidence_set_text(evidence, "other-port", "errno_after",
			  after < 50 ? "EADDRNOTAVAIL" : "none");
	evidence_set_number(evidence, "same-port", "connections_after", control);
	return judge_made(&experiment_reuse_other_port, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(50, 50, 0), VERDICT_HOLDS);
}

static void refuted_when_the_other_port_fails_too(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(50, 0, 0), VERDICT_REFUTED);
	assert_int_equal(verdict_of(50, 49, 0), VERDICT_REFUTED);
}

static void inconclusive_when_ports_were_left(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(50, 50, 50), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(100, 50, 0), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_reuse_other_port, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_the_other_port_fails_too),
		cmocka_unit_test(inconclusive_when_ports_were_left),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
