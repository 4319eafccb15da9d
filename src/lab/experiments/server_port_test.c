#include "lab/experiments/judge_test.h"

static void set_arm(struct evidence *evidence, const char *arm, double connections,
		    const char *error)
{
	evidence_set_number(evidence, arm, "connections", connections);
	evidence_set_number(evidence, arm, "served", connections);
	evidence_set_number(evidence, arm, "on_listening_port", connections);
	evidence_set_number(evidence, arm, "on_other_ports", 0);
	evidence_set_text(evidence, arm, "errno", error);
}

/* As on a kernel where the claim holds; tests change one thing. */
static struct evidence *made(void)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "server-two-ports", 200, "none");
	set_arm(evidence, "server-default", 200, "none");
	set_arm(evidence, "client-two-ports", 2, "EADDRNOTAVAIL");
	set_arm(evidence, "server-connects", 2, "EADDRNOTAVAIL");
	return evidence;
}

static enum verdict verdict_with(const char *arm, double connections, const char *error)
{
	struct evidence *evidence = made();

	set_arm(evidence, arm, connections, error);
	return judge_made(&experiment_server_port, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_server_port, made()), VERDICT_HOLDS);
}

static void refuted_when_the_range_limits_the_server(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("server-two-ports", 2, "ETIMEDOUT"), VERDICT_REFUTED);
	assert_int_equal(verdict_with("server-two-ports", 199, "ECONNREFUSED"), VERDICT_REFUTED);
}

static void refuted_when_not_all_are_served(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	evidence_set_number(evidence, "server-two-ports", "served", 2);
	assert_int_equal(judge_made(&experiment_server_port, evidence), VERDICT_REFUTED);
}

static void refuted_when_sockets_are_on_another_port(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	evidence_set_number(evidence, "server-two-ports", "on_other_ports", 1);
	assert_int_equal(judge_made(&experiment_server_port, evidence), VERDICT_REFUTED);

	evidence = made();
	evidence_set_number(evidence, "server-two-ports", "on_listening_port", 100);
	assert_int_equal(judge_made(&experiment_server_port, evidence), VERDICT_REFUTED);
}

static void inconclusive_when_the_range_limits_nobody(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("client-two-ports", 200, "none"), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("server-connects", 200, "none"), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("client-two-ports", 2, "ETIMEDOUT"), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_default_range_gives_fewer(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("server-default", 150, "ETIMEDOUT"), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	assert_int_equal(judge_made(&experiment_server_port, evidence), VERDICT_INCONCLUSIVE);

	evidence = evidence_new();
	set_arm(evidence, "server-two-ports", 200, "none");
	set_arm(evidence, "server-default", 200, "none");
	assert_int_equal(judge_made(&experiment_server_port, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_the_range_limits_the_server),
		cmocka_unit_test(refuted_when_not_all_are_served),
		cmocka_unit_test(refuted_when_sockets_are_on_another_port),
		cmocka_unit_test(inconclusive_when_the_range_limits_nobody),
		cmocka_unit_test(inconclusive_when_the_default_range_gives_fewer),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
