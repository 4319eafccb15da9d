#include "observe/namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/netns.h"

#define NAMES "/run/netns"

/* A process that has ended meanwhile. */
static bool is_gone(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

/* ---- one of them */

/* A descriptor of the network namespace at @path, or -errno; -EINVAL when something else is there.
 * Nothing that is not a namespace can make it wait. */
static int open_namespace(const char *path, uint64_t *ret_inode)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (ret_inode)
		*ret_inode = status.st_ino;
	return TAKE_FD(fd);
}

/* The same when it still is the one with that inode; else -ENOENT. */
static int open_known(const char *path, uint64_t inode)
{
	uint64_t found = 0;
	CLEANUP_CLOSE int fd = open_namespace(path, &found);

	if (fd < 0)
		return fd == -EINVAL || is_gone(fd) ? -ENOENT : fd;
	return found == inode ? TAKE_FD(fd) : -ENOENT;
}

/* A process may have ended, or moved away: then its name still leads there. */
int net_namespace_open(const struct net_namespace *namespace, struct why *why)
{
	char path[sizeof(NAMES) + NAME_MAX + 1];
	int r = -ENOENT;

	if (namespace->ours)
		r = open_known("/proc/thread-self/ns/net", namespace->inode);
	if (r < 0 && namespace->pid) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)namespace->pid);
		r = open_known(path, namespace->inode);
	}
	if (r < 0 && namespace->name) {
		snprintf(path, sizeof(path), NAMES "/%s", namespace->name);
		r = open_known(path, namespace->inode);
	}
	if (r == -ENOENT)
		return why_say(why, r, "the network namespace %" PRIu64 " has gone",
			       namespace->inode);
	if (r < 0)
		return why_set(why, r, "cannot open the network namespace %" PRIu64,
			       namespace->inode);
	return r;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int open_path(const char *path, struct why *why)
{
	int fd = open_namespace(path, NULL);

	if (fd == -EINVAL)
		return why_say(why, fd, "%s is no network namespace", path);
	if (fd < 0)
		return why_set(why, fd, "cannot open the network namespace %s", path);
	return fd;
}

static int open_process(const char *pid, struct why *why)
{
	char path[64];
	int fd;

	/* Longer ones are no pid, and would not fit. */
	snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	fd = open_namespace(path, NULL);
	if (is_gone(fd))
		return why_say(why, -ESRCH,
			       "there is no process %s, and no network namespace of that name",
			       pid);
	if (fd == -EACCES || fd == -EPERM)
		return why_say(why, fd,
			       "the network namespace of process %s may not be looked at: "
			       "it is another user's; root may",
			       pid);
	if (fd < 0)
		return why_set(why, fd, "cannot open the network namespace of process %s", pid);
	return fd;
}

void net_namespace_label(const struct net_namespace *namespace, char *to, size_t room)
{
	if (namespace->name)
		snprintf(to, room, "%s", namespace->name);
	else
		snprintf(to, room, "%s(%d)", namespace->process, (int)namespace->pid);
}

int net_namespace_find(const char *name_or_pid, struct why *why)
{
	char path[sizeof(NAMES) + NAME_MAX + 1];
	int fd;

	if (!name_or_pid) {
		fd = netns_open_current();
		return fd < 0 ? why_set(why, fd, "cannot open one's network namespace") : fd;
	}
	if (*name_or_pid == '\0' || strcmp(name_or_pid, ".") == 0 || strcmp(name_or_pid, "..") == 0)
		return why_say(why, -EINVAL, "\"%s\" names no network namespace", name_or_pid);
	if (strchr(name_or_pid, '/'))
		return open_path(name_or_pid, why);
	if (strlen(name_or_pid) > NAME_MAX)
		return why_say(why, -ENAMETOOLONG,
			       "a network namespace has a name of at most %d "
			       "bytes",
			       NAME_MAX);
	snprintf(path, sizeof(path), NAMES "/%s", name_or_pid);
	fd = open_namespace(path, NULL);
	if (fd == -ENOENT && is_number(name_or_pid))
		return open_process(name_or_pid, why);
	if (fd == -ENOENT)
		return why_say(why, fd,
			       "there is no network namespace %s: ip netns lists the names; a PID "
			       "says that of a process",
			       name_or_pid);
	if (fd == -EINVAL)
		return why_say(why, fd,
			       "%s is no network namespace (any more): ip netns delete %s removes "
			       "what is left",
			       path, name_or_pid);
	if (fd < 0)
		return why_set(why, fd, "cannot open the network namespace %s", path);
	return fd;
}

/* ---- all of them */

