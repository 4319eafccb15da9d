#include "lab/experiments/judge_test.h"

#define AT_ONCE 1, 1, 0, "SYN+ACK"
#define LATER	1, 2, 1, "ACK"
#define NEVER	0, 3, 3, "ACK"
#define REFUSED 0, 0, 0, "none"

static void set_arm(struct evidence *evidence, const char *arm, double connected, double syns,
		    double rsts, const char *answer)
{
	evidence_set_number(evidence, arm, "connected", connected);
	evidence_set_number(evidence, arm, "syn_count", syns);
	evidence_set_number(evidence, arm, "rst_count", rsts);
	evidence_set_number(evidence, arm, "received_bytes", connected * 26);
	evidence_set_number(evidence, arm, "connect_ms", 0.3);
	evidence_set_text(evidence, arm, "first_answer", answer);
	evidence_set_text(evidence, arm, "errno", connected > 0 ? "none" : "EADDRNOTAVAIL");
}

/* A world in which the claim holds. */
static struct evidence *good(void)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "newer", AT_ONCE);
	set_arm(evidence, "newer-v6", AT_ONCE);
	set_arm(evidence, "newer-timestamp-only", AT_ONCE);
	set_arm(evidence, "newer-sequence-only", AT_ONCE);
	set_arm(evidence, "older-timestamp", LATER);
	set_arm(evidence, "older-sequence", LATER);
	set_arm(evidence, "client-closes-first", REFUSED);
	set_arm(evidence, "client-closes-first-bind", AT_ONCE);
	return evidence;
}

static enum verdict verdict_with(const char *arm, double connected, double syns, double rsts,
				 const char *answer)
{
	struct evidence *evidence = good();

	set_arm(evidence, arm, connected, syns, rsts, answer);
	return judge_made(&experiment_reuse_server_side, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_reuse_server_side, good()), VERDICT_HOLDS);
	assert_int_equal(verdict_with("older-sequence", NEVER), VERDICT_HOLDS);
	assert_int_equal(verdict_with("client-closes-first-bind", REFUSED), VERDICT_HOLDS);
}

static void refuted_when_a_newer_syn_has_to_wait(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("newer", LATER), VERDICT_REFUTED);
	assert_int_equal(verdict_with("newer-v6", NEVER), VERDICT_REFUTED);
	assert_int_equal(verdict_with("newer-timestamp-only", LATER), VERDICT_REFUTED);
	assert_int_equal(verdict_with("newer-sequence-only", LATER), VERDICT_REFUTED);
}

/* A connection that carries no data is none. */
static void refuted_without_data(void **state)
{
	struct evidence *evidence = good();

	(void)state;
	evidence_set_number(evidence, "newer", "received_bytes", 0);
	assert_int_equal(judge_made(&experiment_reuse_server_side, evidence), VERDICT_REFUTED);
}

static void inconclusive_when_older_is_as_good(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("older-sequence", AT_ONCE), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with("older-timestamp", AT_ONCE), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_side_does_not_matter(void **state)
{
	(void)state;
	assert_int_equal(verdict_with("client-closes-first", AT_ONCE), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "newer", AT_ONCE);
	set_arm(evidence, "newer-v6", AT_ONCE);
	assert_int_equal(judge_made(&experiment_reuse_server_side, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_a_newer_syn_has_to_wait),
		cmocka_unit_test(refuted_without_data),
		cmocka_unit_test(inconclusive_when_older_is_as_good),
		cmocka_unit_test(inconclusive_when_the_side_does_not_matter),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
