/* The course of a connection: what it says is queued, and the events are told to it. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/uring.h"

static void under_way(struct slot *slot, enum request request)
{
	slot->watched |= (uint8_t)UNDER_WAY(request);
}

static bool is_under_way(const struct slot *slot, enum request request)
{
	return slot->watched & UNDER_WAY(request);
}

void uring_loop_park(struct uring_loop *loop, uint32_t at)
{
	if (loop->slots.at[at].list != SLOTS_STEP)
		slots_enlist(&loop->slots, at, SLOTS_STEP, loop->now_ns + loop->plan->timeout_ns);
}

/* ---- the end */

static void set_linger(int fd, int seconds)
{
	struct linger linger = {.l_onoff = 1, .l_linger = seconds};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void finish(struct uring_loop *loop, uint32_t at, const struct course_step *step)
{
	struct slot *slot = &loop->slots.at[at];
	int64_t before_ns = loop->now_ns, now_ns;

	if (step->linger >= 0)
		set_linger(slot->fd, step->linger);
	close(slot->fd);
	now_ns = uring_loop_clock(loop);
	if (slot->state & SLOT_CONNECTED)
		account_closed(loop->tally, slot, step, before_ns, now_ns);
	else
		account_unconnected(loop->tally, step->failure, now_ns);
	slots_give(&loop->slots, at);
	pace_ended(&loop->pace);
}

static void keep(struct uring_loop *loop, uint32_t at, const struct course_step *step)
{
	account_kept(loop->tally, &loop->slots.at[at], step, loop->now_ns);
	slots_enlist(&loop->slots, at, SLOTS_KEPT, INT64_MAX);
}

void uring_loop_cut(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];

	set_linger(slot->fd, 0);
	close(slot->fd);
	account_cut(loop->tally, slot);
	slots_give(&loop->slots, at);
}

/* One at a time: its event, or that of a cancellation in vain, leads to the next turn, which sees
 * to what is left. */
void uring_loop_interrupt(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];
	enum request first;

	if (!slot->watched || is_under_way(slot, REQUEST_CANCEL))
		return;
	first = (enum request)(REQUEST_CONNECT + __builtin_ctz(slot->watched));
	ring_cancel(&loop->ring, uring_tag(first, at),
		    uring_tag(REQUEST_CANCEL, at) | (uint64_t)first << 48);
	under_way(slot, REQUEST_CANCEL);
}

/* Whether it can be closed or left alone: a request under way would hold the socket. */
static bool is_idle(struct uring_loop *loop, uint32_t at)
{
	if (!loop->slots.at[at].watched)
		return true;
	slots_delist(&loop->slots, at);
	uring_loop_interrupt(loop, at);
	return false;
}

/* ---- steps */

/* @later: nothing can be there yet, which saves a look. */
static void receive(struct uring_loop *loop, uint32_t at, bool later)
{
	struct slot *slot = &loop->slots.at[at];
	struct io_uring_sqe *sqe;

	if (is_under_way(slot, REQUEST_RECEIVE) || slot->ready & READY_FIN)
		return;
	sqe = ring_receive(&loop->ring, slot->fd, 0, uring_tag(REQUEST_RECEIVE, at));
	if (later)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	under_way(slot, REQUEST_RECEIVE);
}

/* Whether the peer's FIN lies behind what was read: it tells who closed first, and that there is
 * no use in another request. */
static void look(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];

	slot->ready &= (uint8_t)~READY_MORE;
	slot->ready |= READY_LOOKED;
	ring_receive(&loop->ring, slot->fd, MSG_DONTWAIT, uring_tag(REQUEST_RECEIVE, at));
	under_way(slot, REQUEST_RECEIVE);
}

/* The first try does not wait, so that the time of it is known. Where there was no room for all,
 * the next ones do. */
static void transmit(struct uring_loop *loop, uint32_t at, const struct course_step *step,
		     bool waits)
{
	struct slot *slot = &loop->slots.at[at];

	if (is_under_way(slot, REQUEST_SEND))
		return;
	if (!waits) { /* a step begins: it has the whole timeout */
		slots_delist(&loop->slots, at);
		slot->ready &= (uint8_t)~READY_LOOKED;
	}
	ring_send(&loop->ring, slot->fd, step->bytes, step->length,
		  MSG_NOSIGNAL | (step->last ? MSG_MORE : 0) | (waits ? 0 : MSG_DONTWAIT),
		  uring_tag(REQUEST_SEND, at));
	under_way(slot, REQUEST_SEND);
}

static void converse(struct uring_loop *loop, uint32_t at, const struct course_step *step)
{
	const struct slot *slot = &loop->slots.at[at];
	bool waits = slot->ready & READY_BLOCKED || slot->course.sent > 0;

	transmit(loop, at, step, waits);
	/* A peer that answers meanwhile may be waiting for us to read. */
	if (waits || loop->course_plan->awaits)
		receive(loop, at, !waits);
}

static void think(struct uring_loop *loop, uint32_t at)
{
	receive(loop, at, false);
	if (loop->slots.at[at].list != SLOTS_THINK)
		slots_enlist(&loop->slots, at, SLOTS_THINK, loop->now_ns + loop->plan->think_ns);
}

