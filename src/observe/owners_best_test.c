/* Which way is taken for the best one: the ways themselves are played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/owners.h"
#include "observe/owners_table.h"

#define INODE  11
#define NOBODY 65534

/* A way, as a process that holds the one socket. */
struct way {
	pid_t pid;
	int result;
	unsigned reads;
};

static struct way proc, bpf;
static unsigned hides; /* processes that /proc does not show */
static uint64_t processes, files;
static int counted;
static bool sees_first;

int __real_owners_count_files(uint64_t *ret_processes, uint64_t *ret_files);
bool __real_owners_sees_first(void);
bool __wrap_owners_sees_first(void);
int __wrap_owners_count_files(uint64_t *ret_processes, uint64_t *ret_files);
int __wrap_owners_read_proc(struct owners *owners, unsigned *ret_hidden, struct why *why);
int __wrap_owners_read_bpf(struct owners *owners, struct why *why);

int __wrap_owners_count_files(uint64_t *ret_processes, uint64_t *ret_files)
{
	if (counted == 0) {
		*ret_processes = processes;
		*ret_files = files;
	}
	return counted;
}

bool __wrap_owners_sees_first(void)
{
	return sees_first;
}

static int read_played(struct way *way, struct owners *owners, struct why *why)
{
	struct owners_process process = {.pid = way->pid, .name = "a"};

	way->reads++;
	assert_int_equal(owners_add_process(owners, &process), 0);
	assert_int_equal(owners_add_socket(owners, 0, 3, INODE), 0);
	return way->result < 0 ? why_set(why, way->result, "process %d", way->pid) : 0;
}

int __wrap_owners_read_proc(struct owners *owners, unsigned *ret_hidden, struct why *why)
{
	*ret_hidden = hides;
	return read_played(&proc, owners, why);
}

int __wrap_owners_read_bpf(struct owners *owners, struct why *why)
{
	return read_played(&bpf, owners, why);
}

static int set_up(void **state)
{
	(void)state;
	proc = (struct way){.pid = 1};
	bpf = (struct way){.pid = 2};
	hides = 0;
	counted = 0;
	processes = 100;
	files = 1000;
	sees_first = true;
	return 0;
}

/* The best way is that of @pid, after so many reads by each. */
static void check(const struct way *expected, unsigned proc_reads, unsigned bpf_reads,
		  unsigned expected_hidden)
{
	struct owners *owners = NULL;
	unsigned hidden = 77;
	struct why why = {0};
	struct owner owner;

	proc.reads = bpf.reads = 0;
	assert_int_equal(owners_read(OWNERS_BEST, &owners, &hidden, &why), 0);
	assert_true(owners_find(owners, INODE, &owner));
	assert_int_equal(owner.pid, expected->pid);
	assert_int_equal(proc.reads, proc_reads);
	assert_int_equal(bpf.reads, bpf_reads);
	assert_int_equal(hidden, expected_hidden);
	owners_free(owners);
	owners = NULL;
	assert_int_equal(owners_read(OWNERS_BEST, &owners, NULL, NULL), 0);
	owners_free(owners);
}

static void proc_for_a_few(void **state)
{
	(void)state;
	check(&proc, 1, 0, 0);
	bpf.result = -EPERM;
	check(&proc, 1, 0, 0);
}

static void bpf_for_many(void **state)
{
	(void)state;
	files = 100000;
	check(&bpf, 0, 1, 0);
	processes = 1000;
	files = 0;
	check(&bpf, 0, 1, 0);
	/* Nobody knows how many: then there may be many. */
	processes = 0;
	check(&proc, 1, 0, 0);
	counted = -ENOENT;
	check(&bpf, 0, 1, 0);
}

static void proc_where_bpf_is_not_allowed(void **state)
{
	(void)state;
	files = 100000;
	bpf.result = -EPERM;
	check(&proc, 1, 1, 0);
	hides = 5;
	check(&proc, 1, 1, 5);
}

