#include "base/base_testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

char test_folder[64];

void run_child(int (*run)(void))
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

bool unshare_as_root(int flags)
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

int folder_make(void **state)
{
	(void)state;
	strcpy(test_folder, "/tmp/contest-base-XXXXXX");
	return mkdtemp(test_folder) ? 0 : -1;
}

int folder_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", test_folder);
	return system(command);
}

const char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", test_folder, name);
	return path;
}

size_t folder_count(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count - 2; /* "." and ".." */
}

struct new_file *file_begin(const char *path, const char *text)
{
	struct new_file *file = NULL;

	assert_int_equal(new_file_open(path, &file), 0);
	fputs(text, new_file_stream(file));
	return file;
}

bool file_holds(const char *path, const char *want)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;

	return file_read(path, 1 << 20, &text, &length) == 0 && length == strlen(want) &&
	       strcmp(text, want) == 0;
}
