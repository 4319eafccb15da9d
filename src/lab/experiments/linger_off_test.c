#include "lab/experiments/judge_test.h"

static void set(struct evidence *evidence, const char *arm, double took_ms)
{
	evidence_set_number(evidence, arm, "close_returned_after_ms", took_ms);
	evidence_set_number(evidence, arm, "undelivered_at_return_bytes", 900);
	evidence_set_number(evidence, arm, "written_bytes", 1000);
	evidence_set_number(evidence, arm, "read_bytes", 1000);
	evidence_set_number(evidence, arm, "client_fin_count", 1);
	evidence_set_number(evidence, arm, "server_fin_count", 1);
	evidence_set_number(evidence, arm, "rst_count", 0);
	evidence_set_text(evidence, arm, "close_error", "none");
	evidence_set_text(evidence, arm, "server_read_error", "none");
	evidence_set_text(evidence, arm, "client_left_in", "TIME-WAIT");
}

/* As Linux does it; what a test changes is set over it. */
static struct evidence *usual(void)
{
	struct evidence *evidence = evidence_new();

	set(evidence, "linger-off", 0.05);
	set(evidence, "linger-2", 2010);
	return evidence;
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_linger_off, evidence);
}

/* The verdict when one number of the treatment is another. */
static enum verdict verdict_with(const char *name, double value)
{
	struct evidence *evidence = usual();

	evidence_set_number(evidence, "linger-off", name, value);
	return verdict_of(evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(usual()), VERDICT_HOLDS);
	assert_int_equal(verdict_with("close_returned_after_ms", 150), VERDICT_HOLDS);
}

static void refuted_when_close_waits(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("close_returned_after_ms", 2010), VERDICT_REFUTED);
}

static void refuted_when_the_close_does_not_follow(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	assert_int_equal(verdict_with("read_bytes", 999), VERDICT_REFUTED);
	assert_int_equal(verdict_with("client_fin_count", 0), VERDICT_REFUTED);
	assert_int_equal(verdict_with("server_fin_count", 0), VERDICT_REFUTED);
	assert_int_equal(verdict_with("rst_count", 1), VERDICT_REFUTED);
	evidence_set_text(evidence, "linger-off", "server_read_error", "ECONNRESET");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = usual();
	evidence_set_text(evidence, "linger-off", "client_left_in", "FIN-WAIT-1");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void inconclusive_when_the_option_does_not_wait_either(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	evidence_set_number(evidence, "linger-2", "close_returned_after_ms", 0.05);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_nothing_was_queued(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("undelivered_at_return_bytes", 0), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set(evidence, "linger-off", 0.05);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_close_waits),
		cmocka_unit_test(refuted_when_the_close_does_not_follow),
		cmocka_unit_test(inconclusive_when_the_option_does_not_wait_either),
		cmocka_unit_test(inconclusive_when_nothing_was_queued),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
