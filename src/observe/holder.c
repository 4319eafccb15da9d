#include "observe/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "observe/sockdiag.h"
#include "tcp/state.h"

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* ---- processes */

/* Whether one of the descriptors below @proc/PID/fd is the socket. */
static bool has_socket(int proc, const char *pid, const char *wanted)
{
	CLEANUP(cleanup_closedir) DIR *fds = NULL;
	char path[32], target[64];
	struct dirent *entry;
	int fd;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	fds = fdopendir(fd);
	if (!fds) {
		close(fd);
		return false;
	}
	while ((entry = readdir(fds))) {
		ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strcmp(target, wanted) == 0)
			return true;
	}
	return false;
}

static void read_name(pid_t pid, char name[HOLDER_NAME_MAX])
{
	CLEANUP_FREE char *text = NULL;
	char path[32];
	size_t length;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (file_read(path, HOLDER_NAME_MAX - 1, &text, &length) < 0)
		text = NULL;
	snprintf(name, HOLDER_NAME_MAX, "%.*s", text ? (int)strcspn(text, "\n") : 1,
		 text ? text : "?");
}

int socket_owner_find(uint32_t inode, struct socket_owner *ret)
{
	CLEANUP(cleanup_closedir) DIR *proc = opendir("/proc");
	struct socket_owner owner = {0};
	struct dirent *entry;
	char wanted[32];

	if (!proc)
		return -errno;
	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	while ((entry = readdir(proc))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !has_socket(dirfd(proc), entry->d_name, wanted))
			continue;
		if (owner.processes++ == 0 || pid < owner.pid)
			owner.pid = pid;
	}
	if (owner.processes == 0)
		return -ENOENT;
	read_name(owner.pid, owner.name);
	*ret = owner;
	return 0;
}

/* ---- sockets */

static bool is_wildcard(const struct tcp_address *address)
{
	return address->family == AF_INET ? address->v4.s_addr == INADDR_ANY
					  : IN6_IS_ADDR_UNSPECIFIED(&address->v6);
}

/* Whether sockets bound to these can be in each other's way. That a wildcard of IPv6 may leave
 * IPv4 alone (IPV6_V6ONLY) is not looked at. */
static bool overlaps(const struct tcp_address *a, const struct tcp_address *b)
{
	if (tcp_address_equal(a, b))
		return true;
	if (a->family == b->family)
		return is_wildcard(a) || is_wildcard(b);
	return is_wildcard(a->family == AF_INET6 ? a : b);
}

struct search {
	const struct tcp_endpoint *at;
	struct port_holder found;
	uint32_t inode; /* of the listener */
};

static int visit(const struct socket_status *status, void *context)
{
	struct search *search = context;
	const struct tcp_endpoint *local = &status->key.local;

	if (local->port != search->at->port || !overlaps(&local->address, &search->at->address))
		return 0;
	if (status->state == TCP_TIME_WAIT) {
		search->found.time_wait++;
	} else if (status->state != TCP_LISTEN) {
		search->found.connections++;
	} else if (!search->found.listening) {
		search->found.listening = true;
		search->found.where = *local;
		search->found.uid = status->uid;
		search->inode = status->inode;
	}
	return 0;
}

int port_holder_find(int netns_fd, const struct tcp_endpoint *at, struct port_holder *ret,
		     struct why *why)
{
	struct search search = {.at = at};
	struct sockdiag *diag;
	int r = sockdiag_open(netns_fd, &diag, why);

	if (r < 0)
		return r;
	r = sockdiag_dump(diag, AF_UNSPEC, 0, visit, &search);
	sockdiag_close(diag);
	if (r < 0)
		return why_set(why, r, "cannot list the sockets");
	search.found.owned = search.found.listening &&
			     socket_owner_find(search.inode, &search.found.owner) == 0;
	*ret = search.found;
	return 0;
}
