/*
 * The engines "epoll", "poll" and "select": a pool of threads, each with an event loop of its own
 * that carries many connections. The calls differ only in how they tell what is ready
 * (readiness.h); everything else is here.
 *
 * Theory of operation. All loops wait for the same listeners; who comes first accepts. A
 * connection stays with its loop. It is a slot of 72 bytes (slab.h): its talk, its descriptor, its
 * place in a list. Bytes pass through one buffer per loop and are never kept.
 *
 * What can be done is done at once: a connection goes through its steps from accept4() on until
 * one would block, and only then is it given to the readiness set and to a list. An answer that
 * needs no request, with a close after it, costs accept4(), send(), the look at what lies unread,
 * and close(); it never meets epoll.
 *
 * Lists instead of timers: all connections of a list wait equally long (the idle timeout; the
 * time before closing), so they become due in the order in which they were put there.
 *
 * A try that fails costs as much as one that succeeds, so the loop learns what is worth trying:
 * how many accept4() until EAGAIN (struct guess_accept), and whether the request of a new
 * connection is there already (struct guess_read).
 *
 * When a wait would only be ended by the very next event, it may pay to rest first (event_rest.c).
 *
 * SERVE_CLOSE_LINGER blocks a whole loop in close(), non-blocking sockets or not: that is what such
 * a server gets, and what this one is to show.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "serve/event.h"
#include "serve/talk.h"

#define EVENTS 256

/* ---- the loop */

static void cut_all(struct event_loop *loop)
{
	for (int list = 0; list < SLAB_LISTS; list++)
		while (loop->slab.lists[list].count)
			event_cut(loop, loop->slab.lists[list].first);
}

static void drain(struct event_loop *loop)
{
	uint32_t at = loop->slab.lists[SLAB_PEER].first;
	uint32_t rest = loop->slab.lists[SLAB_PEER].count;

	loop->draining = true;
	loop->ops->watch(loop->set, loop->work->stop_fd, EVENT_TAG_STOP, READY_READ, 0);
	event_accept_off(loop);
	loop->resume_ns = INT64_MAX;
	/* event_turn() frees at most the slot itself, or puts it at the end of the list. */
	while (rest--) {
		uint32_t next = slab_at(&loop->slab, at)->next;

		/* What has come already is a question that was asked in time. */
		event_turn(loop, at, true);
		at = next;
	}
}

static void expire(struct event_loop *loop)
{
	for (int list = 0; list < SLAB_LISTS; list++) {
		uint32_t rest = loop->slab.lists[list].count;

		while (rest--) {
			uint32_t at = loop->slab.lists[list].first;
			struct slot *slot = slab_at(&loop->slab, at);

			if (slot->due_ns > loop->now_ns)
				break;
			if (list == SLAB_PEER)
				talk_expire(&slot->talk, ENDED_IDLE);
			slab_delist(&loop->slab, at);
			event_turn(loop, at, false);
		}
	}
}

static void handle(struct event_loop *loop, const struct readiness_event *event)
{
	if (event->tag < SLAB_MAX) {
		event_rest_found(loop, false);
		event_turn(loop, event->tag, event->ready & READY_READ);
	} else if (event->tag == EVENT_TAG_STOP) {
		loop->stopped = true;
	} else if (event->tag == EVENT_TAG_FORCE) {
		loop->forced = true;
	} else {
		event_accept(loop, event->tag - EVENT_TAG_LISTENERS);
	}
}

