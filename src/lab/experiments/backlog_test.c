#include "lab/experiments/judge_test.h"

/* One arm: what became of the connect() with the late SYN, and how many overflows were counted. */
static void set_arm(struct evidence *evidence, const char *arm, const char *outcome,
		    double overflows)
{
	static const char *const zeroes[] = {"listen_drops_count", "rst_count"};

	for (size_t i = 0; i < 2; i++)
		evidence_set_number(evidence, arm, zeroes[i], 0);
	evidence_set_number(evidence, arm, "backlog_asked", 4);
	evidence_set_number(evidence, arm, "backlog_given", 4);
	evidence_set_number(evidence, arm, "accept_queue_count", 5);
	evidence_set_number(evidence, arm, "late_syn_count", 3);
	evidence_set_number(evidence, arm, "late_syn_waited_s", 2);
	evidence_set_number(evidence, arm, "late_syn_took_s", 3);
	evidence_set_number(evidence, arm, "listen_overflows_count", overflows);
	evidence_set_text(evidence, arm, "late_syn_outcome", outcome);
	evidence_set_text(evidence, arm, "late_syn_in_the_end", "connected");
	evidence_set_text(evidence, arm, "late_ack_client", "ESTABLISHED");
	evidence_set_text(evidence, arm, "late_ack_server", "SYN-RECEIVED");
	evidence_set_text(evidence, arm, "late_ack_read", "EAGAIN");
	evidence_set_text(evidence, arm, "late_ack_server_in_the_end", "ESTABLISHED");
}

static enum verdict verdict_of(const char *full, double overflows, const char *accepting)
{
	struct evidence *evidence = evidence_new();

	set_arm(evidence, "full", full, overflows);
	set_arm(evidence, "abort-on-overflow", full, overflows);
	set_arm(evidence, "somaxconn", full, overflows);
	set_arm(evidence, "accepting", accepting, 0);
	return judge_made(&experiment_backlog, evidence);
}

static void refuted_when_connect_hangs(void **state)
{
	(void)state;
	assert_int_equal(verdict_of("hangs", 5, "connected"), VERDICT_REFUTED);
}

static void refuted_also_when_it_never_gets_in(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "full", "hangs", 5);
	evidence_set_text(evidence, "full", "late_syn_in_the_end", "ETIMEDOUT");
	set_arm(evidence, "abort-on-overflow", "ECONNREFUSED", 5);
	set_arm(evidence, "somaxconn", "hangs", 5);
	set_arm(evidence, "accepting", "connected", 0);
	assert_int_equal(judge_made(&experiment_backlog, evidence), VERDICT_REFUTED);
}

static void holds_when_connect_is_refused(void **state)
{
	(void)state;
	assert_int_equal(verdict_of("ECONNREFUSED", 1, "connected"), VERDICT_HOLDS);
}

static void inconclusive_when_the_queue_was_not_full(void **state)
{
	(void)state;
	assert_int_equal(verdict_of("connected", 0, "connected"), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_something_else_takes_the_syn(void **state)
{
	(void)state;
	assert_int_equal(verdict_of("hangs", 0, "connected"), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_control_fails_too(void **state)
{
	(void)state;
	assert_int_equal(verdict_of("hangs", 5, "hangs"), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of("ECONNREFUSED", 5, "ECONNREFUSED"), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "full", "hangs", 5);
	set_arm(evidence, "accepting", "connected", 0);
	assert_int_equal(judge_made(&experiment_backlog, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuted_when_connect_hangs),
		cmocka_unit_test(refuted_also_when_it_never_gets_in),
		cmocka_unit_test(holds_when_connect_is_refused),
		cmocka_unit_test(inconclusive_when_the_queue_was_not_full),
		cmocka_unit_test(inconclusive_when_something_else_takes_the_syn),
		cmocka_unit_test(inconclusive_when_the_control_fails_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
