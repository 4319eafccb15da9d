/*
 * A load: worker processes and threads with an engine each, tallies in shared memory, and an
 * orderly end. A part, not a command: it prints nothing, and signals are its caller's business. The
 * lab's worlds run it as it is: sockets are made in the network namespace of the caller.
 */
#ifndef CONTEST_LOAD_GENERATOR_H
#define CONTEST_LOAD_GENERATOR_H

#include "base/why.h"
#include "load/engine.h"
#include "load/plan.h"
#include "load/tally.h"

struct generator;

/*
 * Makes a load. @plan is copied, what it points to is borrowed. Raises the soft descriptor limit
 * to the hard one; spreads over as many processes as concurrency needs under it (ABANDON:
 * connections), unless the plan says how many. A thread that would have no connection, no place in
 * the concurrency or no port (RANGE, RING) of its own is not made, asked for or not. 0 or -errno
 * with @why: -EMFILE when the asked number of processes cannot hold the descriptors; -ENOTSUP, the
 * engine or IP_LOCAL_PORT_RANGE is missing; -EINVAL, ports that run backwards, or that the kernel
 * would not keep to (tuple.h); -EADDRNOTAVAIL, a source (first and last of each range are tried)
 * is none of this host's addresses.
 */
int generator_new(const struct load_plan *plan, struct generator **ret, struct why *why);
/* Kills workers that still run. NULL is allowed. */
void generator_free(struct generator *generator);

/* Starts the workers; the load begins a moment later, at the same time in all. They die with the
 * calling thread, leave signals to it, and keep none of its descriptors but 0 to 2. */
int generator_start(struct generator *generator, struct why *why);
/* Nothing more is opened; what is under way ends within drain_ns. generator_force(): now. */
void generator_stop(struct generator *generator);
void generator_force(struct generator *generator);
/* Waits until all have ended, at most @timeout_ns (< 0: for ever): 0, -ETIMEDOUT, or -ECHILD with
 * @why when one has died of a signal or error. Each is told once, the others go on, and so may the
 * waiting. What was under way in the dead stays in in_flight. */
int generator_wait(struct generator *generator, int64_t timeout_ns, struct why *why);
/* Readable when generator_wait() has something to tell (borrowed). */
int generator_ended_fd(const struct generator *generator);

void generator_sum(const struct generator *generator, struct load_sum *ret);
void generator_latency(const struct generator *generator, enum load_latency latency,
		       struct histogram *ret);
/* CLOCK_MONOTONIC: when the load begins; 0 before generator_start(). */
int64_t generator_start_ns(const struct generator *generator);

struct generator_facts {
	unsigned processes, threads;	/* threads of all processes */
	uint64_t descriptors;		/* limit of each process */
	uint64_t descriptors_before;	/* the soft limit that was raised; the same: it was not */
	uint16_t first_port, last_port; /* that are used */
	unsigned running;		/* processes */
};
void generator_facts(const struct generator *generator, struct generator_facts *ret);

#endif