/* With TCP Fast Open the SYN goes out with the first bytes. */
static bool turn_unconnected(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];
	struct course_step step;

	switch (course_next(&slot->course, loop->course_plan, &step)) {
	case COURSE_CLOSE:
		if (is_idle(loop, at))
			finish(loop, at, &step);
		return false;
	case COURSE_SEND:
		if (!slot->watched && !slot->course.sent && !(slot->ready & READY_BLOCKED)) {
			ring_send(&loop->ring, slot->fd, step.bytes, step.length,
				  MSG_NOSIGNAL | MSG_DONTWAIT, uring_tag(REQUEST_SEND, at));
			under_way(slot, REQUEST_SEND);
		}
		break;
	default:
		break;
	}
	if (!slot->watched) {
		ring_poll(&loop->ring, slot->fd, POLLOUT, uring_tag(REQUEST_WRITABLE, at));
		under_way(slot, REQUEST_WRITABLE);
	}
	uring_loop_park(loop, at);
	return false;
}

/* Queues one step; false when nothing more can be done now, or the slot is gone. */
static bool turn_step(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];
	struct course_step step;
	enum course_verb verb;

	if (!ring_room(&loop->ring)) { /* the time to think is over at once */
		slots_enlist(&loop->slots, at, SLOTS_THINK, loop->now_ns);
		return false;
	}
	if (!(slot->state & SLOT_CONNECTED))
		return turn_unconnected(loop, at);
	verb = course_next(&slot->course, loop->course_plan, &step);
	if (slot->ready & READY_MORE && verb != COURSE_READ && verb != COURSE_THINK &&
	    !is_under_way(slot, REQUEST_RECEIVE)) {
		look(loop, at);
		return false;
	}
	switch (verb) {
	case COURSE_SEND:
		converse(loop, at, &step);
		break;
	case COURSE_READ:
		receive(loop, at, false);
		break;
	case COURSE_THINK:
		think(loop, at);
		return false;
	case COURSE_SHUT:
		/* Not by the ring: its threads would do it (io_uring/net.c, io_shutdown_prep()).
		 * When it fails, the next read tells why. */
		shutdown(slot->fd, SHUT_WR);
		course_shut(&slot->course);
		return true;
	case COURSE_CLOSE:
		if (is_idle(loop, at))
			finish(loop, at, &step);
		return false;
	case COURSE_KEEP:
		if (is_idle(loop, at))
			keep(loop, at, &step);
		return false;
	}
	uring_loop_park(loop, at);
	return false;
}

void uring_loop_turn(struct uring_loop *loop, uint32_t at)
{
	while (turn_step(loop, at))
		continue;
}

/* ---- what came of its requests */

/* Neither the peer's doing nor ours: the same is asked for again. EAGAIN: nothing to be looked at;
 * and rarely of one that waits, since the socket is non-blocking. */
static bool is_void(int result)
{
	return result == -ECANCELED || result == -ENOBUFS || result == -EINTR || result == -EAGAIN;
}

void uring_loop_answers(struct uring_loop *loop, struct slot *slot, uint32_t before, int64_t now_ns)
{
	if (slot->course.requests == before && !course_answered(&slot->course))
		return;
	account_answers(loop->tally, slot, before, now_ns);
}

/* When send() was called that has an event now: with the last call to the kernel, if it was not
 * one that waited, or waited for connect(). */
static int64_t sent_ns(const struct uring_loop *loop, const struct slot *slot)
{
	if (slot->ready & READY_BLOCKED || slot->course.sent > 0)
		return loop->now_ns;
	return loop->entered_ns;
}

static void sent(struct uring_loop *loop, struct slot *slot, int result)
{
	uint32_t before = slot->course.requests;

	if (result == -EAGAIN)
		slot->ready |= READY_BLOCKED;
	if (is_void(result))
		return;
	if (result > 0)
		account_sent(loop->tally, slot, (size_t)result, sent_ns(loop, slot));
	slot->ready &= (uint8_t)~READY_BLOCKED;
	course_sent(&slot->course, loop->course_plan, result);
	if (slot->course.requests != before) /* no answer is awaited: this was the end */
		uring_loop_answers(loop, slot, before, loop->now_ns);
}

static void received(struct uring_loop *loop, uint32_t at, const struct ring_event *event)
{
	struct slot *slot = &loop->slots.at[at];
	bool answered = slot->state & SLOT_ANSWERED;
	uint32_t before = slot->course.requests;
	int result = event->result;

	if (is_void(result))
		return;
	if (result > 0)
		account_received(loop->tally, slot, (size_t)result, loop->now_ns);
	if (result == 0)
		slot->ready |= READY_FIN;
	course_received(&slot->course, loop->course_plan, event->bytes, result);
	/* Nothing but a FIN can be behind what did not fill its buffer. */
	if (event->rest && result > 0 && result < URING_BUFFER && !(slot->ready & READY_LOOKED))
		slot->ready |= READY_MORE;
	else
		slot->ready &= (uint8_t)~READY_MORE;
	uring_loop_answers(loop, slot, before, loop->now_ns);
	if (!answered && slot->state & SLOT_ANSWERED) /* the next step has its whole timeout */
		slots_delist(&loop->slots, at);
}

void uring_loop_completed(struct uring_loop *loop, uint32_t at, enum request request,
			  const struct ring_event *event)
{
	struct slot *slot = &loop->slots.at[at];

	slot->watched &= (uint8_t)~UNDER_WAY(request);
	switch (request) {
	case REQUEST_CONNECT:
		if (loop->opening.at == at) {
			loop->opening.result = event->result;
			return;
		}
		uring_loop_connected(loop, at, event->result, loop->now_ns);
		break;
	case REQUEST_WRITABLE:
		uring_loop_writable(loop, at);
		break;
	case REQUEST_SEND:
		sent(loop, slot, event->result);
		break;
	case REQUEST_RECEIVE:
		received(loop, at, event);
		break;
	default: /* a cancellation: what was found has an event of its own */
		if (event->result == 0 && is_under_way(slot, uring_tag_cancelled(event->tag)))
			return;
		break;
	}
	if (!loop->ending)
		uring_loop_turn(loop, at);
}
