/*
 * What a load counts: one tally per thread, in memory shared by all processes of the load; each
 * has one writer. Always, per tally and in sum:
 * attempted == completed + failed (sum over reasons) + in_flight.
 * A tally's writer counts in_flight itself, so that tests can hold it against the others; a sum
 * computes it, so that a reader who comes between two of the writer's steps still sees it hold.
 */
#ifndef CONTEST_LOAD_TALLY_H
#define CONTEST_LOAD_TALLY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "load/histogram.h"

/*
 * Why an attempt failed: an errno (1 to 133) of socket(), bind(), connect(), send(), recv(); or
 * one of these.
 */
enum load_failure {
	LOAD_FAIL_TIMEOUT = 134, /* the plan's timeout ran out */
	LOAD_FAIL_SHORT,	 /* the peer ended before its answer was complete */
	LOAD_FAIL_MALFORMED,	 /* what came is no answer of the protocol */
	LOAD_FAIL_STATUS,	 /* an HTTP status that is no 2xx or 3xx */
	LOAD_FAILURES,
};

/* "ECONNREFUSED", "timeout", "short-answer", "malformed-answer", "http-status"; what it means for
 * a person, in one clause ("nobody listens there, or a firewall says so"), both NULL for 0 and from
 * LOAD_FAILURES on; and the reason of a name, or -EINVAL. Names of errnos that have none: "errno
 * 41", in a static buffer of the thread. */
const char *load_failure_name(unsigned failure);
const char *load_failure_meaning(unsigned failure);
int load_failure_find(const char *name);

/* At which step it failed. */
enum load_step {
	LOAD_STEP_SOCKET, /* socket(), its options, bind() */
	LOAD_STEP_CONNECT,
	LOAD_STEP_EXCHANGE,
	LOAD_STEP_CLOSE,
	LOAD_STEPS,
};

enum load_latency {
	LATENCY_CONNECT,    /* from connect() to established */
	LATENCY_FIRST_BYTE, /* from the request's being sent to the answer's first byte */
	LATENCY_TOTAL,	    /* from the intended start (open loop) or socket() to the last answer */
	LATENCY_CLOSE,	    /* from the last answer to our close() returning, or the peer's FIN */
	LATENCY_LATE,	    /* open loop: from the intended start to socket() */
	LATENCIES,
};
const char *load_latency_name(enum load_latency latency); /* "connect", "first_byte", … */

struct load_tally {
	_Alignas(64) _Atomic uint64_t attempted; /* before its end is counted: socket()
						  * succeeded, or failed for good */
	_Atomic uint64_t connected, completed, in_flight;
	_Atomic uint64_t answers, bytes_in, bytes_out;
	_Atomic uint64_t closed_by_us, closed_by_peer, reset_by_us, reset_by_peer;
	_Atomic uint64_t failed[LOAD_FAILURES];
	_Atomic uint64_t failed_at[LOAD_STEPS];
	_Atomic uint64_t connect_calls, connect_ns; /* time inside connect(2), all calls */
	_Atomic uint64_t port_retries;	   /* ports that were taken: another one was tried */
	_Atomic uint64_t port_waits_ns;	   /* nothing could be opened for want of ports */
	_Atomic uint64_t descriptor_waits; /* times EMFILE, ENFILE kept from opening more */
	_Atomic uint64_t late;		   /* open loop: arrivals that concurrency held back */
	_Atomic uint64_t cpu_ns;	   /* this thread's processor time, told now and then */
	_Atomic int64_t opening_ended_ns;  /* CLOCK_MONOTONIC: opened the last one; 0: not yet */
	_Atomic int64_t last_end_ns;	   /* … when the last connection ended; 0: none yet */
	struct histogram latency[LATENCIES];
};

static inline void load_add(_Atomic uint64_t *counter, uint64_t n)
{
	/* One writer: no locked instruction is needed. Release: who sees an ending sees what was
	 * counted before it. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_release);
}

/* @count tallies in shared memory, zeroed; NULL when memory is short. */
struct load_tally *load_tallies_new(size_t count);
void load_tallies_free(struct load_tally *tallies, size_t count);

/* Their sum, as plain numbers. */
struct load_sum {
	uint64_t attempted, connected, completed, in_flight, failed_all;
	uint64_t answers, bytes_in, bytes_out;
	uint64_t closed_by_us, closed_by_peer, reset_by_us, reset_by_peer;
	uint64_t failed[LOAD_FAILURES], failed_at[LOAD_STEPS];
	uint64_t connect_calls, connect_ns, port_retries, port_waits_ns, descriptor_waits, late;
	uint64_t cpu_ns;
	int64_t opening_ended_ns, last_end_ns; /* the last of them that are told; 0: none is */
};
/* Counters alone; cheap. The writers may go on meanwhile. */
void load_tallies_sum(const struct load_tally *tallies, size_t count, struct load_sum *ret);
void load_tallies_latency(const struct load_tally *tallies, size_t count, enum load_latency latency,
			  struct histogram *ret);

#endif
