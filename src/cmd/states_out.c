/*
 * A write to a pipe that is full lasts until somebody reads, and signals that are taken by signalfd
 * do not end it. poll(2) says of a pipe that it can be written to when it has room for PIPE_BUF
 * bytes (fs/pipe.c, pipe_poll(), 6.18: a free slot, which is a page): so many do not block.
 */
#include "cmd/states_out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

int states_out_failed(int error, struct why *why)
{
	__fpurge(stdout);
	clearerr(stdout);
	return why_say(why, -error, "cannot write to standard output: %s", strerror(error));
}

/* 0: there is room, or an error to be met; 1: there is none, and a signal came. */
static int wait_for_room(const struct signal_watch *signals)
{
	struct pollfd fds[] = {
		{.fd = STDOUT_FILENO, .events = POLLOUT},
		{.fd = signals->fd, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return 0;
		if (fds[0].revents)
			return 0;
		if (fds[1].revents)
			return 1;
	}
}

int states_out_write(const struct signal_watch *signals, const char *text, size_t length,
		     struct why *why)
{
	while (length > 0) {
		size_t piece = length < PIPE_BUF ? length : PIPE_BUF;
		ssize_t n;

		if (wait_for_room(signals))
			return 1;
		n = write(STDOUT_FILENO, text, piece);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return states_out_failed(errno, why);
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
	return 0;
}
