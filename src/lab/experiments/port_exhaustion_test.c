#include "lab/experiments/judge_test.h"

static void set_arm(struct evidence *evidence, const char *arm, double ports, double connections,
		    const char *error, double back_s)
{
	evidence_set_number(evidence, arm, "ports_in_range", ports);
	evidence_set_number(evidence, arm, "ports_by_default", 28232);
	evidence_set_number(evidence, arm, "connections", connections);
	evidence_set_number(evidence, arm, "client_time_wait", connections);
	evidence_set_text(evidence, arm, "errno", error);
	evidence_set_number(evidence, arm, "wheel_slack_s", 2.048);
	evidence_set_number(evidence, arm, "first_port_back_after_s", back_s);
	evidence_set_number(evidence, arm, "connects_again", 1);
}

/* As on a kernel where the claim holds; tests change one thing. */
static struct evidence *made(void)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "range-200", 200, 200, "EADDRNOTAVAIL", 61.2);
	set_arm(evidence, "range-400", 400, 400, "EADDRNOTAVAIL", 60.1);
	set_arm(evidence, "server-first", 200, 400, "none", 0);
	return evidence;
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_port_exhaustion, made()), VERDICT_HOLDS);
}

static void refuted_when_the_range_does_not_limit(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "range-400", 400, 800, "none", 0);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_REFUTED);

	evidence = made();
	set_arm(evidence, "range-200", 200, 100, "EADDRNOTAVAIL", 60.5);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_REFUTED);
}

static void refuted_with_another_error(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "range-200", 200, 200, "EADDRINUSE", 60.5);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_REFUTED);
}

static void refuted_when_ports_come_back_at_another_time(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "range-200", 200, 200, "EADDRNOTAVAIL", 3.5);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_REFUTED);

	evidence = made();
	set_arm(evidence, "range-400", 400, 400, "EADDRNOTAVAIL", 70);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_REFUTED);
}

static void holds_when_a_connection_left_no_time_wait(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	evidence_set_number(evidence, "range-400", "connections", 401);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_HOLDS);
}

static void changed_with_another_default_range(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	evidence_set_number(evidence, "range-200", "ports_by_default", 64512);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_CHANGED);
}

static void inconclusive_when_the_control_runs_out_too(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_arm(evidence, "server-first", 200, 200, "EADDRNOTAVAIL", 60.5);
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_port_exhaustion, evidence_new()),
			 VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_the_range_does_not_limit),
		cmocka_unit_test(refuted_with_another_error),
		cmocka_unit_test(refuted_when_ports_come_back_at_another_time),
		cmocka_unit_test(holds_when_a_connection_left_no_time_wait),
		cmocka_unit_test(changed_with_another_default_range),
		cmocka_unit_test(inconclusive_when_the_control_runs_out_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
