#include "base/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int netns_open_current(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool are_the_same(int netns_fd, int other_fd)
{
	struct stat a, b;

	return fstat(netns_fd, &a) == 0 && fstat(other_fd, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* setns(2) wants CAP_SYS_ADMIN even for the namespace that one is in (net/core/net_namespace.c,
 * netns_install(), 6.18): a user without it is there already. 0 or -errno. */
static int move_to(int netns_fd, int here_fd)
{
	int error;

	if (setns(netns_fd, CLONE_NEWNET) == 0)
		return 0;
	error = -errno;
	return error == -EPERM && are_the_same(netns_fd, here_fd) ? 0 : error;
}

int netns_enter(int netns_fd)
{
	int home = netns_open_current();
	int r;

	if (home < 0)
		return home;
	r = move_to(netns_fd, home);
	if (r < 0) {
		close(home);
		return r;
	}
	return home;
}

void netns_leave(int home_fd)
{
	if (setns(home_fd, CLONE_NEWNET) < 0) {
		int here = netns_open_current();

		if (here < 0 || !are_the_same(home_fd, here))
			abort();
		close(here);
	}
	close(home_fd);
}

int netns_socket(int netns_fd, int family, int type, int protocol)
{
	int home = netns_enter(netns_fd);
	int fd;

	if (home < 0)
		return home;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		fd = -errno;
	netns_leave(home);
	return fd;
}

int netns_open(int netns_fd, const char *path, int flags)
{
	int home = netns_enter(netns_fd);
	int fd;

	if (home < 0)
		return home;
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	netns_leave(home);
	return fd;
}
