/* Accepting: from listeners that are shared with other loops, in batches, with pauses. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/event.h"

#define ACCEPT_MOST   64
#define PATIENCE_MOST 256

void event_accept_init(struct event_loop *loop)
{
	loop->guess_accept = (struct guess_accept){.number = 1, .patience = 1};
	loop->resume_ns = INT64_MAX;
}

void event_accept_off(struct event_loop *loop)
{
	while (loop->listening) {
		size_t i = --loop->listening;

		loop->ops->watch(loop->set, loop->work->listeners[i],
				 EVENT_TAG_LISTENERS + (uint32_t)i, READY_READ | READY_SHARED, 0);
	}
}

/* Full: others are to have what comes, until a connection of this loop ends (or for a while: who
 * knows a limit that was raised). */
static void accept_leave(struct event_loop *loop)
{
	event_accept_off(loop);
	loop->resume_ns = loop->now_ns + ENGINE_PAUSE_MS * NS_PER_MS;
}

int event_accept_on(struct event_loop *loop)
{
	int r = 0;

	if (!engine_has_room(loop->work, loop->tally)) {
		accept_leave(loop);
		return 0;
	}
	loop->resume_ns = INT64_MAX;
	while (r == 0 && loop->listening < loop->work->listener_count) {
		size_t i = loop->listening;

		r = loop->ops->watch(loop->set, loop->work->listeners[i],
				     EVENT_TAG_LISTENERS + (uint32_t)i, 0,
				     READY_READ | READY_SHARED);
		if (r == 0)
			loop->listening++;
	}
	if (r < 0)
		loop->resume_ns = loop->now_ns + ENGINE_PAUSE_MS * NS_PER_MS;
	return r;
}

/* No room for one more: accepting pauses until a connection of this loop ends, or for a while
 * (another thread or process may be the one that holds what is missing). */
static void accept_pause(struct event_loop *loop, int error)
{
	tally_error(loop->tally, error);
	if (!loop->starved)
		tally_add(&loop->tally->paused, 1);
	loop->starved = true;
	event_accept_off(loop);
	loop->resume_ns = loop->now_ns + ENGINE_PAUSE_MS * NS_PER_MS;
}

static void begin(struct event_loop *loop, int fd, const struct sockaddr *peer)
{
	struct slot *slot;
	uint32_t at;

	if (!engine_admit(loop->work, loop->tally)) {
		close(fd);
		return;
	}
	engine_prepare(loop->plan, loop->tally, fd);
	at = slab_take(&loop->slab);
	slot = slab_at(&loop->slab, at);
	slot->fd = fd;
	if (loop->slab.recording)
		engine_note_accepted(loop->work, fd, peer, loop->now_ns,
				     slab_record(&loop->slab, at));
	event_begin(loop, at);
}

/* Takes one connection. Returns 0, or the errno of accept4(). */
static int accept_one(struct event_loop *loop, int listener)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	bool name = loop->slab.recording; /* copying it costs */
	int fd;

	if (slab_reserve(&loop->slab) < 0)
		return ENOMEM;
	fd = accept4(listener, name ? (struct sockaddr *)&peer : NULL, name ? &length : NULL,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return errno;
	loop->starved = false;
	event_rest_found(loop, true);
	begin(loop, fd, name ? (struct sockaddr *)&peer : NULL);
	return 0;
}

static void guess_accepts(struct guess_accept *guess, unsigned taken)
{
	if (taken < guess->number) {
		guess->number = taken ? taken : 1;
		guess->streak = 0;
		if (guess->patience < PATIENCE_MOST)
			guess->patience *= 2;
	} else if (++guess->streak >= guess->patience && guess->number < ACCEPT_MOST) {
		guess->number *= 2;
		guess->streak = 0;
	} else if (guess->number > 1 && guess->patience > 1) {
		guess->patience--;
	}
}

void event_accept(struct event_loop *loop, size_t which)
{
	int listener = loop->work->listeners[which];
	unsigned taken = 0;

	/* Its event may be older than a pause that began since. */
	if (which >= loop->listening)
		return;
	while (taken < loop->guess_accept.number) {
		int error = accept_one(loop, listener);

		if (error == 0) {
			taken++;
			/* Before the next one comes, who would wake this loop and no other. */
			if (engine_has_room(loop->work, loop->tally))
				continue;
			accept_leave(loop);
			return;
		}
		if (error == EAGAIN)
			break;
		switch (engine_accept_trouble(error)) {
		case ACCEPT_AGAIN:
			tally_error(loop->tally, error);
			taken++;
			break;
		case ACCEPT_NO_ROOM:
			accept_pause(loop, error);
			return;
		case ACCEPT_FATAL:
			if (engine_is_stopped(loop->work))
				loop->stopped = true;
			else
				loop->error = error;
			return;
		}
	}
	guess_accepts(&loop->guess_accept, taken);
}
