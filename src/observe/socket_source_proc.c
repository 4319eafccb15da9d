/*
 * Sockets by /proc/net/tcp and tcp6, for kernels and containers that have nothing better. A read
 * gives a page at most, made when it is asked for, and the place in the table is kept from one to
 * the next (tcp_seek_last_pos(), 6.18): what comes or goes meanwhile is not told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/proc_tcp.h"
#include "observe/socket_sources.h"

#define BLOCK 65536

struct proc_file {
	const char *path;
	int family;
};

static const struct proc_file files[] = {
	{"/proc/thread-self/net/tcp", AF_INET},
	{"/proc/thread-self/net/tcp6", AF_INET6},
};

struct proc_source {
	int fds[ARRAY_SIZE(files)]; /* (owned) -1: this kernel has no IPv6 */
	unsigned ticks;		    /* USER_HZ */
	char block[BLOCK];
};

static int proc_probe(struct why *why)
{
	CLEANUP_CLOSE int fd = open(files[0].path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return why_set(why, -errno, "cannot open %s", files[0].path);
	return 0;
}

static void proc_close(void *source)
{
	struct proc_source *proc = source;

	if (!proc)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (proc->fds[i] >= 0)
			close(proc->fds[i]);
	free(proc);
}

/* They stay files of the namespace that they were opened in. */
static int open_files(struct proc_source *proc, int netns_fd, struct why *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = netns_open(netns_fd, files[i].path, O_RDONLY);

		if (fd == -ENOENT && files[i].family == AF_INET6)
			continue;
		if (fd < 0)
			return why_set(why, fd, "cannot open %s", files[i].path);
		proc->fds[i] = fd;
	}
	return 0;
}

static int proc_open(int netns_fd, void **ret, struct why *why)
{
	struct proc_source *proc = calloc(1, sizeof(*proc));
	int r;

	if (!proc)
		return why_set(why, -ENOMEM, "cannot list the TCP sockets");
	memset(proc->fds, -1, sizeof(proc->fds));
	proc->ticks = (unsigned)sysconf(_SC_CLK_TCK);
	r = open_files(proc, netns_fd, why);
	if (r < 0) {
		proc_close(proc);
		return r;
	}
	*ret = proc;
	return 0;
}

static ssize_t read_block(int fd, char *to, size_t room)
{
	ssize_t n;

	do {
		n = read(fd, to, room);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int show_line(const struct proc_source *proc, const struct proc_file *file, const char *line,
		     const char *end, struct socket_visitor *visitor)
{
	struct socket_status status;
	int r = proc_tcp_parse(line, end, file->family, proc->ticks, &status);

	return r < 0 ? r : socket_visitor_show(visitor, &status);
}

/* The whole lines in the block's @length bytes. Moves the rest to its beginning, and its length
 * to *ret_rest. */
static int show_lines(struct proc_source *proc, const struct proc_file *file, size_t length,
		      bool *header, struct socket_visitor *visitor, size_t *ret_rest)
{
	const char *at = proc->block, *end;
	int r = 0;

	while (r == 0 && (end = memchr(at, '\n', length))) {
		if (!*header)
			r = show_line(proc, file, at, end, visitor);
		*header = false;
		length -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	memmove(proc->block, at, length);
	*ret_rest = length;
	return r;
}

static int walk_file(struct proc_source *proc, size_t i, struct socket_visitor *visitor)
{
	size_t length = 0;
	bool header = true;
	ssize_t n;
	int r = 0;

	if (lseek(proc->fds[i], 0, SEEK_SET) < 0)
		return -errno;
	while (r == 0) {
		/* A line that is longer than a block is none of that file's. */
		if (length == BLOCK)
			return -EBADMSG;
		n = read_block(proc->fds[i], proc->block + length, BLOCK - length);
		if (n <= 0)
			return (int)n;
		r = show_lines(proc, &files[i], length + (size_t)n, &header, visitor, &length);
	}
	return r;
}

static int proc_walk(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		     void (*again)(void *context), void *context, struct socket_walk *ret,
		     struct why *why)
{
	struct socket_visitor visitor = {filter, visit, again, context};
	struct proc_source *proc = source;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = proc->fds[i] < 0 ? 0 : walk_file(proc, i, &visitor);

		if (visitor.stopped)
			return visitor.stopped;
		if (r < 0)
			return why_set(why, r, "cannot read %s", files[i].path);
	}
	*ret = (struct socket_walk){.seen = visitor.seen, .without_backlog = true};
	return 0;
}

const struct socket_source socket_source_proc = {
	.name = "proc",
	.summary = "/proc/net/tcp and tcp6: for kernels without sock_diag",
	.probe = proc_probe,
	.open = proc_open,
	.walk = proc_walk,
	.close = proc_close,
};
