/* Sources on bad days: lists that are interrupted, text in pieces, privileges that are missing. */
#include "observe/socket_list.h"

#include <libmnl/libmnl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/netns.h"
#include "observe/socket_testing.h"

static int home_netns = -1;

static void test_find(void **state)
{
	(void)state;
	assert_string_equal(socket_sources[0]->name, "diag");
	for (size_t i = 0; socket_sources[i]; i++) {
		assert_ptr_equal(socket_source_find(socket_sources[i]->name), socket_sources[i]);
		assert_true(strlen(socket_sources[i]->summary) > 0);
	}
	assert_null(socket_source_find("netstat"));
}

/* Dumps that are yet to be marked by __wrap_recv() as the kernel would. */
static unsigned interruptions;

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t n = __real_recv(fd, buffer, size, flags);
	struct nlmsghdr *header = buffer;

	for (int left = (int)n; interruptions > 0 && mnl_nlmsg_ok(header, left);
	     header = mnl_nlmsg_next(header, &left))
		if (header->nlmsg_type == NLMSG_DONE) {
			header->nlmsg_flags |= NLM_F_DUMP_INTR;
			interruptions--;
		}
	return n;
}

static void test_interrupted(void **state)
{
	static struct list list;
	const struct socket_source *diag = socket_source_find("diag");
	struct socket_walk walk;
	struct why why;
	void *handle;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(diag->open(home_netns, &handle, &why), 0);
	interruptions = 2;
	walk = walk_of(diag, handle, NULL, &list);
	assert_int_equal(walk.repeated, 2);
	assert_false(walk.torn);
	assert_int_equal(list.again, 2);
	assert_int_equal(list.count, made_count);

	interruptions = 1000;
	walk = walk_of(diag, handle, NULL, &list);
	interruptions = 0;
	assert_true(walk.torn);
	assert_int_equal(walk.repeated, 3);
	assert_int_equal(list.again, 3);
	assert_int_equal(list.count, made_count);
	diag->close(handle);
}

/* The most that read(2) gives at once, 0: as much as it is asked for. */
static size_t read_most;

ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	return __real_read(fd, buffer, read_most > 0 && size > read_most ? read_most : size);
}

/* Lines that come in pieces. */
static void test_short_reads(void **state)
{
	static struct list list;
	const struct socket_source *proc = socket_source_find("proc");
	struct why why;
	void *handle;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(proc->open(home_netns, &handle, &why), 0);
	for (read_most = 1; read_most < 1000; read_most = read_most * 3 + 10) {
		walk_of(proc, handle, NULL, &list);
		assert_int_equal(list.count, made_count);
	}
	read_most = 0;
	proc->close(handle);
}

/* What the probe of "bpf" says in a process that did @lose: the child's status, and its words. */
static int probe_without(int (*lose)(void), struct why *ret)
{
	int status, words[2];
	pid_t child;
	ssize_t n;

	assert_int_equal(pipe(words), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct why why = {0};
		int r = lose();

		if (r == 0)
			r = socket_source_find("bpf")->probe(&why);
		_exit(write(words[1], &why, sizeof(why)) < 0 ? 255 : -r);
	}
	n = read(words[0], ret, sizeof(*ret));
	assert_int_equal(n, sizeof(*ret));
	close(words[0]);
	close(words[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int lose_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int go_into_a_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) < 0 ? -ECANCELED : 0;
}

static void test_refused(void **state)
{
	struct why why = {0};
	int r = probe_without(lose_capabilities, &why);

	(void)state;
	if (!BPF_BUILT) {
		assert_int_equal(r, ENOTSUP);
		assert_non_null(strstr(why.text, "libbpf-dev"));
		return;
	}
	assert_true(r == EPERM || r == EACCES);
	assert_non_null(strstr(why.text, "CAP_BPF is missing"));
	r = probe_without(go_into_a_user_namespace, &why);
	if (r == ECANCELED) {
		print_message("no user namespace\n");
		skip();
	}
	assert_true(r == EPERM || r == EACCES);
	assert_non_null(strstr(why.text, "inside a user namespace"));
}

static int begin(void **state)
{
	(void)state;
	if (not_alone)
		return 0;
	home_netns = netns_open_current();
	sockets_make();
	return 0;
}

static int end(void **state)
{
	(void)state;
	sockets_close();
	close_once(&home_netns);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_short_reads),
		cmocka_unit_test(test_refused),
	};

	be_alone_with_privileges();
	return cmocka_run_group_tests_name("socket_source faults", tests, begin, end);
}
