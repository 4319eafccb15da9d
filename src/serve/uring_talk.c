/* The course of a connection: what its talk says is queued, and the events are told to it. */
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "serve/uring_loop.h"

static int fd_at(const struct uring_loop *loop, uint32_t at)
{
	return slab_at(&loop->slab, at)->fd;
}

static void under_way(struct uring_loop *loop, uint32_t at, enum request request)
{
	slab_at(&loop->slab, at)->watched |= (uint8_t)UNDER_WAY(request);
}

/* ---- the end */

void uring_hang_up(struct uring_loop *loop, int fd)
{
	if (uring_room(&loop->uring))
		uring_close(&loop->uring, fd, uring_tag(REQUEST_NONE, 0));
	else
		uring_close_now(&loop->uring, fd);
}

/* The close itself goes out with the next system call, or it is for a thread that waits with it.
 * SO_LINGER is only set on plain descriptors: see uses_plain(). */
static void hang_up_as(struct uring_loop *loop, int fd, const struct talk_step *step)
{
	const struct linger now = {.l_onoff = 1};

	if (step->linger > 0 && !loop->uring.files) {
		uring_linger(loop, fd, step);
		return;
	}
	if (step->linger == 0 && !loop->uring.files &&
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) < 0)
		tally_error(loop->tally, errno);
	uring_hang_up(loop, fd);
	tally_end(loop->tally, step->ending);
	if (loop->plan->max_connections) /* see engine_admit() */
		atomic_fetch_sub_explicit(loop->work->open_all, 1, memory_order_relaxed);
}

static void finish(struct uring_loop *loop, uint32_t at, const struct talk_step *step)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (loop->slab.recording)
		engine_note_ended(loop->work, slab_record(&loop->slab, at), step->ending,
				  clock_now_ns(), slot->talk.error);
	if (slot->talk.error)
		tally_error(loop->tally, slot->talk.error);
	hang_up_as(loop, slot->fd, step);
	talk_done(&slot->talk);
	slab_give(&loop->slab, at);
	if (loop->resume_ns != INT64_MAX) /* there is room for one again */
		loop->resume_ns = loop->now_ns;
}

/* ---- the course of a connection */

/* It waits for its peer. A byte that moved has taken it off the list: the time begins anew. */
static void park(struct uring_loop *loop, uint32_t at)
{
	int64_t idle_ns = loop->plan->idle_timeout_ns;

	if (slab_at(&loop->slab, at)->list != SLAB_PEER)
		slab_enlist(&loop->slab, at, SLAB_PEER,
			    idle_ns ? loop->now_ns + idle_ns : INT64_MAX);
}

static void receive(struct uring_loop *loop, uint32_t at)
{
	uring_receive(&loop->uring, fd_at(loop, at), 0, uring_tag(REQUEST_RECEIVE, at));
	under_way(loop, at, REQUEST_RECEIVE);
	park(loop, at);
}

static void look(struct uring_loop *loop, uint32_t at)
{
	uring_receive(&loop->uring, fd_at(loop, at), MSG_DONTWAIT, uring_tag(REQUEST_LOOK, at));
	under_way(loop, at, REQUEST_LOOK);
}

/* Whether the talk will look once @length bytes are sent. A copy is asked: it is plain data, as
 * long as it keeps no buffer. */
static bool will_look(const struct uring_loop *loop, const struct talk *talk, size_t length)
{
	struct talk copy = *talk;
	struct talk_step step;
	bool looks;

	if (copy.protocol.buffer)
		return false;
	talk_sent(&copy, loop->plan, (ssize_t)length);
	looks = talk_next(&copy, loop->plan, loop->now_ns,
			  loop->uring.scratch + loop->uring.scratch_used + length, URING_ROOM,
			  &step) == TALK_LOOK;
	talk_done(&copy);
	return looks;
}

static void transmit(struct uring_loop *loop, uint32_t at, size_t length)
{
	struct slot *slot = slab_at(&loop->slab, at);
	bool link;

	if (slot->watched & NOTE_BLOCKED) {
		slot->watched &= (uint8_t)~NOTE_BLOCKED;
		uring_poll(&loop->uring, slot->fd, uring_tag(REQUEST_WRITABLE, at));
		under_way(loop, at, REQUEST_WRITABLE);
		park(loop, at);
		return;
	}
	link = will_look(loop, &slot->talk, length);
	uring_send(&loop->uring, slot->fd, length, link, uring_tag(REQUEST_SEND, at));
	under_way(loop, at, REQUEST_SEND);
	if (link)
		look(loop, at);
}

static void say(struct uring_loop *loop, uint32_t at, const struct talk_step *step)
{
	const struct engine_record *record = slab_record(&loop->slab, at);

	if (record)
		journal_said(loop->work->journal, record->id, uring_scratch(&loop->uring),
			     step->length, step->total);
	talk_said(&slab_at(&loop->slab, at)->talk, loop->plan);
}

