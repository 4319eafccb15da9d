/*
 * The engine "epoll": one event loop that carries many connections.
 *
 * Theory of operation. The loop waits for epoll, lets each connection that is ready take its
 * turn, ends those whose time is over, and opens what pace says may be opened. A connection is a
 * slot of less than 100 bytes (slots.h); bytes pass through one buffer per loop and are not kept.
 *
 * What can be done is done at once, so that a connection costs few system calls: socket(),
 * connect(), send() without waiting for "established" (struct guess_connected), one
 * epoll_ctl(ADD), recv(), close(). Events are edge-triggered, which spares all further
 * epoll_ctl(): what epoll told is remembered in the slot, and close() takes a descriptor out of
 * the set by itself (fs/eventpoll.c, eventpoll_release()).
 *
 * Lists instead of timers: all connections of a list wait equally long (the timeout of a step, the
 * time to think), so they become due in the order in which they were put there.
 *
 * Clocks: the time is read when a system call that is to be measured has returned, and after
 * each wait (engine_account.h says what is measured). What lies between two readings is one
 * send() or epoll_ctl() at most, so that loop->now_ns is never older than microseconds.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "load/epoll.h"

#define EVENTS 256

/* Tags beyond those of slots. */
#define TAG_STOP  UINT32_MAX
#define TAG_FORCE (UINT32_MAX - 1)

#define CPU_TOLD_NS (100 * NS_PER_MS)

/* ---- waiting */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool has_kept(const struct epoll_loop *loop)
{
	return loop->slots.lists[SLOTS_KEPT].count > 0;
}

static int wait_ns(struct epoll_loop *loop, struct epoll_event *events, int64_t ns)
{
	struct timespec rest = clock_timespec(ns);
	int n;

	if (!loop->coarse) {
		n = epoll_pwait2(loop->fd, events, EVENTS, &rest, NULL);
		if (n >= 0 || errno != ENOSYS)
			return n;
		loop->coarse = true;
	}
	/* Rounded up: to wake too early would be a spin. */
	return epoll_wait(loop->fd, events, EVENTS, (int)((ns + NS_PER_MS - 1) / NS_PER_MS));
}

/* Until something happens or is due. The number of events, or -errno. */
static int wait_for_events(struct epoll_loop *loop, struct epoll_event *events)
{
	int64_t until_ns = earlier(slots_due(&loop->slots), loop->pace_ns);
	int64_t rest_ns;
	int n;

	until_ns = earlier(until_ns, loop->drain_ns);
	if (has_kept(loop))
		until_ns = earlier(until_ns, loop->pace.end_ns);
	rest_ns = until_ns - loop->now_ns;
	if (rest_ns < 0)
		rest_ns = 0;
	n = wait_ns(loop, events, earlier(rest_ns, 3600 * NS_PER_S));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n;
}

/* ---- what has happened */

static void handle(struct epoll_loop *loop, uint32_t at, uint32_t events)
{
	struct slot *slot = &loop->slots.at[at];

	if (slot->list == SLOTS_KEPT)
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		slot->ready |= READY_READ;
	if (events & (EPOLLHUP | EPOLLERR))
		slot->ready |= READY_END;
	/* After an RST there is no FIN to be seen any more. */
	if ((events & (EPOLLRDHUP | EPOLLERR)) == EPOLLRDHUP)
		slot->ready |= READY_FIN;
	if (!(slot->state & SLOT_CONNECTED) && !epoll_loop_connected(loop, at, events))
		return;
	epoll_loop_turn(loop, at);
}

static void stop(struct epoll_loop *loop)
{
	loop->stopped = true;
	pace_stop(&loop->pace, loop->now_ns);
	loop->drain_ns = earlier(loop->drain_ns, loop->now_ns + loop->plan->drain_ns);
	/* It stays readable: all loops watch it. */
	epoll_ctl(loop->fd, EPOLL_CTL_DEL, loop->work->stop_fd, NULL);
}

/* A slot is freed by its own event, and taken again only after all of them: no event is of a
 * connection that is gone, or of its successor. */
static void handle_all(struct epoll_loop *loop, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count && !loop->forced; i++) {
		if (events[i].data.u32 == TAG_FORCE)
			loop->forced = true;
		else if (events[i].data.u32 == TAG_STOP)
			stop(loop);
		else
			handle(loop, events[i].data.u32, events[i].events);
	}
}

static void expire_step(struct epoll_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];

	if (!(slot->state & SLOT_CONNECTED)) {
		epoll_loop_unconnected(loop, at, LOAD_FAIL_TIMEOUT);
		return;
	}
	course_fail(&slot->course, LOAD_FAIL_TIMEOUT);
	epoll_loop_turn(loop, at);
}

