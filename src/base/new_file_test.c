/* Files that appear whole, or not at all. What needs mounts, other users or a filter runs in a
 * child. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_testing.h"
#include "base/cleanup.h"
#include "base/file.h"

static void new_file_appears_at_commit(void **state)
{
	struct new_file *file = file_begin(in_folder("result"), "new");
	struct stat info;
	mode_t mask = umask(027);

	(void)state;
	assert_int_equal(access(in_folder("result"), F_OK), -1);
	assert_ptr_equal(new_file_stream(file), new_file_stream(file));
	assert_int_equal(new_file_commit(file), 0);
	assert_true(file_holds(in_folder("result"), "new"));
	assert_int_equal(folder_count(test_folder), 1);

	assert_int_equal(new_file_commit(file_begin(in_folder("masked"), "")), 0);
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
	assert_int_equal(new_file_commit(file_begin(in_folder("result"), "old")), 0);
	fd = open(in_folder("result"), O_RDONLY | O_CLOEXEC);
	file = file_begin(in_folder("result"), "the newer");
	fflush(new_file_stream(file));
	assert_true(file_holds(in_folder("result"), "old"));
	assert_int_equal(new_file_commit(file), 0);
	assert_true(file_holds(in_folder("result"), "the newer"));
	/* who has the old one open keeps it: it was replaced, not written over */
	assert_int_equal(read(fd, old, sizeof(old)), 3);
	assert_string_equal(old, "old");
	assert_int_equal(folder_count(test_folder), 1);
	close(fd);
}

static void new_file_by_descriptor(void **state)
{
	struct new_file *file;

	(void)state;
	assert_int_equal(new_file_open(in_folder("raw"), &file), 0);
	assert_int_equal(fd_write_all(new_file_fd(file), "bytes", 5), 0);
	assert_int_equal(new_file_commit(file), 0);
	assert_true(file_holds(in_folder("raw"), "bytes"));
}

static void new_file_discarded_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(new_file_commit(file_begin(in_folder("result"), "old")), 0);
	new_file_discard(file_begin(in_folder("result"), "new"));
	new_file_discard(file_begin(in_folder("other"), "new"));
	new_file_discard(NULL);
	assert_true(file_holds(in_folder("result"), "old"));
	assert_int_equal(folder_count(test_folder), 1);
}

static void new_file_in_the_working_directory(void **state)
{
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(chdir(test_folder), 0);
	assert_int_equal(new_file_commit(file_begin("plain", "x")), 0);
	assert_int_equal(fchdir(home), 0);
	assert_true(file_holds(in_folder("plain"), "x"));
	close(home);
}

static void new_file_where_it_cannot_be(void **state)
{
	struct new_file *file = NULL;

	(void)state;
	assert_int_equal(new_file_open(in_folder("missing/result"), &file), -ENOENT);
	assert_null(file);
	assert_int_equal(new_file_commit(file_begin(in_folder("plain"), "x")), 0);
	assert_int_equal(new_file_open(in_folder("plain/result"), &file), -ENOTDIR);
	/* a directory in its place */
	assert_int_equal(mkdir(in_folder("dir"), 0755), 0);
	assert_int_equal(new_file_commit(file_begin(in_folder("dir"), "x")), -EISDIR);
	assert_int_equal(folder_count(test_folder), 2);
	assert_int_equal(folder_count(in_folder("dir")), 0);
}

static void new_file_keeps_links_and_devices(void **state)
{
	char target[PATH_MAX], text[8] = "";
	struct stat info;
	int fd;

	(void)state;
	snprintf(target, sizeof(target), "%s", in_folder("target"));
	assert_int_equal(new_file_commit(file_begin(target, "old")), 0);
	assert_int_equal(symlink("target", in_folder("link")), 0);
	assert_int_equal(new_file_commit(file_begin(in_folder("link"), "new")), 0);
	assert_int_equal(lstat(in_folder("link"), &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_true(file_holds(target, "new"));

	assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
	fd = open(in_folder("fifo"), O_RDWR | O_CLOEXEC);
	assert_int_equal(new_file_commit(file_begin(in_folder("fifo"), "piped")), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "piped");
	close(fd);
	assert_int_equal(stat(in_folder("fifo"), &info), 0);
	assert_true(S_ISFIFO(info.st_mode));
	assert_int_equal(folder_count(test_folder), 3);

	/* /dev/full: a full disk, also when the stream met it long before the commit */
	assert_int_equal(new_file_commit(file_begin("/dev/full", "x")), -ENOSPC);
	struct new_file *file = file_begin("/dev/full", "x");

	fflush(new_file_stream(file));
	errno = 0;
	assert_int_equal(new_file_commit(file), -ENOSPC);
	new_file_discard(file_begin("/dev/full", "x"));
	assert_int_equal(stat("/dev/full", &info), 0);
	assert_true(S_ISCHR(info.st_mode));
}

/* Root may write anywhere, so the child gives that up where it has it. */
static int unwritable_child(void)
{
	struct new_file *file = NULL;

	if (getuid() == 0 &&
	    (chown(test_folder, 0, 0) < 0 || setgid(65534) < 0 || setuid(65534) < 0)) {
		fprintf(stderr, "cannot stop being root\n");
		return CHILD_SKIP;
	}
	CHECK(new_file_open(in_folder("result"), &file) == -EACCES);
	CHECK(file == NULL);
	CHECK(file_holds(in_folder("old"), "old"));
	return 0;
}

static void new_file_in_an_unwritable_directory(void **state)
{
	(void)state;
	assert_int_equal(new_file_commit(file_begin(in_folder("old"), "old")), 0);
	assert_int_equal(chmod(test_folder, 0555), 0);
	run_child(unwritable_child);
	assert_int_equal(chmod(test_folder, 0755), 0);
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
	    mount("tmpfs", test_folder, "tmpfs", 0, "size=64k") < 0) {
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
		CHECK(file_holds(in_folder("result"), "old"));
		CHECK(folder_count(test_folder) == 1);
	}
	/* what was dropped gave its room back */
	CHECK(new_file_open(in_folder("result"), &file) == 0);
	CHECK(fill(file, 32 << 10) == 0);
	CHECK(folder_count(test_folder) == 1);
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
	       open(test_folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0;
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
	CHECK(folder_count(test_folder) == 1); /* hidden, beside its place */
	CHECK(access(in_folder("result"), F_OK) < 0);
	CHECK(fill(file, 16) == 0);
	CHECK(file_holds(in_folder("result"), "sixteen letters\n"));
	CHECK(folder_count(test_folder) == 1);

	CHECK(new_file_open(in_folder("result"), &file) == 0);
	fputs("new", new_file_stream(file));
	new_file_discard(file);
	CHECK(file_holds(in_folder("result"), "sixteen letters\n"));
	CHECK(folder_count(test_folder) == 1);

	/* a link that waits under the hidden name is not followed */
	snprintf(trap, sizeof(trap), "%s/.other.%d.tmp", test_folder, getpid());
	CHECK(symlink("result", trap) == 0);
	CHECK(new_file_open(in_folder("other"), &file) == 0);
	fputs("new", new_file_stream(file));
	CHECK(new_file_commit(file) == 0);
	CHECK(file_holds(in_folder("result"), "sixteen letters\n"));
	CHECK(file_holds(in_folder("other"), "new"));
	CHECK(folder_count(test_folder) == 2);
	return 0;
}

static void new_file_without_tmpfile(void **state)
{
	(void)state;
	run_child(no_tmpfile_child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
