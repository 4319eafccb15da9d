#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

/* What each end is left in: server first, then client first. */
static enum verdict verdict_of(int closer, int other, int control_closer, int control_other)
{
	struct evidence *evidence = evidence_new();

	evidence_set_text(evidence, "server-first", "server_left_in", tcp_state_name(closer));
	evidence_set_text(evidence, "server-first", "client_left_in", tcp_state_name(other));
	evidence_set_text(evidence, "client-first", "client_left_in",
			  tcp_state_name(control_closer));
	evidence_set_text(evidence, "client-first", "server_left_in",
			  tcp_state_name(control_other));
	return judge_made(&experiment_active_close, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(TCP_TIME_WAIT, TCP_STATE_NONE, TCP_TIME_WAIT, TCP_STATE_NONE),
			 VERDICT_HOLDS);
}

static void refuted_when_nobody_waits(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(TCP_FIN_WAIT1, TCP_FIN_WAIT1, TCP_FIN_WAIT1, TCP_FIN_WAIT1),
			 VERDICT_REFUTED);
	assert_int_equal(verdict_of(TCP_STATE_NONE, TCP_STATE_NONE, TCP_TIME_WAIT, TCP_STATE_NONE),
			 VERDICT_REFUTED);
}

static void refuted_when_both_wait(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(TCP_TIME_WAIT, TCP_TIME_WAIT, TCP_TIME_WAIT, TCP_STATE_NONE),
			 VERDICT_REFUTED);
}

static void inconclusive_when_the_order_does_not_matter(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(TCP_TIME_WAIT, TCP_STATE_NONE, TCP_STATE_NONE, TCP_TIME_WAIT),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_text(evidence, "server-first", "server_left_in", "TIME-WAIT");
	assert_int_equal(judge_made(&experiment_active_close, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_nobody_waits),
		cmocka_unit_test(refuted_when_both_wait),
		cmocka_unit_test(inconclusive_when_the_order_does_not_matter),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