void net_namespaces_done(struct net_namespaces *namespaces)
{
	for (size_t i = 0; i < namespaces->count; i++)
		free(namespaces->at[i].name);
	free(namespaces->at);
	*namespaces = (struct net_namespaces){0};
}

/* The one with that inode, which is added when it is new; NULL: no memory. */
static struct net_namespace *find_or_add(struct net_namespaces *all, uint64_t inode)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].inode == inode)
			return &all->at[i];
	if (ARRAY_ROOM(all->at, all->capacity, all->count) < 0)
		return NULL;
	all->at[all->count] = (struct net_namespace){.inode = inode};
	return &all->at[all->count++];
}

static int add_ours(struct net_namespaces *all)
{
	struct net_namespace *ours;
	uint64_t inode = 0;
	int fd = open_namespace("/proc/thread-self/ns/net", &inode);

	if (fd < 0)
		return fd;
	close(fd);
	ours = find_or_add(all, inode);
	if (!ours)
		return -ENOMEM;
	ours->ours = true;
	return 0;
}

static int add_name(struct net_namespaces *all, const char *name)
{
	char path[sizeof(NAMES) + NAME_MAX + 1];
	struct net_namespace *namespace;
	uint64_t inode = 0;
	char *copy;
	int fd;

	snprintf(path, sizeof(path), NAMES "/%s", name);
	fd = open_namespace(path, &inode);
	if (fd < 0) {
		all->stale += !is_gone(fd);
		return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? fd : 0;
	}
	close(fd);
	namespace = find_or_add(all, inode);
	if (!namespace)
		return -ENOMEM;
	if (namespace->name && strcmp(namespace->name, name) <= 0)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	free(namespace->name);
	namespace->name = copy;
	return 0;
}

static int add_names(struct net_namespaces *all)
{
	DIR *names = opendir(NAMES);
	struct dirent *entry;
	int r = 0;

	/* ip-netns(8) makes it when it is used first. */
	if (!names)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	while (r == 0 && (entry = readdir(names)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = add_name(all, entry->d_name);
	closedir(names);
	return r;
}

/* The link says "net:[INODE]" (fs/nsfs.c, ns_get_name()): nothing is opened. */
static int add_process(struct net_namespaces *all, int proc, const char *name)
{
	struct net_namespace *namespace;
	char path[32], target[32] = "";
	pid_t pid = (pid_t)atoi(name);
	uint64_t inode = 0;
	ssize_t length;

	snprintf(path, sizeof(path), "%.16s/ns/net", name);
	length = readlinkat(proc, path, target, sizeof(target) - 1);
	/* Of others the link is empty in Linux 5.10.262, where it should be EACCES. */
	if (length <= 0) {
		all->hidden += length == 0 || errno == EACCES || errno == EPERM;
		return 0;
	}
	if (sscanf(target, "net:[%" SCNu64 "]", &inode) != 1)
		return 0;
	namespace = find_or_add(all, inode);
	if (!namespace)
		return -ENOMEM;
	if (namespace->processes++ == 0 || pid < namespace->pid)
	namespace->pid = pid;
	return 0;
}

static int add_processes(struct net_namespaces *all)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return -errno;
	while (r == 0 && (entry = readdir(proc)))
		if (is_number(entry->d_name))
			r = add_process(all, dirfd(proc), entry->d_name);
	closedir(proc);
	return r;
}

/* It stays empty where the process has ended meanwhile. */
static void read_process_name(struct net_namespace *namespace)
{
	CLEANUP_CLOSE int fd = -1;
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)namespace->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, namespace->process, sizeof(namespace->process));
	/* At most 15 bytes, any but NUL, and the line's end. */
	namespace->process[n > 0 ? n - 1 : 0] = '\0';
}

static int compare(const void *a, const void *b)
{
	const struct net_namespace *x = a, *y = b;

	if (x->ours != y->ours)
		return x->ours ? -1 : 1;
	if ((x->pid == 0) != (y->pid == 0))
		return x->pid ? -1 : 1;
	if (x->pid == 0 && x->name && y->name)
		return strcmp(x->name, y->name);
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int net_namespaces_read(struct net_namespaces *ret, struct why *why)
{
	struct net_namespaces all = {0};
	int r = add_ours(&all);

	if (r == 0)
		r = add_names(&all);
	if (r == 0)
		r = add_processes(&all);
	if (r < 0) {
		net_namespaces_done(&all);
		return why_set(why, r, "cannot look for network namespaces");
	}
	for (size_t i = 0; i < all.count; i++)
		if (all.at[i].pid)
			read_process_name(&all.at[i]);
	qsort(all.at, all.count, sizeof(*all.at), compare);
	*ret = all;
	return 0;
}
