#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

struct story {
	int half_closed; /* state after the watch */
	const char *timer;
	int bytes;
	int closed; /* state of the control then */
	int late_resets, resets_in_time;
};

static const struct story expected = {
	.half_closed = TCP_FIN_WAIT2,
	.timer = "off",
	.bytes = 26,
	.closed = TCP_STATE_NONE,
	.late_resets = 1,
	.resets_in_time = 1,
};

static struct evidence *made(struct story story)
{
	struct evidence *evidence = evidence_new();

	evidence_set_text(evidence, "shutdown", "state_after_7_s",
			  tcp_state_name(story.half_closed));
	evidence_set_text(evidence, "shutdown", "timer_after_7_s", story.timer);
	evidence_set_text(evidence, "shutdown", "state_after_fin", "TIME-WAIT");
	evidence_set_number(evidence, "shutdown", "received_bytes", story.bytes);
	evidence_set_number(evidence, "shutdown", "rst_count", 0);
	evidence_set_text(evidence, "close", "state_after_7_s", tcp_state_name(story.closed));
	evidence_set_text(evidence, "close", "timer_after_close", "timewait");
	evidence_set_text(evidence, "close", "server_left_in", "CLOSED");
	evidence_set_number(evidence, "close", "minisocks_after_close_count", 1);
	evidence_set_number(evidence, "close", "rst_count", story.late_resets);
	if (story.closed == TCP_STATE_NONE)
		evidence_set_number(evidence, "close", "life_s", 3.2);
	evidence_set_number(evidence, "close-data-in-time", "rst_count", story.resets_in_time);
	return evidence;
}

static enum verdict verdict_of(struct story story)
{
	return judge_made(&experiment_half_close, made(story));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(expected), VERDICT_HOLDS);
}

static void refuted_when_it_does_not_stay(void **state)
{
	struct story story = expected;

	(void)state;
	story.half_closed = TCP_STATE_NONE;
	assert_int_equal(verdict_of(story), VERDICT_REFUTED);
	story.half_closed = TCP_TIME_WAIT;
	assert_int_equal(verdict_of(story), VERDICT_REFUTED);
}

static void refuted_by_a_timer(void **state)
{
	struct story story = expected;

	(void)state;
	story.timer = "keepalive";
	assert_int_equal(verdict_of(story), VERDICT_REFUTED);
}

static void refuted_when_data_do_not_come(void **state)
{
	struct story story = expected;

	(void)state;
	story.bytes = 0;
	assert_int_equal(verdict_of(story), VERDICT_REFUTED);
}

static void inconclusive_when_the_orphan_stays_too(void **state)
{
	struct story story = expected;

	(void)state;
	story.closed = TCP_FIN_WAIT2;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_closed_end_takes_data_too(void **state)
{
	struct story story = expected;

	(void)state;
	story.late_resets = 0;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
	story = expected;
	story.resets_in_time = 0;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_text(evidence, "shutdown", "state_after_7_s", "FIN-WAIT-2");
	assert_int_equal(judge_made(&experiment_half_close, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_does_not_stay),
		cmocka_unit_test(refuted_by_a_timer),
		cmocka_unit_test(refuted_when_data_do_not_come),
		cmocka_unit_test(inconclusive_when_the_orphan_stays_too),
		cmocka_unit_test(inconclusive_when_the_closed_end_takes_data_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
