/* The course of a connection: what its talk says is done, as far as that goes without waiting. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/event.h"
#include "serve/talk.h"

/* Reads and writes of one connection before the others get their turn. */
#define TURN_STEPS 8

#define EAGER_MOST 8

void event_turn_init(struct event_loop *loop)
{
	loop->guess_read = (struct guess_read){.eager = EAGER_MOST};
}

static void count_answers(struct event_loop *loop, struct talk *talk)
{
	unsigned answers = talk_answers(talk);

	if (answers)
		tally_add(&loop->tally->answers, answers);
}

static void finish(struct event_loop *loop, uint32_t at, const struct talk_step *step)
{
	struct slot *slot = slab_at(&loop->slab, at);
	int error = slot->talk.error;

	count_answers(loop, &slot->talk);
	if (error)
		tally_error(loop->tally, error);
	if (loop->ops->closing)
		loop->ops->closing(loop->set, slot->fd, at, slot->watched);
	if (loop->slab.recording)
		engine_note_ended(loop->work, slab_record(&loop->slab, at), step->ending,
				  clock_now_ns(), error);
	engine_close(loop->work, loop->tally, slot->fd, step);
	talk_done(&slot->talk);
	slab_give(&loop->slab, at);
	/* There is room for one again. */
	if (loop->resume_ns != INT64_MAX)
		loop->resume_ns = loop->now_ns;
}

/* The readiness set has no place for it (select: FD_SETSIZE; epoll: max_user_watches, memory). */
static void refuse(struct event_loop *loop, uint32_t at, int error)
{
	const struct talk_step step = {.linger = -1, .ending = ENDED_BY_US};

	tally_error(loop->tally, error);
	tally_add(&loop->tally->refused, 1);
	finish(loop, at, &step);
}

/* Nothing can be done with it now: it waits for @wants of the socket, in @list until @due_ns. */
static void park(struct event_loop *loop, uint32_t at, unsigned wants, enum slab_list list,
		 int64_t due_ns)
{
	struct slot *slot = slab_at(&loop->slab, at);

	count_answers(loop, &slot->talk);
	if (slot->watched != wants) {
		int r = loop->ops->watch(loop->set, slot->fd, at, slot->watched, wants);

		if (r < 0) {
			refuse(loop, at, -r);
			return;
		}
		slot->watched = (uint8_t)wants;
	}
	if (slot->list != list || slot->due_ns != due_ns)
		slab_enlist(&loop->slab, at, list, due_ns);
}

/* The same for one that waits for its peer: @moved, a byte went either way, begins the idle
 * timeout anew. */
static void park_for_peer(struct event_loop *loop, uint32_t at, unsigned wants, bool moved)
{
	struct slot *slot = slab_at(&loop->slab, at);
	int64_t idle_ns = loop->plan->idle_timeout_ns;
	int64_t due_ns = idle_ns ? loop->now_ns + idle_ns : INT64_MAX;

	if (!moved && slot->list == SLAB_PEER)
		due_ns = slot->due_ns;
	park(loop, at, wants, SLAB_PEER, due_ns);
}

static bool guess_to_read(struct event_loop *loop)
{
	struct guess_read *guess = &loop->guess_read;

	/* The world changes: now and then the try is made against better knowledge. */
	loop->guessing = guess->eager > 0 || ++guess->skipped % 64 == 0;
	return loop->guessing;
}

static void guess_was(struct event_loop *loop, bool right)
{
	struct guess_read *guess = &loop->guess_read;

	if (!loop->guessing)
		return;
	loop->guessing = false;
	guess->eager += right ? 3 : -1;
	if (guess->eager > EAGER_MOST)
		guess->eager = EAGER_MOST;
	if (guess->eager < 0)
		guess->eager = 0;
}

