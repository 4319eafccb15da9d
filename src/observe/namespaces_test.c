/*
 * The test is the first process of a PID namespace, with a /run of its own: all processes and
 * names are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/namespaces.h"

#define NOBODY 65534

/* Why there are no such namespaces here; NULL: there are. */
static const char *lacking;

#define NEEDS_ROOM()                                                                               \
	do {                                                                                       \
		if (lacking) {                                                                     \
			print_message("no PID and mount namespace: %s\n", lacking);                \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static uint64_t inode_of(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return status.st_ino;
}

static uint64_t own_inode(void)
{
	CLEANUP_CLOSE int fd = netns_open_current();

	return inode_of(fd);
}

static struct net_namespaces read_all(size_t expected)
{
	struct net_namespaces all;
	struct why why = {""};

	assert_int_equal(net_namespaces_read(&all, &why), 0);
	assert_int_equal(all.count, expected);
	return all;
}

/* Gives the namespace that @source leads to a name, as ip-netns(8) does. */
static void give_name(const char *source, const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mount(source, path, "none", MS_BIND, NULL), 0);
}

static void take_name(const char *path)
{
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	assert_int_equal(unlink(path), 0);
}

/* Processes in one new network namespace, until the pipe is closed. */
struct container {
	pid_t pids[2];
	int life[2];
};

static void wait_for_end(const struct container *container, int ready)
{
	char byte = 0;

	close(container->life[1]);
	if (write(ready, &byte, 1) != 1)
		_exit(1);
	close(ready);
	_exit(read(container->life[0], &byte, 1) == 0 ? 0 : 1);
}

static struct container container_start(const char *comm)
{
	struct container container;
	int ready[2];
	char bytes[2];

	assert_int_equal(pipe(container.life), 0);
	assert_int_equal(pipe(ready), 0);
	container.pids[0] = fork();
	if (container.pids[0] == 0) {
		close(ready[0]);
		prctl(PR_SET_NAME, comm);
		if (unshare(CLONE_NEWNET) < 0)
			_exit(2);
		if (fork() == 0)
			wait_for_end(&container, ready[1]);
		wait_for_end(&container, ready[1]);
	}
	close(ready[1]);
	for (ssize_t got = 0; got < 2;) {
		ssize_t n = read(ready[0], bytes, 2);

		assert_true(n > 0);
		got += n;
	}
	close(ready[0]);
	return container;
}

/* Orphans come to us, the first process. */
static void container_end(struct container *container)
{
	int status;

	close(container->life[0]);
	close(container->life[1]);
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
}

static void only_ours(void **state)
{
	struct net_namespaces all;

	(void)state;
	NEEDS_ROOM();
	all = read_all(1);
	assert_true(all.at[0].ours);
	assert_true(all.at[0].inode == own_inode());
	assert_int_equal(all.at[0].pid, getpid());
	assert_int_equal(all.at[0].processes, 1);
	assert_string_equal(all.at[0].process, "\n ns's\ttest\xff\n");
	assert_null(all.at[0].name);
	assert_int_equal(all.hidden + all.stale, 0);
	net_namespaces_done(&all);
	net_namespaces_done(&all);
}

static void names_and_what_is_none(void **state)
{
	struct container container;
	struct net_namespaces all;
	char path[64];
	int fd;

	(void)state;
	NEEDS_ROOM();
	container = container_start("x");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)container.pids[0]);
	give_name(path, "/run/netns/zz");
	container_end(&container);
	give_name("/proc/self/ns/net", "/run/netns/b");
	give_name("/proc/self/ns/net", "/run/netns/a");
	give_name("/proc/self/ns/net", "/run/netns/c");
	give_name("/proc/self/ns/uts", "/run/netns/uts");
	assert_int_equal(mkfifo("/run/netns/fifo", 0600), 0);
	fd = creat("/run/netns/old", 0);
	assert_true(fd >= 0);
	close(fd);

	all = read_all(2);
	assert_true(all.at[0].ours);
	assert_string_equal(all.at[0].name, "a");
	assert_false(all.at[1].ours);
	assert_string_equal(all.at[1].name, "zz");
	assert_int_equal(all.at[1].pid, 0);
	assert_int_equal(all.at[1].processes, 0);
	assert_int_equal(all.stale, 3);
	fd = net_namespace_open(&all.at[1], NULL);
	assert_true(inode_of(fd) == all.at[1].inode);
	close(fd);
	net_namespaces_done(&all);

	take_name("/run/netns/zz");
	take_name("/run/netns/a");
	take_name("/run/netns/b");
	take_name("/run/netns/c");
	take_name("/run/netns/uts");
	unlink("/run/netns/fifo");
	unlink("/run/netns/old");
}

