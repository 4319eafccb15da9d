/* The course of a connection: what it says is done, as far as that goes without waiting. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/epoll.h"

/* Reads and writes of one connection before the others get their turn. */
#define TURN_STEPS 16

/* Edge-triggered: what it tells is kept in slot.ready, so that no event comes twice and nothing is
 * to be said to epoll between the first wait and the close. */
#define WATCH_READ (EPOLLIN | EPOLLRDHUP | EPOLLET)
#define WATCH_BOTH (WATCH_READ | EPOLLOUT)

/* slot.watched */
enum { WATCHED_READ = 1, WATCHED_BOTH = 2 };

/* ---- waiting */

static int watch(struct epoll_loop *loop, uint32_t at, uint8_t wanted, bool again)
{
	struct slot *slot = &loop->slots.at[at];
	int op = slot->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	struct epoll_event event = {
		.events = wanted == WATCHED_BOTH ? WATCH_BOTH : WATCH_READ,
		.data.u32 = at,
	};

	if (slot->watched >= wanted && !again)
		return 0;
	if (epoll_ctl(loop->fd, op, slot->fd, &event) < 0)
		return -errno;
	slot->watched = wanted;
	return 0;
}

/* It waits for its peer; @fresh, a step has begun, gives it the whole timeout. @again: what epoll
 * told before is to be told again. */
static int wait_for_peer(struct epoll_loop *loop, uint32_t at, uint8_t wanted, bool fresh,
			 bool again)
{
	int r = watch(loop, at, wanted, again);

	if (r == 0 && (fresh || loop->slots.at[at].list != SLOTS_STEP))
		slots_enlist(&loop->slots, at, SLOTS_STEP, loop->now_ns + loop->plan->timeout_ns);
	return r;
}

void epoll_loop_await(struct epoll_loop *loop, uint32_t at)
{
	int r = wait_for_peer(loop, at, WATCHED_BOTH, true, false);

	if (r < 0)
		epoll_loop_unconnected(loop, at, (unsigned)-r);
}

/* ---- the end */

static void set_linger(int fd, int seconds)
{
	struct linger linger = {.l_onoff = 1, .l_linger = seconds};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void finish(struct epoll_loop *loop, uint32_t at, const struct course_step *step)
{
	struct slot *slot = &loop->slots.at[at];
	int64_t before_ns = loop->now_ns;

	if (step->linger >= 0)
		set_linger(slot->fd, step->linger);
	close(slot->fd);
	account_closed(loop->tally, slot, step, before_ns, epoll_loop_clock(loop));
	slots_give(&loop->slots, at);
	pace_ended(&loop->pace);
}

static void keep(struct epoll_loop *loop, uint32_t at, const struct course_step *step)
{
	account_kept(loop->tally, &loop->slots.at[at], step, loop->now_ns);
	slots_enlist(&loop->slots, at, SLOTS_KEPT, INT64_MAX);
}

void epoll_loop_cut(struct epoll_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];

	set_linger(slot->fd, 0);
	close(slot->fd);
	account_cut(loop->tally, slot);
	slots_give(&loop->slots, at);
}

/* ---- steps */

/* What is to be known between the steps of one turn. */
struct turn {
	int steps;  /* reads and writes that are still allowed */
	bool fresh; /* another step of the course has begun: it has its whole timeout */
};

void epoll_loop_answers(struct epoll_loop *loop, struct slot *slot, uint32_t before)
{
	if (slot->course.requests == before && !course_answered(&slot->course))
		return;
	account_answers(loop->tally, slot, before, loop->now_ns);
}

/* Returns what send() did, or -errno. */
static ssize_t transmit(struct epoll_loop *loop, struct slot *slot, const struct course_step *step)
{
	uint32_t before = slot->course.requests;
	ssize_t n = send(slot->fd, step->bytes, step->length,
			 MSG_NOSIGNAL | (step->last ? MSG_MORE : 0));

	if (n < 0)
		n = -errno;
	if (n > 0)
		account_sent(loop->tally, slot, (size_t)n, loop->now_ns);
	course_sent(&slot->course, loop->course_plan, n);
	if (slot->course.requests != before) { /* no answer is awaited: this was the end */
		epoll_loop_clock(loop);
		epoll_loop_answers(loop, slot, before);
	}
	return n;
}