static bool is_passing(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void count_in(struct event_loop *loop, uint32_t at, size_t n)
{
	tally_add(&loop->tally->bytes_in, n);
	if (loop->slab.recording)
		slab_record(&loop->slab, at)->bytes_in += n;
}

static void count_out(struct event_loop *loop, uint32_t at, size_t n)
{
	tally_add(&loop->tally->bytes_out, n);
	if (loop->slab.recording)
		slab_record(&loop->slab, at)->bytes_out += n;
}

/* Reads as far as that goes without waiting. Returns what recv() did, or -errno. */
static ssize_t receive(struct event_loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	ssize_t n = recv(slot->fd, loop->buffer, EVENT_BUFFER, MSG_DONTWAIT);

	if (n < 0)
		n = -errno;
	if (n > 0)
		count_in(loop, at, (size_t)n);
	guess_was(loop, n != -EAGAIN);
	talk_received(&slot->talk, loop->plan, loop->buffer, n);
	return n;
}

/* The same for writing. */
static ssize_t transmit(struct event_loop *loop, uint32_t at, const struct talk_step *step)
{
	struct slot *slot = slab_at(&loop->slab, at);
	int more = step->last ? MSG_MORE : 0; /* the FIN, in the same segment */
	ssize_t n = send(slot->fd, loop->buffer, step->length, MSG_DONTWAIT | MSG_NOSIGNAL | more);

	if (n < 0)
		n = -errno;
	if (n > 0)
		count_out(loop, at, (size_t)n);
	talk_sent(&slot->talk, loop->plan, n);
	return n;
}

/* For SERVE_CLOSE_UNREAD: what has come stays where it is. False: nothing has. */
static bool peek(struct event_loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	char byte;
	ssize_t n = recv(slot->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	guess_was(loop, !is_passing(n));
	if (is_passing(n))
		return false;
	talk_watched(&slot->talk, n < 0 ? -errno : (int)n);
	return true;
}

static void say(struct event_loop *loop, uint32_t at, const struct talk_step *step)
{
	struct talk *talk = &slab_at(&loop->slab, at)->talk;

	if (loop->slab.recording)
		journal_said(loop->work->journal, slab_record(&loop->slab, at)->id, loop->buffer,
			     step->length, step->total);
	talk_said(talk, loop->plan);
	count_answers(loop, talk);
}

/* What is to be known between the steps of one turn. */
struct turn {
	bool readable; /* reading is worth a try */
	bool moved;    /* a byte went either way */
	int steps;     /* reads and writes that are still allowed */
};

static bool turn_read(struct event_loop *loop, uint32_t at, struct turn *turn)
{
	struct talk *talk = &slab_at(&loop->slab, at)->talk;
	ssize_t n;

	/* The end of the server is near, and nobody has asked for anything. */
	if (!turn->readable && loop->draining && talk_idle(talk)) {
		talk_expire(talk, ENDED_BY_US);
		return true;
	}
	if (!turn->readable || turn->steps-- <= 0)
		return false;
	n = receive(loop, at);
	turn->moved |= n > 0;
	/* Less than there was room for: there is no more now. */
	turn->readable = n == EVENT_BUFFER;
	return true;
}

static bool turn_write(struct event_loop *loop, uint32_t at, const struct talk_step *step,
		       struct turn *turn)
{
	ssize_t n;

	if (turn->steps-- <= 0)
		return false;
	n = transmit(loop, at, step);
	turn->moved |= n > 0;
	/* Less than there was to send: there is no more room now. An error is for the talk. */
	return n < 0 ? n != -EAGAIN : (size_t)n == step->length;
}

/* Does one step; false when nothing more can be done now, or the slot is gone. */
static bool turn_step(struct event_loop *loop, uint32_t at, struct turn *turn)
{
	struct slot *slot = slab_at(&loop->slab, at);
	struct talk_step step;

	switch (talk_next(&slot->talk, loop->plan, talk_now_ns(loop->plan, loop->now_ns),
			  loop->buffer, EVENT_BUFFER, &step)) {
	case TALK_READ:
		if (turn_read(loop, at, turn))
			return true;
		park_for_peer(loop, at, READY_READ, turn->moved);
		return false;
	case TALK_LOOK:
		turn->moved |= receive(loop, at) > 0;
		return true;
	case TALK_WRITE:
		if (turn_write(loop, at, &step, turn))
			return true;
		park_for_peer(loop, at, READY_WRITE, turn->moved);
		return false;
	case TALK_SAY:
		say(loop, at, &step);
		return true;
	case TALK_WATCH:
		if (turn->readable && peek(loop, at))
			return true;
		park_for_peer(loop, at, READY_READ, turn->moved);
		return false;
	case TALK_SHUT:
		shutdown(slot->fd, SHUT_WR); /* when it fails, the next read tells why */
		talk_shut(&slot->talk);
		return true;
	case TALK_WAIT:
		/* Out of the set: an RST could not be left unseen there, and would be told again
		 * and again. */
		park(loop, at, 0, SLAB_TIME, step.until_ns);
		return false;
	case TALK_LEAK:
		park(loop, at, 0, SLAB_LEAK, INT64_MAX);
		return false;
	case TALK_CLOSE:
		finish(loop, at, &step);
		return false;
	}
	return false;
}

void event_turn(struct event_loop *loop, uint32_t at, bool readable)
{
	struct turn turn = {.readable = readable, .steps = TURN_STEPS};

	while (turn_step(loop, at, &turn))
		continue;
}

void event_begin(struct event_loop *loop, uint32_t at)
{
	talk_begin(&slab_at(&loop->slab, at)->talk, loop->plan,
		   talk_now_ns(loop->plan, loop->now_ns));
	event_turn(loop, at, guess_to_read(loop));
	loop->guessing = false;
}

void event_cut(struct event_loop *loop, uint32_t at)
{
	struct slot *slot = slab_at(&loop->slab, at);
	struct talk_step step;

	talk_expire(&slot->talk, ENDED_BY_US);
	if (talk_next(&slot->talk, loop->plan, loop->now_ns, loop->buffer, EVENT_BUFFER, &step) !=
	    TALK_CLOSE)
		step = (struct talk_step){.linger = -1, .ending = ENDED_BY_US};
	finish(loop, at, &step);
}
