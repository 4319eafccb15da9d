#include "lab/experiments/judge_test.h"

#include <stdio.h>

static void set(struct evidence *evidence, const char *arm, const char *model, const char *what,
		double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", model, what);
	evidence_set_number(evidence, arm, name, value);
}

static void set_model(struct evidence *evidence, const char *arm, const char *model, double cpu_us,
		      double memory_kib)
{
	set(evidence, arm, model, "served_count", 1000);
	set(evidence, arm, model, "cpu_us", cpu_us);
	set(evidence, arm, model, "connections_per_s", 10000);
	set(evidence, arm, model, "p99_ms", 1);
	set(evidence, arm, model, "memory_kib", memory_kib);
	set(evidence, arm, model, "tasks", 2);
}

/* Without io_uring; as it was measured, rounded. */
static struct evidence *made(void)
{
	static const char *const arms[] = {"open-1", "open-100", "open-1000"};
	struct evidence *evidence = evidence_new();

	for (size_t i = 0; i < 3; i++) {
		evidence_set_number(evidence, arms[i], "asked_count", 1000);
		set_model(evidence, arms[i], "epoll", 40, 600);
		set_model(evidence, arms[i], "epoll_again", 42, 600);
		set_model(evidence, arms[i], "thread", 60, 650);
		set_model(evidence, arms[i], "fork", 700, 450);
	}
	set_model(evidence, "open-1000", "thread", 90, 18000);
	set_model(evidence, "open-1000", "fork", 1000, 140000);
	return evidence;
}

static void add_uring(struct evidence *evidence, double cpu_us)
{
	set_model(evidence, "open-1", "uring", cpu_us, 1300);
	set_model(evidence, "open-100", "uring", cpu_us, 1300);
	set_model(evidence, "open-1000", "uring", cpu_us, 1400);
}

static enum verdict verdict_of(struct evidence *evidence)
{
	return judge_made(&experiment_server_models, evidence);
}

static void holds(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	assert_int_equal(verdict_of(made()), VERDICT_HOLDS);
	add_uring(evidence, 36);
	assert_int_equal(verdict_of(evidence), VERDICT_HOLDS);
}

static void holds_when_a_limit_of_tasks_ends_it(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set(evidence, "open-1000", "thread", "served_count", 400);
	assert_int_equal(verdict_of(evidence), VERDICT_HOLDS);
}

static void refuted_when_threads_cost_no_more(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_model(evidence, "open-1000", "thread", 50, 18000);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = made();
	set_model(evidence, "open-1000", "thread", 90, 1200);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_processes_cost_no_more(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_model(evidence, "open-1000", "fork", 41, 600);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_asynchronous_calls_cost_as_much(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	add_uring(evidence, 80);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void refuted_when_a_pool_cannot_serve_all(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set(evidence, "open-1000", "epoll", "served_count", 1);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
	evidence = made();
	add_uring(evidence, 36);
	set(evidence, "open-1000", "uring", "served_count", 999);
	assert_int_equal(verdict_of(evidence), VERDICT_REFUTED);
}

static void inconclusive_when_noise_is_as_great_as_the_difference(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_model(evidence, "open-1000", "epoll_again", 80, 600);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = made();
	set_model(evidence, "open-1000", "epoll_again", 20, 600);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	/* Great, but not so great. */
	evidence = made();
	set_model(evidence, "open-1000", "epoll_again", 60, 600);
	assert_int_equal(verdict_of(evidence), VERDICT_HOLDS);
}

static void inconclusive_when_it_is_so_with_few_connections(void **state)
{
	struct evidence *evidence = made();

	(void)state;
	set_model(evidence, "open-1", "thread", 60, 18000);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
	evidence = made();
	set_model(evidence, "open-1", "fork", 700, 140000);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_number(evidence, "open-1000", "asked_count", 1000);
	set_model(evidence, "open-1000", "epoll", 40, 600);
	assert_int_equal(verdict_of(evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(holds_when_a_limit_of_tasks_ends_it),
		cmocka_unit_test(refuted_when_threads_cost_no_more),
		cmocka_unit_test(refuted_when_processes_cost_no_more),
		cmocka_unit_test(refuted_when_asynchronous_calls_cost_as_much),
		cmocka_unit_test(refuted_when_a_pool_cannot_serve_all),
		cmocka_unit_test(inconclusive_when_noise_is_as_great_as_the_difference),
		cmocka_unit_test(inconclusive_when_it_is_so_with_few_connections),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
