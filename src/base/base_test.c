/* Errors, arrays, clock, files, namespaces. What needs a namespace runs in a child of its own. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/netns.h"
#include "base/why.h"

/* ---- children: 0, CHILD_SKIP, or 1 with the line of the failed check on standard error ---- */

#define CHILD_SKIP 77

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "base_test.c:%d: %s (errno %s)\n", __LINE__, #condition,   \
				errno_name(errno));                                                \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static void run_child(int (*run)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CHILD_SKIP)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return r;
}

/* A user namespace with this user as root, and others as @flags say; false with the reason. */
static bool unshare_as_root(int flags)
{
	char users[64], groups[64];

	snprintf(users, sizeof(users), "0 %u 1", getuid());
	snprintf(groups, sizeof(groups), "0 %u 1", getgid());
	if (unshare(CLONE_NEWUSER | flags) < 0 || write_text("/proc/self/setgroups", "deny") < 0 ||
	    write_text("/proc/self/uid_map", users) < 0 ||
	    write_text("/proc/self/gid_map", groups) < 0) {
		fprintf(stderr, "no user namespaces here: %s\n", strerror(errno));
		return false;
	}
	return true;
}

/* ---- a folder for each test that wants one ---- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/contest-base-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static size_t count_files(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count - 2; /* "." and ".." */
}

static bool holds(const char *path, const char *want)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;

	return file_read(path, 1 << 20, &text, &length) == 0 && length == strlen(want) &&
	       strcmp(text, want) == 0;
}

/* ---- why ---- */

static void why_describes(void **state)
{
	struct why why;

	(void)state;
	assert_int_equal(why_set(&why, -ENOENT, "cannot open %s", "x"), -ENOENT);
	assert_string_equal(why.text, "cannot open x: No such file or directory");
	assert_int_equal(why_set(&why, 0, "fine"), 0);
	assert_string_equal(why.text, "fine");
	assert_int_equal(why_say(&why, -EPERM, "run it as %s", "root"), -EPERM);
	assert_string_equal(why.text, "run it as root");
	assert_int_equal(why_set(NULL, -EIO, "nobody asks"), -EIO);
	assert_int_equal(why_say(NULL, -EIO, "nobody asks"), -EIO);
}

static void why_is_cut_to_its_size(void **state)
{
	struct {
		struct why why;
		char guard[16];
	} box;
	char name[sizeof(box.why.text) + 100];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(&box, 'G', sizeof(box));
	why_set(&box.why, -ENOENT, "%s", name);
	assert_int_equal(strlen(box.why.text), sizeof(box.why.text) - 1);
	assert_int_equal(box.guard[0], 'G');
	/* the reason is cut where it runs out of room */
	name[sizeof(box.why.text) - 5] = '\0';
	why_set(&box.why, -ENOENT, "%s", name);
	assert_int_equal(strlen(box.why.text), sizeof(box.why.text) - 1);
	assert_string_equal(box.why.text + sizeof(box.why.text) - 5, ": No");
	assert_int_equal(box.guard[0], 'G');
}

static void errno_names(void **state)
{
	(void)state;
	assert_string_equal(errno_name(EADDRNOTAVAIL), "EADDRNOTAVAIL");
	assert_string_equal(errno_name(-ENOSPC), "ENOSPC");
	assert_string_equal(errno_name(98765), "errno 98765");
}

/* ---- array, cleanup ---- */

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

/* ---- clock ---- */

static void clock_runs(void **state)
{
	int64_t before = clock_now_ns();
	int64_t now = clock_now_ns() + clock_epoch_offset_ns();

	(void)state;
	assert_true(before > 0 && clock_now_ns() >= before);
	/* after 2020, before 2200 */
	assert_true(now > 1577836800 * NS_PER_S && now < 7258118400 * NS_PER_S);
}

static void clock_converts(void **state)
{
	struct timespec t = clock_timespec(3 * NS_PER_S + 7);

	(void)state;
	assert_int_equal(t.tv_sec, 3);
	assert_int_equal(t.tv_nsec, 7);
	assert_true(clock_seconds(1500 * NS_PER_MS) == 1.5);
	assert_true(clock_seconds(-NS_PER_S) == -1.0);
}

