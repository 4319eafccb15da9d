/*
 * The engine "uring": one event loop per thread, on an io_uring that carries many connections.
 *
 * Theory of operation. The loop is that of the engine "epoll" (engine_epoll.c), and so are slots,
 * lists and pace; but nothing is asked for readiness. What a course says is queued as a request,
 * goes to the kernel with the call that also waits, and its event is told to the course. So a
 * connection costs three calls of its own, socket(), the one that connects and close(), and its
 * share of those that carry the sends and receives of many.
 *
 * connect() has a call to the kernel for itself: connections that connect in one batch would all
 * be said to have taken as long as the batch, while the time in connect() tells when the search
 * for a port becomes dear. For the same reason send and receive are not linked to it, and would
 * gain little: of a chain the kernel does one link each time it is entered (io_uring/io_uring.c,
 * __io_run_local_work()), while both go out together once connect() is known to have ended.
 *
 * A receive is handed over with the send that it is the answer to, and waits in the kernel. It
 * takes a buffer of the ring's only when bytes come: idle connections hold none. Bytes that are
 * sent are those of the course's plan, which stays.
 *
 * A request under way holds the socket, whatever close() says: who is closed while he waits has
 * his requests cancelled first, and his slot is kept until their last event. What a cancellation
 * misses is cancelled again (is_idle()).
 *
 * Plain system calls: socket() and its options; shutdown(), which the ring gives to a thread of its
 * own; close(): those of a batch would all be said to have taken as long as the batch, and one that
 * lingers waits in the ring's call as well. It measured no dearer.
 *
 * Clocks: the time is read before and after each call to the kernel. What one call tells has
 * happened at one time, which is later than it was by as long as the others took in there.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "load/uring.h"

#define CPU_TOLD_NS (100 * NS_PER_MS)

#define BUFFERS 64 /* a power of 2 */

/* ---- what has happened */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void stop(struct uring_loop *loop)
{
	loop->stopped = true;
	pace_stop(&loop->pace, loop->now_ns);
	loop->drain_ns = earlier(loop->drain_ns, loop->now_ns + loop->plan->drain_ns);
}

static void handle(struct uring_loop *loop, const struct ring_event *event)
{
	enum request request = uring_tag_request(event->tag);

	switch (request) {
	case REQUEST_STOP:
		stop(loop);
		break;
	case REQUEST_FORCE:
		loop->forced = true;
		break;
	default:
		uring_loop_completed(loop, (uint32_t)event->tag, request, event);
		break;
	}
}

void uring_loop_events(struct uring_loop *loop)
{
	unsigned rest = ring_events(&loop->ring);
	struct ring_event event;

	while (rest-- && ring_next(&loop->ring, &event)) {
		handle(loop, &event);
		ring_release(&loop->ring, &event);
	}
}

static void went(struct uring_loop *loop, int r)
{
	uring_loop_clock(loop);
	if (r < 0 && !loop->error)
		loop->error = -r;
}

void uring_loop_enter(struct uring_loop *loop)
{
	loop->entered_ns = clock_now_ns();
	went(loop, ring_enter(&loop->ring));
}

/* ---- waiting */

static bool has_kept(const struct uring_loop *loop)
{
	return loop->slots.lists[SLOTS_KEPT].count > 0;
}

static void wait_for_events(struct uring_loop *loop)
{
	int64_t until_ns = earlier(slots_due(&loop->slots), loop->pace_ns);
	int64_t rest_ns;

	until_ns = earlier(until_ns, loop->drain_ns);
	if (has_kept(loop))
		until_ns = earlier(until_ns, loop->pace.end_ns);
	loop->entered_ns = clock_now_ns();
	rest_ns = until_ns - loop->entered_ns;
	if (rest_ns <= 0)
		went(loop, ring_enter(&loop->ring));
	else
		went(loop, ring_wait(&loop->ring, earlier(rest_ns, 3600 * NS_PER_S)));
	uring_loop_events(loop);
}

static void expire_one(struct uring_loop *loop, uint32_t at, enum slots_list list)
{
	struct course *course = &loop->slots.at[at].course;

	slots_delist(&loop->slots, at);
	if (list == SLOTS_STEP)
		course_fail(course, LOAD_FAIL_TIMEOUT);
	else
		course_thought(course);
	uring_loop_turn(loop, at);
}

static void expire(struct uring_loop *loop)
{
	for (enum slots_list list = SLOTS_STEP; list <= SLOTS_THINK; list++) {
		uint32_t rest = loop->slots.lists[list].count;

		while (rest-- && loop->slots.lists[list].count) {
			uint32_t at = loop->slots.lists[list].first;

			if (loop->slots.at[at].due_ns > loop->now_ns)
				break;
			expire_one(loop, at, list);
		}
	}
}

/* ---- the loop */

static void tell_cpu(struct uring_loop *loop)
{
	account_cpu(loop->tally);
	loop->cpu_at_ns = loop->now_ns;
}

/* What is left open on purpose is held as long as the load lasts, if that is bounded by time. */
static bool holds(const struct uring_loop *loop)
{
	return has_kept(loop) && !loop->stopped && loop->pace.end_ns != INT64_MAX &&
	       loop->now_ns < loop->pace.end_ns;
}

