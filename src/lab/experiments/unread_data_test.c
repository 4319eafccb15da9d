#include "lab/experiments/judge_test.h"

static void set(struct evidence *evidence, const char *arm, int rst, int fin, int read,
		const char *error, const char *server, const char *client)
{
	evidence_set_number(evidence, arm, "rst_count", rst);
	evidence_set_number(evidence, arm, "fin_count", fin);
	evidence_set_number(evidence, arm, "abort_on_close_count", rst > 0);
	evidence_set_number(evidence, arm, "answer_bytes", 1200);
	evidence_set_number(evidence, arm, "read_bytes", read);
	evidence_set_text(evidence, arm, "client_read_error", error);
	evidence_set_text(evidence, arm, "server_left_in", server);
	evidence_set_text(evidence, arm, "client_left_in", client);
}

static void set_reset(struct evidence *evidence, const char *arm, int rst, int read)
{
	set(evidence, arm, rst, 0, read, "ECONNRESET", "CLOSED", "CLOSED");
}

static void set_closed(struct evidence *evidence, const char *arm)
{
	set(evidence, arm, 0, 1, 1200, "none", "TIME-WAIT", "CLOSED");
}

/* As Linux does it; what a test changes is set over it. */
static struct evidence *usual(void)
{
	struct evidence *evidence = evidence_new();

	set_reset(evidence, "unread", 1, 1200);
	set_reset(evidence, "unread-answer-lost", 2, 0);
	set_closed(evidence, "drained");
	set_closed(evidence, "drained-answer-lost");
	return evidence;
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_unread_data, evidence);
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(usual()), VERDICT_HOLDS);
}

static void refuted_when_it_ends_with_fin(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set_closed(evidence, "unread");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = usual();
	set_closed(evidence, "unread-answer-lost");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_the_peer_is_not_told(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set(evidence, "unread", 1, 0, 1200, "ETIMEDOUT", "CLOSED", "FIN-WAIT-1");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_by_time_wait(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	evidence_set_text(evidence, "unread", "server_left_in", "TIME-WAIT");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = usual();
	evidence_set_text(evidence, "unread-answer-lost", "client_left_in", "TIME-WAIT");
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void inconclusive_when_reading_makes_no_difference(void **state)
{
	struct evidence *evidence = usual();

	(void)state;
	set_reset(evidence, "drained", 1, 1200);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = usual();
	set_reset(evidence, "drained-answer-lost", 1, 0);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = usual();
	evidence_set_text(evidence, "drained", "server_left_in", "CLOSED");
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_reset(evidence, "unread", 1, 1200);
	set_closed(evidence, "drained");
	set_closed(evidence, "drained-answer-lost");
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_ends_with_fin),
		cmocka_unit_test(refuted_when_the_peer_is_not_told),
		cmocka_unit_test(refuted_by_time_wait),
		cmocka_unit_test(inconclusive_when_reading_makes_no_difference),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
