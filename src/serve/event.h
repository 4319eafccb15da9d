/*
 * One event loop of the engines "epoll", "poll" and "select" (theory of operation:
 * engine_event.c), in three parts: accepting, the course of a connection, the loop itself. Private
 * to them.
 */
#ifndef CONTEST_SERVE_EVENT_H
#define CONTEST_SERVE_EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/engine.h"
#include "serve/readiness.h"
#include "serve/slab.h"

#define EVENT_BUFFER (64 * 1024) /* bytes of a loop's buffer */

/* Tags beyond those of slots. */
#define EVENT_TAG_STOP	    UINT32_MAX
#define EVENT_TAG_FORCE	    (UINT32_MAX - 1)
#define EVENT_TAG_LISTENERS SLAB_MAX /* the first one's */

/*
 * How many connections to take from a listener before asking again whether there are more. An
 * accept4() that finds none is dear: descriptor and file are made first and thrown away
 * (net/socket.c, do_accept()). So the number grows only while it keeps being enough, and a vain
 * try makes the next growth wait longer.
 */
struct guess_accept {
	unsigned number, patience, streak;
};

/* Whether to read from a new connection before it was told to be readable. One try in time saves
 * the registration and its event; that it weighs as much as three in vain is an estimate. */
struct guess_read {
	int eager;
	unsigned skipped;
};

/*
 * Whether to rest for a moment when nothing is ready, rather than be woken by the next event: to
 * sleep and to be woken costs more than the event, and after a rest there are several
 * (event_rest.c).
 */
struct guess_rest {
	int worth; /* above 0: it is */
	unsigned skipped;
	int coming;	/* rounds for which connections are taken to come, after one came */
	unsigned found; /* connections to do something for, since the rest */
	bool rested;
};

struct event_loop {
	_Alignas(64) const struct serve_work *work; /* no cache line belongs to two threads */
	const struct serve_plan *plan;
	const struct readiness_ops *ops;
	struct tally *tally;
	struct readiness *set;
	struct slab slab;
	int64_t now_ns;	   /* when the last wait ended */
	int64_t resume_ns; /* when accepting is tried again; INT64_MAX: no pause */
	size_t listening;  /* the first so many listeners are in the set */
	bool starved;	   /* the last accept found no room */
	bool stopped;	   /* stop_fd was seen */
	bool draining, forced;
	int error; /* why the loop cannot go on */
	struct guess_accept guess_accept;
	struct guess_read guess_read;
	struct guess_rest guess_rest;
	bool guessing; /* the next try to read was a guess */
	char *buffer;
	pthread_t thread;
};

/* ---- accepting (event_accept.c) */

void event_accept_init(struct event_loop *loop);
/* Accepts (again). What cannot be had now is tried again at loop->resume_ns: no listener is ever
 * lost. 0 or -errno. */
int event_accept_on(struct event_loop *loop);
/* Stops accepting in this loop. The listeners leave the set, so that connections that wait there
 * do not wake it. */
void event_accept_off(struct event_loop *loop);
/* The listener of this index is readable: takes what waits there. */
void event_accept(struct event_loop *loop, size_t which);

/* ---- waiting (event_rest.c) */

/* As readiness_ops.wait(), for at most @timeout_ms. */
int event_wait(struct event_loop *loop, int timeout_ms, struct readiness_event *events, int room);
/* There is something to do for a connection, one that has @come just now or another. */
void event_rest_found(struct event_loop *loop, bool come);

/* ---- the course of a connection (event_turn.c) */

void event_turn_init(struct event_loop *loop);
/* One that was just accepted and counted, its slot taken: begins, and goes as far as that goes. */
void event_begin(struct event_loop *loop, uint32_t at);
/* Takes it as far as it goes; @readable: reading is worth a try. It may be gone after. */
void event_turn(struct event_loop *loop, uint32_t at, bool readable);
/* Closes it now: in the plan's way, as far as that needs no peer. */
void event_cut(struct event_loop *loop, uint32_t at);

#endif
