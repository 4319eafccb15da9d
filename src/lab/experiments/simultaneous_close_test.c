#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

static struct evidence *made(int crossing, int fins_out, int slow, double after_s, int in_turn)
{
	struct evidence *evidence = evidence_new();
	const char *arms[] = {"fins-crossing", "within-one-way", "one-after-the-other"};
	const int counts[] = {crossing, slow, in_turn};

	for (size_t i = 0; i < 3; i++) {
		evidence_set_number(evidence, arms[i], "left_in_time_wait_count", counts[i]);
		evidence_set_text(evidence, arms[i], "client_left_in",
				  tcp_state_name(counts[i] > 0 ? TCP_TIME_WAIT : TCP_FIN_WAIT2));
		evidence_set_text(evidence, arms[i], "server_left_in",
				  tcp_state_name(counts[i] > 1 ? TCP_TIME_WAIT : TCP_STATE_NONE));
	}
	evidence_set_number(evidence, "fins-crossing", "fins_on_the_wire_count", fins_out);
	evidence_set_number(evidence, "fins-crossing", "ends_seen_in_closing_count", 2);
	evidence_set_number(evidence, "fins-crossing", "acks_of_client_after_its_fin_count", 1);
	evidence_set_number(evidence, "fins-crossing", "acks_of_server_after_its_fin_count", 1);
	evidence_set_text(evidence, "fins-crossing", "client_path", "FIN-WAIT-1, CLOSING");
	evidence_set_text(evidence, "fins-crossing", "server_path", "FIN-WAIT-1, CLOSING");
	evidence_set_number(evidence, "within-one-way", "second_fin_after_s", after_s);
	evidence_set_number(evidence, "within-one-way", "one_way_s", 1);
	return evidence;
}

static enum verdict verdict_of(int crossing, int fins_out, int slow, double after_s, int in_turn)
{
	return judge_made(&experiment_simultaneous_close,
			  made(crossing, fins_out, slow, after_s, in_turn));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 2, 2, 0.25, 1), VERDICT_HOLDS);
}

static void refuted_when_one_end_is_spared(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(1, 2, 1, 0.25, 1), VERDICT_REFUTED);
	assert_int_equal(verdict_of(0, 1, 0, 0.25, 0), VERDICT_REFUTED);
}

static void refuted_when_only_held_fins_do_it(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 2, 1, 0.25, 1), VERDICT_REFUTED);
}

static void inconclusive_when_the_order_does_not_matter(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 2, 2, 0.25, 2), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_no_fins_crossed(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 1, 2, 0.25, 1), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_second_close_was_late(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(2, 2, 1, 1.5, 1), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(2, 2, 2, 1.5, 1), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_number(evidence, "fins-crossing", "left_in_time_wait_count", 2);
	assert_int_equal(judge_made(&experiment_simultaneous_close, evidence),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_one_end_is_spared),
		cmocka_unit_test(refuted_when_only_held_fins_do_it),
		cmocka_unit_test(inconclusive_when_the_order_does_not_matter),
		cmocka_unit_test(inconclusive_when_no_fins_crossed),
		cmocka_unit_test(inconclusive_when_the_second_close_was_late),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
