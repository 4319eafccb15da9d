/*
 * One loop of the engine "uring" (theory of operation: engine_uring.c), in four parts: accepting,
 * the course of a connection, closes that wait for the peer, the loop itself. Private to them.
 */
#ifndef CONTEST_SERVE_URING_LOOP_H
#define CONTEST_SERVE_URING_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/engine.h"
#include "serve/slab.h"
#include "serve/talk.h"
#include "serve/uring.h"

/* What a tag is about: in its upper half; a slot or a listener in the lower one. */
enum request {
	REQUEST_NONE, /* its event says nothing */
	REQUEST_ACCEPT,
	REQUEST_LISTENER, /* poll of a listener */
	REQUEST_STOP,
	REQUEST_FORCE,
	REQUEST_RECEIVE, /* from here on: of connections */
	REQUEST_SEND,
	REQUEST_LOOK,
	REQUEST_WRITABLE,
	REQUEST_PEEK,
	REQUEST_SHUT,
};

/* slot.watched: requests under way, and two notes. */
#define UNDER_WAY(request) (1u << ((request)-REQUEST_RECEIVE))
#define UNDER_WAY_ANY	   (UNDER_WAY(REQUEST_SHUT + 1) - 1)
#define NOTE_BLOCKED	   64u	/* the socket took not all: wait until it is writable */
#define NOTE_CANCELLED	   128u /* what is under way was told to end */

struct uring_lingering;

struct uring_loop {
	const struct serve_work *work;
	const struct serve_plan *plan;
	struct tally *tally;
	struct uring uring;
	struct slab slab;
	int64_t now_ns;
	int64_t resume_ns; /* when accepting is tried again; INT64_MAX: nothing to try */
	bool *accepting;   /* by listener: a request is under way (owned) */
	size_t accepts;	   /* how many are */
	bool starved;	   /* the last accept found no room */
	bool draining, forced;
	bool sweeping; /* connections are still to be told so */
	int error;     /* why the loop cannot go on */
	bool served;   /* it had a ring, or was stopped before */
	size_t lingering;
	struct {
		pthread_mutex_t mutex; /* guards what follows */
		pthread_cond_t ended;
		struct uring_lingering *finished; /* (owned) to be joined */
	} linger;
	pthread_t thread;
};

static inline uint64_t uring_tag(enum request request, size_t which)
{
	return (uint64_t)request << 32 | (uint32_t)which;
}

/* ---- accepting (uring_accept.c) */

/* Accepts (again) from all listeners. What cannot be had now is tried again at loop->resume_ns. */
void uring_accept_on(struct uring_loop *loop);
/* Tells the accepts under way to end. False: no room in the ring, to be called again. */
bool uring_accept_off(struct uring_loop *loop);
/* The event of an accept, or of the poll, of the listener of this index. */
void uring_accepted(struct uring_loop *loop, size_t which, const struct ring_event *event);
void uring_listener_ready(struct uring_loop *loop, size_t which);
/* There is no room for a connection, or for the ring itself: counts it, and pauses. */
void uring_accept_pause(struct uring_loop *loop, int error);

/* ---- the course of a connection (uring_talk.c) */

/* One that was just accepted and counted, its slot taken: begins, and queues its first request. */
void uring_begin(struct uring_loop *loop, uint32_t at);
/* Queues the request that the talk asks for, or puts it to the list in which it waits. Nothing of
 * it is under way. It may be gone after. */
void uring_turn(struct uring_loop *loop, uint32_t at);
/* The event of one of its requests. */
void uring_completed(struct uring_loop *loop, uint32_t at, enum request request,
		     const struct ring_event *event);
/* Tells what is under way for it to end; the event leads to the next turn. False: no room. */
bool uring_interrupt(struct uring_loop *loop, uint32_t at);
/* Closes a descriptor plainly. */
void uring_hang_up(struct uring_loop *loop, int fd);

/* ---- closes that wait for the peer (uring_linger.c) */

void uring_linger_init(struct uring_loop *loop);
/* engine_close() without blocking the loop. */
void uring_linger(struct uring_loop *loop, int fd, const struct talk_step *step);
/* Waits until all have ended. */
void uring_linger_wait(struct uring_loop *loop);
void uring_linger_done(struct uring_loop *loop);

/* ---- the loop (engine_uring.c) */

/* No more connections; those who can be spared are told soon. */
void uring_drain(struct uring_loop *loop);
/* Starts a thread that no signal is given to: they belong to who called run(). 0 or an errno. */
int uring_thread(pthread_t *ret, const pthread_attr_t *attributes, void *(*function)(void *),
		 void *data);

#endif
