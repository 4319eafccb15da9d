/*
 * Engines: ways to carry many connections of a load. One const struct load_engine each, one file
 * each, listed in load_engines[]; one contract test runs over all of them.
 */
#ifndef CONTEST_LOAD_ENGINE_H
#define CONTEST_LOAD_ENGINE_H

#include "base/why.h"
#include "load/course.h"
#include "load/plan.h"
#include "load/schedule.h"
#include "load/tally.h"
#include "load/tuple.h"

/* What one thread works with. */
struct load_work {
	const struct load_plan *plan;
	const struct course_plan *course_plan;
	struct schedule schedule;
	struct tuples tuples;
	struct load_tally *tally;
	int64_t start_ns; /* CLOCK_MONOTONIC: when the load begins */
	/* Readable once no more is to be opened (what is under way may go on for drain_ns), and
	 * once all is to end. Never read from them: all watch the same. */
	int stop_fd, force_fd;
};

struct load_engine {
	const char *name;    /* "epoll" */
	const char *summary; /* one line */
	/* Whether this system has what it needs: 0, or -ENOTSUP / -EPERM with one line in @why. */
	int (*probe)(struct why *why);
	/*
	 * Opens, exchanges and closes in the calling thread until the plan is fulfilled or it is
	 * told to end; every attempt is accounted for on return: what did not come to an end is
	 * closed (by RST, so that it leaves nothing) and stays counted in in_flight. 0 or -errno
	 * with @why when the loop itself cannot go on; connections that fail are no error.
	 *
	 * ABANDON: one that is left open counts as completed, no longer as under way. They are held
	 * until duration_ns is over or the load is told to stop (without a duration: until the
	 * last one was opened), then reset, too.
	 *
	 * What each latency means exactly, and who is counted as having closed first, says
	 * engine_account.h; what a step is that timeout_ns bounds: connect(), each request with its
	 * answer, the wait for the peer's FIN.
	 *
	 * Scarcity is waited out without spinning: EMFILE and ENFILE until one of its own
	 * connections ends (or 50 ms); EADDRNOTAVAIL or EADDRINUSE of ports: RANGE and RING try the
	 * next ones, up to 32; then, and with KERNEL at once, the attempt has failed, and the next
	 * one is made 1 ms later, then twice as long each time up to 250 ms, until one succeeds
	 * (tally.port_waits_ns). With a rate the arrivals that fall into such a wait fail with
	 * EADDRNOTAVAIL when their turn comes, without a system call.
	 */
	int (*run)(struct load_work *work, struct why *why);
};

extern const struct load_engine *const load_engines[]; /* ended by NULL; the first: default */
const struct load_engine *load_engine_find(const char *name);

#endif
