/* What finds a connection of the streaming tracker: its table, and the numbers of addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain/flow_key.h"

static uint64_t bad_hash(const void *context, uint32_t id)
{
	(void)context;
	return (uint64_t)(id % 3) << 62 | id % 2;
}

static void no_fetch(const void *context, uint32_t id)
{
	(void)context;
	(void)id;
}

static bool in_table(const struct flow_table *table, uint32_t id)
{
	struct flow_probe probe;
	uint32_t found;

	flow_table_begin(table, bad_hash(NULL, id), &probe);
	while (flow_table_next(table, &probe, &found))
		if (found == id)
			return true;
	return false;
}

static void table_with_full_buckets(void **state)
{
	const struct flow_table_records records = {bad_hash, no_fetch, NULL};
	struct flow_table table = {0};

	(void)state;
	assert_false(in_table(&table, 1));
	for (uint32_t id = 0; id < 600; id++) {
		assert_int_equal(flow_table_reserve(&table, &records), 0);
		flow_table_add(&table, bad_hash(NULL, id), id);
	}
	for (uint32_t id = 0; id < 600; id += 2)
		flow_table_remove(&table, bad_hash(NULL, id), id);
	assert_int_equal(table.count, 300);
	for (uint32_t id = 0; id < 700; id++)
		assert_int_equal(in_table(&table, id), id < 600 && id % 2);
	for (uint32_t id = 1; id < 600; id += 2)
		flow_table_remove(&table, bad_hash(NULL, id), id);
	for (uint32_t at = 0; at < table.bucket_count; at++)
		assert_int_equal(table.buckets[at].passed, 0);
	flow_table_done(&table);
}

static void addresses_come_and_go(void **state)
{
	struct flow_addresses addresses = {.free = FLOW_ADDRESS_NONE};
	uint8_t bytes[16] = {0};
	uint32_t first, numbers[1000];

	(void)state;
	assert_int_equal(flow_addresses_find(&addresses, bytes), FLOW_ADDRESS_NONE);
	for (unsigned i = 0; i < 1000; i++) {
		memcpy(bytes, &i, sizeof(i));
		numbers[i] = flow_addresses_take(&addresses, bytes);
		assert_int_equal(flow_addresses_take(&addresses, bytes), numbers[i]);
	}
	for (unsigned i = 0; i < 1000; i++) {
		memcpy(bytes, &i, sizeof(i));
		assert_int_equal(flow_addresses_find(&addresses, bytes), numbers[i]);
		flow_addresses_drop(&addresses, numbers[i]);
		assert_int_equal(flow_addresses_find(&addresses, bytes), numbers[i]);
		flow_addresses_drop(&addresses, numbers[i]);
		assert_int_equal(flow_addresses_find(&addresses, bytes), FLOW_ADDRESS_NONE);
	}
	first = addresses.used;
	assert_true(flow_addresses_take(&addresses, bytes) < first); /* used again */
	flow_addresses_done(&addresses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_with_full_buckets),
		cmocka_unit_test(addresses_come_and_go),
	};

	return cmocka_run_group_tests_name("flow-table", tests, NULL, NULL);
}
