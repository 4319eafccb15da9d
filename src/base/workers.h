/*
 * Worker processes: children of the caller that do a part of its work each. Their ends are
 * watched and told; none outlives who started them.
 */
#ifndef CONTEST_BASE_WORKERS_H
#define CONTEST_BASE_WORKERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

struct workers;

/* What workers do for their owner. */
struct workers_role {
	/* The life of worker @index (from 0), in its process: 0, or -errno with @why, which
	 * workers_wait() passes on. */
	int (*run)(void *owner, unsigned index, struct why *why);
	/* In the caller: that worker was found to have died of a signal or error, of workers_kill()
	 * too. NULL: nothing is to be done then. */
	void (*died)(void *owner, unsigned index);
	/* In the caller, by workers_wait(): the descriptor of workers_hear() is readable. 0:
	 * nothing to tell after all; or -errno with @why. NULL without workers_hear(). */
	int (*hear)(void *owner, struct why *why);
};

/* Makes @count workers (at least 1), not yet started, with @shared bytes for what they and their
 * owner tell each other. @role and @owner are borrowed. 0 or -errno. */
int workers_new(const struct workers_role *role, void *owner, unsigned count, size_t shared,
		struct workers **ret);
/* Kills those that still run, without a word. Not for use in a worker. NULL is allowed. */
void workers_free(struct workers *workers);
/* Those bytes: zeroed at first, aligned for all types, the same in all processes. (borrowed) */
void *workers_shared(const struct workers *workers);

/* Before the start: workers_wait() also calls role->hear(), whenever @fd (borrowed) is readable.
 * 0 or -errno. */
int workers_hear(struct workers *workers, int fd);

/*
 * Starts all, as forks of the caller. They die with the calling thread (PR_SET_PDEATHSIG), leave
 * signals for the whole group to it, and keep none of its descriptors but 0 to 2 and the @count
 * ones of @keep (in any order; -1 are none). 0 or -errno with @why; what was started then is for
 * workers_free().
 */
int workers_start(struct workers *workers, const int *keep, size_t count, struct why *why);

/*
 * Waits until all have ended, at most @timeout_ns (< 0: for ever): 0, -ETIMEDOUT, or -ECHILD with
 * @why as soon as one is found to have died of a signal or error, or what role->hear() has to tell.
 * Each is told once, the others go on, and so may the waiting.
 */
int workers_wait(struct workers *workers, int64_t timeout_ns, struct why *why);
/* Readable when workers_wait() has something to tell. For poll(). (borrowed) */
int workers_ended_fd(const struct workers *workers);

/* Kills those that still run; returns how many, when they have ended. */
unsigned workers_kill(struct workers *workers);

unsigned workers_running(const struct workers *workers);	  /* not known to have ended */
pid_t workers_pid(const struct workers *workers, unsigned index); /* 0: does not run */

#endif
