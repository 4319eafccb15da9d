#include "lab/experiments/judge_test.h"

#include <stdio.h>

#include "tcp/state.h"

#define SLACK 2.05

/* The lives measured, in the order of their settings, and what became of the held socket. */
struct made {
	double at_5, at_30, at_60, at_61, at_75, at_90, at_119, at_120, at_180;
	int held;
};

static const struct made as_linux_does = {
	5.1, 30.5, 60.8, 2.1, 30.9, 61.2, 119, 121.3, 241.5, TCP_FIN_WAIT2,
};

static void set_life(struct evidence *evidence, int fin_timeout, double life_s)
{
	double phase_s = fin_timeout > 60 ? life_s / 2 : 0;
	char arm[32];

	snprintf(arm, sizeof(arm), "fin-timeout-%d", fin_timeout);
	evidence_set_number(evidence, arm, "life_s", life_s);
	evidence_set_number(evidence, arm, "keepalive_s", phase_s);
	evidence_set_number(evidence, arm, "timewait_s", life_s - phase_s);
	evidence_set_number(evidence, arm, "timer_slack_s", SLACK);
}

static struct evidence *evidence_of(const struct made *made)
{
	struct evidence *evidence = evidence_new();

	set_life(evidence, 5, made->at_5);
	set_life(evidence, 30, made->at_30);
	set_life(evidence, 60, made->at_60);
	set_life(evidence, 61, made->at_61);
	set_life(evidence, 75, made->at_75);
	set_life(evidence, 90, made->at_90);
	set_life(evidence, 119, made->at_119);
	set_life(evidence, 120, made->at_120);
	set_life(evidence, 180, made->at_180);
	evidence_set_text(evidence, "held-by-process", "state_after_10_s",
			  tcp_state_name(made->held));
	return evidence;
}

static enum verdict verdict_of(struct made made)
{
	return judge_made(&experiment_fin_wait2_timeout, evidence_of(&made));
}

static void refuted_when_90_lasts_like_60(void **state)
{
	struct made late = as_linux_does;

	(void)state;
	assert_int_equal(verdict_of(as_linux_does), VERDICT_REFUTED);
	/* As late as timers and a busy machine may be. */
	late.at_90 = late.at_60 + 2 * SLACK + 0.4;
	assert_int_equal(verdict_of(late), VERDICT_REFUTED);
}

static void refuted_also_without_the_dip_at_61(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.at_61 = 61.2;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void holds_when_90_lasts_longer(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.at_90 = 76.3;
	assert_int_equal(verdict_of(made), VERDICT_HOLDS);
}

static void inconclusive_when_the_setting_does_not_decide(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.at_5 = 60.3;
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_a_held_socket_ends_too(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.held = TCP_STATE_NONE;
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_life(evidence, 60, 60.8);
	set_life(evidence, 90, 61.2);
	assert_int_equal(judge_made(&experiment_fin_wait2_timeout, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuted_when_90_lasts_like_60),
		cmocka_unit_test(refuted_also_without_the_dip_at_61),
		cmocka_unit_test(holds_when_90_lasts_longer),
		cmocka_unit_test(inconclusive_when_the_setting_does_not_decide),
		cmocka_unit_test(inconclusive_when_a_held_socket_ends_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
