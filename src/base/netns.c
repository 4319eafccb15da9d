#include "base/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int netns_open_current(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int netns_enter(int netns_fd)
{
	int home = netns_open_current();
	int error;

	if (home < 0)
		return home;
	if (setns(netns_fd, CLONE_NEWNET) < 0) {
		error = -errno;
		close(home);
		return error;
	}
	return home;
}

void netns_leave(int home_fd)
{
	if (setns(home_fd, CLONE_NEWNET) < 0)
		abort();
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
