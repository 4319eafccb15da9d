/*
 * A request is SENDING, its answer READING, then comes THINKING and the next; after the last one
 * CLOSING, as the plan says. FAILED ends it from anywhere. Outcomes move the phase on; the peer's
 * FIN only sets a flag, as it means something else in each phase: course_next() decides.
 *
 * The hot path is next (SEND), sent, next (READ), received, next (CLOSE).
 */
#include "load/course.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PHASE_SENDING, PHASE_READING, PHASE_THINKING, PHASE_CLOSING, PHASE_FAILED };

enum {
	EARLY = 1 << 0,	     /* the answer was complete before its request was sent */
	LAST = 1 << 1,	     /* the peer said that it is its last one */
	ALL = 1 << 2,	     /* nothing more is to be said or awaited */
	FIN = 1 << 3,	     /* the peer's FIN has come */
	FIN_AHEAD = 1 << 4,  /* … or lies behind what is unread */
	PEER_FIRST = 1 << 5, /* … and was seen before ours went out */
	SHUT = 1 << 6,	     /* our FIN has gone out */
	RESET = 1 << 7,	     /* the peer's RST has come */
};

static_assert(sizeof(struct course) <= 32, "100,000 idle connections keep one each");
static_assert(LOAD_FAILURES <= UINT8_MAX, "fits course.failure");

/* ---- what is said */

/* Payloads may be large: kept once where the last request is like the others. */
static void share(struct course_plan *course_plan)
{
	if (!course_plan->last || course_plan->last_length != course_plan->request_length ||
	    memcmp(course_plan->last, course_plan->request, course_plan->last_length) != 0)
		return;
	free(course_plan->last);
	course_plan->last = course_plan->request;
}

int course_plan_init(struct course_plan *course_plan, const struct load_plan *plan)
{
	const struct load_protocol *protocol = plan->protocol;
	struct course_plan made = {
		.plan = plan,
		.awaits = protocol->awaits ? protocol->awaits(plan) : protocol->has_answer,
	};
	int r = 0;

	if (protocol->request) {
		r = protocol->request(plan, false, &made.request, &made.request_length);
		if (r == 0)
			r = protocol->request(plan, true, &made.last, &made.last_length);
		if (r == 0)
			share(&made);
	}
	if (r == 0 && (made.request_length > UINT32_MAX || made.last_length > UINT32_MAX))
		r = -EINVAL; /* course.sent counts them */
	if (r < 0) {
		course_plan_done(&made);
		return r;
	}
	*course_plan = made;
	return 0;
}

void course_plan_done(struct course_plan *course_plan)
{
	if (course_plan->last != course_plan->request)
		free(course_plan->last);
	free(course_plan->request);
	*course_plan = (struct course_plan){0};
}

static bool is_last(const struct course *course, const struct course_plan *plan)
{
	return course->requests + 1 >= plan->plan->requests;
}

/* ---- from one exchange to the next */

/* The first reason is the one that counts: what comes later mostly follows from it. */
static void fail(struct course *course, unsigned failure)
{
	if (!course->failure)
		course->failure = (uint8_t)failure;
	course->phase = PHASE_FAILED;
}

/* The time before the close is this end's to choose only if it closes first. */
static bool thinks_at_end(const struct load_plan *plan)
{
	return plan->think_ns > 0 && plan->closing != LOAD_CLOSE_PASSIVE &&
	       plan->closing != LOAD_CLOSE_ABANDON;
}

static void all_done(struct course *course, const struct course_plan *plan)
{
	course->flags |= ALL;
	course->phase = thinks_at_end(plan->plan) ? PHASE_THINKING : PHASE_CLOSING;
}

