/*
 * The links in /proc/PID/fd say "socket:[INODE]" (fs/proc/fd.c; net/socket.c, sockfs_dname(),
 * 6.18). To read one costs the kernel 2 or 3 µs, which is nearly all that this takes; so all else
 * is done without stdio, and a process is asked for its name only when it has a socket.
 *
 * A process is held by a descriptor of its folder, so that a pid that is given anew meanwhile does
 * not mix two of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "observe/owners_table.h"

#define ENTRIES_SIZE 32768

struct scan {
	struct owners *owners;
	unsigned hidden;
	char *entries; /* (owned) of the folder of descriptors that is being read */
};

/* The process that is being looked at. */
struct visit {
	pid_t pid;
	int folder; /* /proc/PID */
	int number; /* in the table; -1: not there, it has shown no socket yet */
};

/* Its process has ended, or its socket's descriptor was closed. */
static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

static bool is_refused(int error)
{
	return error == -EACCES || error == -EPERM;
}

/* A whole decimal number up to @end: what /proc names processes and descriptors by. */
static bool read_number(const char *text, char end, uint32_t *ret)
{
	uint64_t number = 0;

	if (*text == end)
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		number = number * 10 + (uint64_t)(*text - '0');
		if (number > UINT32_MAX)
			return false;
	}
	if (*text != end)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static int open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The file /proc/PID/@name, cut off at @room; its length or -errno. */
static ssize_t read_file(const struct visit *visit, const char *name, char *to, size_t room)
{
	CLEANUP_CLOSE int fd = openat(visit->folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, to, room);
	return n < 0 ? -errno : n;
}

/* Neither a kernel thread nor a zombie has memory, and so their /proc/PID/fd is root's. What may
 * not be seen there is nothing. */
static bool has_memory(const struct visit *visit)
{
	char pages[2] = "";

	return read_file(visit, "statm", pages, sizeof(pages)) > 0 && pages[0] != '0';
}

/* Takes the process into the table. */
static int add_process(struct scan *scan, struct visit *visit)
{
	struct owners_process process = {.pid = visit->pid};
	ssize_t length = read_file(visit, "comm", process.name, sizeof(process.name));
	struct stat status;

	if (length < 0)
		return (int)length;
	/* A name is at most 15 bytes, any but NUL: the line's end is the last one. */
	process.name[length > 0 ? length - 1 : 0] = '\0';
	/* Of this folder the owner is the effective user, even where the rest of /proc/PID is
	 * root's (fs/proc/base.c, task_dump_owner()). */
	if (fstat(visit->folder, &status) < 0)
		return -errno;
	process.uid = status.st_uid;
	visit->number = owners_add_process(scan->owners, &process);
	return visit->number < 0 ? visit->number : 0;
}

/* One link of a folder of descriptors. */
static int look_at_link(struct scan *scan, struct visit *visit, int fds, const char *name)
{
	static const char kind[] = "socket:[";
	char target[sizeof(kind) + 12];
	uint32_t fd, inode;
	ssize_t length;
	int r;

	if (!read_number(name, '\0', &fd))
		return 0; /* "." */
	length = readlinkat(fds, name, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	if (strncmp(target, kind, sizeof(kind) - 1) != 0 ||
	    !read_number(target + sizeof(kind) - 1, ']', &inode))
		return 0;
	if (visit->number < 0) {
		r = add_process(scan, visit);
		if (r < 0)
			return r;
	}
	return owners_add_socket(scan->owners, visit->number, (int)fd, inode);
}

/* Reads the links of the folder @at/@name. How many there were (at most INT_MAX), or -errno. */
static int look_at_links(struct scan *scan, struct visit *visit, int at, const char *name)
{
	CLEANUP_CLOSE int fds = open_folder(at, name);
	int links = 0;
	ssize_t n;

	if (fds < 0)
		return fds;
	while ((n = getdents64(fds, scan->entries, ENTRIES_SIZE)) > 0) {
		for (ssize_t offset = 0; offset < n;) {
			const struct dirent64 *entry = (const void *)(scan->entries + offset);
			int r = look_at_link(scan, visit, fds, entry->d_name);

			if (r < 0 && !is_gone(r))
				return r;
			links += entry->d_name[0] != '.';
			offset += entry->d_reclen;
		}
	}
	return n < 0 ? -errno : links;
}

/*
 * A process whose first thread has ended shows no descriptors, while the other threads still have
 * them: those of the first that shows any.
 */
static int look_at_threads(struct scan *scan, struct visit *visit)
{
	struct dirent *entry;
	struct stat status;
	int r = 0, fd;
	DIR *threads;

	/* "." and ".." and one for each (fs/proc/base.c, proc_task_getattr()). */
	if (fstatat(visit->folder, "task", &status, 0) < 0 || status.st_nlink <= 3)
		return 0;
	fd = open_folder(visit->folder, "task");
	if (fd < 0)
		return fd;
	threads = fdopendir(fd);
	if (!threads) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(threads))) {
		char name[32];
		uint32_t thread;

		if (!read_number(entry->d_name, '\0', &thread))
			continue;
		strcpy(stpcpy(name, entry->d_name), "/fd");
		r = look_at_links(scan, visit, dirfd(threads), name);
		if (is_gone(r))
			r = 0;
	}
	closedir(threads);
	return r < 0 ? r : 0;
}

static int look_at_process(struct scan *scan, int proc, const char *name, pid_t pid)
{
	CLEANUP_CLOSE int folder = open_folder(proc, name);
	struct visit visit = {.pid = pid, .folder = folder, .number = -1};
	int r;

	if (folder < 0)
		return is_gone(folder) ? 0 : folder;
	r = look_at_links(scan, &visit, folder, "fd");
	if (r == 0 || (is_refused(r) && !has_memory(&visit)))
		r = look_at_threads(scan, &visit);
	if (is_refused(r)) {
		scan->hidden++;
		r = 0;
	}
	return r < 0 && !is_gone(r) ? r : 0;
}

static int look_at_all(struct scan *scan, DIR *proc)
{
	struct dirent *entry;
	int r = 0;

	while (r == 0 && (errno = 0, entry = readdir(proc))) {
		uint32_t pid;

		if (read_number(entry->d_name, '\0', &pid))
			r = look_at_process(scan, dirfd(proc), entry->d_name, (pid_t)pid);
	}
	return r < 0 ? r : -errno;
}

int owners_read_proc(struct owners *owners, unsigned *ret_hidden, struct why *why)
{
	struct scan scan = {.owners = owners};
	DIR *proc = opendir("/proc");
	int r;

	if (!proc)
		return why_set(why, -errno, "cannot read /proc");
	scan.entries = malloc(ENTRIES_SIZE);
	r = scan.entries ? look_at_all(&scan, proc) : -ENOMEM;
	free(scan.entries);
	closedir(proc);
	if (r < 0)
		return why_set(why, r, "cannot look into the processes in /proc");
	*ret_hidden = scan.hidden;
	return 0;
}
