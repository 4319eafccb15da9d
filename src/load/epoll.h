/*
 * The loop of the engine "epoll" (theory of operation: engine_epoll.c), in three parts: opening,
 * the course of a connection, the loop itself. Private to them.
 */
#ifndef CONTEST_LOAD_EPOLL_H
#define CONTEST_LOAD_EPOLL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "load/engine.h"
#include "load/engine_account.h"
#include "load/engine_pace.h"
#include "load/slots.h"

#define EPOLL_LOOP_BUFFER (64 * 1024) /* bytes of a loop's buffer */

/* struct slot.ready: what epoll told and no system call has taken back yet. */
enum {
	READY_READ = 1 << 0,
	READY_FIN = 1 << 1, /* the peer's lies behind what is to be read */
	READY_END = 1 << 2, /* an error or the end does, and no other event will tell it */
};

/*
 * Whether to go on with a new connection as if it were established, before epoll says so. Over the
 * loopback it is when connect() returns, EINPROGRESS or not: the SYN-ACK came while connect() held
 * the socket, and release_sock() takes it in (net/core/sock.c, __release_sock()). That one try in
 * time weighs as much as three in vain is an estimate.
 */
#define EPOLL_LOOP_EAGER 8 /* at most, and to begin with */

struct guess_connected {
	int eager;
	unsigned skipped;
};

struct epoll_loop {
	struct load_work *work;
	const struct load_plan *plan;
	const struct course_plan *course_plan;
	struct load_tally *tally;
	struct slots slots;
	struct pace pace;
	int fd;		   /* epoll's (owned) */
	int64_t now_ns;	   /* when the last system call that was timed had returned */
	int64_t pace_ns;   /* when pace is to be asked again */
	int64_t drain_ns;  /* when what is under way is cut; INT64_MAX: never */
	int64_t cpu_at_ns; /* when processor time was told last */
	bool stopped, forced;
	bool coarse; /* no epoll_pwait2(): milliseconds */
	struct guess_connected guess;
	char *buffer;
};

static inline int64_t epoll_loop_clock(struct epoll_loop *loop)
{
	loop->now_ns = clock_now_ns();
	return loop->now_ns;
}

/* ---- opening (epoll_open.c) */

/* Opens what may be opened now, but not too many before events get their turn. Sets pace_ns. */
void epoll_loop_open(struct epoll_loop *loop);
/* Events came for one that was not known to be established: true when it is now. If it has
 * failed, it is gone. */
bool epoll_loop_connected(struct epoll_loop *loop, uint32_t at, uint32_t events);
/* It is not established yet and will not be. */
void epoll_loop_unconnected(struct epoll_loop *loop, uint32_t at, unsigned failure);

/* ---- the course of a connection (epoll_turn.c) */

/* Takes it as far as it goes; it may be gone after. */
void epoll_loop_turn(struct epoll_loop *loop, uint32_t at);
/* One that is not known to be established waits for epoll to say so. */
void epoll_loop_await(struct epoll_loop *loop, uint32_t at);
/* The course was told something, at now_ns, and had had @before answers before. */
void epoll_loop_answers(struct epoll_loop *loop, struct slot *slot, uint32_t before);
/* Ends it now, by RST. */
void epoll_loop_cut(struct epoll_loop *loop, uint32_t at);

#endif
