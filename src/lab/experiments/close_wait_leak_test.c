#include "lab/experiments/judge_test.h"

#include "tcp/state.h"

struct story {
	int server, client;			  /* after the watch */
	int after_close, after_exit, after_probe; /* what the controls leave */
	double late_gone_s, exit_gone_s;	  /* when a control ended it */
};

static const struct story expected = {
	.server = TCP_CLOSE_WAIT,
	.client = TCP_STATE_NONE,
	.after_close = TCP_STATE_NONE,
	.after_exit = TCP_STATE_NONE,
	.after_probe = TCP_STATE_NONE,
	.late_gone_s = 0.01,
	.exit_gone_s = 0.01,
};

static void set_end(struct evidence *evidence, const char *arm, int state, double gone_after_s)
{
	evidence_set_text(evidence, arm, "server_left_in", tcp_state_name(state));
	evidence_set_number(evidence, arm, "gone_after_s", gone_after_s);
	evidence_set_number(evidence, arm, "rst_count", 1);
}

static struct evidence *made(struct story story)
{
	struct evidence *evidence = evidence_new();

	evidence_set_text(evidence, "never-closes", "server_after_watch",
			  tcp_state_name(story.server));
	evidence_set_text(evidence, "never-closes", "client_after_watch",
			  tcp_state_name(story.client));
	evidence_set_text(evidence, "never-closes", "server_timer", "off");
	evidence_set_number(evidence, "never-closes", "watched_s", 75);
	evidence_set_number(evidence, "never-closes", "segments_during_watch_count", 0);
	if (story.client == TCP_STATE_NONE)
		evidence_set_number(evidence, "never-closes", "client_life_s", 61.2);
	set_end(evidence, "closes-late", story.after_close, story.late_gone_s);
	set_end(evidence, "process-exits", story.after_exit, story.exit_gone_s);
	set_end(evidence, "keepalive", story.after_probe, 5.2);
	evidence_set_text(evidence, "process-exits", "server_while_held", "CLOSE-WAIT");
	evidence_set_text(evidence, "keepalive", "socket_error", "EPIPE");
	evidence_set_number(evidence, "keepalive", "descriptors_left_count", 1);
	return evidence;
}

static enum verdict verdict_of(struct story story)
{
	return judge_made(&experiment_close_wait_leak, made(story));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(expected), VERDICT_HOLDS);
}

static void refuted_when_it_ends_by_itself(void **state)
{
	struct story story = expected;

	(void)state;
	story.server = TCP_STATE_NONE;
	assert_int_equal(verdict_of(story), VERDICT_REFUTED);
	story.client = TCP_FIN_WAIT1;
	assert_int_equal(verdict_of(story), VERDICT_REFUTED);
}

static void inconclusive_when_nothing_ends_it(void **state)
{
	struct story story = expected;

	(void)state;
	story.after_close = TCP_CLOSE_WAIT;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
	story = expected;
	story.after_exit = TCP_CLOSE_WAIT;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
	story = expected;
	story.after_probe = TCP_CLOSE_WAIT;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_the_end_took_its_time(void **state)
{
	struct story story = expected;

	(void)state;
	story.late_gone_s = 2.5;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
	story = expected;
	story.exit_gone_s = 2.5;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
}

static void inconclusive_while_the_peer_is_there(void **state)
{
	struct story story = expected;

	(void)state;
	story.client = TCP_FIN_WAIT2;
	assert_int_equal(verdict_of(story), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_text(evidence, "never-closes", "server_after_watch", "CLOSE-WAIT");
	assert_int_equal(judge_made(&experiment_close_wait_leak, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(refuted_when_it_ends_by_itself),
		cmocka_unit_test(inconclusive_when_nothing_ends_it),
		cmocka_unit_test(inconclusive_when_the_end_took_its_time),
		cmocka_unit_test(inconclusive_while_the_peer_is_there),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