/* Whatever HZ is: levels of 64 buckets, each 8 times coarser (kernel/time/timer.c). */
static void wheel_slack_follows_the_levels(void **state)
{
	int64_t tick = clock_tick_ns(), level = 1;

	(void)state;
	assert_in_range(tick, NS_PER_MS / 2, 20 * NS_PER_MS);
	assert_int_equal(clock_wheel_slack_ns(0), tick);
	for (int i = 0; i < 8; i++, level *= 8) {
		assert_int_equal(clock_wheel_slack_ns(63 * level * tick - 1), level * tick);
		assert_int_equal(clock_wheel_slack_ns(63 * level * tick), 8 * level * tick);
	}
	/* the last level is the coarsest, however long the timer */
	assert_int_equal(clock_wheel_slack_ns(INT64_MAX), level * tick);
}

static void wheel_slack_never_shrinks(void **state)
{
	int64_t last = 0;

	(void)state;
	for (int64_t timeout = NS_PER_MS; timeout < 1000000 * NS_PER_S; timeout += timeout / 7) {
		int64_t slack = clock_wheel_slack_ns(timeout);

		assert_true(slack >= last);
		/* at most an eighth, and a little: 8 / 63 */
		assert_true(slack == clock_tick_ns() || slack <= timeout * 8 / 63 + 1);
		last = slack;
	}
}

static void wheel_slack_of_time_wait(void **state)
{
	/* what 60 s may be late: 512 ticks, or 4096 from HZ=1000 on */
	static const struct {
		int64_t tick_ns, slack_ns;
	} known[] = {{10000000, 5120000000}, {4000000, 2048000000}, {1000000, 4096000000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].tick_ns == clock_tick_ns()) {
			assert_int_equal(clock_wheel_slack_ns(60 * NS_PER_S), known[i].slack_ns);
			return;
		}
	}
	print_message("no known value for a tick of %lld ns\n", (long long)clock_tick_ns());
	skip();
}

/* ---- new files ---- */

static struct new_file *begin(const char *path, const char *text)
{
	struct new_file *file = NULL;

	assert_int_equal(new_file_open(path, &file), 0);
	fputs(text, new_file_stream(file));
	return file;
}

