#include "lab/experiments/judge_test.h"

#include <stdio.h>

static const char *const levels[] = {"0",  "25", "45", "49", "49_9", "50",
				     "55", "75", "90", "99", "99_9"};
#define LEVELS	   11
#define HALF_LEVEL 5 /* the first of those from half of the range on */

static void set(struct evidence *evidence, const char *arm, const char *way, const char *what,
		const char *level, double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s_at_%s", way, what, level);
	evidence_set_number(evidence, arm, name, value);
}

/* CPU time of connect() below and from half of the range on; elsewhere and told its port at the
 * end; how many ports were taken. */
struct numbers {
	double below, above, elsewhere, window, taken;
};

static struct evidence *made(const struct numbers *numbers)
{
	struct evidence *evidence = evidence_new();

	for (size_t i = 0; i < LEVELS; i++) {
		const char *level = levels[i], *arm = "one-destination";
		double cpu_us = i < HALF_LEVEL ? numbers->below : numbers->above;
		bool last = i == LEVELS - 1;

		set(evidence, arm, "connect", "cpu_us", level, cpu_us);
		set(evidence, arm, "connect", "us_p50", level, cpu_us);
		set(evidence, arm, "connect", "us_p99", level, cpu_us * 2);
		set(evidence, arm, "connect", "us_max", level, cpu_us * 3);
		set(evidence, arm, "bind_no_port", "cpu_us", level, cpu_us);
		set(evidence, arm, "bind", "cpu_us", level, 20);
		set(evidence, "other-destination", "connect", "cpu_us", level,
		    last ? numbers->elsewhere : 20);
		if (i > 0)
			set(evidence, "sliding-window", "window", "cpu_us", level,
			    last ? numbers->window : 30);
	}
	evidence_set_number(evidence, "one-destination", "time_wait_count", numbers->taken);
	evidence_set_number(evidence, "other-destination", "time_wait_count", numbers->taken);
	return evidence;
}

static enum verdict verdict_of(struct numbers numbers)
{
	return judge_made(&experiment_connect_cost, made(&numbers));
}

#define TAKEN 28203

static void refuted(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct numbers){18, 2000, 20, 31, TAKEN}), VERDICT_REFUTED);
	assert_int_equal(verdict_of((struct numbers){18, 800, 30, 60, TAKEN}), VERDICT_REFUTED);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct numbers){18, 20, 20, 31, TAKEN}), VERDICT_HOLDS);
	assert_int_equal(verdict_of((struct numbers){18, 100, 20, 31, TAKEN}), VERDICT_HOLDS);
}

static void inconclusive_when_elsewhere_is_slow_too(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct numbers){18, 2000, 2000, 31, TAKEN}),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_it_is_slow_without_a_search(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct numbers){18, 2000, 20, 2000, TAKEN}),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_ports_were_not_taken(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((struct numbers){18, 20, 20, 31, 14000}), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set(evidence, "one-destination", "connect", "cpu_us", "0", 18);
	set(evidence, "one-destination", "connect", "cpu_us", "50", 2000);
	assert_int_equal(judge_made(&experiment_connect_cost, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuted),
		cmocka_unit_test(holds),
		cmocka_unit_test(inconclusive_when_elsewhere_is_slow_too),
		cmocka_unit_test(inconclusive_when_it_is_slow_without_a_search),
		cmocka_unit_test(inconclusive_when_ports_were_not_taken),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
