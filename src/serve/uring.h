/*
 * One io_uring of one thread, with what its requests need: provided buffers for what comes, a
 * scratch for what goes, and a table of direct descriptors where the kernel does those well. Needs
 * Linux 5.19 (multishot accept, rings of provided buffers).
 *
 * Requests are queued by uring_…() after uring_room() has said that there is room, and go to the
 * kernel with the next uring_wait(): one system call for all.
 */
#ifndef CONTEST_SERVE_URING_H
#define CONTEST_SERVE_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

#define URING_ROOM	  (16 * 1024) /* bytes that one send may have */
#define URING_COMPLETIONS 4096	      /* that may wait to be looked at */
#define URING_MEMORY	  (88 * 1024) /* of a ring, as far as it counts as locked */

struct uring {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers; /* (owned) NULL: not set up */
	char *bytes;			   /* (owned) what the buffers are of */
	char *scratch;			   /* (owned) of the sends that are queued */
	size_t scratch_used;
	char peeked;	/* where looks go that are for nobody */
	unsigned files; /* size of the table of direct descriptors; 0: none */
	bool made;
};

/* A completion: what was asked for, and what came of it. */
struct uring_event {
	uint64_t tag;
	int result; /* or -errno */
	bool more;  /* of a multishot request: it goes on */
	int buffer; /* the provided buffer that holds the bytes, to be given back; -1: none */
	const char *bytes; /* in that buffer */
};

/* Whether the system lets us have rings: 0, or -ENOTSUP / -EPERM / -errno with @why. That others
 * hold all the memory for rings just now is not said. */
int uring_probe(struct why *why);

/*
 * Makes a ring for the calling thread. @direct: descriptors in a table of the ring are welcome;
 * files tells whether they are to be had. 0 or -errno with @why; to be done in either case, which
 * may be repeated.
 *
 * Without CAP_IPC_LOCK, rings count against RLIMIT_MEMLOCK, and all rings of one user together do
 * (before Linux 5.12, and again since 6.14: io_uring/memmap.c, io_create_region()): URING_MEMORY
 * bytes each, which come back only some time after the end of a ring, or of its process
 * (io_ring_exit_work()). So -ENOMEM may be over in a moment.
 */
int uring_init(struct uring *uring, bool direct, struct why *why);
void uring_done(struct uring *uring);
/* Whether it is worth the while to try uring_init() again, after -errno. */
bool uring_may_come(int error);

/* Whether two more requests, one of them a send, have room; hands over what is queued, if need be.
 * False: the kernel takes no more now; go on with events first. */
bool uring_room(struct uring *uring);
/* Hands over what is queued, before the ring is no longer used. */
void uring_flush(struct uring *uring);
/* Where the bytes of the next send are to be put; URING_ROOM of them, and as many again behind. */
char *uring_scratch(struct uring *uring);

/* Hands over what is queued and waits for an event, at most until @until_ns (INT64_MAX: for
 * ever). 0, after a signal or the time too, or -errno. */
int uring_wait(struct uring *uring, int64_t until_ns);
/* The next event, if there is one. */
bool uring_next(struct uring *uring, struct uring_event *ret);
/* Gives its buffer back, when it has one. */
void uring_release(struct uring *uring, const struct uring_event *event);

/*
 * Requests. @fd: of a connection; a direct descriptor when files is not 0. Listeners and @fd of
 * uring_poll_plain() are always plain.
 */
void uring_accept(struct uring *uring, int listener, bool many, uint64_t tag);
/* @flags: of recv(2). The event has a buffer when bytes came. -ENOBUFS: all are in use. */
void uring_receive(struct uring *uring, int fd, int flags, uint64_t tag);
/* Waits until there is something to read: 1, 0 for the peer's FIN, or -errno. Reads nothing. */
void uring_peek(struct uring *uring, int fd, uint64_t tag);
/* Sends @length bytes of the scratch without waiting. @link: the request that is queued next is
 * only carried out when all of them were sent; otherwise its event has -ECANCELED. */
void uring_send(struct uring *uring, int fd, size_t length, bool link, uint64_t tag);
/* Waits until it is writable. */
void uring_poll(struct uring *uring, int fd, uint64_t tag);
/* Waits until it is readable. */
void uring_poll_plain(struct uring *uring, int fd, uint64_t tag);
void uring_shutdown(struct uring *uring, int fd, uint64_t tag);
/* Ends the request with @tag, which has an event then: -ECANCELED, or what it came to after all.
 * The cancellation's own event has @own. */
void uring_cancel(struct uring *uring, uint64_t tag, uint64_t own);
/* No event with success. Not for sockets that linger: who submits would wait for the peer. */
void uring_close(struct uring *uring, int fd, uint64_t tag);
/* The same without room in the ring: at once. */
void uring_close_now(struct uring *uring, int fd);

#endif