/* Milliseconds until something is due, rounded up: to wake too early would be a spin. */
static int rest_ms(const struct event_loop *loop)
{
	int64_t due_ns = slab_due(&loop->slab);
	int64_t rest_ns;

	if (loop->resume_ns < due_ns)
		due_ns = loop->resume_ns;
	if (due_ns == INT64_MAX)
		return -1;
	rest_ns = due_ns - clock_now_ns();
	if (rest_ns <= 0)
		return 0;
	if (rest_ns > 3600 * NS_PER_S)
		rest_ns = 3600 * NS_PER_S;
	return (int)((rest_ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* Leaks do not keep a server: they last until it ends. */
static bool over(const struct event_loop *loop)
{
	return loop->forced || loop->error ||
	       (loop->draining && loop->slab.count == loop->slab.lists[SLAB_LEAK].count);
}

static void loop_run(struct event_loop *loop)
{
	struct readiness_event events[EVENTS];

	tally_tasks(loop->tally, 1);
	while (!over(loop)) {
		int n = event_wait(loop, rest_ms(loop), events, EVENTS);

		if (n < 0)
			loop->error = -n;
		loop->now_ns = clock_now_ns();
		/* A slot is freed by its own event or after all of them: no event is of a
		 * connection that is gone, or of its successor. */
		for (int i = 0; i < n; i++)
			handle(loop, &events[i]);
		if (loop->stopped && !loop->draining)
			drain(loop);
		expire(loop);
		if (loop->resume_ns <= loop->now_ns && !loop->draining)
			event_accept_on(loop);
	}
	if (loop->error)
		engine_tell(loop->work, loop->error);
	cut_all(loop);
	tally_tasks(loop->tally, -1);
}

static void loop_done(struct event_loop *loop)
{
	loop->ops->drop(loop->set);
	free(loop->buffer);
	slab_done(&loop->slab);
}

static int loop_init(struct event_loop *loop, const struct readiness_ops *ops,
		     const struct serve_work *work, unsigned number)
{
	int r;

	*loop = (struct event_loop){
		.work = work,
		.plan = work->plan,
		.ops = ops,
		.tally = &work->tallies[number % work->tally_count],
		.now_ns = clock_now_ns(),
		.buffer = malloc(EVENT_BUFFER),
		.set = ops->make(),
	};
	r = !loop->set ? -errno : !loop->buffer ? -ENOMEM : 0;
	slab_init(&loop->slab, work->journal);
	event_accept_init(loop);
	event_turn_init(loop);
	if (r < 0)
		return r;
	r = ops->watch(loop->set, work->stop_fd, EVENT_TAG_STOP, 0, READY_READ);
	if (r == 0)
		r = ops->watch(loop->set, work->force_fd, EVENT_TAG_FORCE, 0, READY_READ);
	return r < 0 ? r : event_accept_on(loop);
}

/* ---- the pool */

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Starts a thread that no signal is given to: they belong to who called run(). */
static int thread_start(struct event_loop *loop)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&loop->thread, NULL, loop_thread, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* Makes loops 1 to @count - 1 and starts a thread for each, as far as that goes: fewer threads
 * serve as well, if slower. Returns the number of loops there are then. */
static unsigned pool_start(struct event_loop *loops, unsigned count,
			   const struct readiness_ops *ops, const struct serve_work *work)
{
	for (unsigned i = 1; i < count; i++) {
		int r = loop_init(&loops[i], ops, work, i);

		if (r == 0)
			r = thread_start(&loops[i]);
		if (r < 0) {
			tally_error(loops[0].tally, -r);
			loop_done(&loops[i]);
			return i;
		}
	}
	return count;
}

static int event_run(const struct readiness_ops *ops, const struct serve_work *work,
		     struct why *why)
{
	unsigned count = engine_threads(work->plan);
	CLEANUP_FREE struct event_loop *loops = aligned_alloc(_Alignof(struct event_loop),
							      count * sizeof(*loops));
	int r;

	if (!loops)
		return why_set(why, -ENOMEM, "cannot make %u event loops", count);
	r = loop_init(&loops[0], ops, work, 0);
	if (r < 0) {
		loop_done(&loops[0]);
		return why_set(why, r, "cannot wait for connections");
	}
	count = pool_start(loops, count, ops, work);
	loop_run(&loops[0]);
	for (unsigned i = 1; i < count; i++)
		pthread_join(loops[i].thread, NULL);
	for (unsigned i = count; i-- > 0;) {
		if (loops[i].error)
			r = -loops[i].error;
		loop_done(&loops[i]);
	}
	return r < 0 ? why_set(why, r, "cannot accept connections") : 0;
}

/* ---- the engines */

static int event_probe(struct why *why)
{
	(void)why;
	return 0;
}

static int epoll_run(const struct serve_work *work, struct why *why)
{
	return event_run(&readiness_epoll, work, why);
}

static int poll_run(const struct serve_work *work, struct why *why)
{
	return event_run(&readiness_poll, work, why);
}

static int select_run(const struct serve_work *work, struct why *why)
{
	return event_run(&readiness_select, work, why);
}

extern const struct serve_engine engine_epoll, engine_poll, engine_select;

const struct serve_engine engine_epoll = {
	.name = "epoll",
	.summary = "a pool of threads with an event loop each, on epoll(7)",
	.pool = true,
	.probe = event_probe,
	.run = epoll_run,
};

const struct serve_engine engine_poll = {
	.name = "poll",
	.summary = "the same on poll(2): the kernel looks through all connections each time",
	.pool = true,
	.probe = event_probe,
	.run = poll_run,
};

const struct serve_engine engine_select = {
	.name = "select",
	.summary = "the same on select(2): only descriptors below 1024, others are refused",
	.pool = true,
	.descriptors_max = FD_SETSIZE,
	.probe = event_probe,
	.run = select_run,
};