static void expire(struct epoll_loop *loop)
{
	/* Who is due now: a turn may put it back with a later time, but the clock moves on, too. */
	int64_t now_ns = loop->now_ns;

	for (int list = SLOTS_STEP; list <= SLOTS_THINK; list++) {
		uint32_t rest = loop->slots.lists[list].count;

		while (rest-- && loop->slots.lists[list].count) {
			uint32_t at = loop->slots.lists[list].first;

			if (loop->slots.at[at].due_ns > now_ns)
				break;
			slots_delist(&loop->slots, at);
			if (list == SLOTS_STEP) {
				expire_step(loop, at);
			} else {
				course_thought(&loop->slots.at[at].course);
				epoll_loop_turn(loop, at);
			}
		}
	}
}

/* ---- the loop */

static void tell_cpu(struct epoll_loop *loop)
{
	account_cpu(loop->tally);
	loop->cpu_at_ns = loop->now_ns;
}

/* What is left open on purpose is held as long as the load lasts, if that is bounded by time. */
static bool holds(const struct epoll_loop *loop)
{
	return has_kept(loop) && !loop->stopped && loop->pace.end_ns != INT64_MAX &&
	       loop->now_ns < loop->pace.end_ns;
}

static bool is_over(const struct epoll_loop *loop)
{
	if (loop->forced || loop->now_ns >= loop->drain_ns)
		return true;
	return loop->pace.over && loop->slots.count == loop->slots.lists[SLOTS_KEPT].count &&
	       !holds(loop);
}

static int run(struct epoll_loop *loop)
{
	struct epoll_event events[EVENTS];
	int n = 0;

	while (!is_over(loop) && n >= 0) {
		n = wait_for_events(loop, events);
		epoll_loop_clock(loop);
		handle_all(loop, events, n);
		expire(loop);
		if (!loop->forced)
			epoll_loop_open(loop);
		if (loop->now_ns - loop->cpu_at_ns >= CPU_TOLD_NS)
			tell_cpu(loop);
	}
	pace_stop(&loop->pace, loop->now_ns);
	for (int list = 0; list < SLOTS_LISTS; list++)
		while (loop->slots.lists[list].count)
			epoll_loop_cut(loop, loop->slots.lists[list].first);
	tell_cpu(loop);
	return n < 0 ? n : 0;
}

static int watch_end(struct epoll_loop *loop, int fd, uint32_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int loop_init(struct epoll_loop *loop, struct load_work *work)
{
	const struct load_plan *plan = work->plan;
	int r;

	*loop = (struct epoll_loop){
		.work = work,
		.plan = plan,
		.course_plan = work->course_plan,
		.tally = work->tally,
		.fd = epoll_create1(EPOLL_CLOEXEC),
		.drain_ns = INT64_MAX,
		.guess.eager = EPOLL_LOOP_EAGER,
		.buffer = malloc(EPOLL_LOOP_BUFFER),
	};
	r = loop->fd < 0 ? -errno : 0;
	pace_init(&loop->pace, work);
	if (loop->pace.end_ns != INT64_MAX)
		loop->drain_ns = loop->pace.end_ns + plan->drain_ns;
	if (slots_init(&loop->slots, pace_capacity(work)) < 0 || !loop->buffer)
		return -ENOMEM;
	if (r == 0)
		r = watch_end(loop, work->stop_fd, TAG_STOP);
	if (r == 0)
		r = watch_end(loop, work->force_fd, TAG_FORCE);
	epoll_loop_clock(loop);
	return r;
}

static void loop_done(struct epoll_loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	free(loop->buffer);
	slots_done(&loop->slots);
}

static int epoll_run(struct load_work *work, struct why *why)
{
	/* An arrival is not to wait for the 50 us that the kernel allows itself to gather timers.
	 */
	int slack = prctl(PR_GET_TIMERSLACK);
	struct epoll_loop loop;
	int r = loop_init(&loop, work);

	prctl(PR_SET_TIMERSLACK, 1);
	if (r == 0)
		r = run(&loop);
	loop_done(&loop);
	if (slack > 0)
		prctl(PR_SET_TIMERSLACK, slack);
	return r < 0 ? why_set(why, r, "cannot wait for connections") : 0;
}

static int epoll_probe(struct why *why)
{
	(void)why;
	return 0;
}

extern const struct load_engine load_engine_epoll;

const struct load_engine load_engine_epoll = {
	.name = "epoll",
	.summary = "an event loop per thread, on epoll(7)",
	.probe = epoll_probe,
	.run = epoll_run,
};
