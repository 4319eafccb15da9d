/* What is left of a process's privileges, as the kernel says in /proc. Each in a child. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_testing.h"
#include "base/cleanup.h"
#include "base/privileges.h"

/* Whether /proc/self/status has such a line; blanks are tabs there. */
static bool text_has(const char *text, const char *name, const char *value)
{
	const char *line = strstr(text, name);

	if (!line)
		return false;
	line += strlen(name);
	line += strspn(line, ":\t ");
	if (strncmp(line, value, strlen(value)) == 0)
		return true;
	fprintf(stderr, "%s is not %s but %.*s\n", name, value, (int)strcspn(line, "\n"), line);
	return false;
}

static bool status_has(const char *name, const char *value)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;

	return file_read("/proc/self/status", 1 << 16, &text, &length) == 0 &&
	       text_has(text, name, value);
}

#define NONE "0000000000000000\n"

static bool is_powerless(void)
{
	return status_has("\nCapInh", NONE) && status_has("\nCapPrm", NONE) &&
	       status_has("\nCapEff", NONE) && status_has("\nCapAmb", NONE) &&
	       status_has("\nNoNewPrivs", "1\n");
}

/* What a program started from here could do, as it says itself. */
static bool heirs_are_powerless(void)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;
	int ends[2], status;
	pid_t child;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return false;
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/cat", "cat", "/proc/self/status", NULL);
		_exit(127);
	}
	close(ends[1]);
	r = fd_read(ends[0], 1 << 16, &text, &length);
	close(ends[0]);
	return waitpid(child, &status, 0) == child && status == 0 && r == 0 &&
	       text_has(text, "\nCapPrm", NONE) && text_has(text, "\nCapEff", NONE);
}

static bool has_capability(int capability)
{
	return prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
}

static void forget_sudo(void)
{
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
}

/* Root of a user namespace of its own stands for root where the test is run by another. */
static int root_keeps_its_id_child(void)
{
	struct why why;

	forget_sudo();
	if (geteuid() != 0 && !unshare_as_root(0))
		return CHILD_SKIP;
	CHECK(has_capability(CAP_NET_RAW));
	CHECK(privileges_drop(&why) == 0);
	CHECK(is_powerless());
	CHECK(status_has("\nCapBnd", NONE));
	CHECK(status_has("\nUid", "0\t0\t0\t0\n"));
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	CHECK(heirs_are_powerless());
	/* again: nothing left to do */
	CHECK(privileges_drop(&why) == 0);
	CHECK(is_powerless());
	return 0;
}

static void root_keeps_its_id(void **state)
{
	(void)state;
	run_child(root_keeps_its_id_child);
}

static bool can_be_others(void)
{
	gid_t group = 12345;
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(setgroups(1, &group) < 0 || setresgid(12345, 12345, 12345) < 0 ||
		      setresuid(12345, 12345, 12345) < 0);
	if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
		return true;
	fprintf(stderr, "only root can be another user\n");
	return false;
}

static int sudo_goes_back_child(void)
{
	static const gid_t groups[] = {0, 4, 12346};
	struct new_file *file;
	struct why why;

	if (!can_be_others())
		return CHILD_SKIP;
	CHECK(setgroups(ARRAY_SIZE(groups), groups) == 0);
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "12346", 1);
	CHECK(privileges_drop(&why) == 0);
	CHECK(is_powerless());
	CHECK(status_has("\nCapBnd", NONE));
	CHECK(status_has("\nUid", "12345\t12345\t12345\t12345\n"));
	CHECK(status_has("\nGid", "12346\t12346\t12346\t12346\n"));
	CHECK(status_has("\nGroups", "12346 \n"));
	CHECK(setresuid(0, 0, 0) < 0 && errno == EPERM);
	CHECK(heirs_are_powerless());
	/* Results are the user's. new_file_commit() goes through /proc/self/fd. */
	CHECK(new_file_open("/tmp/contest-privileges-test", &file) == 0);
	CHECK(new_file_commit(file) == 0);
	CHECK(unlink("/tmp/contest-privileges-test") == 0);
	return 0;
}

static void sudo_goes_back(void **state)
{
	(void)state;
	run_child(sudo_goes_back_child);
}

static int setuid_root_goes_back_child(void)
{
	struct why why;

	if (!can_be_others())
		return CHILD_SKIP;
	setenv("SUDO_UID", "999", 1); /* of an outer sudo: not who runs this */
	setenv("SUDO_GID", "999", 1);
	CHECK(setresuid(12345, 0, 0) == 0);
	CHECK(privileges_drop(&why) == 0);
	CHECK(is_powerless());
	CHECK(status_has("\nUid", "12345\t12345\t12345\t12345\n"));
	return 0;
}

static void setuid_root_goes_back(void **state)
{
	(void)state;
	run_child(setuid_root_goes_back_child);
}

static int nonsense_child(void)
{
	static const char *const ids[] = {
		"",    "0",   "-1",  "4294967295", "4294967296",
		"12x", " 12", "abc", "+5",	   "99999999999999999999999"};
	struct why why;

	if (geteuid() != 0 && !unshare_as_root(0))
		return CHILD_SKIP;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		setenv("SUDO_UID", ids[i], 1);
		setenv("SUDO_GID", "12346", 1);
		CHECK(privileges_drop(&why) == 0);
		CHECK(is_powerless());
		CHECK(status_has("\nUid", "0\t0\t0\t0\n"));
	}
	return 0;
}

static void nonsense_of_sudo_is_ignored(void **state)
{
	(void)state;
	run_child(nonsense_child);
}

static int unknown_user_child(void)
{
	struct why why = {{0}};

	if (!unshare_as_root(0))
		return CHILD_SKIP;
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "12346", 1);
	CHECK(privileges_drop(&why) == 0);
	CHECK(is_powerless());
	CHECK(geteuid() == 0);
	return 0;
}

static void sudo_before_a_user_namespace(void **state)
{
	(void)state;
	run_child(unknown_user_child);
}

static int plain_user_child(void)
{
	struct why why;

	setenv("SUDO_UID", "12347", 1); /* has no say for others than root */
	setenv("SUDO_GID", "12347", 1);
	if (geteuid() == 0 && setresuid(12345, 12345, 12345) < 0)
		return CHILD_SKIP;
	CHECK(privileges_drop(&why) == 0);
	CHECK(is_powerless());
	CHECK(geteuid() != 12347 && geteuid() != 0);
	CHECK(heirs_are_powerless());
	return 0;
}

static void a_plain_user_has_nothing_to_give_up(void **state)
{
	(void)state;
	run_child(plain_user_child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_keeps_its_id),
		cmocka_unit_test(sudo_goes_back),
		cmocka_unit_test(setuid_root_goes_back),
		cmocka_unit_test(nonsense_of_sudo_is_ignored),
		cmocka_unit_test(sudo_before_a_user_namespace),
		cmocka_unit_test(a_plain_user_has_nothing_to_give_up),
	};

	return cmocka_run_group_tests_name("base privileges", tests, NULL, NULL);
}
