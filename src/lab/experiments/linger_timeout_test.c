#include "lab/experiments/judge_test.h"

static void set(struct evidence *evidence, const char *arm, double took, int rst, int received)
{
	evidence_set_number(evidence, arm, "written_bytes", 5000);
	evidence_set_number(evidence, arm, "close_returned_after_s", took);
	evidence_set_number(evidence, arm, "rst_count", rst);
	evidence_set_number(evidence, arm, "received_after_return_bytes", received);
	evidence_set_text(evidence, arm, "close_errno", "none");
	evidence_set_text(evidence, arm, "server_read_error", "none");
	evidence_set_text(evidence, arm, "client_in_at_return", "FIN-WAIT-1");
	evidence_set_text(evidence, arm, "client_left_in", "TIME-WAIT");
}

/* The treatment, blocking and not; the controls are as they must be. */
static struct evidence *made(double took, int rst, int received, double took_nonblocking)
{
	struct evidence *evidence = evidence_new();

	set(evidence, "silent-peer", took, rst, received);
	set(evidence, "silent-peer-nonblocking", took_nonblocking, rst, received);
	set(evidence, "peer-answers", 0.05, 0, 5000);
	set(evidence, "no-linger", 0.0001, 0, 5000);
	return evidence;
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_linger_timeout, evidence);
}

static void holds_when_aborted(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(2.01, 1, 0, 0.0001)), VERDICT_HOLDS);
}

static void refuted_when_the_connection_goes_on(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(2.01, 0, 5000, 2.01)), VERDICT_REFUTED);
	assert_int_equal(verdict_of(made(2.01, 0, 5000, 0.0001)), VERDICT_REFUTED);
}

static void refuted_when_a_reset_loses_nothing(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(2.01, 1, 5000, 0.0001)), VERDICT_REFUTED);
}

static void refuted_when_nonblocking_waits(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(2.01, 1, 0, 2.01)), VERDICT_REFUTED);
}

static void refuted_when_the_time_is_another(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(made(0.0001, 1, 0, 0.0001)), VERDICT_REFUTED);
	assert_int_equal(verdict_of(made(1.9, 1, 0, 0.0001)), VERDICT_REFUTED);
	assert_int_equal(verdict_of(made(3.0, 1, 0, 0.0001)), VERDICT_REFUTED);
}

static void inconclusive_when_an_answer_does_not_end_the_wait(void **state)
{
	struct evidence *evidence = made(2.01, 1, 0, 0.0001);

	(void)state;
	set(evidence, "peer-answers", 2.01, 0, 5000);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_it_waits_without_the_option(void **state)
{
	struct evidence *evidence = made(2.01, 1, 0, 0.0001);

	(void)state;
	set(evidence, "no-linger", 2.01, 0, 5000);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set(evidence, "silent-peer", 2.01, 0, 5000);
	set(evidence, "peer-answers", 0.05, 0, 5000);
	set(evidence, "no-linger", 0.0001, 0, 5000);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_when_aborted),
		cmocka_unit_test(refuted_when_the_connection_goes_on),
		cmocka_unit_test(refuted_when_a_reset_loses_nothing),
		cmocka_unit_test(refuted_when_nonblocking_waits),
		cmocka_unit_test(refuted_when_the_time_is_another),
		cmocka_unit_test(inconclusive_when_an_answer_does_not_end_the_wait),
		cmocka_unit_test(inconclusive_when_it_waits_without_the_option),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