static void new_file_appears_at_commit(void **state)
{
	struct new_file *file = begin(in_folder("result"), "new");
	struct stat info;
	mode_t mask = umask(027);

	(void)state;
	assert_int_equal(access(in_folder("result"), F_OK), -1);
	assert_ptr_equal(new_file_stream(file), new_file_stream(file));
	assert_int_equal(new_file_commit(file), 0);
	assert_true(holds(in_folder("result"), "new"));
	assert_int_equal(count_files(folder), 1);

	assert_int_equal(new_file_commit(begin(in_folder("masked"), "")), 0);
	umask(mask);
	assert_int_equal(stat(in_folder("masked"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0640);
}

static void new_file_replaces_whole(void **state)
{
	struct new_file *file;
	char old[8] = "";
	int fd;

	(void)state;
	assert_int_equal(new_file_commit(begin(in_folder("result"), "old")), 0);
	fd = open(in_folder("result"), O_RDONLY | O_CLOEXEC);
	file = begin(in_folder("result"), "the newer");
	fflush(new_file_stream(file));
	assert_true(holds(in_folder("result"), "old"));
	assert_int_equal(new_file_commit(file), 0);
	assert_true(holds(in_folder("result"), "the newer"));
	/* who has the old one open keeps it: it was replaced, not written over */
	assert_int_equal(read(fd, old, sizeof(old)), 3);
	assert_string_equal(old, "old");
	assert_int_equal(count_files(folder), 1);
	close(fd);
}

static void new_file_by_descriptor(void **state)
{
	struct new_file *file;

	(void)state;
	assert_int_equal(new_file_open(in_folder("raw"), &file), 0);
	assert_int_equal(fd_write_all(new_file_fd(file), "bytes", 5), 0);
	assert_int_equal(new_file_commit(file), 0);
	assert_true(holds(in_folder("raw"), "bytes"));
}

static void new_file_discarded_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(new_file_commit(begin(in_folder("result"), "old")), 0);
	new_file_discard(begin(in_folder("result"), "new"));
	new_file_discard(begin(in_folder("other"), "new"));
	new_file_discard(NULL);
	assert_true(holds(in_folder("result"), "old"));
	assert_int_equal(count_files(folder), 1);
}

static void new_file_in_the_working_directory(void **state)
{
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(new_file_commit(begin("plain", "x")), 0);
	assert_int_equal(fchdir(home), 0);
	assert_true(holds(in_folder("plain"), "x"));
	close(home);
}

static void new_file_where_it_cannot_be(void **state)
{
	struct new_file *file = NULL;

	(void)state;
	assert_int_equal(new_file_open(in_folder("missing/result"), &file), -ENOENT);
	assert_null(file);
	assert_int_equal(new_file_commit(begin(in_folder("plain"), "x")), 0);
	assert_int_equal(new_file_open(in_folder("plain/result"), &file), -ENOTDIR);
	/* a directory in its place */
	assert_int_equal(mkdir(in_folder("dir"), 0755), 0);
	assert_int_equal(new_file_commit(begin(in_folder("dir"), "x")), -EISDIR);
	assert_int_equal(count_files(folder), 2);
	assert_int_equal(count_files(in_folder("dir")), 0);
}

static void new_file_keeps_links_and_devices(void **state)
{
	char target[PATH_MAX], text[8] = "";
	struct stat info;
	int fd;

	(void)state;
	snprintf(target, sizeof(target), "%s", in_folder("target"));
	assert_int_equal(new_file_commit(begin(target, "old")), 0);
	assert_int_equal(symlink("target", in_folder("link")), 0);
	assert_int_equal(new_file_commit(begin(in_folder("link"), "new")), 0);
	assert_int_equal(lstat(in_folder("link"), &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_true(holds(target, "new"));

	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	fd = open(in_folder("fifo"), O_RDWR | O_CLOEXEC);
	assert_int_equal(new_file_commit(begin(in_folder("fifo"), "piped")), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "piped");
	close(fd);
	assert_int_equal(stat(in_folder("fifo"), &info), 0);
	assert_true(S_ISFIFO(info.st_mode));
	assert_int_equal(count_files(folder), 3);

	/* /dev/full: a full disk, also when the stream met it long before the commit */
	assert_int_equal(new_file_commit(begin("/dev/full", "x")), -ENOSPC);
	struct new_file *file = begin("/dev/full", "x");

	fflush(new_file_stream(file));
	errno = 0;
	assert_int_equal(new_file_commit(file), -ENOSPC);
	new_file_discard(begin("/dev/full", "x"));
	assert_int_equal(stat("/dev/full", &info), 0);
	assert_true(S_ISCHR(info.st_mode));
}

/* Root may write anywhere, so the child gives that up where it has it. */
static int unwritable_child(void)
{
	struct new_file *file = NULL;

	if (getuid() == 0 && (chown(folder, 0, 0) < 0 || setgid(65534) < 0 || setuid(65534) < 0)) {
		fprintf(stderr, "cannot stop being root\n");
		return CHILD_SKIP;
	}
	CHECK(new_file_open(in_folder("result"), &file) == -EACCES);
	CHECK(file == NULL);
	CHECK(holds(in_folder("old"), "old"));
	return 0;
}

static void new_file_in_an_unwritable_directory(void **state)
{
	(void)state;
	assert_int_equal(new_file_commit(begin(in_folder("old"), "old")), 0);
	assert_int_equal(chmod(folder, 0555), 0);
	run_child(unwritable_child);
	assert_int_equal(chmod(folder, 0755), 0);
}

static int fill(struct new_file *file, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 16)
		fputs("sixteen letters\n", new_file_stream(file));
	return new_file_commit(file);
}

static int full_disk_child(void)
{
	struct new_file *file;

	if (!unshare_as_root(CLONE_NEWNS))
		return CHILD_SKIP;
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, "size=64k") < 0) {
		fprintf(stderr, "cannot mount a tmpfs: %s\n", strerror(errno));
		return CHILD_SKIP;
	}
	CHECK(new_file_open(in_folder("result"), &file) == 0);
	fputs("old", new_file_stream(file));
	CHECK(new_file_commit(file) == 0);

	/* full in the middle of the writing, and only when the last buffer is flushed */
	for (size_t bytes = 512 << 10; bytes >= 61 << 10; bytes = bytes > 64 << 10 ? 61 << 10 : 0) {
		CHECK(new_file_open(in_folder("result"), &file) == 0);
		errno = 0;
		CHECK(fill(file, bytes) == -ENOSPC);
		CHECK(holds(in_folder("result"), "old"));
		CHECK(count_files(folder) == 1);
	}
	/* what was dropped gave its room back */
	CHECK(new_file_open(in_folder("result"), &file) == 0);
	CHECK(fill(file, 32 << 10) == 0);
	CHECK(count_files(folder) == 1);
	return 0;
}