static enum talk_verb next(struct uring_loop *loop, struct talk *talk, struct talk_step *ret)
{
	enum talk_verb verb = talk_next(talk, loop->plan, talk_now_ns(loop->plan, loop->now_ns),
					uring_scratch(&loop->uring), URING_ROOM, ret);
	unsigned answers = talk_answers(talk);

	if (answers)
		tally_add(&loop->tally->answers, answers);
	return verb;
}

void uring_turn(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	struct talk_step step;

	slot->watched &= (uint8_t)~NOTE_CANCELLED;
	for (;;) {
		if (!uring_room(&loop->uring)) {
			slab_enlist(&loop->slab, at, SLAB_TIME, loop->now_ns);
			return;
		}
		if (loop->forced)
			talk_expire(&slot->talk, ENDED_BY_US);
		switch (next(loop, &slot->talk, &step)) {
		case TALK_READ:
			if (loop->draining && talk_idle(&slot->talk)) {
				talk_expire(&slot->talk, ENDED_BY_US);
				break;
			}
			receive(loop, at);
			return;
		case TALK_LOOK:
			look(loop, at);
			return;
		case TALK_WRITE:
			transmit(loop, at, step.length);
			return;
		case TALK_SAY:
			say(loop, at, &step);
			break;
		case TALK_WATCH:
			uring_peek(&loop->uring, slot->fd, uring_tag(REQUEST_PEEK, at));
			under_way(loop, at, REQUEST_PEEK);
			park(loop, at);
			return;
		case TALK_SHUT:
			uring_shutdown(&loop->uring, slot->fd, uring_tag(REQUEST_SHUT, at));
			under_way(loop, at, REQUEST_SHUT);
			return;
		case TALK_WAIT:
			slab_enlist(&loop->slab, at, SLAB_TIME, step.until_ns);
			return;
		case TALK_LEAK:
			slab_enlist(&loop->slab, at, SLAB_LEAK, INT64_MAX);
			return;
		case TALK_CLOSE:
			finish(loop, at, &step);
			return;
		}
	}
}

/* ---- what came of its requests */

/* Neither the peer's doing nor ours: the same is asked for again. */
static bool is_void(int result)
{
	return result == -ECANCELED || result == -ENOBUFS || result == -EINTR;
}

static void received(struct uring_loop *loop, uint32_t at, const struct ring_event *event)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (event->result > 0) {
		tally_add(&loop->tally->bytes_in, (uint64_t)event->result);
		if (loop->slab.recording)
			slab_record(&loop->slab, at)->bytes_in += (uint64_t)event->result;
		slab_delist(&loop->slab, at);
	}
	if (!is_void(event->result))
		talk_received(&slot->talk, loop->plan, event->bytes, event->result);
}

static void sent(struct uring_loop *loop, uint32_t at, int result)
{
	struct slot *slot = slab_at(&loop->slab, at);

	if (result == -EAGAIN) {
		slot->watched |= NOTE_BLOCKED;
		return;
	}
	if (result > 0) {
		tally_add(&loop->tally->bytes_out, (uint64_t)result);
		if (loop->slab.recording)
			slab_record(&loop->slab, at)->bytes_out += (uint64_t)result;
		slab_delist(&loop->slab, at);
	}
	if (!is_void(result))
		talk_sent(&slot->talk, loop->plan, result);
}

void uring_completed(struct uring_loop *loop, uint32_t at, enum request request,
		     const struct ring_event *event)
{
	struct slot *slot = slab_at(&loop->slab, at);

	slot->watched &= (uint8_t)~UNDER_WAY(request);
	switch (request) {
	case REQUEST_RECEIVE:
	case REQUEST_LOOK:
		received(loop, at, event);
		break;
	case REQUEST_SEND:
		sent(loop, at, event->result);
		break;
	case REQUEST_PEEK:
		if (!is_void(event->result))
			talk_watched(&slot->talk, event->result);
		break;
	case REQUEST_SHUT:
		talk_shut(&slot->talk);
		break;
	default:
		break;
	}
	/* The look that is linked to a send comes after it. */
	if (!(slot->watched & UNDER_WAY_ANY))
		uring_turn(loop, at);
}

void uring_begin(struct uring_loop *loop, uint32_t at)
{
	talk_begin(&slab_at(&loop->slab, at)->talk, loop->plan,
		   talk_now_ns(loop->plan, loop->now_ns));
	uring_turn(loop, at);
}

bool uring_interrupt(struct uring_loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	int bit = __builtin_ffs(slot->watched & UNDER_WAY_ANY) - 1;

	if (!uring_room(&loop->uring))
		return false;
	ring_cancel(&loop->uring.ring, uring_tag(REQUEST_RECEIVE + (unsigned)bit, at),
		    uring_tag(REQUEST_NONE, 0));
	slot->watched |= NOTE_CANCELLED;
	return true;
}
