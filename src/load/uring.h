/*
 * The loop of the engine "uring" (theory of operation: engine_uring.c), in three parts: opening,
 * the course of a connection, the loop itself. Private to them.
 */
#ifndef CONTEST_LOAD_URING_H
#define CONTEST_LOAD_URING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "load/engine.h"
#include "load/engine_account.h"
#include "load/engine_pace.h"
#include "load/slots.h"
#include "ring/ring.h"

#define URING_BUFFER (16 * 1024) /* bytes: a receive tells no more at once */

/* What a tag is about: in its upper half; a slot in the lower one. Of REQUEST_CANCEL the topmost
 * 16 bits tell what is cancelled. */
enum request {
	REQUEST_STOP,
	REQUEST_FORCE,
	REQUEST_CONNECT, /* from here on: of connections */
	REQUEST_WRITABLE,
	REQUEST_SEND,
	REQUEST_RECEIVE,
	REQUEST_CANCEL, /* of one of those */
};

/* slot.watched: requests under way. It keeps its slot until they all have had their events, so that
 * a slot in a tag never means a successor. */
#define UNDER_WAY(request) (1u << ((request)-REQUEST_CONNECT))

/* slot.ready */
enum {
	READY_MORE = 1 << 0,	/* unread bytes, or the peer's FIN */
	READY_LOOKED = 1 << 1,	/* … have been looked for; once for each request is enough */
	READY_BLOCKED = 1 << 2, /* no room to send: wait for it */
	READY_FIN = 1 << 3,	/* the peer's was read: nothing comes any more */
};

/* As connect() takes it. */
struct uring_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t length;
};

struct uring_loop {
	struct load_work *work;
	const struct load_plan *plan;
	const struct course_plan *course_plan;
	struct load_tally *tally;
	struct slots slots;
	struct pace pace;
	struct ring ring;
	struct uring_address *destinations; /* (owned) as those of the plan */
	int64_t entered_ns;		    /* when requests were handed over last */
	int64_t now_ns;			    /* when that had returned */
	int64_t pace_ns;		    /* when pace is to be asked again */
	int64_t drain_ns;		    /* when what is under way is cut; INT64_MAX: never */
	int64_t cpu_at_ns;		    /* when processor time was told last */
	bool stopped, forced;
	bool ending; /* nothing new is begun */
	int error;   /* why the loop cannot go on */
	struct {
		uint32_t at; /* who connects just now; SLOTS_NONE: nobody */
		int result;  /* -EINPROGRESS: it waits */
	} opening;
};

static inline uint64_t uring_tag(enum request request, uint32_t at)
{
	return (uint64_t)request << 32 | at;
}
static inline enum request uring_tag_request(uint64_t tag)
{
	return (enum request)(tag >> 32 & 0xffff);
}
static inline enum request uring_tag_cancelled(uint64_t tag)
{
	return (enum request)(tag >> 48);
}

static inline int64_t uring_loop_clock(struct uring_loop *loop)
{
	loop->now_ns = clock_now_ns();
	return loop->now_ns;
}

/* ---- the loop (engine_uring.c) */

/* Hands over what is queued, without waiting; what has happened is handled by
 * uring_loop_events(). */
void uring_loop_enter(struct uring_loop *loop);
void uring_loop_events(struct uring_loop *loop);

/* ---- opening (uring_open.c) */

/* Opens what may be opened now, but not too many before events get their turn. Sets pace_ns. */
void uring_loop_open(struct uring_loop *loop);
/* What came of connect(), known at @now_ns: 0, or -errno. The next turn goes on from there. */
void uring_loop_connected(struct uring_loop *loop, uint32_t at, int result, int64_t now_ns);
/* TCP Fast Open: its SYN was answered, with what went out with it or without, or never will be. */
void uring_loop_writable(struct uring_loop *loop, uint32_t at);

/* ---- the course of a connection (uring_turn.c) */

/* Queues what is to be done next; it may be gone after. */
void uring_loop_turn(struct uring_loop *loop, uint32_t at);
/* The event of one of its requests. */
void uring_loop_completed(struct uring_loop *loop, uint32_t at, enum request request,
			  const struct ring_event *event);
/* The course was told something, at @now_ns, and had had @before answers before. */
void uring_loop_answers(struct uring_loop *loop, struct slot *slot, uint32_t before,
			int64_t now_ns);
/* It waits for its peer; unless a step goes on, it has the whole timeout. */
void uring_loop_park(struct uring_loop *loop, uint32_t at);
/* Has one of its requests end, when there are any; the event leads to the next turn. */
void uring_loop_interrupt(struct uring_loop *loop, uint32_t at);
/* Ends it now, by RST. Nothing of it is under way. */
void uring_loop_cut(struct uring_loop *loop, uint32_t at);

#endif