static void new_file_on_a_full_disk(void **state)
{
	(void)state;
	run_child(full_disk_child);
}

/* Makes openat(2) with O_TMPFILE fail as it does on file systems that do not know it. */
static bool forbid_tmpfile(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
	       open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0;
}

static int no_tmpfile_child(void)
{
	struct new_file *file;
	char trap[128];

	if (!forbid_tmpfile()) {
		fprintf(stderr, "no seccomp filters here\n");
		return CHILD_SKIP;
	}
	CHECK(new_file_open(in_folder("result"), &file) == 0);
	CHECK(count_files(folder) == 1); /* hidden, beside its place */
	CHECK(access(in_folder("result"), F_OK) < 0);
	CHECK(fill(file, 16) == 0);
	CHECK(holds(in_folder("result"), "sixteen letters\n"));
	CHECK(count_files(folder) == 1);

	CHECK(new_file_open(in_folder("result"), &file) == 0);
	fputs("new", new_file_stream(file));
	new_file_discard(file);
	CHECK(holds(in_folder("result"), "sixteen letters\n"));
	CHECK(count_files(folder) == 1);

	/* a link that waits under the hidden name is not followed */
	snprintf(trap, sizeof(trap), "%s/.other.%d.tmp", folder, getpid());
	CHECK(symlink("result", trap) == 0);
	CHECK(new_file_open(in_folder("other"), &file) == 0);
	fputs("new", new_file_stream(file));
	CHECK(new_file_commit(file) == 0);
	CHECK(holds(in_folder("result"), "sixteen letters\n"));
	CHECK(holds(in_folder("other"), "new"));
	CHECK(count_files(folder) == 2);
	return 0;
}

static void new_file_without_tmpfile(void **state)
{
	(void)state;
	run_child(no_tmpfile_child);
}

/* ---- reading, writing, directories ---- */

static void reads_up_to_its_limit(void **state)
{
	char *text = NULL, *untouched = (char *)state;
	size_t length = 99;

	assert_int_equal(new_file_commit(begin(in_folder("ten"), "0123456789")), 0);
	assert_int_equal(file_read(in_folder("ten"), 10, &text, &length), 0);
	assert_int_equal(length, 10);
	assert_string_equal(text, "0123456789");
	free(text);
	text = untouched;
	length = 99;
	assert_int_equal(file_read(in_folder("ten"), 9, &text, &length), -EFBIG);
	assert_int_equal(file_read(in_folder("none"), 9, &text, &length), -ENOENT);
	assert_int_equal(file_read(folder, 9, &text, &length), -EISDIR);
	assert_int_equal(fd_read(-1, 9, &text, &length), -EBADF);
	assert_ptr_equal(text, untouched);
	assert_int_equal(length, 99);
	assert_int_equal(file_read("/dev/zero", 100000, &text, &length), -EFBIG);
	assert_int_equal(file_read("/dev/null", 0, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
}

static void reads_what_a_pipe_brings(void **state)
{
	size_t length, size = 50000;
	char *data = malloc(size), *text;
	int ends[2];

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)i;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_write_all(ends[1], data, size), 0);
	close(ends[1]);
	assert_int_equal(fd_read(ends[0], size, &text, &length), 0);
	assert_int_equal(length, size);
	assert_memory_equal(text, data, size);
	assert_int_equal(text[size], 0);
	close(ends[0]);
	free(text);
	free(data);
}

static void writes_all_or_says_why(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(fd_write_all(full, "x", 0), 0);
	assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
	close(full);
}

static void makes_directories(void **state)
{
	struct stat info;
	char path[PATH_MAX + 10];

	(void)state;
	assert_int_equal(directory_make(in_folder("a/b//c/"), 0755), 0);
	assert_int_equal(stat(in_folder("a/b/c"), &info), 0);
	assert_true(S_ISDIR(info.st_mode));
	assert_int_equal(directory_make(in_folder("a/b/c"), 0755), 0);
	assert_int_equal(directory_make("/", 0755), 0);
	assert_int_equal(directory_make("", 0755), -ENOENT);

	assert_int_equal(new_file_commit(begin(in_folder("plain"), "x")), 0);
	assert_int_equal(directory_make(in_folder("plain"), 0755), -ENOTDIR);
	assert_int_equal(directory_make(in_folder("plain/d"), 0755), -ENOTDIR);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(directory_make(path, 0755), -ENAMETOOLONG);
}

/* ---- network namespaces ---- */