static bool is_over(const struct uring_loop *loop)
{
	if (loop->forced || loop->error || loop->now_ns >= loop->drain_ns)
		return true;
	return loop->pace.over && loop->slots.count == loop->slots.lists[SLOTS_KEPT].count &&
	       !holds(loop);
}

/* Has all requests of all connections end. */
static void end_requests(struct uring_loop *loop)
{
	loop->ending = true;
	for (uint32_t at = 0; at < loop->slots.used; at++) {
		while (!ring_room(&loop->ring) || ring_queued(&loop->ring) > 128)
			uring_loop_enter(loop), uring_loop_events(loop);
		uring_loop_interrupt(loop, at);
	}
	for (uint32_t at = 0; at < loop->slots.used; at++) {
		while (loop->slots.at[at].watched && !loop->error) {
			if (ring_room(&loop->ring))
				uring_loop_interrupt(loop, at);
			went(loop, ring_wait(&loop->ring, 10 * NS_PER_MS));
			uring_loop_events(loop);
		}
	}
}

static void cut_all(struct uring_loop *loop)
{
	end_requests(loop);
	for (uint32_t at = 0; at < loop->slots.used; at++)
		if (loop->slots.at[at].fd >= 0)
			uring_loop_cut(loop, at);
}

static void run_loop(struct uring_loop *loop)
{
	ring_poll(&loop->ring, loop->work->stop_fd, POLLIN, uring_tag(REQUEST_STOP, 0));
	ring_poll(&loop->ring, loop->work->force_fd, POLLIN, uring_tag(REQUEST_FORCE, 0));
	while (!is_over(loop)) {
		wait_for_events(loop);
		expire(loop);
		if (!loop->forced)
			uring_loop_open(loop);
		if (loop->now_ns - loop->cpu_at_ns >= CPU_TOLD_NS)
			tell_cpu(loop);
	}
	pace_stop(&loop->pace, loop->now_ns); /* what comes now is no part of it */
	cut_all(loop);
}

/* ---- making one */

static struct uring_address *destinations(const struct load_plan *plan)
{
	struct uring_address *all = calloc(plan->destination_count, sizeof(*all));

	for (size_t i = 0; all && i < plan->destination_count; i++) {
		struct sockaddr_storage to;

		tcp_endpoint_to_sockaddr(&plan->destinations[i], &to, &all[i].length);
		memcpy(&all[i].any, &to, all[i].length);
	}
	return all;
}

static int loop_init(struct uring_loop *loop, struct load_work *work)
{
	*loop = (struct uring_loop){
		.work = work,
		.plan = work->plan,
		.course_plan = work->course_plan,
		.tally = work->tally,
		.drain_ns = INT64_MAX,
		.opening.at = SLOTS_NONE,
		.destinations = destinations(work->plan),
	};
	pace_init(&loop->pace, work);
	if (loop->pace.end_ns != INT64_MAX)
		loop->drain_ns = loop->pace.end_ns + work->plan->drain_ns;
	uring_loop_clock(loop);
	if (slots_init(&loop->slots, pace_capacity(work)) < 0 || !loop->destinations)
		return -ENOMEM;
	return 0;
}

static void loop_done(struct uring_loop *loop)
{
	ring_done(&loop->ring);
	free(loop->destinations);
	slots_done(&loop->slots);
}

/* Makes the ring, and waits for it where that may help. 1: the load is to end instead. */
static int make_ring(struct uring_loop *loop, struct why *why)
{
	int64_t since_ns = clock_now_ns();

	for (;;) {
		int r = ring_init(&loop->ring, BUFFERS, URING_BUFFER, why);

		if (r == 0)
			return 0;
		ring_done(&loop->ring);
		uring_loop_clock(loop);
		if (!ring_may_come(r, since_ns))
			return r;
		if (ring_pause(loop->work->stop_fd, loop->work->force_fd))
			return 1;
	}
}

static int run(struct uring_loop *loop, struct why *why)
{
	int r = make_ring(loop, why);

	if (r < 0)
		return r;
	if (r == 0)
		run_loop(loop);
	pace_stop(&loop->pace, loop->now_ns);
	tell_cpu(loop);
	return loop->error ? why_set(why, -loop->error, "cannot go on with connections") : 0;
}

static int uring_run(struct load_work *work, struct why *why)
{
	/* An arrival is not to wait for the 50 us that the kernel allows itself to gather timers.
	 */
	int slack = prctl(PR_GET_TIMERSLACK);
	struct uring_loop loop;
	int r = loop_init(&loop, work);

	prctl(PR_SET_TIMERSLACK, 1);
	r = r < 0 ? why_set(why, r, "cannot wait for connections") : run(&loop, why);
	loop_done(&loop);
	if (slack > 0)
		prctl(PR_SET_TIMERSLACK, slack);
	return r;
}

extern const struct load_engine load_engine_uring;

const struct load_engine load_engine_uring = {
	.name = "uring",
	.summary = "an event loop per thread, on io_uring(7)",
	.probe = ring_probe,
	.run = uring_run,
};
