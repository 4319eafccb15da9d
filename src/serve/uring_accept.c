/* Accepting: from listeners that are shared with other loops, by requests that last, with pauses.
 */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "serve/uring_loop.h"

/* More than can come before the next look at what has come. */
#define UNASKED_MOST (RING_EVENTS + 64)

void uring_accept_pause(struct uring_loop *loop, int error)
{
	tally_error(loop->tally, error);
	if (!loop->starved)
		tally_add(&loop->tally->paused, 1);
	loop->starved = true;
	loop->resume_ns = loop->now_ns + ENGINE_PAUSE_MS * NS_PER_MS;
}

/* Whether this task has room for @n connections more, as far as it was given a share. */
static bool has_share_for(const struct uring_loop *loop, size_t n)
{
	size_t room = loop->work->room;

	return !room || tally_open(loop->tally) + n < room;
}

/*
 * Whether many connections may come without being asked for. One that finds the table of direct
 * descriptors full is closed by the kernel (io_uring/net.c, io_accept()), while one that finds
 * RLIMIT_NOFILE exhausted stays in the queue. So near the end of the table each is asked for; and
 * near the end of this task's share, as the others are for somebody else. How many come unasked is
 * bounded by the room for their events.
 */
static bool accepts_many(const struct uring_loop *loop)
{
	return (!loop->uring.files || loop->uring.files - loop->slab.count > UNASKED_MOST) &&
	       has_share_for(loop, UNASKED_MOST);
}

static bool is_full(const struct uring_loop *loop)
{
	return loop->uring.files && loop->slab.count + loop->accepts >= loop->uring.files;
}

/* Notes that a request for the listener is under way. */
static void wait_for(struct uring_loop *loop, size_t which)
{
	loop->accepting[which] = true;
	loop->accepts++;
}

static void accept_from(struct uring_loop *loop, size_t which)
{
	if (loop->draining || loop->forced || loop->accepting[which])
		return;
	if (is_full(loop)) {
		uring_accept_pause(loop, EMFILE);
		return;
	}
	if (!engine_has_room(loop->work, loop->tally)) {
		loop->resume_ns = loop->now_ns + ENGINE_PAUSE_MS * NS_PER_MS;
		return;
	}
	if (!uring_room(&loop->uring)) {
		loop->resume_ns = loop->now_ns;
		return;
	}
	uring_accept(&loop->uring, loop->work->listeners[which], accepts_many(loop),
		     uring_tag(REQUEST_ACCEPT, which));
	wait_for(loop, which);
}

void uring_accept_on(struct uring_loop *loop)
{
	loop->resume_ns = INT64_MAX;
	for (size_t i = 0; i < loop->work->listener_count; i++)
		accept_from(loop, i);
}

bool uring_accept_off(struct uring_loop *loop)
{
	for (size_t i = 0; i < loop->work->listener_count; i++) {
		if (!loop->accepting[i])
			continue;
		if (!uring_room(&loop->uring))
			return false;
		ring_cancel(&loop->uring.ring, uring_tag(REQUEST_ACCEPT, i),
			    uring_tag(REQUEST_NONE, 0));
		ring_cancel(&loop->uring.ring, uring_tag(REQUEST_LISTENER, i),
			    uring_tag(REQUEST_NONE, 0));
	}
	return true;
}

/* It is here already: who has no memory for it cannot leave it in the queue. */
static void refuse(struct uring_loop *loop, int fd)
{
	uring_hang_up(loop, fd);
	tally_add(&loop->tally->refused, 1);
	tally_end(loop->tally, ENDED_BY_US);
	if (loop->plan->max_connections)
		atomic_fetch_sub_explicit(loop->work->open_all, 1, memory_order_relaxed);
	uring_accept_pause(loop, ENOMEM);
}

static void begin(struct uring_loop *loop, int fd)
{
	uint32_t at;

	loop->starved = false;
	if (!engine_admit(loop->work, loop->tally)) {
		uring_hang_up(loop, fd);
		return;
	}
	if (slab_reserve(&loop->slab) < 0) {
		refuse(loop, fd);
		return;
	}
	if (!loop->uring.files)
		engine_prepare(loop->plan, loop->tally, fd);
	at = slab_take(&loop->slab);
	slab_at(&loop->slab, at)->fd = fd;
	if (loop->slab.recording)
		engine_note_accepted(loop->work, fd, NULL, loop->now_ns,
				     slab_record(&loop->slab, at));
	uring_begin(loop, at);
}

/* An accept that does not wait, though nothing is there: on a non-blocking listener, as older
 * kernels do it. */
static void await_listener(struct uring_loop *loop, size_t which)
{
	if (!uring_room(&loop->uring)) {
		loop->resume_ns = loop->now_ns;
		return;
	}
	ring_poll(&loop->uring.ring, loop->work->listeners[which], POLLIN,
		  uring_tag(REQUEST_LISTENER, which));
	wait_for(loop, which);
}

static void accept_failed(struct uring_loop *loop, size_t which, int error)
{
	if (loop->draining || loop->forced)
		return;
	if (error == EAGAIN) {
		await_listener(loop, which);
		return;
	}
	if (error == ECANCELED) { /* by uring_accepted() */
		accept_from(loop, which);
		return;
	}
	switch (engine_accept_trouble(error)) {
	case ACCEPT_AGAIN:
		tally_error(loop->tally, error);
		accept_from(loop, which);
		break;
	case ACCEPT_NO_ROOM:
		uring_accept_pause(loop, error);
		break;
	case ACCEPT_FATAL:
		if (engine_is_stopped(loop->work)) {
			uring_drain(loop);
			break;
		}
		loop->error = error;
		loop->forced = loop->sweeping = true;
		break;
	}
}

static void ended(struct uring_loop *loop, size_t which)
{
	loop->accepting[which] = false;
	loop->accepts--;
}

void uring_accepted(struct uring_loop *loop, size_t which, const struct ring_event *event)
{
	if (!event->more)
		ended(loop, which);
	if (event->result < 0) {
		accept_failed(loop, which, -event->result);
		return;
	}
	begin(loop, event->result);
	if (!event->more)
		accept_from(loop, which);
	else if (!accepts_many(loop) && uring_room(&loop->uring))
		ring_cancel(&loop->uring.ring, uring_tag(REQUEST_ACCEPT, which),
			    uring_tag(REQUEST_NONE, 0));
}

void uring_listener_ready(struct uring_loop *loop, size_t which)
{
	ended(loop, which);
	accept_from(loop, which);
}