static void containers_without_a_name(void **state)
{
	struct container first, second;
	struct net_namespaces all;
	int fd;

	(void)state;
	NEEDS_ROOM();
	first = container_start("a\nb\033[1m");
	second = container_start("second");
	all = read_all(3);
	assert_true(all.at[0].ours);
	assert_int_equal(all.at[0].processes, 1);
	assert_int_equal(all.at[1].pid, first.pids[0]);
	assert_int_equal(all.at[1].processes, 2);
	assert_string_equal(all.at[1].process, "a\nb\033[1m");
	assert_null(all.at[1].name);
	assert_int_equal(all.at[2].pid, second.pids[0]);
	assert_string_equal(all.at[2].process, "second");
	for (int i = 0; i < 3; i++) {
		fd = net_namespace_open(&all.at[i], NULL);
		assert_true(fd >= 0);
		assert_true(inode_of(fd) == all.at[i].inode);
		close(fd);
	}
	net_namespaces_done(&all);
	close(first.life[0]);
	close(first.life[1]);
	container_end(&second);
}

/* An exit status: 0 when ours comes first, though another has a lower pid. */
static int look_from_another(void)
{
	struct net_namespaces all;
	bool good;

	if (unshare(CLONE_NEWNET) < 0 || net_namespaces_read(&all, NULL) < 0)
		return 1;
	good = all.count == 2 && all.at[0].ours && all.at[0].pid == getpid() && !all.at[1].ours &&
	       all.at[1].pid == 1;
	net_namespaces_done(&all);
	return good ? 0 : 2;
}

static void ours_comes_first(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	NEEDS_ROOM();
	pid = fork();
	if (pid == 0)
		_exit(look_from_another());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void gone_meanwhile(void **state)
{
	struct container container;
	struct net_namespaces all;
	struct why why = {""};
	char path[64];
	int fd;

	(void)state;
	NEEDS_ROOM();
	container = container_start("x");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)container.pids[0]);
	give_name(path, "/run/netns/x");
	all = read_all(2);
	container_end(&container);
	fd = net_namespace_open(&all.at[1], &why);
	assert_true(inode_of(fd) == all.at[1].inode);
	close(fd);

	/* Its name and its number are another's now. */
	take_name("/run/netns/x");
	give_name("/proc/self/ns/net", "/run/netns/x");
	all.at[1].pid = getpid();
	assert_int_equal(net_namespace_open(&all.at[1], &why), -ENOENT);
	assert_non_null(strstr(why.text, "has gone"));
	take_name("/run/netns/x");
	assert_int_equal(net_namespace_open(&all.at[1], NULL), -ENOENT);
	net_namespaces_done(&all);
}

static uint64_t found(const char *what)
{
	struct why why = {""};
	CLEANUP_CLOSE int fd = net_namespace_find(what, &why);

	if (fd < 0)
		print_message("%s\n", why.text);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return inode_of(fd);
}

static void found_by_name_pid_and_path(void **state)
{
	struct container container;
	struct net_namespaces all;
	char pid[32], path[64], name[64];
	uint64_t other;

	(void)state;
	NEEDS_ROOM();
	container = container_start("x");
	snprintf(pid, sizeof(pid), "%d", (int)container.pids[0]);
	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	snprintf(name, sizeof(name), "/run/netns/%s", pid);
	all = read_all(2);
	other = all.at[1].inode;
	net_namespaces_done(&all);
	assert_true(found("1") == own_inode());
	assert_true(found(pid) == other);
	assert_true(found(path) == other);
	give_name(path, "/run/netns/with a space");
	assert_true(found("with a space") == other);
	take_name("/run/netns/with a space");
	give_name("/proc/self/ns/net", name);
	assert_true(found(pid) == own_inode());
	take_name(name);
	container_end(&container);
}

