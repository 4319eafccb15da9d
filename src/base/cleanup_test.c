/* What is let go at the end of a scope, and what is handed on. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void handing_over(void **state)
{
	char *text = strdup("x");
	char *mine = TAKE_PTR(text);
	int fd = 7;
	int my_fd = TAKE_FD(fd);

	(void)state;
	assert_null(text);
	assert_string_equal(mine, "x");
	assert_int_equal(fd, -1);
	assert_int_equal(my_fd, 7);
	free(mine);
}

static void scopes_close_descriptors(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	{
		CLEANUP_CLOSE int scoped = ends[1];
		CLEANUP_CLOSE int none = -1;

		assert_int_equal(write(scoped, "x", 1), 1);
		(void)none;
	}
	assert_int_equal(fcntl(ends[1], F_GETFD), -1);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handing_over),
		cmocka_unit_test(scopes_close_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