static void exchanged(struct course *course, const struct course_plan *plan)
{
	if (course->answer.status >= 400 && !course->failure)
		course->failure = LOAD_FAIL_STATUS;
	course->answer = (struct answer_state){0};
	course->sent = 0;
	course->requests++;
	if (course->requests >= plan->plan->requests)
		all_done(course, plan);
	else if (course->flags & LAST)
		fail(course, LOAD_FAIL_SHORT);
	else if (!plan->request)
		course->phase = PHASE_READING;
	else
		course->phase = plan->plan->think_ns > 0 ? PHASE_THINKING : PHASE_SENDING;
	course->flags &= (uint16_t)~EARLY;
}

void course_begin(struct course *course, const struct course_plan *plan)
{
	*course = (struct course){.phase = plan->request ? PHASE_SENDING : PHASE_READING};
	if (!plan->request && !plan->awaits)
		all_done(course, plan);
}

/* ---- what is to be done */

/* The peer has ended: what it means depends on what was still to come from it. */
static void peer_ended(struct course *course, const struct course_plan *plan)
{
	if (course->phase == PHASE_THINKING && course->flags & ALL)
		course->phase = PHASE_CLOSING;
	else if (course->phase == PHASE_THINKING)
		fail(course, LOAD_FAIL_SHORT);
	/* To the first request the answer may lie before the FIN: servers that are full say so. */
	else if (course->phase == PHASE_SENDING &&
		 (!plan->awaits || (course->requests && !course->sent)))
		fail(course, LOAD_FAIL_SHORT);
}

static enum course_verb send_step(const struct course *course, const struct course_plan *plan,
				  struct course_step *ret)
{
	enum load_closing closing = plan->plan->closing;
	bool last = is_last(course, plan);

	ret->bytes = (last ? plan->last : plan->request) + course->sent;
	ret->length = (last ? plan->last_length : plan->request_length) - course->sent;
	/* Not before an RST, which would take the bytes along that waited for the FIN. */
	ret->last = last && (!plan->awaits || course->flags & EARLY) && !plan->plan->think_ns &&
		    (closing == LOAD_CLOSE_ACTIVE || closing == LOAD_CLOSE_LINGER);
	return COURSE_SEND;
}

static int linger(const struct course *course, const struct load_plan *plan)
{
	bool dead = course->phase == PHASE_FAILED && course->failure < LOAD_FAIL_TIMEOUT;

	if (dead || course->flags & RESET) /* nothing could be sent */
		return -1;
	if (plan->closing == LOAD_CLOSE_RST)
		return 0;
	/* A peer that failed would only hold the whole thread in close(). */
	return plan->closing == LOAD_CLOSE_LINGER && course->phase == PHASE_CLOSING ? plan->linger_s
										    : -1;
}

static enum course_verb close_step(const struct course *course, const struct load_plan *plan,
				   enum course_verb verb, struct course_step *ret)
{
	ret->linger = linger(course, plan);
	ret->failure = course->failure;
	ret->peer_closed = course->flags & PEER_FIRST;
	ret->peer_reset = course->flags & RESET;
	return verb;
}

static enum course_verb closing_step(const struct course *course, const struct load_plan *plan,
				     struct course_step *ret)
{
	unsigned flags = course->flags;

	switch (plan->closing) {
	case LOAD_CLOSE_HALF:
		if (!(flags & (FIN | FIN_AHEAD | SHUT)))
			return COURSE_SHUT;
		if (!(flags & FIN))
			return COURSE_READ;
		break;
	case LOAD_CLOSE_PASSIVE:
		if (!(flags & FIN))
			return COURSE_READ;
		break;
	case LOAD_CLOSE_ABANDON:
		if (!course->failure)
			return close_step(course, plan, COURSE_KEEP, ret);
		break;
	default:
		break;
	}
	return close_step(course, plan, COURSE_CLOSE, ret);
}

