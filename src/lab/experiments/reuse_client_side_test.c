#include "lab/experiments/judge_test.h"

/* Connections after, over the link and over loopback, with 0, 1 and 2. */
static enum verdict verdict_of(const double link[3], const double loopback[3])
{
	static const char *const names[2][3] = {{"link-0", "link-1", "link-2"},
						{"loopback-0", "loopback-1", "loopback-2"}};
	struct evidence *evidence = evidence_new();

	for (int i = 0; i < 3; i++) {
		evidence_set_number(evidence, names[0][i], "connections_after", link[i]);
		evidence_set_number(evidence, names[1][i], "connections_after", loopback[i]);
	}
	evidence_set_text(evidence, "link-0", "errno_after", "EADDRNOTAVAIL");
	return judge_made(&experiment_reuse_client_side, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((double[]){0, 20, 0}, (double[]){0, 20, 20}), VERDICT_HOLDS);
	/* before 4.19 a 2 was just "on" */
	assert_int_equal(verdict_of((double[]){0, 20, 20}, (double[]){0, 20, 20}), VERDICT_HOLDS);
}

static void refuted_when_it_cures_nothing(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((double[]){0, 0, 0}, (double[]){0, 0, 0}), VERDICT_REFUTED);
	assert_int_equal(verdict_of((double[]){0, 19, 0}, (double[]){0, 20, 20}), VERDICT_REFUTED);
}

static void inconclusive_when_ports_were_left(void **state)
{
	(void)state;
	assert_int_equal(verdict_of((double[]){20, 20, 20}, (double[]){20, 20, 20}),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_reuse_client_side, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_cures_nothing),
		cmocka_unit_test(inconclusive_when_ports_were_left),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
