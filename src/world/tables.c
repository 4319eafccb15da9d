#include "world/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static const struct {
	const char *name, *path;
} derived[] = {
	{"net.ipv4.tcp_max_tw_buckets", "/proc/sys/net/ipv4/tcp_max_tw_buckets"},
	{"net.ipv4.tcp_max_syn_backlog", "/proc/sys/net/ipv4/tcp_max_syn_backlog"},
};

int tables_make(unsigned entries)
{
	CLEANUP_CLOSE int fd = open("/proc/sys/net/ipv4/tcp_child_ehash_entries",
				    O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return dprintf(fd, "%u", entries) < 0 ? -errno : 0;
}

/* The value in this namespace, without its newline. */
static int read_here(const char *path, char *ret, size_t room)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret, room - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

int tables_restore_limits(const struct host *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(derived); i++) {
		char value[32];
		int r = read_here(derived[i].path, value, sizeof(value));

		if (r == 0)
			r = host_sysctl(host, derived[i].name, value);
		/* A kernel that has no such setting per namespace derives none either. */
		if (r < 0 && r != -ENOENT && r != -EACCES && r != -EPERM)
			return r;
	}
	return 0;
}
