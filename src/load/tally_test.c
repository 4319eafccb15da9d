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

#include "base/cleanup.h"
#include "base/why.h"
#include "load/tally.h"

static void test_memory(void **state)
{
	struct load_tally *tallies = load_tallies_new(3);
	struct load_sum sum;

	(void)state;
	assert_non_null(tallies);
	assert_int_equal((uintptr_t)&tallies[1] % 64, 0);
	load_tallies_sum(tallies, 3, &sum);
	assert_int_equal(sum.attempted, 0);
	assert_int_equal(sum.in_flight, 0);
	assert_int_equal(sum.opening_ended_ns, 0);
	load_tallies_free(tallies, 3);
	load_tallies_free(NULL, 3);
	assert_null(load_tallies_new(0));
	assert_null(load_tallies_new(SIZE_MAX));
	/* a size that would wrap around to a small one */
	assert_null(load_tallies_new(SIZE_MAX / sizeof(struct load_tally) + 1));
}

/* Each counter arrives in its own sum: all get different numbers. */
static void test_sum(void **state)
{
	struct load_tally *tallies = load_tallies_new(2);
	struct load_sum sum;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct load_tally *t = &tallies[i];

		load_add(&t->attempted, 1000);
		load_add(&t->connected, 900);
		load_add(&t->completed, 800 + i);
		load_add(&t->answers, 3);
		load_add(&t->bytes_in, 5);
		load_add(&t->bytes_out, 7);
		load_add(&t->closed_by_us, 11);
		load_add(&t->closed_by_peer, 13);
		load_add(&t->reset_by_us, 17);
		load_add(&t->reset_by_peer, 19);
		load_add(&t->failed[ECONNREFUSED], 23);
		load_add(&t->failed[LOAD_FAIL_STATUS], 29);
		load_add(&t->failed_at[LOAD_STEP_SOCKET], 31);
		load_add(&t->failed_at[LOAD_STEP_CLOSE], 37);
		load_add(&t->connect_calls, 41);
		load_add(&t->connect_ns, 43);
		load_add(&t->port_retries, 47);
		load_add(&t->port_waits_ns, 53);
		load_add(&t->descriptor_waits, 59);
		load_add(&t->late, 61);
		load_add(&t->cpu_ns, 67);
	}
	atomic_store(&tallies[0].opening_ended_ns, 500);
	atomic_store(&tallies[1].opening_ended_ns, 400);
	atomic_store(&tallies[1].last_end_ns, 600);
	load_tallies_sum(tallies, 2, &sum);
	assert_int_equal(sum.attempted, 2000);
	assert_int_equal(sum.connected, 1800);
	assert_int_equal(sum.completed, 1601);
	assert_int_equal(sum.failed_all, 2 * (23 + 29));
	assert_int_equal(sum.in_flight, 2000 - 1601 - 2 * (23 + 29));
	assert_int_equal(sum.answers, 6);
	assert_int_equal(sum.bytes_in, 10);
	assert_int_equal(sum.bytes_out, 14);
	assert_int_equal(sum.closed_by_us, 22);
	assert_int_equal(sum.closed_by_peer, 26);
	assert_int_equal(sum.reset_by_us, 34);
	assert_int_equal(sum.reset_by_peer, 38);
	assert_int_equal(sum.failed[ECONNREFUSED], 46);
	assert_int_equal(sum.failed[LOAD_FAIL_STATUS], 58);
	assert_int_equal(sum.failed_at[LOAD_STEP_SOCKET], 62);
	assert_int_equal(sum.failed_at[LOAD_STEP_CONNECT], 0);
	assert_int_equal(sum.failed_at[LOAD_STEP_CLOSE], 74);
	assert_int_equal(sum.connect_calls, 82);
	assert_int_equal(sum.connect_ns, 86);
	assert_int_equal(sum.port_retries, 94);
	assert_int_equal(sum.port_waits_ns, 106);
	assert_int_equal(sum.descriptor_waits, 118);
	assert_int_equal(sum.late, 122);
	assert_int_equal(sum.cpu_ns, 134);
	assert_int_equal(sum.opening_ended_ns, 500);
	assert_int_equal(sum.last_end_ns, 600);
	load_tallies_free(tallies, 2);
}

/* All tallies' values of one latency, and no other's, as one histogram would have them. */
static void test_latency(void **state)
{
	struct load_tally *tallies = load_tallies_new(3);
	struct histogram one = {0}, sum;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		int64_t value = (int64_t)i * i * i;

		histogram_record(&tallies[i % 3].latency[LATENCY_CLOSE], value);
		histogram_record(&tallies[i % 3].latency[LATENCY_LATE], value + 1);
		histogram_record(&one, value);
	}
	memset(&sum, 0x5a, sizeof(sum));
	load_tallies_latency(tallies, 3, LATENCY_CLOSE, &sum);
	assert_memory_equal(&sum, &one, sizeof(one));
	load_tallies_latency(tallies, 3, LATENCY_TOTAL, &sum);
	assert_int_equal(sum.count, 0);
	load_tallies_free(tallies, 3);
}

