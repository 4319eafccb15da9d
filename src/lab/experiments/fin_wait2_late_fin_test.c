#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

struct made {
	int left_in, control_left_in;
	const char *to_fin, *to_data, *to_control;
	double segments, time_wait_s;
};

static const struct made as_linux_does = {
	.left_in = TCP_STATE_NONE,
	.control_left_in = TCP_TIME_WAIT,
	.to_fin = "RST",
	.to_data = "RST",
	.to_control = "ACK",
};

static void set_late(struct evidence *evidence, const char *arm, const struct made *made,
		     const char *answer)
{
	evidence_set_text(evidence, arm, "client_left_in", tcp_state_name(made->left_in));
	evidence_set_text(evidence, arm, "answer", answer);
	evidence_set_number(evidence, arm, "segments_at_the_end_count", made->segments);
	if (made->left_in != TCP_STATE_NONE)
		return;
	evidence_set_number(evidence, arm, "fin_wait2_s", 3.1);
	evidence_set_number(evidence, arm, "time_wait_s", made->time_wait_s);
}

static enum verdict verdict_of(struct made made)
{
	struct evidence *evidence = evidence_new();

	set_late(evidence, "late-fin", &made, made.to_fin);
	evidence_set_text(evidence, "late-fin", "close_gave", "0");
	set_late(evidence, "late-data", &made, made.to_data);
	evidence_set_text(evidence, "late-data", "first_send_gave", "sent");
	evidence_set_text(evidence, "late-data", "read_gave", "end of file");
	evidence_set_text(evidence, "late-data", "second_send_gave", "EPIPE");
	evidence_set_text(evidence, "fin-in-time", "answer", made.to_control);
	evidence_set_text(evidence, "fin-in-time", "client_left_in",
			  tcp_state_name(made.control_left_in));
	return judge_made(&experiment_fin_wait2_late_fin, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(as_linux_does), VERDICT_HOLDS);
}

static void refuted_when_it_is_not_gone(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.left_in = TCP_TIME_WAIT;
	made.to_fin = made.to_data = "ACK";
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
	made.left_in = TCP_FIN_WAIT2;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void refuted_when_it_does_not_end_at_once(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.time_wait_s = 1.5;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
	made = as_linux_does;
	made.segments = 1;
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void refuted_without_rst(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.to_fin = "none";
	assert_int_equal(verdict_of(made), VERDICT_REFUTED);
}

static void inconclusive_when_a_fin_in_time_fares_no_better(void **state)
{
	struct made made = as_linux_does;

	(void)state;
	made.to_control = "RST";
	made.control_left_in = TCP_STATE_NONE;
	assert_int_equal(verdict_of(made), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_late(evidence, "late-fin", &as_linux_does, "RST");
	assert_int_equal(judge_made(&experiment_fin_wait2_late_fin, evidence),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_is_not_gone),
		cmocka_unit_test(refuted_when_it_does_not_end_at_once),
		cmocka_unit_test(refuted_without_rst),
		cmocka_unit_test(inconclusive_when_a_fin_in_time_fares_no_better),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