/* Who may use BPF, but not look into the processes of others: known before, or found out. */
static void bpf_for_what_proc_hides(void **state)
{
	(void)state;
	hides = 5;
	check(&bpf, 1, 1, 0);
	bpf.result = -EPERM;
	check(&proc, 1, 1, 5);
	sees_first = false;
	check(&proc, 1, 1, 5);
	bpf.result = 0;
	check(&bpf, 0, 1, 0);
}

static void one_fails(void **state)
{
	struct owners *owners = NULL;
	struct why why = {0};

	(void)state;
	proc.result = -EIO;
	check(&bpf, 1, 1, 0);
	bpf.result = -EPERM;
	assert_int_equal(owners_read(OWNERS_BEST, &owners, NULL, &why), -EIO);
	assert_non_null(strstr(why.text, "process 1"));
	assert_null(owners);
	files = 100000;
	assert_int_equal(owners_read(OWNERS_BEST, &owners, NULL, &why), -EIO);
}

static void few(void **state)
{
	(void)state;
	assert_true(owners_few(115, 790));
	assert_true(owners_few(116, 4790));
	assert_false(owners_few(116, 6450));
	assert_false(owners_few(116, 21440));
	assert_true(owners_few(400, 1200));
	assert_false(owners_few(800, 1200));
	assert_false(owners_few(0, UINT64_MAX));
	assert_false(owners_few(UINT64_MAX, 0));
}

/* Those that are made here are among them; the counter of files may lag behind (percpu_counter). */
static void counts(void **state)
{
	enum { CHILDREN = 60, FILES = 900, LAG = 400 };
	uint64_t all_processes = 0, all_files = 0;
	int fds[FILES], r;
	pid_t children[CHILDREN];

	(void)state;
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			for (;;)
				pause();
	}
	for (int i = 0; i < FILES; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = __real_owners_count_files(&all_processes, &all_files);
	for (int i = 0; i < FILES; i++)
		close(fds[i]);
	for (int i = 0; i < CHILDREN; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	assert_int_equal(r, 0);
	assert_in_range(all_processes, CHILDREN, 10000000);
	assert_in_range(all_files, FILES - LAG, 1000000000);
}

/* In a child: 0, or 1 when it is not as it should be, or CANNOT_BUILD. */
#define CANNOT_BUILD 77

static int status_of(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

static int look_from_outside(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return CANNOT_BUILD;
	return __real_owners_sees_first();
}

/* The first process of a PID namespace, which sees itself; another one, of nobody, does not. */
static int be_first(void)
{
	pid_t nobody;

	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0)
		return CANNOT_BUILD;
	if (!__real_owners_sees_first())
		return 1;
	nobody = fork();
	if (nobody == 0)
		_exit(look_from_outside());
	return status_of(nobody);
}

static int enter_namespace(void)
{
	pid_t first;

	if (geteuid() != 0 || unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return CANNOT_BUILD;
	first = fork();
	if (first == 0)
		_exit(be_first());
	return status_of(first);
}

static void sees_the_first(void **state)
{
	pid_t child = fork();
	int result;

	(void)state;
	if (child == 0)
		_exit(enter_namespace());
	result = status_of(child);
	if (result == CANNOT_BUILD) {
		print_message("only root can make a PID namespace, and become nobody in it\n");
		skip();
	}
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(proc_for_a_few, set_up),
		cmocka_unit_test_setup(bpf_for_many, set_up),
		cmocka_unit_test_setup(proc_where_bpf_is_not_allowed, set_up),
		cmocka_unit_test_setup(bpf_for_what_proc_hides, set_up),
		cmocka_unit_test_setup(one_fails, set_up),
		cmocka_unit_test(few),
		cmocka_unit_test(counts),
		cmocka_unit_test(sees_the_first),
	};

	return cmocka_run_group_tests_name("the best way to owners", tests, NULL, NULL);
}
