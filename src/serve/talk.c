/*
 * The course has four phases. TALKING: the protocol answers. CLOSING: the last answer has gone
 * out, or the peer's FIN has come, and the plan says what is done next. OVER: nothing is left but
 * to close. Outcomes only set flags; talk_next() alone decides, so that it can be asked twice.
 */
#include "serve/talk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PHASE_TALKING, PHASE_CLOSING, PHASE_OVER };

enum {
	MUTE = 1 << 0,	   /* answers no more: what comes is thrown away */
	ASKED = 1 << 1,	   /* something came that is not answered in full */
	TOOK = 1 << 2,	   /* take() was called, sent(0) not yet */
	KEPT = 1 << 3,	   /* protocol.buffer holds what take() left */
	FAILED = 1 << 4,   /* take() said -EPROTO */
	TURNED = 1 << 5,   /* an answer ended and the next is due: look for the peer's FIN first */
	FIN = 1 << 6,	   /* the peer's FIN has come */
	DATA = 1 << 7,	   /* data lie unread (TALK_WATCH) */
	LOOKED = 1 << 8,   /* nothing more lay unread */
	SHUT = 1 << 9,	   /* our FIN has gone out */
	FIRST = 1 << 10,   /* … before the peer's came */
	PLAIN = 1 << 11,   /* the socket is dead: no use in SO_LINGER */
	ASSIGNED = 1 << 12 /* talk->ending is decided */
};

/* A peer that goes on sending may not keep us looking: then close() sends RST. */
#define LOOKS_MAX 64
/* What is thrown away after an HTTP error, at most. */
#define LINGERING_MAX (1 << 20)

static_assert(sizeof(struct talk) <= 48, "100,000 idle connections keep one each");

/* Those who leave closing to the peer: no answer is the last one. */
static bool waits_for_peer(const struct serve_plan *plan)
{
	return plan->closing == SERVE_CLOSE_PASSIVE || plan->closing == SERVE_CLOSE_NEVER;
}

static void forget(struct protocol_state *state)
{
	free(state->buffer);
	state->buffer = NULL;
	state->held = 0;
}

static void end(struct talk *talk, enum tally_ending ending)
{
	talk->phase = PHASE_OVER;
	talk->ending = ending;
	talk->flags |= ASSIGNED;
}

static void fail(struct talk *talk, int error)
{
	talk->error = (int16_t)-error;
	talk->flags |= PLAIN;
	end(talk, ENDED_RESET);
}

/* Short memory is no act of the peer: the connection is closed by us. */
static void fail_memory(struct talk *talk)
{
	talk->error = ENOMEM;
	end(talk, ENDED_BY_US);
}

void talk_begin(struct talk *talk, const struct serve_plan *plan, int64_t now_ns)
{
	*talk = (struct talk){0};
	if (!plan->before_answer)
		return;
	talk->flags = MUTE;
	if (!waits_for_peer(plan)) {
		talk->phase = PHASE_CLOSING;
		/* The time counts from accepting; unread's from the data. */
		if (plan->closing != SERVE_CLOSE_UNREAD)
			talk->close_at_ns = now_ns + plan->close_after_ns;
	}
}

/* ---- TALKING */

/* The last answer is out. */
static void finish(struct talk *talk, const struct serve_plan *plan)
{
	if (!waits_for_peer(plan) || talk->flags & FIN)
		talk->phase = PHASE_CLOSING;
	else if (talk->flags & FAILED)
		talk->flags |= MUTE;
	else
		talk->flags |= TURNED;
}

static void progress(struct talk *talk, const struct serve_plan *plan,
		     enum protocol_progress complete)
{
	if (complete == PROTOCOL_ON)
		return;
	talk->flags &= ~ASKED;
	if (talk->answers < UINT8_MAX)
		talk->answers++;
	if (complete == PROTOCOL_LAST)
		finish(talk, plan);
}

/* Keeps what the protocol did not take, behind nothing: take() is not called while some is kept. */
static void keep(struct talk *talk, const char *bytes, size_t length)
{
	struct protocol_state *state = &talk->protocol;

	assert(!state->buffer);
	state->buffer = malloc(length);
	if (!state->buffer) {
		fail_memory(talk);
		return;
	}
	memcpy(state->buffer, bytes, length);
	state->held = (uint32_t)length;
	talk->flags |= KEPT;
}

/* take(), and what it means. Returns how many bytes were taken; 0 when there is no use in more. */
static size_t take(struct talk *talk, const struct serve_plan *plan, const char *bytes,
		   size_t length)
{
	ssize_t n = plan->protocol->take(&talk->protocol, plan, bytes, length);

	talk->flags |= TOOK | ASKED;
	if (n == -ENOMEM)
		fail_memory(talk);
	else if (n < 0)
		talk->flags |= FAILED;
	return n > 0 ? (size_t)n : 0;
}

