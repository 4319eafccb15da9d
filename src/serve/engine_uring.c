/*
 * The engine "uring": a pool of threads, each with an io_uring that carries many connections.
 *
 * Theory of operation. Nothing is waited for but the ring: each connection has one request under
 * way (two, when an answer and the look after it are linked), and the completion says what is
 * next. All that completions bring about is queued and goes to the kernel by the one system call
 * that also waits for the next ones. So a batch of connections costs as many system calls as one.
 *
 * A multishot accept per listener brings connections without being asked again. A request for
 * bytes takes a buffer of the ring's only when bytes come: idle connections hold none. An answer
 * lies in the ring's scratch until it is handed over; one that the socket does not take at once is
 * made anew when it is writable (talk_next() gives the same bytes again).
 *
 * Linking. After the last answer the talk looks whether anything lies unread before it closes.
 * What it will say is found by asking a copy of it; then answer and look go out together.
 *
 * Direct descriptors (numbers in a table of the ring, not of the process) save their part of
 * accept and close. Where a connection needs a plain one (socket options, SO_LINGER, names for
 * the journal), all are plain: uses_plain().
 *
 * Whoever has a request under way keeps its slot until that has ended: a slot's index in a tag
 * never means a successor. Timeouts are those of the lists in the slab.
 *
 * Memory for rings is bounded per user, not per process (ring/ring.h), and that of a ring comes
 * back only a while after its end. So each thread waits for its ring, while those who have theirs
 * serve.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "serve/uring_loop.h"

/* So long after it was due, one is told although there was always something else to do: more than
 * what a stop of the process leaves behind, less than anybody waits for. */
#define EXPIRE_GRACE_NS (500 * NS_PER_MS)

/* ---- endings that come from this side */

void uring_drain(struct uring_loop *loop)
{
	loop->draining = loop->sweeping = true;
	loop->resume_ns = INT64_MAX;
}

/* Those who wait for their peer: all when forced, else those who asked for nothing. If they ask
 * just now, that comes before the interruption, and they get their answer. */
static bool sweep_waiting(struct uring_loop *loop)
{
	uint32_t at = loop->slab.lists[SLAB_PEER].first;

	for (; at != SLAB_NO_SLOT; at = slab_at(&loop->slab, at)->next) {
		const struct slot *slot = slab_at(&loop->slab, at);
		bool idle = slot->watched & UNDER_WAY(REQUEST_RECEIVE) && talk_idle(&slot->talk);

		if (slot->watched & NOTE_CANCELLED || !(loop->forced || idle))
			continue;
		if (!uring_interrupt(loop, at))
			return false;
	}
	return true;
}

/* Those with nothing under way. */
static void sweep_list(struct uring_loop *loop, enum slab_list list)
{
	uint32_t rest = loop->slab.lists[list].count;

	while (rest--) {
		uint32_t at = loop->slab.lists[list].first;

		slab_delist(&loop->slab, at);
		uring_turn(loop, at);
	}
}

/* The end is near (draining) or there (forced): what waits is told. */
static void sweep(struct uring_loop *loop)
{
	loop->sweeping = !uring_accept_off(loop) || !sweep_waiting(loop);
	if (!loop->forced)
		return;
	sweep_list(loop, SLAB_TIME);
	sweep_list(loop, SLAB_LEAK);
}

/* One that is due. False: no room in the ring for it. */
static bool expire_one(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (slot->list == SLAB_TIME) {
		slab_delist(&loop->slab, at);
		uring_turn(loop, at);
		return true;
	}
	if (!uring_interrupt(loop, at))
		return false;
	talk_expire(&slot->talk, ENDED_IDLE);
	slab_delist(&loop->slab, at);
	return true;
}

static void expire(struct uring_loop *loop)
{
	for (int list = SLAB_PEER; list <= SLAB_TIME; list++) {
		uint32_t rest = loop->slab.lists[list].count;

		while (rest--) {
			uint32_t at = loop->slab.lists[list].first;

			if (slab_at(&loop->slab, at)->due_ns > loop->now_ns)
				break;
			if (!expire_one(loop, at))
				return;
		}
	}
}

