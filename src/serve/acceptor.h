/*
 * The accepting end of the engines with a task per connection: it waits for connections, hands
 * each to a task of its own, pauses while there is no room for one more, and waits for all tasks
 * at the end.
 */
#ifndef CONTEST_SERVE_ACCEPTOR_H
#define CONTEST_SERVE_ACCEPTOR_H

#include "serve/engine.h"

struct acceptor {
	const struct serve_work *work; /* (borrowed) */
	struct tally *tally;	       /* counts what the accepting task sees (borrowed) */
	/* Readable when a task has ended, or when that is to be looked at. (borrowed) */
	int ended_fd;
	void *data; /* of the functions below */

	/* Starts a task for an admitted connection: 0, and @fd is no longer the acceptor's; or
	 * -errno, and the same connection is offered again later. */
	int (*start)(void *data, int fd);
	/* ended_fd is readable: reaps; it must not stay readable. */
	void (*reap)(void *data);
	/* Tasks that have not ended yet. */
	size_t (*live)(void *data);
	/* Accepting is about to pause (true) or to go on: a task that ends during a pause must make
	 * ended_fd readable. Also called before the wait for the last task. */
	void (*expect)(void *data, bool waiting);
};

/* Accepts until stop_fd or force_fd is readable, then waits until no task is left. 0 or -errno
 * with @why when a listener is broken; the tasks have ended then too. */
int acceptor_run(const struct acceptor *acceptor, struct why *why);

#endif
