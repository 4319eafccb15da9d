/* What every way of looking owes, each over the same processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/owners.h"

#define NOBODY 65534

static uint32_t inode_of(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return (uint32_t)status.st_ino;
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static enum owners_way way_of(void **state)
{
	return *(enum owners_way *)*state;
}

#define NOT_UNDER_VALGRIND(reason)                                                                 \
	do {                                                                                       \
		if (getenv("CONTEST_VALGRIND")) {                                                  \
			print_message("valgrind: %s\n", reason);                                   \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* gcc's sanitizer has a thread of its own in each process. */
#ifdef __SANITIZE_THREAD__
#define NEEDS_TO_COUNT_THREADS()                                                                   \
	do {                                                                                       \
		print_message("the thread sanitizer has a thread in every process\n");             \
		skip();                                                                            \
	} while (0)
#else
#define NEEDS_TO_COUNT_THREADS() ((void)0)
#endif

/* Looks; skips the test where this way is not to be had. */
static struct owners *look(void **state)
{
	struct owners *owners = NULL;
	struct why why = {""};
	int r;

	if (way_of(state) != OWNERS_PROC)
		NOT_UNDER_VALGRIND("libbpf hands the kernel what was never set");
	r = owners_read(way_of(state), &owners, NULL, &why);

	if (way_of(state) == OWNERS_BPF && (r == -EPERM || r == -ENOTSUP)) {
		print_message("%s\n", why.text);
		skip();
	}
	if (r < 0)
		print_message("%s\n", why.text);
	assert_int_equal(r, 0);
	return owners;
}

static void ones_own(void **state)
{
	int fd = new_socket(), high = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	uint32_t inode = inode_of(fd);
	struct owner owner = {.pid = 7};
	struct owners *owners = look(state);

	assert_true(owners_count(owners) >= 1);
	assert_true(owners_find(owners, inode, &owner));
	assert_int_equal(owner.pid, getpid());
	assert_int_equal(owner.uid, geteuid());
	assert_int_equal(owner.fd, fd);
	assert_int_equal(owner.more, 0);
	owners_free(owners);

	close(fd);
	owners = look(state);
	assert_true(owners_find(owners, inode, &owner));
	assert_int_equal(owner.fd, high);
	owners_free(owners);

	close(high);
	owners = look(state);
	owner.pid = 7;
	assert_false(owners_find(owners, inode, &owner));
	assert_false(owners_find(owners, 0, &owner));
	assert_int_equal(owner.pid, 7);
	owners_free(owners);
}

static void names_are_bytes(void **state)
{
	static const char *const names[] = {
		"a\n\033[31m\t\xff b", "fifteen bytes..", "\n", "x\n", "", ") R 1",
	};
	int fd = new_socket();
	char before[16];

	prctl(PR_GET_NAME, before);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct owners *owners;
		struct owner owner;

		prctl(PR_SET_NAME, names[i]);
		owners = look(state);
		assert_true(owners_find(owners, inode_of(fd), &owner));
		assert_string_equal(owner.name, names[i]);
		owners_free(owners);
	}
	prctl(PR_SET_NAME, before);
	close(fd);
}

/* A child that lives until the pipe is closed, with a second descriptor of @fd. */
static pid_t fork_holder(int fd, const int life[2])
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char byte;

		close(life[1]);
		if (dup(fd) < 0)
			_exit(1);
		_exit(read(life[0], &byte, 1) == 0 ? 0 : 1);
	}
	return pid;
}

static void end_holders(int life[2])
{
	int status;

	close(life[0]);
	close(life[1]);
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
}

static void several_processes(void **state)
{
	int fd = new_socket(), life[2];
	struct owners *owners = look(state);
	pid_t lowest = getpid();
	struct owner owner;

	owners_free(owners);
	assert_int_equal(pipe(life), 0);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork_holder(fd, life);

		if (pid < lowest)
			lowest = pid;
	}
	owners = look(state);
	assert_true(owners_find(owners, inode_of(fd), &owner));
	assert_int_equal(owner.pid, lowest);
	assert_int_equal(owner.fd, fd);
	assert_int_equal(owner.more, 3);
	owners_free(owners);
	end_holders(life);
	close(fd);
}

static void others_are_no_sockets(void **state)
{
	char name[] = "/tmp/socket:[XXXXXX";
	int file = mkstemp(name), ends[2];
	struct owners *owners;
	struct owner owner;

	assert_true(file >= 0);
	assert_int_equal(pipe(ends), 0);
	owners = look(state);
	assert_false(owners_find(owners, inode_of(ends[0]), &owner));
	assert_false(owners_find(owners, inode_of(file), &owner));
	owners_free(owners);
	unlink(name);
	close(file);
	close(ends[0]);
	close(ends[1]);
}

