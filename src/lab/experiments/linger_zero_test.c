#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

static void set(struct evidence *evidence, const char *arm, int written, int read, int rst, int fin,
		const char *error, int client, int server)
{
	evidence_set_number(evidence, arm, "written_bytes", written);
	evidence_set_number(evidence, arm, "read_bytes", read);
	evidence_set_number(evidence, arm, "rst_count", rst);
	evidence_set_number(evidence, arm, "fin_count", fin);
	evidence_set_text(evidence, arm, "server_read_error", error);
	evidence_set_text(evidence, arm, "client_left_in", tcp_state_name(client));
	evidence_set_text(evidence, arm, "server_left_in", tcp_state_name(server));
}

/* As Linux does it; what a test changes is set over it. */
static struct evidence *usual(void)
{
	struct evidence *evidence = evidence_new();

	set(evidence, "data-pending", 1000, 100, 1, 0, "ECONNRESET", TCP_STATE_NONE,
	    TCP_STATE_NONE);
	set(evidence, "none-pending", 26, 26, 1, 0, "ECONNRESET", TCP_STATE_NONE, TCP_STATE_NONE);
	set(evidence, "no-linger", 1000, 1000, 0, 1, "none", TCP_TIME_WAIT, TCP_STATE_NONE);
	return evidence;
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_linger_zero, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(usual()), VERDICT_HOLDS);
}

static void refuted_by_a_normal_close(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set(evidence, "data-pending", 1000, 1000, 0, 1, "none", TCP_TIME_WAIT, TCP_STATE_NONE);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = usual();
	set(evidence, "none-pending", 26, 26, 0, 1, "none", TCP_TIME_WAIT, TCP_STATE_NONE);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_by_a_peer_that_notices_nothing(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set(evidence, "data-pending", 1000, 100, 1, 0, "ETIMEDOUT", TCP_STATE_NONE,
	    TCP_ESTABLISHED);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_by_time_wait(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	evidence_set_text(evidence, "data-pending", "client_left_in", "TIME-WAIT");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = usual();
	evidence_set_text(evidence, "none-pending", "server_left_in", "TIME-WAIT");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_nothing_is_lost(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	evidence_set_number(evidence, "data-pending", "read_bytes", 1000);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void inconclusive_when_a_plain_close_does_the_same(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set(evidence, "no-linger", 1000, 100, 1, 0, "ECONNRESET", TCP_STATE_NONE, TCP_STATE_NONE);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = usual();
	evidence_set_number(evidence, "no-linger", "read_bytes", 999);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = usual();
	evidence_set_text(evidence, "no-linger", "client_left_in", "CLOSED");
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set(evidence, "data-pending", 1000, 100, 1, 0, "ECONNRESET", TCP_STATE_NONE,
	    TCP_STATE_NONE);
	set(evidence, "no-linger", 1000, 1000, 0, 1, "none", TCP_TIME_WAIT, TCP_STATE_NONE);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_by_a_normal_close),
		cmocka_unit_test(refuted_by_a_peer_that_notices_nothing),
		cmocka_unit_test(refuted_by_time_wait),
		cmocka_unit_test(refuted_when_nothing_is_lost),
		cmocka_unit_test(inconclusive_when_a_plain_close_does_the_same),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
