#include "lab/experiments/judge_test.h"

/* Bytes for each TIME-WAIT inbound and outbound, for each end that is open; how many there were. */
static struct evidence *made(double in, double out, double open, double inbound, double outbound)
{
	struct evidence *evidence = evidence_new();

	evidence_set_number(evidence, "inbound", "bytes_each", in);
	evidence_set_number(evidence, "outbound", "bytes_each", out);
	evidence_set_number(evidence, "open", "bytes_each_end", open);
	evidence_set_number(evidence, "inbound", "time_wait_count", inbound);
	evidence_set_number(evidence, "outbound", "time_wait_count", outbound);
	return evidence;
}

static enum verdict verdict_of(double in, double out, double open)
{
	return judge_made(&experiment_time_wait_memory, made(in, out, open, 100000, 60000));
}

static void holds(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(168, 232, 2600), VERDICT_HOLDS);
	assert_int_equal(verdict_of(200, 300, 2600), VERDICT_HOLDS);
}

static void changed_when_it_has_grown(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(256, 512, 2800), VERDICT_CHANGED);
	assert_int_equal(verdict_of(256, 330, 2800), VERDICT_CHANGED);
	assert_int_equal(verdict_of(170, 430, 2800), VERDICT_CHANGED);
}

static void changed_with_the_caches_of_root(void **state)
{
	struct evidence *evidence = made(256, 512, 2800, 100000, 60000);

	(void)state;
	evidence_set_number(evidence, "outbound", "time_wait_object_bytes", 256);
	evidence_set_number(evidence, "outbound", "bind_object_bytes", 128);
	assert_int_equal(judge_made(&experiment_time_wait_memory, evidence), VERDICT_CHANGED);
}

static void refuted_when_it_is_as_large_as_a_page(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(4096, 4200, 20000), VERDICT_REFUTED);
	assert_int_equal(verdict_of(256, 4096, 2800), VERDICT_REFUTED);
}

static void inconclusive_when_an_open_one_is_as_small(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(256, 512, 600), VERDICT_INCONCLUSIVE);
	assert_int_equal(verdict_of(-20, 512, 2600), VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_time_wait(void **state)
{
	(void)state;
	assert_int_equal(judge_made(&experiment_time_wait_memory, made(0, 0, 2600, 1000, 1000)),
			 VERDICT_INCONCLUSIVE);
	assert_int_equal(
		judge_made(&experiment_time_wait_memory, made(256, 512, 2600, 100000, 1000)),
		VERDICT_INCONCLUSIVE);
}

static void inconclusive_without_a_number(void **state)
{
	struct evidence *evidence = evidence_new();

	(void)state;
	evidence_set_number(evidence, "inbound", "bytes_each", 168);
	evidence_set_number(evidence, "open", "bytes_each_end", 2600);
	evidence_set_number(evidence, "inbound", "time_wait_count", 100000);
	evidence_set_number(evidence, "outbound", "time_wait_count", 60000);
	assert_int_equal(judge_made(&experiment_time_wait_memory, evidence), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds),
		cmocka_unit_test(changed_when_it_has_grown),
		cmocka_unit_test(changed_with_the_caches_of_root),
		cmocka_unit_test(refuted_when_it_is_as_large_as_a_page),
		cmocka_unit_test(inconclusive_when_an_open_one_is_as_small),
		cmocka_unit_test(inconclusive_without_time_wait),
		cmocka_unit_test(inconclusive_without_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