static void take_kept(struct talk *talk, const struct serve_plan *plan)
{
	struct protocol_state *state = &talk->protocol;
	size_t n = take(talk, plan, state->buffer, state->held);

	if (n == 0)
		talk->flags |= FAILED; /* or it would be asked for ever */
	if (n == 0 || n == state->held) {
		forget(state);
		talk->flags &= ~KEPT;
		return;
	}
	state->held -= (uint32_t)n;
	memmove(state->buffer, state->buffer + n, state->held);
}

/*
 * Whether close() follows at once when @length bytes are sent. Then they may wait for the FIN
 * (MSG_MORE), and both travel in one segment. The protocol tells by a copy of its state: that is
 * plain data, as long as it keeps no buffer.
 */
static bool is_last(const struct talk *talk, const struct serve_plan *plan, size_t length)
{
	struct protocol_state copy = talk->protocol;

	if (plan->closing != SERVE_CLOSE_ACTIVE || plan->close_after_ns > 0 || copy.buffer ||
	    talk->flags & FAILED)
		return false;
	return plan->protocol->sent(&copy, plan, length) == PROTOCOL_LAST;
}

/* Whether the engine has something to do for the protocol, and what. */
static bool give(struct talk *talk, const struct serve_plan *plan, char *buffer, size_t room,
		 struct talk_step *ret, enum talk_verb *ret_verb)
{
	const struct serve_protocol *protocol = plan->protocol;
	uint64_t total;
	ssize_t n;

	n = (ssize_t)protocol->give(&talk->protocol, plan, buffer, room);
	if (n > 0) {
		ret->length = (size_t)n;
		ret->last = is_last(talk, plan, ret->length);
		*ret_verb = talk->flags & TURNED ? TALK_LOOK : TALK_WRITE;
		return true;
	}
	talk->flags &= ~TURNED; /* READ finds the FIN, too */
	if (protocol->say && (n = protocol->say(&talk->protocol, buffer, room, &total)) >= 0) {
		ret->length = (size_t)n;
		ret->total = total;
		*ret_verb = TALK_SAY;
		return true;
	}
	return false;
}

/* As far as it goes without the engine: *ret_verb when it is needed; false: the phase is over. */
static bool talk_on(struct talk *talk, const struct serve_plan *plan, char *buffer, size_t room,
		    struct talk_step *ret, enum talk_verb *ret_verb)
{
	while (talk->phase == PHASE_TALKING && !(talk->flags & MUTE)) {
		if (give(talk, plan, buffer, room, ret, ret_verb))
			return true;
		if (talk->flags & TOOK) {
			talk->flags &= ~TOOK;
			if (plan->protocol->speaks_first) /* what comes is no question */
				talk->flags &= ~ASKED;
			progress(talk, plan, plan->protocol->sent(&talk->protocol, plan, 0));
		} else if (talk->flags & FAILED) {
			finish(talk, plan);
		} else if (talk->flags & KEPT) {
			take_kept(talk, plan);
		} else {
			break;
		}
	}
	if (talk->phase != PHASE_TALKING)
		return false;
	if (talk->flags & FIN) {
		talk->phase = PHASE_CLOSING;
		return false;
	}
	*ret_verb = TALK_READ;
	return true;
}

/* ---- CLOSING */

/* Our FIN first, then what comes up to the peer's: half, and after an HTTP error. */
static bool lingers(const struct talk *talk, const struct serve_plan *plan)
{
	return plan->closing == SERVE_CLOSE_HALF ||
	       (plan->closing == SERVE_CLOSE_ACTIVE && talk->flags & FAILED);
}

static bool is_due(struct talk *talk, const struct serve_plan *plan, int64_t now_ns)
{
	if (plan->close_after_ns <= 0)
		return true;
	if (!talk->close_at_ns)
		talk->close_at_ns = now_ns + plan->close_after_ns;
	return now_ns >= talk->close_at_ns;
}

static bool must_look(const struct talk *talk, const struct serve_plan *plan)
{
	/* Our FIN need not wait until a peer in error has sent all: it is read after that. */
	uint8_t most = talk->flags & FAILED && lingers(talk, plan) ? 1 : LOOKS_MAX;

	return plan->closing != SERVE_CLOSE_UNREAD && talk->looks < most &&
	       !(talk->flags & (FIN | LOOKED | SHUT));
}

/* *ret_verb when there is something to do before the close; false: it is time to close. */
static bool close_on(struct talk *talk, const struct serve_plan *plan, int64_t now_ns,
		     struct talk_step *ret, enum talk_verb *ret_verb)
{
	if (talk->protocol.buffer)
		forget(&talk->protocol);
	if (plan->closing == SERVE_CLOSE_NEVER) {
		*ret_verb = TALK_LEAK;
	} else if (plan->closing == SERVE_CLOSE_UNREAD && !(talk->flags & (FIN | DATA))) {
		*ret_verb = TALK_WATCH;
	} else if (!is_due(talk, plan, now_ns)) {
		ret->until_ns = talk->close_at_ns;
		*ret_verb = TALK_WAIT;
	} else if (must_look(talk, plan)) {
		*ret_verb = TALK_LOOK;
	} else if (lingers(talk, plan) && !(talk->flags & (FIN | SHUT))) {
		*ret_verb = TALK_SHUT;
	} else if (lingers(talk, plan) && !(talk->flags & FIN)) {
		*ret_verb = TALK_READ;
	} else {
		return false;
	}
	return true;
}

