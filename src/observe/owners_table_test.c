/* The table of owners by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/owners.h"
#include "observe/owners_table.h"

/* Far from each other, and side by side: both are to be found. */
static uint32_t made_inode(int process, int socket, int sockets)
{
	unsigned number = (unsigned)(process * sockets + socket);

	return process % 2 ? number : (number + 2 * (unsigned)sockets) << 14 | 1;
}

static void many_sockets_of_many_processes(void **state)
{
	struct owners *owners = owners_new();
	const int processes = 300, sockets = 500;
	struct owner owner;

	(void)state;
	assert_non_null(owners);
	for (int p = 0; p < processes; p++) {
		struct owners_process process = {.pid = 1000 + p, .uid = (uid_t)p, .name = "p"};

		assert_int_equal(owners_add_process(owners, &process), p);
		for (int s = 0; s < sockets; s++)
			assert_int_equal(owners_add_socket(owners, p, s, made_inode(p, s, sockets)),
					 0);
	}
	for (int p = 1; p < processes; p += 2) {
		for (int s = 0; s < sockets; s++) {
			assert_true(owners_find(owners, (uint32_t)(p * sockets + s), &owner));
			assert_int_equal(owner.pid, 1000 + p);
			assert_int_equal(owner.uid, p);
			assert_int_equal(owner.fd, s);
			assert_int_equal(owner.more, 0);
		}
	}
	assert_false(owners_find(owners, 2, &owner));
	assert_false(owners_find(owners, UINT32_MAX, &owner));
	owners_free(owners);
}

static void shared_whatever_the_order(void **state)
{
	static const pid_t pids[] = {20, 30, 10, 40};
	struct owners *owners = owners_new();
	struct owner owner;

	(void)state;
	assert_non_null(owners);
	for (int i = 0; i < 4; i++) {
		struct owners_process process = {.pid = pids[i], .name = "abc"};
		int number = owners_add_process(owners, &process);

		assert_int_equal(number, i);
		/* Twice each, the higher one first. */
		assert_int_equal(owners_add_socket(owners, number, 7 + i, 5), 0);
		assert_int_equal(owners_add_socket(owners, number, 3 + i, 5), 0);
		assert_int_equal(owners_add_socket(owners, number, 9, (uint32_t)(100 + i)), 0);
		assert_int_equal(owners_add_socket(owners, number, 9, 0), 0);
	}
	assert_true(owners_find(owners, 5, &owner));
	assert_int_equal(owner.pid, 10);
	assert_int_equal(owner.fd, 5);
	assert_int_equal(owner.more, 3);
	assert_true(owners_find(owners, 103, &owner));
	assert_int_equal(owner.pid, 40);
	assert_int_equal(owner.more, 0);
	assert_int_equal(owners_count(owners), 5);
	owners_free(owners);
	owners_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_sockets_of_many_processes),
		cmocka_unit_test(shared_whatever_the_order),
	};

	return cmocka_run_group_tests_name("table of owners", tests, NULL, NULL);
}