enum course_verb course_next(struct course *course, const struct course_plan *plan,
			     struct course_step *ret)
{
	if (course->flags & (FIN | FIN_AHEAD))
		peer_ended(course, plan);
	switch (course->phase) {
	case PHASE_SENDING:
		return send_step(course, plan, ret);
	case PHASE_READING:
		return COURSE_READ;
	case PHASE_THINKING:
		return COURSE_THINK;
	case PHASE_CLOSING:
		return closing_step(course, plan->plan, ret);
	}
	return close_step(course, plan->plan, COURSE_CLOSE, ret);
}

/* ---- outcomes */

static void broke(struct course *course, int error)
{
	if (error == EAGAIN || error == EINTR)
		return;
	/* tcp_reset() makes it EPIPE in CLOSE-WAIT. */
	if (error == ECONNRESET || error == EPIPE)
		course->flags |= RESET;
	fail(course, (unsigned)error);
}

void course_sent(struct course *course, const struct course_plan *plan, ssize_t length)
{
	size_t whole = is_last(course, plan) ? plan->last_length : plan->request_length;

	if (length < 0) {
		broke(course, (int)-length);
		return;
	}
	if (course->phase != PHASE_SENDING)
		return;
	course->sent += (uint32_t)length;
	if (course->sent < whole)
		return;
	if (plan->awaits && !(course->flags & EARLY))
		course->phase = PHASE_READING;
	else
		exchanged(course, plan);
}

/* Whether bytes, or a FIN, belong to an answer: none comes before its request, but the first. */
static bool is_answering(const struct course *course, const struct course_plan *plan)
{
	if (course->phase == PHASE_SENDING)
		return plan->awaits && !(course->flags & EARLY) &&
		       (course->sent || !course->requests);
	return course->phase == PHASE_READING;
}

/* Bytes that nobody asked for. Before another request they would be taken for its answer
 * (RFC 9112, 6.3: such a connection is to be closed); after the last one nobody cares. */
static void unasked(struct course *course, const struct course_plan *plan)
{
	if (course->flags & ALL || !plan->awaits)
		return;
	if (course->flags & EARLY && is_last(course, plan))
		return;
	fail(course, LOAD_FAIL_MALFORMED);
}

static void take(struct course *course, const struct course_plan *plan, const char *bytes,
		 size_t length)
{
	do {
		size_t taken = 0;
		int r = plan->plan->protocol->take(&course->answer, plan->plan, bytes, length,
						   &taken);

		if (r < 0) {
			fail(course, (unsigned)-r);
			return;
		}
		if (r == ANSWER_MORE)
			return;
		if (r == ANSWER_LAST)
			course->flags |= LAST;
		if (course->phase == PHASE_SENDING)
			course->flags |= EARLY;
		else
			exchanged(course, plan);
		bytes += taken;
		length -= taken;
	} while (length && is_answering(course, plan));
	if (length)
		unasked(course, plan);
}

void course_received(struct course *course, const struct course_plan *plan, const char *bytes,
		     ssize_t length)
{
	if (length < 0) {
		broke(course, (int)-length);
		return;
	}
	if (length == 0) {
		course_saw_fin(course);
		course->flags |= FIN;
	}
	if (is_answering(course, plan))
		take(course, plan, bytes, (size_t)length);
	else if (length)
		unasked(course, plan);
}

void course_saw_fin(struct course *course)
{
	course->flags |= course->flags & SHUT ? FIN_AHEAD : FIN_AHEAD | PEER_FIRST;
}

void course_thought(struct course *course)
{
	if (course->phase == PHASE_THINKING)
		course->phase = course->flags & ALL ? PHASE_CLOSING : PHASE_SENDING;
}

void course_shut(struct course *course)
{
	course->flags |= SHUT;
}

void course_fail(struct course *course, unsigned failure)
{
	if (course->phase == PHASE_FAILED)
		return;
	if (failure >= LOAD_FAIL_TIMEOUT)
		fail(course, failure);
	else
		broke(course, (int)failure);
}

bool course_answered(const struct course *course)
{
	return course->flags & ALL;
}