static void test_failures(void **state)
{
	(void)state;
	for (unsigned i = 1; i < LOAD_FAILURES; i++) {
		const char *meaning = load_failure_meaning(i);

		assert_int_equal(load_failure_find(load_failure_name(i)), i);
		assert_non_null(meaning);
		/* one clause, that can stand behind a name and a comma */
		assert_null(strpbrk(meaning, ".\n"));
		assert_true(strlen(meaning) > 10 && strlen(meaning) < 130);
	}
	assert_string_equal(load_failure_name(ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(load_failure_name(LOAD_FAIL_TIMEOUT), "timeout");
	assert_string_equal(load_failure_name(LOAD_FAIL_SHORT), "short-answer");
	assert_string_equal(load_failure_name(LOAD_FAIL_MALFORMED), "malformed-answer");
	assert_string_equal(load_failure_name(LOAD_FAIL_STATUS), "http-status");
	assert_int_equal(load_failure_find("ETIMEDOUT"), ETIMEDOUT);
	assert_int_equal(load_failure_find("EHWPOISON"), LOAD_FAIL_TIMEOUT - 1);
	assert_int_equal(load_failure_find("etimedout"), -EINVAL);
	assert_int_equal(load_failure_find(""), -EINVAL);
	assert_int_equal(load_failure_find("ETIMEDOUT or some other name that is far too long"),
			 -EINVAL);
	assert_null(load_failure_name(0));
	assert_null(load_failure_name(LOAD_FAILURES));
	assert_null(load_failure_meaning(0));
	assert_null(load_failure_meaning(LOAD_FAILURES));
}

/* What can come has a meaning of its own, and no two have the same. */
static void test_meanings(void **state)
{
	static const unsigned usual[] = {
		ECONNREFUSED,
		ETIMEDOUT,
		EADDRNOTAVAIL,
		EADDRINUSE,
		ECONNRESET,
		EPIPE,
		EHOSTUNREACH,
		ENETUNREACH,
		EMFILE,
		ENFILE,
		ENOBUFS,
		ENOMEM,
		EACCES,
		EPERM,
		EINVAL,
		EAGAIN,
		EAFNOSUPPORT,
		EOPNOTSUPP,
		LOAD_FAIL_TIMEOUT,
		LOAD_FAIL_SHORT,
		LOAD_FAIL_MALFORMED,
		LOAD_FAIL_STATUS,
		EXDEV /* has none: the general one */,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(load_failure_meaning(usual[i]),
						load_failure_meaning(usual[j]));
	assert_string_equal(load_failure_meaning(EXDEV), load_failure_meaning(EDOM));
	assert_string_equal(load_failure_meaning(ECONNREFUSED),
			    "nobody listens there, or a firewall says so");
}

static void test_latency_names(void **state)
{
	static const char *const names[] = {"connect", "first_byte", "total", "close", "late"};

	(void)state;
	for (int i = 0; i < LATENCIES; i++)
		assert_string_equal(load_latency_name((enum load_latency)i), names[i]);
	assert_null(load_latency_name(LATENCIES));
}

#define ROUNDS 50000

static void *open_and_end(void *arg)
{
	struct load_tally *tally = arg;

	for (int i = 0; i < ROUNDS; i++) {
		load_add(&tally->attempted, 1);
		load_add(i % 5 ? &tally->completed : &tally->failed[i % LOAD_FAILURES], 1);
		histogram_record(&tally->latency[LATENCY_TOTAL], i);
	}
	return NULL;
}

/* Other processes' and threads' counts arrive, and no sum meanwhile has more ends than attempts. */
static void test_shared(void **state)
{
	struct load_tally *tallies = load_tallies_new(2);
	struct histogram latency;
	struct load_sum sum;
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
		load_tallies_sum(tallies, 2, &sum);
		assert_true(sum.in_flight <= sum.attempted);
	} while (sum.completed + sum.failed_all < 2 * ROUNDS);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	load_tallies_sum(tallies, 2, &sum);
	assert_int_equal(sum.attempted, 2 * ROUNDS);
	assert_int_equal(sum.completed, 2 * ROUNDS * 4 / 5);
	assert_int_equal(sum.failed_all, 2 * ROUNDS / 5);
	assert_int_equal(sum.in_flight, 0);
	load_tallies_latency(tallies, 2, LATENCY_TOTAL, &latency);
	assert_int_equal(latency.count, 2 * ROUNDS);
	assert_int_equal(latency.max, ROUNDS - 1);
	load_tallies_free(tallies, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),	 cmocka_unit_test(test_sum),
		cmocka_unit_test(test_latency),	 cmocka_unit_test(test_failures),
		cmocka_unit_test(test_meanings), cmocka_unit_test(test_latency_names),
		cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
