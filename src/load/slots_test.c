#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load/slots.h"

static void test_take_and_give(void **state)
{
	struct slots slots;
	uint32_t taken[3];

	(void)state;
	assert_int_equal(slots_init(&slots, 3), 0);
	for (uint32_t i = 0; i < 3; i++) {
		taken[i] = slots_take(&slots);
		assert_int_equal(taken[i], i);
		assert_int_equal(slots.at[i].fd, -1);
		assert_int_equal(slots.at[i].list, SLOTS_UNLISTED);
		slots.at[i].fd = 5;
		slots.at[i].state = slots.at[i].ready = slots.at[i].watched = 7;
	}
	assert_int_equal(slots.count, 3);
	assert_int_equal(slots_take(&slots), SLOTS_NONE);
	assert_int_equal(slots.count, 3);
	slots_give(&slots, 1);
	assert_int_equal(slots.count, 2);
	/* The one that is warm in the cache, as if it were new. */
	assert_int_equal(slots_take(&slots), 1);
	assert_int_equal(slots.at[1].fd, -1);
	assert_int_equal(slots.at[1].state | slots.at[1].ready | slots.at[1].watched, 0);
	assert_int_equal(slots_take(&slots), SLOTS_NONE);
	slots_done(&slots);
	slots_done(&slots);
}

/* The list is what an array of the same times says, sorted: forwards and backwards. */
static void assert_sorted(const struct slots *slots, enum slots_list list, uint32_t count)
{
	uint32_t before = SLOTS_NONE, n = 0;

	for (uint32_t at = slots->lists[list].first; at != SLOTS_NONE; at = slots->at[at].next) {
		assert_int_equal(slots->at[at].prev, before);
		assert_int_equal(slots->at[at].list, list);
		if (before != SLOTS_NONE)
			assert_true(slots->at[before].due_ns <= slots->at[at].due_ns);
		before = at;
		n++;
	}
	assert_int_equal(slots->lists[list].last, before);
	assert_int_equal(slots->lists[list].count, count);
	assert_int_equal(n, count);
}

static void test_lists_at_random(void **state)
{
	struct slots slots;
	uint32_t counts[SLOTS_LISTS + 1] = {0};
	int64_t now = 0;

	(void)state;
	srand(1);
	assert_int_equal(slots_init(&slots, 64), 0);
	for (int i = 0; i < 64; i++)
		slots_take(&slots);
	counts[SLOTS_UNLISTED] = 64;
	for (int i = 0; i < 5000; i++) {
		uint32_t at = (uint32_t)rand() % 64;
		uint8_t list = (uint8_t)(rand() % (SLOTS_LISTS + 1));
		int64_t due = INT64_MAX;

		counts[slots.at[at].list]--;
		counts[list]++;
		now += rand() % 3 - 1; /* clocks of several threads of thought: nearly in order */
		if (list == SLOTS_UNLISTED)
			slots_delist(&slots, at);
		else
			slots_enlist(&slots, at, list, now + 100 * list);
		for (int l = 0; l < SLOTS_LISTS; l++)
			assert_sorted(&slots, l, counts[l]);
		for (int s = 0; s < 64; s++)
			if (slots.at[s].list != SLOTS_UNLISTED && slots.at[s].due_ns < due)
				due = slots.at[s].due_ns;
		assert_int_equal(slots_due(&slots), due);
	}
	slots_done(&slots);
}

static void test_give_leaves_its_list(void **state)
{
	struct slots slots;

	(void)state;
	assert_int_equal(slots_init(&slots, 4), 0);
	assert_int_equal(slots_due(&slots), INT64_MAX);
	for (uint32_t i = 0; i < 3; i++)
		slots_enlist(&slots, slots_take(&slots), SLOTS_STEP, 10 + i);
	slots_give(&slots, 1);
	assert_sorted(&slots, SLOTS_STEP, 2);
	assert_int_equal(slots_due(&slots), 10);
	slots_give(&slots, 0);
	assert_int_equal(slots_due(&slots), 12);
	slots_give(&slots, 2);
	assert_int_equal(slots_due(&slots), INT64_MAX);
	assert_int_equal(slots.count, 0);
	slots_done(&slots);
}

/* Room for millions costs nothing before they are there. */
static void test_untouched_costs_nothing(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uint32_t capacity = 8u << 20;
	struct slots slots;
	size_t pages, resident = 0;
	unsigned char *in;

	(void)state;
	assert_int_equal(slots_init(&slots, capacity), 0);
	slots_take(&slots);
	pages = (capacity * sizeof(struct slot) + page - 1) / page;
	in = calloc(pages, 1);
	assert_non_null(in);
	assert_int_equal(mincore(slots.at, capacity * sizeof(struct slot), in), 0);
	for (size_t i = 0; i < pages; i++)
		resident += in[i] & 1;
	/* One, or a huge page of 2 MB. */
	assert_in_range(resident, 1, 2 * 1024 * 1024 / page);
	free(in);
	slots_done(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_and_give),
		cmocka_unit_test(test_lists_at_random),
		cmocka_unit_test(test_give_leaves_its_list),
		cmocka_unit_test(test_untouched_costs_nothing),
	};

	return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