/* ---- the loop */

static void handle(struct uring_loop *loop, const struct ring_event *event)
{
	enum request request = (enum request)(event->tag >> 32);
	uint32_t which = (uint32_t)event->tag;

	switch (request) {
	case REQUEST_NONE:
		break;
	case REQUEST_ACCEPT:
		uring_accepted(loop, which, event);
		break;
	case REQUEST_LISTENER:
		uring_listener_ready(loop, which);
		break;
	case REQUEST_STOP:
		uring_drain(loop);
		break;
	case REQUEST_FORCE:
		uring_drain(loop);
		loop->forced = true;
		break;
	default:
		uring_completed(loop, which, request, event);
		break;
	}
}

static int64_t due(const struct uring_loop *loop)
{
	int64_t due_ns = slab_due(&loop->slab);

	if (loop->sweeping)
		return loop->now_ns;
	return loop->resume_ns < due_ns ? loop->resume_ns : due_ns;
}

/* Leaks do not keep a server: they last until it ends. */
static bool over(struct uring_loop *loop)
{
	if (!loop->draining && !loop->forced)
		return false;
	if (!loop->forced && loop->slab.count == loop->slab.lists[SLAB_LEAK].count)
		loop->forced = loop->sweeping = true;
	return !loop->sweeping && !loop->slab.count && !loop->accepts;
}

/* Those that are there. What they have handed over may have its events at once, without end while
 * peers keep up: the kernel gets its turn first, or nobody would hear of new ones, or of a stop.
 * Whether there were any. */
static bool handle_all(struct uring_loop *loop)
{
	unsigned rest = ring_events(&loop->uring.ring);
	bool any = rest > 0;
	struct ring_event event;

	while (rest-- && ring_next(&loop->uring.ring, &event)) {
		handle(loop, &event);
		ring_release(&loop->uring.ring, &event);
	}
	return any;
}

/*
 * While events come, those of one that is due may be among the next. A wait that ended by its time
 * has not gone on with what came just then, or while the process was stopped.
 */
static void expire_idle(struct uring_loop *loop)
{
	if (slab_due(&loop->slab) > loop->now_ns)
		return;
	ring_enter(&loop->uring.ring);
	if (ring_events(&loop->uring.ring) == 0 ||
	    slab_due(&loop->slab) <= loop->now_ns - EXPIRE_GRACE_NS)
		expire(loop);
}

static void loop_once(struct uring_loop *loop)
{
	int r = uring_wait(&loop->uring, due(loop));

	if (r < 0)
		loop->error = -r;
	loop->now_ns = clock_now_ns();
	if (!handle_all(loop) || slab_due(&loop->slab) <= loop->now_ns - EXPIRE_GRACE_NS)
		expire_idle(loop);
	if (loop->resume_ns <= loop->now_ns)
		uring_accept_on(loop);
	if (loop->sweeping)
		sweep(loop);
}

/* By the thread that made the ring: it is the only one that may use it. */
static void loop_run(struct uring_loop *loop)
{
	loop->now_ns = clock_now_ns();
	ring_poll(&loop->uring.ring, loop->work->stop_fd, POLLIN, uring_tag(REQUEST_STOP, 0));
	ring_poll(&loop->uring.ring, loop->work->force_fd, POLLIN, uring_tag(REQUEST_FORCE, 0));
	uring_accept_on(loop);
	while (!over(loop) && !(loop->error && !loop->forced))
		loop_once(loop);
	uring_flush(&loop->uring);
	if (loop->error)
		engine_tell(loop->work, loop->error);
	uring_linger_wait(loop);
}

