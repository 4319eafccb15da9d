#include "lab/experiments/judge_test.h"

struct steps {
	double plus_1, short_share, smallest, largest;
};

static void set_steps(struct evidence *evidence, const char *arm, struct steps steps, double parity)
{
	evidence_set_number(evidence, arm, "plus_1_share", steps.plus_1);
	evidence_set_number(evidence, arm, "plus_2_share", 0);
	evidence_set_number(evidence, arm, "short_step_share", steps.short_share);
	evidence_set_number(evidence, arm, "smallest_step", steps.smallest);
	evidence_set_number(evidence, arm, "largest_step", steps.largest);
	evidence_set_number(evidence, arm, "mean_short_step", (steps.smallest + steps.largest) / 2);
	evidence_set_number(evidence, arm, "low_parity_share", parity);
}

static const struct steps scattered = {0, 0, 431, 27012}, by_lot = {0, 1, 2, 16},
			  by_one = {1, 1, 1, 1}, by_two = {0, 1, 2, 2};

static struct evidence *made(struct steps connects, struct steps per_destination,
			     struct steps bind_zero, double firsts)
{
	struct evidence *evidence = evidence_new();

	set_steps(evidence, "connect", connects, 1);
	set_steps(evidence, "destinations", per_destination, 1);
	set_steps(evidence, "bind-zero", bind_zero, 0);
	evidence_set_number(evidence, "destinations", "first_ports_close_share", firsts);
	return evidence;
}

static enum verdict verdict_of(struct steps connects, struct steps per_destination,
			       struct steps bind_zero, double firsts)
{
	return judge_made(&experiment_port_selection,
			  made(connects, per_destination, bind_zero, firsts));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(by_one, by_one, scattered, 0), VERDICT_HOLDS);
}

static void changed_when_the_steps_are_others(void **state)
{
	struct steps one_wrapped = {0, 0.95, 2, 28216};

	(void)state;
	assert_int_equal(verdict_of(by_lot, by_lot, scattered, 0), VERDICT_CHANGED);
	assert_int_equal(verdict_of(by_two, by_two, scattered, 0), VERDICT_CHANGED);
	assert_int_equal(verdict_of(one_wrapped, by_lot, scattered, 0.07), VERDICT_CHANGED);
}

static void optional_arms_may_be_there(void **state)
{
	struct evidence *evidence = made(by_lot, by_lot, scattered, 0);

	(void)state;
	set_steps(evidence, "bind-no-port", by_lot, 1);
	set_steps(evidence, "socket-range", (struct steps){0.12, 1, 1, 8}, 0.5);
	assert_int_equal(judge_made(&experiment_port_selection, evidence), VERDICT_CHANGED);
}

static void refuted_without_a_sequence(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(scattered, scattered, scattered, 0), VERDICT_REFUTED);
	assert_int_equal(verdict_of(by_one, scattered, scattered, 0), VERDICT_REFUTED);
}

static void refuted_when_the_first_is_not_random(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(by_one, by_one, scattered, 1), VERDICT_REFUTED);
}

static void inconclusive_when_bind_does_the_same(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(by_lot, by_lot, by_lot, 0), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_port_selection, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(changed_when_the_steps_are_others),
		cmocka_unit_test(optional_arms_may_be_there),
		cmocka_unit_test(refuted_without_a_sequence),
		cmocka_unit_test(refuted_when_the_first_is_not_random),
		cmocka_unit_test(inconclusive_when_bind_does_the_same),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