static enum tally_ending ending(const struct talk *talk)
{
	enum tally_ending told = talk->flags & ASSIGNED ? talk->ending : ENDED_BY_US;

	if (told == ENDED_RESET)
		return told;
	return talk->flags & FIN && !(talk->flags & FIRST) ? ENDED_BY_PEER : told;
}

static int linger(const struct talk *talk, const struct serve_plan *plan)
{
	if (talk->flags & PLAIN)
		return -1;
	if (plan->closing == SERVE_CLOSE_RST)
		return 0;
	return plan->closing == SERVE_CLOSE_LINGER ? plan->linger_s : -1;
}

enum talk_verb talk_next(struct talk *talk, const struct serve_plan *plan, int64_t now_ns,
			 char *buffer, size_t room, struct talk_step *ret)
{
	enum talk_verb verb;

	if (talk->phase == PHASE_TALKING && talk_on(talk, plan, buffer, room, ret, &verb))
		return verb;
	if (talk->phase == PHASE_CLOSING && close_on(talk, plan, now_ns, ret, &verb))
		return verb;
	talk->phase = PHASE_OVER;
	ret->linger = linger(talk, plan);
	ret->ending = ending(talk);
	return TALK_CLOSE;
}

/* ---- outcomes */

static bool is_passing(ssize_t error)
{
	return error == -EAGAIN || error == -EINTR;
}

/* What comes while closing is thrown away; after an error, not without end. */
static void throw_away(struct talk *talk, const struct serve_plan *plan, size_t length)
{
	if (!(talk->flags & SHUT)) {
		talk->looks++;
		return;
	}
	if (plan->closing == SERVE_CLOSE_HALF)
		return;
	talk->protocol.offset += length;
	if (talk->protocol.offset > LINGERING_MAX)
		end(talk, ENDED_BY_US);
}

static void received_fin(struct talk *talk, const struct serve_plan *plan)
{
	talk->flags |= FIN;
	if (plan->protocol->say && talk->phase == PHASE_TALKING && !(talk->flags & MUTE))
		take(talk, plan, "", 0);
	if (talk->flags & SHUT)
		talk->flags |= FIRST;
	if (talk->flags & TURNED) /* between two answers of a protocol without an end */
		talk->phase = PHASE_CLOSING;
}

void talk_received(struct talk *talk, const struct serve_plan *plan, const char *bytes,
		   ssize_t length)
{
	size_t taken;

	if (length == -EAGAIN) {
		talk->flags &= ~TURNED;
		if (talk->phase == PHASE_CLOSING)
			talk->flags |= LOOKED;
	} else if (length == -EINTR) {
		return;
	} else if (length < 0) {
		fail(talk, (int)length);
	} else if (length == 0) {
		received_fin(talk, plan);
	} else if (talk->phase != PHASE_TALKING) {
		throw_away(talk, plan, (size_t)length);
	} else if (!(talk->flags & MUTE)) {
		talk->flags &= ~TURNED;
		taken = take(talk, plan, bytes, (size_t)length);
		if (talk->phase == PHASE_TALKING && !(talk->flags & FAILED) &&
		    taken < (size_t)length)
			keep(talk, bytes + taken, (size_t)length - taken);
	}
}

void talk_sent(struct talk *talk, const struct serve_plan *plan, ssize_t length)
{
	if (is_passing(length))
		return;
	if (length < 0)
		fail(talk, (int)length);
	else if (length > 0 && talk->phase == PHASE_TALKING)
		progress(talk, plan, plan->protocol->sent(&talk->protocol, plan, (size_t)length));
}

void talk_said(struct talk *talk, const struct serve_plan *plan)
{
	if (talk->phase == PHASE_TALKING)
		progress(talk, plan, plan->protocol->said(&talk->protocol));
}

void talk_watched(struct talk *talk, int outcome)
{
	if (is_passing(outcome))
		return;
	if (outcome < 0)
		fail(talk, outcome);
	else
		talk->flags |= outcome ? DATA : FIN;
}

void talk_shut(struct talk *talk)
{
	talk->flags |= SHUT;
	talk->protocol.offset = 0; /* throw_away() counts with it */
}

void talk_expire(struct talk *talk, enum tally_ending ending)
{
	if (talk->phase != PHASE_OVER)
		end(talk, ending);
}

bool talk_idle(const struct talk *talk)
{
	return talk->phase == PHASE_TALKING && !(talk->flags & (ASKED | FIN));
}

unsigned talk_answers(struct talk *talk)
{
	unsigned answers = talk->answers;

	talk->answers = 0;
	return answers;
}

void talk_done(struct talk *talk)
{
	forget(&talk->protocol);
}