/* Whether what is to be done with connections needs descriptors of the process. */
static bool uses_plain(const struct serve_work *work)
{
	const struct serve_plan *plan = work->plan;

	return work->journal || plan->nodelay || plan->keepalive || plan->keepalive_idle_s ||
	       plan->user_timeout_ms || plan->send_buffer || plan->receive_buffer ||
	       plan->set_linger2 || plan->closing == SERVE_CLOSE_RST ||
	       plan->closing == SERVE_CLOSE_LINGER;
}

/* Makes the ring, and waits for it where that may help. 1: the server is to end instead. */
static int make_ring(struct uring_loop *loop, struct why *why)
{
	int64_t since_ns = clock_now_ns();

	for (;;) {
		int r = uring_init(&loop->uring, !uses_plain(loop->work), why);

		if (r == 0) {
			loop->starved = false;
			return 0;
		}
		uring_done(&loop->uring);
		loop->now_ns = clock_now_ns();
		if (!ring_may_come(r, since_ns))
			return r;
		uring_accept_pause(loop, -r);
		if (ring_pause(loop->work->stop_fd, loop->work->force_fd))
			return 1;
	}
}

static int loop_init(struct uring_loop *loop, const struct serve_work *work, unsigned number)
{
	*loop = (struct uring_loop){
		.work = work,
		.plan = work->plan,
		.tally = &work->tallies[number % work->tally_count],
		.accepting = calloc(work->listener_count + 1, sizeof(bool)),
	};
	slab_init(&loop->slab, work->journal);
	uring_linger_init(loop);
	return loop->accepting ? 0 : -ENOMEM;
}

static void loop_done(struct uring_loop *loop)
{
	uring_done(&loop->uring);
	uring_linger_done(loop);
	slab_done(&loop->slab);
	free(loop->accepting);
}

/* ---- the pool */

int uring_thread(pthread_t *ret, const pthread_attr_t *attributes, void *(*function)(void *),
		 void *data)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(ret, attributes, function, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* What a thread of the pool does. One that gets no ring is one thread fewer: -errno with @why. */
static int serve(struct uring_loop *loop, struct why *why)
{
	int r;

	tally_tasks(loop->tally, 1);
	r = make_ring(loop, why);
	if (r == 0)
		loop_run(loop);
	if (r < 0)
		tally_error(loop->tally, -r);
	loop->served = r >= 0;
	tally_tasks(loop->tally, -1);
	return r;
}

static void *thread_main(void *data)
{
	serve(data, NULL);
	return NULL;
}

/* Starts the threads of all loops but the first, as far as that goes: fewer serve as well, if
 * slower. Returns how many loops there are then. */
static unsigned pool_start(struct uring_loop *loops, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		int error = uring_thread(&loops[i].thread, NULL, thread_main, &loops[i]);

		if (error) {
			tally_error(loops[0].tally, error);
			return i;
		}
	}
	return count;
}

/* Runs all loops, the first in this thread. */
static int pool_run(struct uring_loop *loops, unsigned count, struct why *why)
{
	int r, error = 0;
	bool served = false;

	count = pool_start(loops, count);
	r = serve(&loops[0], why);
	for (unsigned i = 0; i < count; i++) {
		if (i)
			pthread_join(loops[i].thread, NULL);
		served = served || loops[i].served;
		error = error ? error : loops[i].error;
	}
	if (!served)
		return r;
	return error ? why_set(why, -error, "cannot go on serving") : 0;
}

static int run(const struct serve_work *work, struct why *why)
{
	unsigned count = engine_threads(work->plan), made = 0;
	CLEANUP_FREE struct uring_loop *loops = calloc(count, sizeof(*loops));
	int r = loops ? 0 : -ENOMEM;

	while (r == 0 && made < count)
		r = loop_init(&loops[made], work, made), made++;
	if (r < 0)
		why_set(why, r, "cannot make %u threads", count);
	else
		r = pool_run(loops, count, why);
	while (made)
		loop_done(&loops[--made]);
	return r;
}

const struct serve_engine engine_uring = {
	.name = "uring",
	.summary = "a pool of threads, each carrying many connections by io_uring",
	.pool = true,
	.probe = ring_probe,
	.run = run,
};