struct headless {
	pid_t pid;
	int life[2], more[2];
};

static void *wait_for_end(void *headless)
{
	char byte;

	_exit(read(((struct headless *)headless)->life[0], &byte, 1) == 0 ? 0 : 1);
}

static void *wait_for_more(void *headless)
{
	pthread_t thread;
	char byte;

	prctl(PR_SET_NAME, "another");
	if (read(((struct headless *)headless)->more[0], &byte, 1) != 1 ||
	    pthread_create(&thread, NULL, wait_for_end, headless) != 0)
		_exit(2);
	return wait_for_end(headless);
}

/* The first thread of the child ends; its sockets live on with the second, and a third that is made
 * when it is asked for. */
static struct headless fork_headless(void)
{
	struct headless child;

	assert_int_equal(pipe(child.life), 0);
	assert_int_equal(pipe(child.more), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		static struct headless kept;
		pthread_t thread;

		close(child.life[1]);
		close(child.more[1]);
		kept = child;
		prctl(PR_SET_NAME, "headless");
		if (pthread_create(&thread, NULL, wait_for_more, &kept) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	return child;
}

/* Until /proc says that the first thread is a zombie, and that there are so many. */
static void await_threads(pid_t pid, unsigned threads)
{
	char path[64], text[64] = "";
	struct stat status = {0};

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)pid);
	while (!strstr(text, ") Z")) {
		CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		assert_true(n > 0);
		text[n] = '\0';
		sched_yield();
	}
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	while (status.st_nlink != 2 + threads) {
		assert_int_equal(stat(path, &status), 0);
		sched_yield();
	}
}

