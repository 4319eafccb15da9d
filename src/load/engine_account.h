/*
 * How engines count and measure: one place, so that they do it alike. The caller tells what
 * happened and when (CLOCK_MONOTONIC, read when the system call that told it had returned).
 * Private to the engines.
 *
 * connect     from before connect() until it was known to be established: connect() returned 0, or
 *             the first send() or a second connect() did not say otherwise (then: when the first
 *             connect() had returned), or epoll said so.
 * first_byte  per answer: from before the send() of the request's last part (server speaks first:
 *             from established) until the recv() with the first byte had returned.
 * total       from the intended start (closed loop: before socket()) until the recv() had returned
 *             that completed the last answer; without an answer: the last send(), or established.
 * close       from there until our close() had returned; or the peer's FIN was read, where that
 *             came first. Of completed ones.
 * late        open loop: from the intended start until before socket().
 *
 * closed_by_us, closed_by_peer, reset_by_us, reset_by_peer: each established connection that has
 * ended is counted in one of them, for what went first: FIN or RST, ours or the peer's. (One
 * that was cut at the end of the load is reset_by_us and stays in in_flight.)
 */
#ifndef CONTEST_LOAD_ENGINE_ACCOUNT_H
#define CONTEST_LOAD_ENGINE_ACCOUNT_H

#include "load/course.h"
#include "load/engine.h"
#include "load/slots.h"

/* struct slot.state */
enum {
	SLOT_CONNECTED = 1 << 0,
	SLOT_AWAITS = 1 << 1,	/* the answer's first byte */
	SLOT_ANSWERED = 1 << 2, /* the last answer is complete */
	SLOT_ENDED = 1 << 3,	/* kept, but counted as ended by the peer */
};

/* One that never was under way: socket(), bind() or connect() failed for good. */
void account_refused(struct load_tally *tally, int error, enum load_step step, int64_t now_ns);

/* It has a socket. @intended_ns 0: now. */
void account_begin(struct load_tally *tally, struct slot *slot, int64_t intended_ns,
		   int64_t now_ns);
/* connect() was called, and returned. */
static inline void account_connect_call(struct load_tally *tally, struct slot *slot,
					int64_t before_ns, int64_t after_ns)
{
	slot->mark_ns = before_ns;
	load_add(&tally->connect_calls, 1);
	load_add(&tally->connect_ns, (uint64_t)(after_ns - before_ns));
}
void account_connected(const struct load_work *work, struct slot *slot, int64_t now_ns);
/* @n bytes went out with a send() called at @before_ns; before course_sent(). */
void account_sent(struct load_tally *tally, struct slot *slot, size_t n, int64_t before_ns);
/* @n bytes came; before course_received(). */
void account_received(struct load_tally *tally, struct slot *slot, size_t n, int64_t now_ns);
/* The course was told something, and had had @requests answers before. True: just now the last
 * one became complete. */
bool account_answers(struct load_tally *tally, struct slot *slot, uint32_t requests,
		     int64_t now_ns);

/* Whether a connect() that came to this error had been established first: a SYN is answered by RST
 * with ECONNREFUSED (net/ipv4/tcp_input.c, tcp_reset()). */
bool account_was_established(int error);
/* It has failed before it was established. */
void account_unconnected(struct load_tally *tally, unsigned failure, int64_t now_ns);
/* COURSE_CLOSE was done: @before_ns is before close(), @now_ns after it. */
void account_closed(struct load_tally *tally, struct slot *slot, const struct course_step *step,
		    int64_t before_ns, int64_t now_ns);
/* COURSE_KEEP. */
void account_kept(struct load_tally *tally, struct slot *slot, const struct course_step *step,
		  int64_t now_ns);
/* Reset at the end of the load, wherever it was; or a kept one's end. */
void account_cut(struct load_tally *tally, const struct slot *slot);

/* Tells the calling thread's processor time. */
void account_cpu(struct load_tally *tally);

#endif