static void receive(struct epoll_loop *loop, struct slot *slot)
{
	uint32_t before = slot->course.requests;
	ssize_t n = recv(slot->fd, loop->buffer, EPOLL_LOOP_BUFFER, 0);

	if (n < 0)
		n = -errno;
	epoll_loop_clock(loop);
	if (n > 0)
		account_received(loop->tally, slot, (size_t)n, loop->now_ns);
	course_received(&slot->course, loop->course_plan, loop->buffer, n);
	/* Less than there was room for: there is no more now. What comes later epoll tells, but
	 * for what it has told already. */
	if (n < EPOLL_LOOP_BUFFER && !(n > 0 && slot->ready & READY_END))
		slot->ready &= (uint8_t)~READY_READ;
	if (n > 0 && n < EPOLL_LOOP_BUFFER && slot->ready & READY_FIN)
		course_received(&slot->course, loop->course_plan, NULL, 0);
	epoll_loop_answers(loop, slot, before);
}

/* It cannot go on before the peer has done something. False, or true when waiting has failed. */
static bool park(struct epoll_loop *loop, uint32_t at, uint8_t wanted, struct turn *turn)
{
	bool again = turn->steps < 0;
	int r = wait_for_peer(loop, at, wanted, turn->fresh, again);

	if (r < 0)
		course_fail(&loop->slots.at[at].course, (unsigned)-r);
	return r < 0;
}

static bool turn_send(struct epoll_loop *loop, uint32_t at, const struct course_step *step,
		      struct turn *turn)
{
	struct slot *slot = &loop->slots.at[at];
	ssize_t n = -EAGAIN;

	if (turn->steps-- > 0) {
		turn->fresh |= slot->course.sent == 0;
		n = transmit(loop, slot, step);
		/* Less than there was to send: there is no more room. An error is for the course.
		 */
		if (n < 0 ? n != -EAGAIN : (size_t)n == step->length)
			return true;
	}
	/* A peer that answers meanwhile may be waiting for us to read. */
	if (slot->ready & READY_READ && turn->steps-- > 0) {
		receive(loop, slot);
		return true;
	}
	return park(loop, at, WATCHED_BOTH, turn);
}

static bool turn_read(struct epoll_loop *loop, uint32_t at, struct turn *turn)
{
	struct slot *slot = &loop->slots.at[at];
	bool answered = slot->state & SLOT_ANSWERED;

	if (!(slot->ready & READY_READ) || turn->steps-- <= 0)
		return park(loop, at, WATCHED_READ, turn);
	receive(loop, slot);
	turn->fresh |= !answered && slot->state & SLOT_ANSWERED;
	return true;
}

static bool turn_think(struct epoll_loop *loop, uint32_t at)
{
	struct slot *slot = &loop->slots.at[at];

	if (slot->ready & READY_READ) {
		receive(loop, slot);
		return true;
	}
	if (slot->list == SLOTS_THINK)
		return false;
	watch(loop, at, WATCHED_READ, false); /* in vain: its end is seen at the next step */
	slots_enlist(&loop->slots, at, SLOTS_THINK, loop->now_ns + loop->plan->think_ns);
	return false;
}

/* Does one step; false when nothing more can be done now, or the slot is gone. */
static bool turn_step(struct epoll_loop *loop, uint32_t at, struct turn *turn)
{
	struct slot *slot = &loop->slots.at[at];
	struct course_step step;

	switch (course_next(&slot->course, loop->course_plan, &step)) {
	case COURSE_SEND:
		return turn_send(loop, at, &step, turn);
	case COURSE_READ:
		return turn_read(loop, at, turn);
	case COURSE_THINK:
		return turn_think(loop, at);
	case COURSE_SHUT:
		shutdown(slot->fd, SHUT_WR); /* when it fails, the next read tells why */
		course_shut(&slot->course);
		return true;
	case COURSE_CLOSE:
		finish(loop, at, &step);
		return false;
	case COURSE_KEEP:
		keep(loop, at, &step);
		return false;
	}
	return false;
}

void epoll_loop_turn(struct epoll_loop *loop, uint32_t at)
{
	struct turn turn = {.steps = TURN_STEPS};

	while (turn_step(loop, at, &turn))
		continue;
}
