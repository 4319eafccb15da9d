#include "lab/experiments/judge_test.h"

#include <stdbool.h>
#include <stdio.h>

#define BLOCKED	 true
#define ANSWERED false

static void set_arm(struct evidence *evidence, const char *arm, bool blocked)
{
	evidence_set_number(evidence, arm, "slow_was_quick_count", 0);
	evidence_set_number(evidence, arm, "slow_s", blocked ? 2 : 0.01);
	evidence_set_number(evidence, arm, "other_latency_s", blocked ? 2.001 : 0.001);
	evidence_set_number(evidence, arm, "answered_meanwhile_count", !blocked);
}

/* Behind a silent client and behind one that does not read. */
static void set_both(struct evidence *evidence, const char *arm, bool blocked)
{
	char reader[40];

	snprintf(reader, sizeof(reader), "reader-%s", arm);
	set_arm(evidence, arm, blocked);
	set_arm(evidence, reader, blocked);
}

static struct evidence *made(bool loop, bool events, bool thread, bool fork)
{
	struct evidence *evidence = evidence_new();

	set_both(evidence, "one-at-a-time", loop);
	set_both(evidence, "epoll", events);
	set_both(evidence, "thread", thread);
	set_both(evidence, "fork", fork);
	return evidence;
}

static enum verdict verdict_of(bool loop, bool events, bool thread, bool fork)
{
	return judge_made(&experiment_blocking_server, made(loop, events, thread, fork));
}

static void refuted_by_events(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(BLOCKED, ANSWERED, ANSWERED, ANSWERED), VERDICT_REFUTED);
}

static void refuted_by_asynchronous_calls_alone(void **state)
{
	struct evidence *evidence = made(BLOCKED, BLOCKED, ANSWERED, ANSWERED);

	(void)state;
	set_both(evidence, "uring", ANSWERED);
	assert_int_equal(judge_made(&experiment_blocking_server, evidence), VERDICT_REFUTED);
}

static void refuted_when_nothing_blocks(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(ANSWERED, ANSWERED, ANSWERED, ANSWERED), VERDICT_REFUTED);
}

static void holds_when_only_own_tasks_help(void **state)
{
	struct evidence *evidence = made(BLOCKED, BLOCKED, ANSWERED, ANSWERED);

	(void)state;
	assert_int_equal(verdict_of(BLOCKED, BLOCKED, ANSWERED, ANSWERED), VERDICT_HOLDS);
	set_both(evidence, "uring", BLOCKED);
	assert_int_equal(judge_made(&experiment_blocking_server, evidence), VERDICT_HOLDS);
}

static void inconclusive_when_own_tasks_do_not_help(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(BLOCKED, ANSWERED, BLOCKED, ANSWERED), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(BLOCKED, BLOCKED, ANSWERED, BLOCKED), VERDICT_INCONCLUSIVE);
}

static void inconclusive_when_nobody_is_slow(void **state)
{
	struct evidence *evidence = made(ANSWERED, ANSWERED, ANSWERED, ANSWERED);

	(void)state;
	evidence_set_number(evidence, "one-at-a-time", "slow_was_quick_count", 1);
	assert_int_equal(judge_made(&experiment_blocking_server, evidence), VERDICT_INCONCLUSIVE);
}

/* One arm differs behind the client that does not read; all else as in the verdict "refuted". */
static enum verdict verdict_with_reader(const char *arm, bool blocked)
{
	struct evidence *evidence = made(BLOCKED, ANSWERED, ANSWERED, ANSWERED);

	set_arm(evidence, arm, blocked);
	return judge_made(&experiment_blocking_server, evidence);
}

static void the_reader_counts_too(void **state)
{
	(void)state;
	assert_int_equal(verdict_with_reader("reader-epoll", BLOCKED), VERDICT_HOLDS);
	assert_int_equal(verdict_with_reader("reader-one-at-a-time", ANSWERED), VERDICT_REFUTED);
	assert_int_equal(verdict_with_reader("reader-thread", BLOCKED), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_with_reader("reader-fork", BLOCKED), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	set_arm(evidence, "one-at-a-time", BLOCKED);
	set_arm(evidence, "epoll", ANSWERED);
	assert_int_equal(judge_made(&experiment_blocking_server, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuted_by_events),
		cmocka_unit_test(refuted_by_asynchronous_calls_alone),
		cmocka_unit_test(refuted_when_nothing_blocks),
		cmocka_unit_test(holds_when_only_own_tasks_help),
		cmocka_unit_test(inconclusive_when_own_tasks_do_not_help),
		cmocka_unit_test(inconclusive_when_nobody_is_slow),
		cmocka_unit_test(the_reader_counts_too),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
