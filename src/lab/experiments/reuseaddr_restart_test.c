#include "lab/experiments/judge_test.h"

static void set_started(struct evidence *evidence, const char *arm, const char *left_in)
{
	evidence_set_text(evidence, arm, "server_left_in", left_in);
	evidence_set_text(evidence, arm, "errno_at_once", "none");
}

static void set_blocked(struct evidence *evidence, const char *arm, double blocked_s)
{
	evidence_set_text(evidence, arm, "server_left_in", "TIME-WAIT");
	evidence_set_text(evidence, arm, "errno_at_once", "EADDRINUSE");
	evidence_set_text(evidence, arm, "errno_at_55_s", "EADDRINUSE");
	evidence_set_text(evidence, arm, "errno_when_gone", "none");
	evidence_set_number(evidence, arm, "blocked_s", blocked_s);
}

/* As Linux does it: the option is needed in both runs. */
static struct evidence *usual(void)
{
	struct evidence *evidence = evidence_new();

	set_blocked(evidence, "neither", 61);
	set_blocked(evidence, "first-only", 61);
	set_blocked(evidence, "second-only", 61);
	set_started(evidence, "both", "TIME-WAIT");
	set_started(evidence, "time-wait-elsewhere", "CLOSED");
	return evidence;
}

/* As the article has it: the restarted server's option is enough. */
static struct evidence *as_claimed(void)
{
	struct evidence *evidence = evidence_new();

	set_blocked(evidence, "neither", 61);
	set_blocked(evidence, "first-only", 61);
	set_started(evidence, "second-only", "TIME-WAIT");
	set_started(evidence, "both", "TIME-WAIT");
	set_started(evidence, "time-wait-elsewhere", "CLOSED");
	return evidence;
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_reuseaddr_restart, evidence);
}

static void holds_when_the_restart_alone_decides(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(as_claimed()), VERDICT_HOLDS);
}

static void refuted_when_both_runs_need_it(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(usual()), VERDICT_REFUTED);
}

static void refuted_when_the_option_does_not_help(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set_blocked(evidence, "both", 61);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_nothing_is_blocked(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_started(evidence, "neither", "TIME-WAIT");
	set_started(evidence, "first-only", "TIME-WAIT");
	set_started(evidence, "second-only", "TIME-WAIT");
	set_started(evidence, "both", "TIME-WAIT");
	set_started(evidence, "time-wait-elsewhere", "CLOSED");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_the_time_is_another(void **state)
{
	struct evidence *evidence = as_claimed();

	(void)state;
	evidence_set_number(evidence, "neither", "blocked_s", 30);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = as_claimed();
	evidence_set_text(evidence, "neither", "errno_at_55_s", "none");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = as_claimed();
	evidence_set_text(evidence, "neither", "errno_when_gone", "EADDRINUSE");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void inconclusive_when_something_else_blocks(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	evidence_set_text(evidence, "time-wait-elsewhere", "errno_at_once", "EADDRINUSE");
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_time_wait(void **state)
{
	struct evidence *evidence = as_claimed();

	(void)state;
	set_started(evidence, "second-only", "CLOSED");
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_blocked(evidence, "neither", 61);
	set_blocked(evidence, "first-only", 61);
	set_started(evidence, "second-only", "TIME-WAIT");
	set_started(evidence, "time-wait-elsewhere", "CLOSED");
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_when_the_restart_alone_decides),
		cmocka_unit_test(refuted_when_both_runs_need_it),
		cmocka_unit_test(refuted_when_the_option_does_not_help),
		cmocka_unit_test(refuted_when_nothing_is_blocked),
		cmocka_unit_test(refuted_when_the_time_is_another),
		cmocka_unit_test(inconclusive_when_something_else_blocks),
		cmocka_unit_test(inconclusive_without_time_wait),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
