#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/slab.h"

static uint32_t take(struct slab *slab)
{
	assert_int_equal(slab_reserve(slab), 0);
	return slab_take(slab);
}

/* The list has exactly these, in this order, forwards and backwards. */
static void assert_list(const struct slab *slab, enum slab_list list, const uint32_t *want,
			uint32_t count)
{
	uint32_t at = slab->lists[list].first;

	assert_int_equal(slab->lists[list].count, count);
	for (uint32_t i = 0; i < count; i++, at = slab_at(slab, at)->next)
		assert_int_equal(at, want[i]);
	assert_int_equal(at, SLAB_NO_SLOT);
	at = slab->lists[list].last;
	for (uint32_t i = count; i-- > 0; at = slab_at(slab, at)->prev)
		assert_int_equal(at, want[i]);
	assert_int_equal(at, SLAB_NO_SLOT);
}

static void a_list_is_in_order_of_time(void **state)
{
	struct slab slab;
	uint32_t a, b, c, d;

	(void)state;
	slab_init(&slab, false);
	a = take(&slab);
	b = take(&slab);
	c = take(&slab);
	d = take(&slab);
	slab_enlist(&slab, a, SLAB_PEER, 20);
	slab_enlist(&slab, b, SLAB_PEER, 30);
	slab_enlist(&slab, c, SLAB_PEER, 10); /* before all */
	slab_enlist(&slab, d, SLAB_PEER, 20); /* after its equal */
	assert_list(&slab, SLAB_PEER, (uint32_t[]){c, a, d, b}, 4);
	assert_int_equal(slab_due(&slab), 10);

	slab_enlist(&slab, c, SLAB_PEER, 40); /* moves within its list */
	assert_list(&slab, SLAB_PEER, (uint32_t[]){a, d, b, c}, 4);
	slab_enlist(&slab, d, SLAB_TIME, 5); /* and to another */
	assert_list(&slab, SLAB_PEER, (uint32_t[]){a, b, c}, 3);
	assert_list(&slab, SLAB_TIME, &d, 1);
	assert_int_equal(slab_due(&slab), 5);

	slab_delist(&slab, d);
	slab_delist(&slab, d); /* is in none now */
	slab_give(&slab, b);
	assert_list(&slab, SLAB_PEER, (uint32_t[]){a, c}, 2);
	assert_list(&slab, SLAB_TIME, NULL, 0);
	assert_int_equal(slab.count, 3);
	slab_done(&slab);
}

static void slots_are_used_again(void **state)
{
	struct slab slab;
	uint32_t a, b;

	(void)state;
	slab_init(&slab, false);
	assert_int_equal(slab_due(&slab), INT64_MAX);
	a = take(&slab);
	b = take(&slab);
	assert_int_not_equal(a, b);
	assert_null(slab_record(&slab, a));
	slab_give(&slab, a);
	slab_give(&slab, b);
	assert_int_equal(take(&slab), b); /* the one that is still in a cache */
	assert_int_equal(take(&slab), a);
	assert_int_equal(slab.used, 2);
	slab_done(&slab);
}

static void slots_do_not_move(void **state)
{
	const uint32_t many = 5000;
	struct slot *first;
	struct slab slab;

	(void)state;
	slab_init(&slab, true);
	first = slab_at(&slab, take(&slab));
	for (uint32_t i = 1; i < many; i++) {
		uint32_t at = take(&slab);

		assert_int_equal(at, i);
		slab_at(&slab, at)->fd = (int)i;
		slab_record(&slab, at)->id = i;
	}
	assert_ptr_equal(slab_at(&slab, 0), first);
	for (uint32_t i = 1; i < many; i++) {
		assert_int_equal(slab_at(&slab, i)->fd, i);
		assert_int_equal(slab_record(&slab, i)->id, i);
	}
	assert_int_equal(slab.count, many);
	slab_done(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_in_order_of_time),
		cmocka_unit_test(slots_are_used_again),
		cmocka_unit_test(slots_do_not_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