static void end_headless(struct headless *child)
{
	int status;

	close(child->life[0]);
	close(child->life[1]);
	close(child->more[0]);
	close(child->more[1]);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

/* Of two processes, whose threads come in turn: first, second, first. */
static void the_first_thread_has_ended(void **state)
{
	struct headless first, second;
	struct owners *owners;
	struct owner owner;
	uint32_t inode;
	int fd;

	NOT_UNDER_VALGRIND("takes what the first thread leaves behind for lost");
	NEEDS_TO_COUNT_THREADS();
	owners_free(look(state));
	fd = new_socket();
	inode = inode_of(fd);
	first = fork_headless();
	await_threads(first.pid, 2);
	second = fork_headless();
	await_threads(second.pid, 2);
	assert_int_equal(write(first.more[1], "", 1), 1);
	await_threads(first.pid, 3);
	close(fd);
	owners = look(state);
	assert_true(owners_find(owners, inode, &owner));
	assert_int_equal(owner.pid, first.pid < second.pid ? first.pid : second.pid);
	assert_int_equal(owner.fd, fd);
	assert_int_equal(owner.more, 1);
	assert_string_equal(owner.name, "headless");
	owners_free(owners);
	assert_int_equal(write(second.more[1], "", 1), 1);
	end_headless(&second);
	end_headless(&first);
}

/* A child whose children and descriptors come and go until the pipe is closed; and which holds
 * @fd at a high number. */
static void fork_churn(int fd, const int life[2])
{
	pid_t pid = fork();
	char byte;

	assert_true(pid >= 0);
	if (pid > 0)
		return;
	close(life[1]);
	if (dup2(fd, 900) < 0 || fcntl(life[0], F_SETFL, O_NONBLOCK) < 0)
		_exit(1);
	close(fd);
	while (read(life[0], &byte, 1) != 0) {
		pid_t child = vfork();

		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
		for (int i = 100; i < 800; i++)
			dup2(life[0], i);
		close_range(100, 800, 0);
	}
	_exit(0);
}

static void all_comes_and_goes(void **state)
{
	struct owners *owners;
	struct owner owner;
	int fd, life[2];
	uint32_t inode;

	NOT_UNDER_VALGRIND("nothing comes and goes fast enough");
	owners_free(look(state));
	fd = new_socket();
	inode = inode_of(fd);
	assert_int_equal(pipe(life), 0);
	fork_churn(fd, life);
	close(fd);
	for (int i = 0; i < 30; i++) {
		owners = look(state);
		assert_true(owners_find(owners, inode, &owner));
		owners_free(owners);
	}
	end_holders(life);
}

struct apart {
	int ready[2], end[2];
};

static void *live_apart(void *context)
{
	struct apart *apart = context;
	char byte;

	assert_int_equal(unshare(CLONE_FILES), 0);
	assert_int_equal(write(apart->ready[1], "", 1), 1);
	assert_int_equal(read(apart->end[0], &byte, 1), 1);
	return NULL;
}

/* Both ways see the same: of threads that have descriptors of their own, those of the first. */
static void threads_apart(void **state)
{
	int fd = new_socket();
	struct owners *owners = look(state);
	struct apart apart;
	struct owner owner;
	pthread_t thread;
	uint32_t inode = inode_of(fd);
	char byte;

	owners_free(owners);
	assert_int_equal(pipe(apart.ready), 0);
	assert_int_equal(pipe(apart.end), 0);
	assert_int_equal(pthread_create(&thread, NULL, live_apart, &apart), 0);
	assert_int_equal(read(apart.ready[0], &byte, 1), 1);
	/* Gone from here, there it is still. */
	close(fd);
	owners = look(state);
	assert_false(owners_find(owners, inode, &owner));
	owners_free(owners);
	assert_int_equal(write(apart.end[1], "", 1), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 2; i++) {
		close(apart.ready[i]);
		close(apart.end[i]);
	}
}

/* ---- without permission */

#define CANNOT_BUILD 77

/* What is seen by someone who may look at little: an exit status, 0 when all is as it should be.
 * The socket @roots is held by this process, and by others that nobody may look into. */
static int look_as_nobody(int roots, unsigned others)
{
	int own = socket(AF_INET, SOCK_STREAM, 0);
	struct owners *owners = NULL;
	unsigned hidden = 0;
	struct owner owner;

	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return CANNOT_BUILD;
	prctl(PR_SET_DUMPABLE, 1); /* else /proc/self is root's */
	if (owners_read(OWNERS_BPF, &owners, NULL, NULL) == 0 || owners)
		return 2;
	if (owners_read(OWNERS_BEST, &owners, &hidden, NULL) < 0)
		return 3;
	if (!owners_find(owners, inode_of(own), &owner) || owner.pid != getpid() ||
	    owner.uid != NOBODY)
		return 4;
	if (!owners_find(owners, inode_of(roots), &owner) || owner.pid != getpid() ||
	    owner.more != 0)
		return 5;
	owners_free(owners);
	return hidden == others ? 0 : 6;
}

static int status_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* Processes are numbered as in the PID namespace of who looks. */
static bool sees_itself(enum owners_way way, int fd)
{
	struct owners *owners;
	struct owner owner;
	bool seen;

	if (owners_read(way, &owners, NULL, NULL) < 0)
		return way == OWNERS_BPF;
	seen = owners_find(owners, inode_of(fd), &owner) && owner.pid == getpid();
	owners_free(owners);
	return seen;
}

/*
 * The first process of a PID namespace, so that all processes are known: this one, one that lives,
 * a zombie (with nothing to be hidden), and the one that looks.
 */
static int be_first(int fd)
{
	pid_t zombie, looker;
	siginfo_t info;
	int life[2];

	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0 || pipe(life) < 0)
		return CANNOT_BUILD;
	if (!sees_itself(OWNERS_PROC, fd) || !sees_itself(OWNERS_BPF, fd))
		return 8;
	fork_holder(fd, life);
	zombie = fork();
	if (zombie == 0)
		_exit(0);
	if (waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT) < 0)
		return 1;
	looker = fork();
	if (looker == 0)
		_exit(look_as_nobody(fd, 2));
	return status_of(looker);
}

static int be_root(int fd)
{
	pid_t pid;

	if (geteuid() != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return CANNOT_BUILD;
	pid = fork();
	if (pid == 0)
		_exit(be_first(fd));
	return status_of(pid);
}

static void no_permission(void **state)
{
	int fd, result;
	pid_t pid;

	(void)state;
	NOT_UNDER_VALGRIND("libbpf hands the kernel what was never set");
	fd = new_socket();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(be_root(fd));
	result = status_of(pid);
	close(fd);
	if (result == CANNOT_BUILD) {
		print_message("only root can make a PID namespace, and become nobody in it\n");
		skip();
	}
	assert_int_equal(result, 0);
}

int main(void)
{
	static enum owners_way proc = OWNERS_PROC, bpf = OWNERS_BPF, best = OWNERS_BEST;
#define EACH_WAY(f)                                                                                \
	/* cmocka leaves those out that are NULL. */                                               \
	{#f " (proc)", f, NULL, NULL, &proc},                                                      \
		{#f " (bpf)", BPF_BUILT ? f : NULL, NULL, NULL, &bpf},                             \
	{                                                                                          \
#f " (best)", f, NULL, NULL, &best                                                 \
	}
	const struct CMUnitTest tests[] = {
		EACH_WAY(ones_own),
		EACH_WAY(names_are_bytes),
		EACH_WAY(several_processes),
		EACH_WAY(others_are_no_sockets),
		EACH_WAY(the_first_thread_has_ended),
		EACH_WAY(all_comes_and_goes),
		EACH_WAY(threads_apart),
		cmocka_unit_test(no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
