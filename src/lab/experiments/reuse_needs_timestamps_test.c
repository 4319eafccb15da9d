#include "lab/experiments/judge_test.h"

struct reused {
	double both_on, client_off, server_off, reuse_off;
};

static struct evidence *made(const struct reused *reused, double spent)
{
	const struct {
		const char *arm;
		double count;
	} arms[] = {
		{"both-on", reused->both_on},
		{"client-off", reused->client_off},
		{"server-off", reused->server_off},
		{"both-off-later", 10},
		{"both-on-later", 0},
		{"reuse-off", reused->reuse_off},
	};
	struct evidence *evidence = evidence_new();

	for (size_t i = 0; i < sizeof(arms) / sizeof(arms[0]); i++) {
		evidence_set_number(evidence, arms[i].arm, "reused", arms[i].count);
		evidence_set_number(evidence, arms[i].arm, "time_wait_before", spent);
		evidence_set_number(evidence, arms[i].arm, "segments_with_timestamps", 60);
		evidence_set_text(evidence, arms[i].arm, "errno_after",
				  arms[i].count > 0 ? "none" : "EADDRNOTAVAIL");
	}
	return evidence;
}

static enum verdict verdict_of(double both_on, double client_off, double server_off,
			       double reuse_off)
{
	return judge_made(&experiment_reuse_needs_timestamps,
			  made(&(struct reused){both_on, client_off, server_off, reuse_off}, 10));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(10, 0, 0, 0), VERDICT_HOLDS);
}

static void refuted_when_it_works_without(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(10, 10, 0, 0), VERDICT_REFUTED);
	assert_int_equal(verdict_of(10, 0, 1, 0), VERDICT_REFUTED);
}

static void inconclusive_when_nothing_is_reused(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(0, 0, 0, 0), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(9, 0, 0, 0), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_setting_does_not_matter(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(10, 10, 10, 10), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_ports_were_left(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_reuse_needs_timestamps,
				    made(&(struct reused){.both_on = 10}, 9)),
			 VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_reuse_needs_timestamps, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_works_without),
		cmocka_unit_test(inconclusive_when_nothing_is_reused),
		cmocka_unit_test(inconclusive_when_the_setting_does_not_matter),
		cmocka_unit_test(inconclusive_when_ports_were_left),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
