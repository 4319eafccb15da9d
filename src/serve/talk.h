/*
 * One connection's course, without sockets: protocol and way of closing together say what the
 * engine is to do next. All engines drive the same machine, so they close in the same way.
 *
 *	talk_begin(&talk, plan, now);
 *	for (;;) switch (talk_next(&talk, plan, now, buffer, room, &step)) { … }
 *
 * An engine does the step and tells the outcome with talk_received(), talk_sent(), …; between
 * steps a talk is plain data (48 bytes; no buffer is kept but for what came and cannot be answered
 * before the peer takes something: unsent echoes, pipelined requests, half a line of chat).
 *
 * When closing begins:
 *	active, half, rst, linger=N, unread: after the last answer. daytime has one; echo and
 *	    discard: what came with the first end of a line; chargen: one turn of its pattern,
 *	    7030 bytes; chat: `quit`; http: the answer to the request that does not keep the
 *	    connection (Connection: close, or 1.0 without keep-alive), or an error. A browser that
 *	    keeps alive is closed by the idle timeout only.
 *	passive, never: with the peer's FIN. Until then each question is answered.
 *	with before_answer: at once, no byte is sent; passive and never throw away what comes.
 *	The peer's FIN before the last answer: everything asked is still answered, then closing
 *	    begins, whichever it is.
 * How it goes on, close_after_ns later (TALK_WAIT):
 *	active   LOOK (what lies unread is thrown away, as it would make close() send RST), CLOSE.
 *	         After an HTTP error, one LOOK, SHUT, and what comes is thrown away up to the FIN or
 *	         1 MiB: the peer may still be sending, and an RST would take the answer from it.
 *	passive  CLOSE
 *	never    LEAK, without TALK_WAIT: CLOSE-WAIT
 *	half     LOOK, SHUT, READ up to the peer's FIN, CLOSE
 *	rst      LOOK, CLOSE with linger 0
 *	linger   LOOK, CLOSE with linger N (blocks the caller even if the socket is non-blocking)
 *	unread   WATCH until data have come, TALK_WAIT, CLOSE: RST. With a FIN instead: CLOSE.
 * The LOOK also tells whose FIN came first: who is first is counted right but for a FIN that
 * comes between it and the close.
 */
#ifndef CONTEST_SERVE_TALK_H
#define CONTEST_SERVE_TALK_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "serve/plan.h"
#include "serve/protocol.h"
#include "serve/tally.h"

enum talk_verb {
	TALK_READ,  /* read what comes, up to @room; a read of 0 or an error is told likewise */
	TALK_LOOK,  /* the same without waiting (MSG_DONTWAIT): -EAGAIN is told, too */
	TALK_WRITE, /* send step.length bytes that lie in the buffer */
	TALK_SAY,   /* hand the step.length bytes in the buffer, and step.total, to the journal */
	TALK_WATCH, /* wait until data or the end have come, but read nothing (MSG_PEEK); unread */
	TALK_SHUT,  /* shutdown(SHUT_WR), then go on */
	TALK_WAIT,  /* do nothing until step.until_ns (the peer's bytes and end stay unread) */
	TALK_LEAK,  /* do nothing with it until the server ends: it stays in CLOSE-WAIT */
	TALK_CLOSE, /* close: step.linger < 0 plainly, else with SO_LINGER; count step.ending; done
		     */
};

struct talk_step {
	size_t length;		  /* of WRITE, SAY */
	bool last;		  /* of WRITE: when all is sent, a plain close follows at once */
	uint64_t total;		  /* of SAY: bytes that the peer has said with this line */
	int64_t until_ns;	  /* of WAIT */
	int linger;		  /* of CLOSE */
	enum tally_ending ending; /* of CLOSE */
};

struct talk {
	struct protocol_state protocol;
	int64_t close_at_ns; /* when closing may begin; 0: not decided yet */
	int16_t error;	     /* errno that ended it, 0: none (for tally_error(), journal) */
	uint16_t flags;	     /* private to talk.c, as phase, ending and looks */
	uint8_t phase;
	uint8_t ending;
	uint8_t looks;
	uint8_t answers; /* completed and not yet fetched by talk_answers() */
};

/*
 * What an engine whose clock stands still for a turn gives as @now_ns. Where closing waits
 * (close_after_ns), it begins with what has come in this turn, which the turn's own time is before:
 * counted from there it would end too early.
 */
static inline int64_t talk_now_ns(const struct serve_plan *plan, int64_t turn_ns)
{
	return plan->close_after_ns ? clock_now_ns() : turn_ns;
}

void talk_begin(struct talk *talk, const struct serve_plan *plan, int64_t now_ns);

/*
 * The next step; only the members of *ret that the verb uses are set. For TALK_WRITE and TALK_SAY
 * the bytes are put to @buffer (of @room bytes, >= 4096). May be called again without an outcome
 * in between: it then says the same (a WAIT ends when @now_ns has come).
 */
enum talk_verb talk_next(struct talk *talk, const struct serve_plan *plan, int64_t now_ns,
			 char *buffer, size_t room, struct talk_step *ret);

/* Outcome of TALK_READ and TALK_LOOK: the bytes (length > 0), the peer's FIN (0), or -errno.
 * Bytes that the protocol cannot take before output has gone out are kept by the talk.
 * -EAGAIN and -EINTR are no end: after READ they change nothing. */
void talk_received(struct talk *talk, const struct serve_plan *plan, const char *bytes,
		   ssize_t length);
/* Outcome of TALK_WRITE: bytes sent (may be fewer), or -errno (-EAGAIN, -EINTR: as if 0). */
void talk_sent(struct talk *talk, const struct serve_plan *plan, ssize_t length);
/* Outcome of TALK_SAY. */
void talk_said(struct talk *talk, const struct serve_plan *plan);
/* Outcome of TALK_WATCH: 1 data there, 0 the peer's FIN, or -errno. */
void talk_watched(struct talk *talk, int outcome);
/* Outcome of TALK_SHUT, whatever shutdown(2) returned. */
void talk_shut(struct talk *talk);
/* The connection was idle for too long, or the server drains: close at the next step, without
 * any WAIT. */
void talk_expire(struct talk *talk, enum tally_ending ending);

/* Whether it waits for nothing but the peer, who has no answer to come: what a server that
 * drains may close. */
bool talk_idle(const struct talk *talk);
/* Answers completed since the last call, for tally.answers. */
unsigned talk_answers(struct talk *talk);

/* Frees what it keeps; more than once, too. */
void talk_done(struct talk *talk);

#endif
