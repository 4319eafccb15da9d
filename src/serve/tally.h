/*
 * What a server counts. Tallies live in memory shared by all its processes; each worker counts in
 * one of its own, so that counting costs no core a cache line of another. Always, per tally and in
 * sum: accepted == closed_by_us + closed_by_peer + reset + open.
 *
 * A worker that is killed cannot count any more. What was open in it is closed_by_us from then on:
 * the kernel closes a dead process's descriptors (do_exit(), exit_files()), and tcp_close() sends
 * this end's FIN, or RST where data lay unread; the peer ended nothing. (Where its FIN had come
 * already, nobody is left who would know.)
 */
#ifndef CONTEST_SERVE_TALLY_H
#define CONTEST_SERVE_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_ERRNO_MAX 134 /* errors are counted by errno; greater ones as 0 */

struct tally {
	_Alignas(64) _Atomic uint64_t accepted;
	_Atomic uint64_t closed_by_us;	 /* our FIN (or RST) went first */
	_Atomic uint64_t closed_by_peer; /* the peer's FIN came first */
	_Atomic uint64_t reset;		 /* the peer's RST, or a timeout, ended it */
	_Atomic uint64_t bytes_in, bytes_out, answers;
	_Atomic uint64_t refused;     /* accepted and closed at once: over max_connections */
	_Atomic uint64_t idle_closed; /* of closed_by_us: for the idle timeout */
	_Atomic uint64_t paused; /* times accepting stopped for want of descriptors or memory */
	_Atomic int64_t tasks, tasks_max;	  /* processes and threads that serve */
	_Atomic uint64_t errors[TALLY_ERRNO_MAX]; /* of accept, read, write, fork, … by errno */
	_Atomic bool full;	/* its tasks hold as many connections as they may */
	_Atomic bool abandoned; /* who counted here was killed */
};

/* How a connection ended, seen from the server. */
enum tally_ending { ENDED_BY_US, ENDED_BY_PEER, ENDED_RESET, ENDED_IDLE };

static inline void tally_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Counts an end; ENDED_IDLE counts as closed_by_us too. After `accepted` was counted. */
void tally_end(struct tally *tally, enum tally_ending ending);
/* Counts an errno (or -errno). */
void tally_error(struct tally *tally, int error);
/* Tasks come and go: @change is +1 or -1. Keeps the maximum. */
void tally_tasks(struct tally *tally, int change);

/* Connections that are open, of a tally in which all that began end, too: exact for who counts
 * here alone, or when it has ended. */
uint64_t tally_open(const struct tally *tally);

/*
 * Who counted in these @count tallies was killed: from now on nothing of theirs is open, and no
 * task serves. Returns how many connections that closed. Children of the dead (engine "fork") may
 * go on counting for as long as it takes the kernel to kill them; the sums add up all the same.
 */
uint64_t tallies_abandon(struct tally *tallies, size_t count);

/* @count tallies in shared memory (mmap), zeroed; NULL when memory is short. */
struct tally *tallies_new(size_t count);
void tallies_free(struct tally *tallies, size_t count);

/*
 * Their sum at about one moment, into plain numbers. open = accepted - endings, never below 0.
 * tasks_max is the sum of the tallies' maxima: exact where one tally counts all tasks.
 */
struct tally_sum {
	uint64_t accepted, closed_by_us, closed_by_peer, reset, open, bytes_in, bytes_out, answers;
	uint64_t refused, idle_closed, paused, tasks, tasks_max, errors[TALLY_ERRNO_MAX];
};
void tallies_sum(const struct tally *tallies, size_t count, struct tally_sum *ret);

#endif
