#include "lab/experiments/judge_test.h"

static void set_closes(struct evidence *evidence, const char *arm, double time_wait)
{
	evidence_set_number(evidence, arm, "descriptors_open", 5);
	evidence_set_number(evidence, arm, "connections", 2000);
	evidence_set_number(evidence, arm, "time_wait", time_wait);
	evidence_set_text(evidence, arm, "errno", "none");
	evidence_set_text(evidence, arm, "failed_call", "none");
	evidence_set_number(evidence, arm, "clients_connected", 0);
}

static void set_keeps(struct evidence *evidence, const char *arm, const char *call,
		      const char *error, double connections)
{
	evidence_set_number(evidence, arm, "descriptors_open", connections + 5);
	evidence_set_number(evidence, arm, "connections", connections);
	evidence_set_number(evidence, arm, "time_wait", 0);
	evidence_set_text(evidence, arm, "errno", error);
	evidence_set_text(evidence, arm, "failed_call", call);
	evidence_set_number(evidence, arm, "clients_connected", 84);
}

/* As on a kernel where the claim holds; tests change one thing. */
static struct evidence *made(void)
{
	struct evidence *evidence = evidence_new();

	set_closes(evidence, "client-closes", 2000);
	set_closes(evidence, "server-closes", 2000);
	set_keeps(evidence, "client-keeps", "socket()", "EMFILE", 59);
	set_keeps(evidence, "server-keeps", "accept()", "EMFILE", 59);
	return evidence;
}

static void holds(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_HOLDS);

	/* A machine out of orphans: some connections leave nothing. */
	evidence = made();
	evidence_set_number(evidence, "server-closes", "time_wait", 1900);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_HOLDS);
}

static void refuted_when_time_wait_ends_at_the_limit(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_closes(evidence, "client-closes", 59);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_REFUTED);

	evidence = made();
	set_closes(evidence, "server-closes", 10);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_REFUTED);
}

static void refuted_when_closing_uses_descriptors_up(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	evidence_set_number(evidence, "client-closes", "descriptors_open", 64);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_REFUTED);

	evidence = made();
	evidence_set_text(evidence, "server-closes", "errno", "EMFILE");
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_REFUTED);
}

static void inconclusive_when_open_sockets_are_not_limited(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_keeps(evidence, "client-keeps", "none", "none", 2000);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_INCONCLUSIVE);

	evidence = made();
	set_keeps(evidence, "server-keeps", "accept()", "ENFILE", 59);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_INCONCLUSIVE);

	evidence = made();
	set_keeps(evidence, "client-keeps", "connect()", "EADDRNOTAVAIL", 59);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_closes(evidence, "client-closes", 2000);
	set_closes(evidence, "server-closes", 2000);
	assert_int_equal(judge_made(&experiment_no_descriptor, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_time_wait_ends_at_the_limit),
		cmocka_unit_test(refuted_when_closing_uses_descriptors_up),
		cmocka_unit_test(inconclusive_when_open_sockets_are_not_limited),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
