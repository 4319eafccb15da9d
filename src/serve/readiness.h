/*
 * Readiness calls behind the event engine: which of many descriptors can be read or written now.
 * One const struct readiness_ops each, one file each. A set belongs to one thread.
 *
 * All are level-triggered: what is ready and stays unhandled is told again.
 */
#ifndef CONTEST_SERVE_READINESS_H
#define CONTEST_SERVE_READINESS_H

#include <stddef.h>
#include <stdint.h>

#define READY_READ   1u
#define READY_WRITE  2u
#define READY_SHARED 4u /* with READY_READ: other threads wait for the same; wake one of us */

struct readiness_event {
	uint32_t tag;
	uint32_t ready; /* READY_READ | READY_WRITE; an error or hang-up is both */
};

struct readiness; /* each call's own */

struct readiness_ops {
	/* A new set, or NULL with errno. */
	struct readiness *(*make)(void);
	void (*drop)(struct readiness *set);

	/*
	 * Changes what @fd is watched for, from @was to @wants (0: not in the set); @tag is told
	 * with its events and stays the same while it is in the set. 0 or -errno; -ENOBUFS: this
	 * call cannot hold such a descriptor. Nothing has changed then. Removing does not fail.
	 */
	int (*watch)(struct readiness *set, int fd, uint32_t tag, unsigned was, unsigned wants);

	/* @fd, watched for @was, is about to be closed: forget it. NULL: close() is enough. */
	void (*closing)(struct readiness *set, int fd, uint32_t tag, unsigned was);

	/*
	 * Waits at most @timeout_ms (-1: for ever), puts up to @room events (at least 1) to @ret.
	 * Their number, 0 after the time or a signal, or -errno. What does not fit is told by the
	 * next call, and no descriptor is passed over for ever.
	 */
	int (*wait)(struct readiness *set, int timeout_ms, struct readiness_event *ret, int room);
};

extern const struct readiness_ops readiness_epoll, readiness_poll, readiness_select;

#endif