static ino_t inode_of(int fd)
{
	struct stat info;

	return fstat(fd, &info) < 0 ? 0 : info.st_ino;
}

static ino_t inode_now(void)
{
	int fd = netns_open_current();
	ino_t inode = inode_of(fd);

	close(fd);
	return inode;
}

/* Loopback is down in a new namespace: "lo" is up only where this child has raised it. */
static bool loopback_is_up(int fd)
{
	struct ifreq request = {.ifr_name = "lo"};

	return ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

static bool raise_loopback(int fd)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static int netns_child(void)
{
	int first, second, home, fd;
	char text[4] = "";

	if (!unshare_as_root(CLONE_NEWNET))
		return CHILD_SKIP;
	first = netns_open_current();
	CHECK(first >= 0);
	CHECK(unshare(CLONE_NEWNET) == 0);
	second = netns_open_current();
	CHECK(second >= 0 && inode_of(first) != inode_of(second));
	CHECK(fcntl(first, F_GETFD) & FD_CLOEXEC);

	home = netns_enter(first);
	CHECK(home >= 0);
	CHECK(inode_of(home) == inode_of(second));
	CHECK(inode_now() == inode_of(first));
	netns_leave(home);
	CHECK(inode_now() == inode_of(second));
	CHECK(fcntl(home, F_GETFD) < 0); /* closed */

	/* a socket stays where it was made */
	fd = netns_socket(first, AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(inode_now() == inode_of(second));
	CHECK(raise_loopback(fd) && loopback_is_up(fd));
	close(fd);
	fd = netns_socket(second, AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0 && !loopback_is_up(fd));
	close(fd);
	CHECK(netns_socket(first, AF_INET, 999, 0) == -EINVAL);
	CHECK(inode_now() == inode_of(second));

	/* /proc/sys/net is the visited one's */
	fd = netns_open(first, "/proc/sys/net/ipv4/ip_forward", O_RDWR);
	CHECK(fd >= 0 && fd_write_all(fd, "1", 1) == 0);
	close(fd);
	fd = netns_open(first, "/proc/sys/net/ipv4/ip_forward", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, 1) == 1 && text[0] == '1');
	close(fd);
	fd = netns_open(second, "/proc/sys/net/ipv4/ip_forward", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, 1) == 1 && text[0] == '0');
	close(fd);
	CHECK(netns_open(first, "/proc/nothing", O_RDONLY) == -ENOENT);
	CHECK(inode_now() == inode_of(second));
	return 0;
}

static void netns_visits(void **state)
{
	(void)state;
	run_child(netns_child);
}

static void netns_refuses_other_descriptors(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(netns_enter(fd), -EINVAL);
	assert_int_equal(netns_enter(-1), -EBADF);
	assert_int_equal(netns_socket(-1, AF_INET, SOCK_STREAM, 0), -EBADF);
	assert_int_equal(netns_open(-1, "/dev/null", O_RDONLY), -EBADF);
	close(fd);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_describes),
		cmocka_unit_test(why_is_cut_to_its_size),
		cmocka_unit_test(errno_names),
		cmocka_unit_test(array_grows),
		cmocka_unit_test(array_refuses_the_impossible),
		cmocka_unit_test(handing_over),
		cmocka_unit_test(scopes_close_descriptors),
		cmocka_unit_test(clock_runs),
		cmocka_unit_test(clock_converts),
		cmocka_unit_test(wheel_slack_follows_the_levels),
		cmocka_unit_test(wheel_slack_never_shrinks),
		cmocka_unit_test(wheel_slack_of_time_wait),
		IN_FOLDER(new_file_appears_at_commit),
		IN_FOLDER(new_file_replaces_whole),
		IN_FOLDER(new_file_by_descriptor),
		IN_FOLDER(new_file_discarded_leaves_nothing),
		IN_FOLDER(new_file_in_the_working_directory),
		IN_FOLDER(new_file_where_it_cannot_be),
		IN_FOLDER(new_file_keeps_links_and_devices),
		IN_FOLDER(new_file_in_an_unwritable_directory),
		IN_FOLDER(new_file_on_a_full_disk),
		IN_FOLDER(new_file_without_tmpfile),
		IN_FOLDER(reads_up_to_its_limit),
		cmocka_unit_test(reads_what_a_pipe_brings),
		cmocka_unit_test(writes_all_or_says_why),
		IN_FOLDER(makes_directories),
		cmocka_unit_test(netns_visits),
		cmocka_unit_test(netns_refuses_other_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
