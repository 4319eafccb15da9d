/*
 * One io_uring of one thread, with the buffers that its receives take when bytes come. Needs
 * Linux 5.19 (rings of provided buffers, multishot accept).
 *
 * Requests are queued after ring_room() has said that there is room, and go to the kernel with the
 * next ring_enter() or ring_wait(): one system call for all. What they point to must stay until
 * their event has come. What only one engine asks for, it makes from ring_request().
 */
#ifndef CONTEST_RING_RING_H
#define CONTEST_RING_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

#define RING_EVENTS 4096 /* that may wait to be looked at; beyond, the kernel keeps them */

struct ring {
	struct io_uring io;
	struct io_uring_buf_ring *buffers; /* (owned) NULL: not set up */
	char *bytes;			   /* (owned) what the buffers are of */
	unsigned buffer_count;
	unsigned buffer_size; /* bytes */
	bool made;
};

/* A completion: what was asked for, and what came of it. */
struct ring_event {
	uint64_t tag;
	int result;	   /* or -errno */
	bool more;	   /* of a multishot request: it goes on */
	bool rest;	   /* of a receive: more is there, or the peer's FIN */
	int buffer;	   /* the one that holds the bytes, to be given back; -1: none */
	const char *bytes; /* in that buffer */
};

/* ---- making one */

/* Whether the system lets us have rings: 0, or -ENOTSUP / -EPERM / -errno with @why. That others
 * hold all the memory for rings just now is not said. */
int ring_probe(struct why *why);

/*
 * Makes a ring for the calling thread; @buffer_count: a power of 2. 0 or -errno with @why; to be
 * done in either case, which may be repeated.
 *
 * Without CAP_IPC_LOCK, rings count against RLIMIT_MEMLOCK, and all rings of one user together do
 * (before Linux 5.12, and again since 6.14: io_uring/memmap.c, io_create_region()): RING_MEMORY
 * bytes each, which come back only some time after the end of a ring, or of its process
 * (io_ring_exit_work()). So -ENOMEM may be over in a moment.
 */
int ring_init(struct ring *ring, unsigned buffer_count, unsigned buffer_size, struct why *why);
void ring_done(struct ring *ring);
/* Says why there is no ring, after @error (-errno) of its making. Returns what ring_init() does. */
int ring_refused(int error, struct why *why);

/* Whether it is worth the while to try ring_init() again, after @error (-errno), when it was tried
 * first at @since_ns. */
bool ring_may_come(int error, int64_t since_ns);
/* A pause before that. Whether one of the two has become readable. */
bool ring_pause(int stop_fd, int force_fd);

/* ---- room, waiting, events */

/* How many requests are queued. */
unsigned ring_queued(const struct ring *ring);
/* Hands over what is queued. False: the kernel does not take all of it now. */
bool ring_flush(struct ring *ring);
/* Whether two requests more have room; hands over what is queued, if need be. False: the kernel
 * takes no more now; go on with events first. */
bool ring_room(struct ring *ring);

/*
 * Hands over what is queued, has the kernel go on with requests whose wait is over, and does not
 * wait itself. 0 or -errno.
 */
int ring_enter(struct ring *ring);
/* The same, and waits for an event, at most so long (INT64_MAX: for ever). 0, after a signal or
 * the time too, or -errno. */
int ring_wait(struct ring *ring, int64_t most_ns);
/* How many events are there; the next one, if there is one. Requests may have their events when
 * ring_room() hands them over: who goes on as long as there are events may never come to an end. */
unsigned ring_events(const struct ring *ring);
bool ring_next(struct ring *ring, struct ring_event *ret);
/* Gives its buffer back, when it has one. */
void ring_release(struct ring *ring, const struct ring_event *event);

/* ---- requests, for more to be set in them */

/* With nothing but this. */
struct io_uring_sqe *ring_request(struct ring *ring, int op, int fd, uint64_t tag);
/* @flags: of send(2). */
struct io_uring_sqe *ring_send(struct ring *ring, int fd, const char *bytes, size_t length,
			       int flags, uint64_t tag);
/* @flags: of recv(2). The event has a buffer when bytes came. -ENOBUFS: all are in use. */
struct io_uring_sqe *ring_receive(struct ring *ring, int fd, int flags, uint64_t tag);
/* Waits for @events of poll(2). */
struct io_uring_sqe *ring_poll(struct ring *ring, int fd, unsigned events, uint64_t tag);
/*
 * Ends the request with @tag, which has its event then: -ECANCELED, or what it came to after all.
 * One that the kernel is just about to go on with may be missed, and wait on. The cancellation's
 * own event has @own.
 */
void ring_cancel(struct ring *ring, uint64_t tag, uint64_t own);

#endif
