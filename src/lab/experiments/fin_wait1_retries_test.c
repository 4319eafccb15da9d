#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

/* Repeats by the timer, and how long FIN-WAIT-1 lasted. */
struct outcome {
	double repeats, fin_wait1_s;
};

struct made {
	struct outcome by_default, once, thrice;
	double answered_fins;
	int left_in;
};

static const struct made as_linux_does = {
	.by_default = {8, 105.3},
	.once = {2, 1.7},
	.thrice = {4, 6.6},
	.answered_fins = 1,
	.left_in = TCP_STATE_NONE,
};

static void set_arm(struct evidence *evidence, const char *arm, struct outcome outcome)
{
	evidence_set_number(evidence, arm, "fin_count", outcome.repeats + 2);
	evidence_set_number(evidence, arm, "timer_repeat_count", outcome.repeats);
	evidence_set_number(evidence, arm, "fin_wait1_s", outcome.fin_wait1_s);
	evidence_set_number(evidence, arm, "loss_probe_count", 1);
	evidence_set_number(evidence, arm, "retransmits_shown_count", outcome.repeats);
	evidence_set_number(evidence, arm, "rst_count", 0);
	evidence_set_number(evidence, arm, "rto_s", 0.204);
	evidence_set_text(evidence, arm, "fins_at_s", "0.000 0.208");
}

static enum verdict verdict_of(struct made made)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "retries-0", made.by_default);
	set_arm(evidence, "retries-8", made.by_default);
	set_arm(evidence, "retries-1", made.once);
	set_arm(evidence, "retries-3", made.thrice);
	set_arm(evidence, "slow-path", (struct outcome){6, 135});
	set_arm(evidence, "user-timeout", (struct outcome){5, 5.4});
	set_arm(evidence, "peer-answers", (struct outcome){0, 0.001});
	evidence_set_number(evidence, "peer-answers", "fin_count", made.answered_fins);
	evidence_set_text(evidence, "retries-0", "client_left_in", tcp_state_name(made.left_in));
	return judge_made(&experiment_fin_wait1_retries, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(as_linux_does), VERDICT_HOLDS);
}

static void refuted_by_another_number(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.by_default.repeats = 15;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void refuted_by_another_time(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.by_default.fin_wait1_s = 924;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
	made.by_default.fin_wait1_s = 51;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void refuted_when_it_does_not_end(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.left_in = TCP_FIN_WAIT2;
	made.by_default = made.once = made.thrice = (struct outcome){2, 0.6};
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void inconclusive_when_an_answer_does_not_matter(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.answered_fins = 3;
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_setting_does_not_matter(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.once = made.by_default;
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "retries-0", as_linux_does.by_default);
	assert_int_equal(judge_made(&experiment_fin_wait1_retries, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_by_another_number),
		cmocka_unit_test(refuted_by_another_time),
		cmocka_unit_test(refuted_when_it_does_not_end),
		cmocka_unit_test(inconclusive_when_an_answer_does_not_matter),
		cmocka_unit_test(inconclusive_when_the_setting_does_not_matter),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
