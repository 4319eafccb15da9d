#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "serve/tally.h"

static void test_sum(void **state)
{
	struct tally *tallies = tallies_new(3);
	struct tally_sum sum;

	(void)state;
	assert_non_null(tallies);
	assert_int_equal((uintptr_t)&tallies[1] % 64, 0);
	for (size_t i = 0; i < 3; i++) {
		tally_add(&tallies[i].accepted, 10);
		tally_add(&tallies[i].bytes_in, 100 + i);
		tally_end(&tallies[i], ENDED_BY_US);
		tally_end(&tallies[i], ENDED_IDLE);
		tally_end(&tallies[i], ENDED_BY_PEER);
	}
	tally_end(&tallies[0], ENDED_RESET);
	tallies_sum(tallies, 3, &sum);
	assert_int_equal(sum.accepted, 30);
	assert_int_equal(sum.closed_by_us, 6);
	assert_int_equal(sum.idle_closed, 3);
	assert_int_equal(sum.closed_by_peer, 3);
	assert_int_equal(sum.reset, 1);
	assert_int_equal(sum.open, 20);
	assert_int_equal(sum.bytes_in, 303);
	tallies_free(tallies, 3);
	tallies_free(NULL, 3);
	assert_null(tallies_new(0));
	assert_null(tallies_new(SIZE_MAX));
}

static void test_errors(void **state)
{
	struct tally *tally = tallies_new(1);
	struct tally_sum sum;

	(void)state;
	tally_error(tally, EMFILE);
	tally_error(tally, -EMFILE);
	tally_error(tally, ECONNRESET);
	tally_error(tally, TALLY_ERRNO_MAX);
	tally_error(tally, INT32_MIN);
	tallies_sum(tally, 1, &sum);
	assert_int_equal(sum.errors[EMFILE], 2);
	assert_int_equal(sum.errors[ECONNRESET], 1);
	assert_int_equal(sum.errors[0], 2);
	tallies_free(tally, 1);
}

static void test_tasks(void **state)
{
	struct tally *tally = tallies_new(1);
	struct tally_sum sum;

	(void)state;
	tally_tasks(tally, 1);
	tally_tasks(tally, 1);
	tally_tasks(tally, -1);
	tally_tasks(tally, 1);
	tally_tasks(tally, -1);
	tallies_sum(tally, 1, &sum);
	assert_int_equal(sum.tasks, 1);
	assert_int_equal(sum.tasks_max, 2);
	tallies_free(tally, 1);
}

static void test_abandon(void **state)
{
	struct tally *tallies = tallies_new(3);
	struct tally_sum sum;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		tally_tasks(&tallies[i], 1);
		tally_add(&tallies[i].accepted, 10);
		tally_end(&tallies[i], ENDED_BY_US);
		tally_end(&tallies[i], ENDED_BY_PEER);
		tally_end(&tallies[i], ENDED_RESET);
		assert_int_equal(tally_open(&tallies[i]), 7);
	}
	assert_int_equal(tallies_abandon(tallies, 2), 14);
	tallies_sum(tallies, 3, &sum);
	assert_int_equal(sum.accepted, 30);
	assert_int_equal(sum.closed_by_us, 17);
	assert_int_equal(sum.closed_by_peer, 3);
	assert_int_equal(sum.reset, 3);
	assert_int_equal(sum.open, 7);
	assert_int_equal(sum.tasks, 1);
	assert_int_equal(sum.tasks_max, 3);
	/* A child of the dead counted on, until it died. */
	tally_end(&tallies[0], ENDED_BY_US);
	tally_end(&tallies[0], ENDED_BY_PEER);
	tallies_sum(tallies, 3, &sum);
	assert_int_equal(sum.closed_by_us, 16);
	assert_int_equal(sum.closed_by_peer, 4);
	assert_int_equal(sum.open, 7);
	tallies_free(tallies, 3);
}

#define ROUNDS 20000

static void *open_and_end(void *tally)
{
	for (int i = 0; i < ROUNDS; i++) {
		tally_tasks(tally, 1);
		tally_add(&((struct tally *)tally)->accepted, 1);
		tally_end(tally, i % 4);
		tally_tasks(tally, -1);
	}
	return NULL;
}

/* Other processes' and threads' counts arrive, and no sum in between has more ends than begins. */
static void test_shared(void **state)
{
	struct tally *tallies = tallies_new(2);
	struct tally_sum sum;
	pthread_t thread;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		open_and_end(&tallies[1]);
		_exit(0);
	}
	assert_int_equal(pthread_create(&thread, NULL, open_and_end, tallies), 0);
	do {
		tallies_sum(tallies, 2, &sum);
		assert_true(sum.open <= sum.accepted);
	} while (sum.accepted < 2 * ROUNDS);
	pthread_join(thread, NULL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	tallies_sum(tallies, 2, &sum);
	assert_int_equal(sum.open, 0);
	assert_int_equal(sum.tasks, 0);
	assert_int_equal(sum.closed_by_us, ROUNDS);
	assert_int_equal(sum.reset, ROUNDS / 2);
	tallies_free(tallies, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),    cmocka_unit_test(test_errors),
		cmocka_unit_test(test_tasks),  cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