static void not_found(void **state)
{
	static char too_long[300];
	static const struct {
		const char *what;
		int error;
		const char *said;
	} cases[] = {
		{"", -EINVAL, "names no"},
		{".", -EINVAL, "names no"},
		{"..", -EINVAL, "names no"},
		{"nope", -ENOENT, "ip netns lists"},
		{"12x", -ENOENT, "ip netns lists"},
		{"-1", -ENOENT, "ip netns lists"},
		{"0", -ESRCH, "no process 0"},
		{"4999999", -ESRCH, "no process 4999999"},
		{"99999999999999999999999999", -ESRCH, "no process 99999999999999999999999999"},
		{"/nowhere", -ENOENT, "/nowhere"},
		{"/dev/null", -EINVAL, "is no network"},
		{"/proc/self/ns/uts", -EINVAL, "is no network"},
		{"/proc/self/ns/", -EINVAL, "is no network"},
		{"old", -EINVAL, "ip netns delete old"},
		{too_long, -ENAMETOOLONG, "at most 255"},
	};
	int fd;

	(void)state;
	NEEDS_ROOM();
	memset(too_long, 'x', sizeof(too_long) - 1);
	fd = creat("/run/netns/old", 0);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct why why = {""};

		assert_int_equal(net_namespace_find(cases[i].what, &why), cases[i].error);
		if (!strstr(why.text, cases[i].said))
			print_message("%s: %s\n", cases[i].what, why.text);
		assert_non_null(strstr(why.text, cases[i].said));
	}
	unlink("/run/netns/old");
}

/* An exit status: 0 when all is as it should be. */
static int look_as_nobody(void)
{
	struct net_namespaces all;
	struct why why = {""};

	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return 77;
	prctl(PR_SET_DUMPABLE, 1); /* else /proc/self is root's */
	if (net_namespaces_read(&all, &why) < 0 || all.count != 1 || !all.at[0].ours)
		return 2;
	if (all.at[0].pid != getpid() || all.hidden != 1)
		return 3;
	net_namespaces_done(&all);
	if (net_namespace_find("1", &why) != -EACCES || !strstr(why.text, "root may"))
		return 4;
	return 0;
}

static void no_permission(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	NEEDS_ROOM();
	pid = fork();
	if (pid == 0)
		_exit(look_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("cannot become nobody\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_ours),
		cmocka_unit_test(names_and_what_is_none),
		cmocka_unit_test(containers_without_a_name),
		cmocka_unit_test(ours_comes_first),
		cmocka_unit_test(gone_meanwhile),
		cmocka_unit_test(found_by_name_pid_and_path),
		cmocka_unit_test(not_found),
		cmocka_unit_test(no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Root in its own user namespace, where it has no other. */
static bool become_root(void)
{
	char map[64];
	int fd, n = snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());

	if (geteuid() == 0)
		return true;
	if (unshare(CLONE_NEWUSER) < 0)
		return false;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map, (size_t)n) != n)
		lacking = strerror(errno);
	if (fd >= 0)
		close(fd);
	return !lacking;
}

static void make_room(void)
{
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", 0, NULL) < 0 || mkdir("/run/netns", 0755) < 0)
		lacking = strerror(errno);
}

int main(void)
{
	int status;
	pid_t pid;

	if (!become_root() || unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0) {
		lacking = strerror(errno);
		return run();
	}
	prctl(PR_SET_NAME, "\n ns's\ttest\xff\n");
	pid = fork();
	if (pid == 0) {
		make_room();
		return run();
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		_exit(1);
	/* LeakSanitizer would make a thread, which has to be in the old PID namespace (clone(2),
	 * EINVAL). */
	_exit(WEXITSTATUS(status));
}
