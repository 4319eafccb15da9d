/*
 * The ring of one thread, with what a server needs besides: a scratch for what goes, and a table of
 * direct descriptors where the kernel does those well. What needs neither is asked of the ring in
 * it (ring/ring.h).
 *
 * Requests are queued after uring_room() has said that there is room, and go to the kernel with the
 * next uring_wait(): one system call for all.
 */
#ifndef CONTEST_SERVE_URING_H
#define CONTEST_SERVE_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "ring/ring.h"

#define URING_ROOM (16 * 1024) /* bytes that one send may have */

struct uring {
	struct ring ring;
	char *scratch; /* (owned) of the sends that are queued */
	size_t scratch_used;
	char peeked;	/* where looks go that are for nobody */
	unsigned files; /* size of the table of direct descriptors; 0: none */
};

/* As ring_init(). @direct: descriptors in a table of the ring are welcome; files tells whether they
 * are to be had. */
int uring_init(struct uring *uring, bool direct, struct why *why);
void uring_done(struct uring *uring);

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

/* Requests. @fd: of a connection; a direct descriptor when files is not 0. Listeners are plain. */
void uring_accept(struct uring *uring, int listener, bool many, uint64_t tag);
/* As ring_receive(). */
void uring_receive(struct uring *uring, int fd, int flags, uint64_t tag);
/* Waits until there is something to read: 1, 0 for the peer's FIN, or -errno. Reads nothing. */
void uring_peek(struct uring *uring, int fd, uint64_t tag);
/* Sends @length bytes of the scratch without waiting. @link: the request that is queued next is
 * only carried out when all of them were sent; otherwise its event has -ECANCELED. */
void uring_send(struct uring *uring, int fd, size_t length, bool link, uint64_t tag);
/* Waits until it is writable. */
void uring_poll(struct uring *uring, int fd, uint64_t tag);
void uring_shutdown(struct uring *uring, int fd, uint64_t tag);
/* No event with success. Not for sockets that linger: who submits would wait for the peer. */
void uring_close(struct uring *uring, int fd, uint64_t tag);
/* The same without room in the ring: at once. */
void uring_close_now(struct uring *uring, int fd);

#endif
