#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/plan.h"

static void test_closings(void **state)
{
	(void)state;
	for (int i = 0; i < LOAD_CLOSING_COUNT; i++)
		assert_int_equal(load_closing_find(load_closing_name((enum load_closing)i)), i);
	assert_string_equal(load_closing_name(LOAD_CLOSE_ACTIVE), "active");
	assert_string_equal(load_closing_name(LOAD_CLOSE_ABANDON), "abandon");
	assert_int_equal(load_closing_find("linger"), LOAD_CLOSE_LINGER);
	assert_int_equal(load_closing_find("linger=1"), -EINVAL);
	assert_int_equal(load_closing_find(""), -EINVAL);
	assert_null(load_closing_name(LOAD_CLOSING_COUNT));
	assert_null(load_closing_name((enum load_closing) - 1));
}

static void test_ports(void **state)
{
	(void)state;
	for (int i = 0; i < LOAD_PORTS_COUNT; i++)
		assert_int_equal(load_ports_find(load_ports_name((enum load_ports)i)), i);
	assert_int_equal(load_ports_find("kernel"), LOAD_PORTS_KERNEL);
	assert_int_equal(load_ports_find("range"), LOAD_PORTS_RANGE);
	assert_int_equal(load_ports_find("ring"), LOAD_PORTS_RING);
	assert_int_equal(load_ports_find("Ring"), -EINVAL);
	assert_null(load_ports_name(LOAD_PORTS_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closings),
		cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
