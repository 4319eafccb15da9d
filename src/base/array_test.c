/* Arrays that grow. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/array.h"

static void array_grows(void **state)
{
	int *items = NULL;
	size_t capacity = 0;

	(void)state;
	for (size_t count = 0; count < 1000; count++) {
		assert_int_equal(ARRAY_ROOM(items, capacity, count), 0);
		assert_true(capacity > count);
		items[count] = (int)count;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

static void array_refuses_the_impossible(void **state)
{
	int *items = malloc(sizeof(*items));
	int *before = items;
	size_t capacity;

	(void)state;
	/* one doubling overflows the bytes, the other the count itself */
	capacity = SIZE_MAX / sizeof(*items) / 2 + 1;
	assert_int_equal(ARRAY_ROOM(items, capacity, capacity), -ENOMEM);
	capacity = SIZE_MAX / 2 + 1;
	assert_int_equal(ARRAY_ROOM(items, capacity, capacity), -ENOMEM);
	assert_int_equal(capacity, SIZE_MAX / 2 + 1);
	assert_ptr_equal(items, before);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(array_grows),
		cmocka_unit_test(array_refuses_the_impossible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
