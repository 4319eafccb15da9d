/*
 * What is known of both ends of a connection, and the RFC 9293 state that follows from it.
 * Private to explain.
 *
 * Theory of operation: no state is stored. A segment that was sent, or that arrived, adds facts
 * (a FIN was sent, with this ACK in it; everything up to there was received; the FIN was
 * acknowledged), and machine_state() derives the state from them. So a FIN that overtakes data,
 * FINs that cross, or an ACK that turns out to have been lost need no transition of their own.
 *
 * There may be a million of these (flows.c), so facts are bits, times and counts are the caller's,
 * and what few connections have (holes in a sequence space, a SYN that is not their own) lies
 * elsewhere. The machine never allocates: it is told where that is (machine_needs()).
 */
#ifndef CONTEST_EXPLAIN_MACHINE_H
#define CONTEST_EXPLAIN_MACHINE_H

#include <assert.h>

#include "explain/seqset.h"
#include "explain/track.h"

enum machine_presence {
	PRESENT,  /* as far as known */
	DOUBTFUL, /* something came by that may have removed it: the state is unknown */
	GONE,	  /* a RST that it sent or took */
};

struct machine_end {
	uint32_t isn;
	uint32_t acked;		   /* highest ACK it sent */
	uint32_t fin_seq, fin_ack; /* its FIN's number, and the ACK in the first one */
	uint32_t sent;		   /* edge of what it sent (seqset.h) */
	uint32_t received;	   /* edge of what it received: RCV.NXT */
	uint16_t window;	   /* as last advertised, unscaled */

	uint16_t scale : 4;	  /* as in its SYN */
	uint16_t rst_cause : 4;	  /* enum rst_cause, of its first RST */
	uint16_t last : 1;	  /* what was sent last on the connection was its */
	uint16_t took_rst : 1;	  /* a RST that ended the connection reached it, or was its own */
	uint16_t was_refused : 1; /* … and answered its SYN */

	union {
		struct {
			/* What it sent. */
			uint32_t seen : 1; /* anything legal at all */
			uint32_t syn_sent : 1, data_sent : 1, rst_sent : 1;
			uint32_t isn_known : 1;
			uint32_t base_known : 1; /* isn is at least the first number seen */
			uint32_t sent_known : 1, received_known : 1;
			uint32_t sent_holes : 1, received_holes : 1; /* these have islands */
			uint32_t acked_known : 1, scale_known : 1, sack_permitted : 1,
				fast_open : 1;
			uint32_t fin_seen : 1;	   /* its FIN is known: seen, or … */
			uint32_t fin_inferred : 1; /* … only an ACK shows it, and fin_ack means
						      nothing */
			uint32_t step_one : 1;	   /* its ACK number last rose by exactly 1 */
			uint32_t newer_syn : 1; /* it sent a SYN that is not of this connection */
			uint32_t keepalive_sent : 1; /* since something arrived */

			/* What it received. */
			uint32_t syn_arrived : 1, open : 1;
			uint32_t data_arrived : 1;
			uint32_t data_unanswered : 1; /* data arrived and it sent none since */
			uint32_t fin_acked : 1;	      /* the ACK of its FIN arrived */
			uint32_t time_wait : 1;	      /* it reached TIME-WAIT */
			uint32_t challenge_due : 1, keepalive_due : 1, fin_again : 1;
			uint32_t presence : 2; /* enum machine_presence */
		};
		uint32_t facts; /* all of them: what is asked of each segment is asked at once */
	};
};

struct machine_holes {
	struct seqset_islands sent[2], received[2];
};

struct machine_rare {
	uint32_t newer_isn[2];	     /* where newer_syn */
	struct machine_holes *holes; /* zeroed to begin with; may go when no end has any */
};

struct machine {
	struct machine_end end[2];
	struct machine_rare *rare; /* (the caller's) or NULL */
};

/* A number that has these facts set: MACHINE_FACTS(.open = 1, .seen = 1). */
#define MACHINE_FACTS(...) (((struct machine_end){__VA_ARGS__}).facts)

static_assert(sizeof(struct machine) <= 72, "there may be a million of them");

/* What sending or arriving brought. Zeroed before. */
struct machine_news {
	uint32_t added;	   /* bytes of payload that the sender had not sent before */
	bool fin;	   /* its first FIN, or the first at this number */
	bool fin_repeated; /* the same again */
	bool fin_acked;	   /* the receiver's FIN is acknowledged now, and was not before */
};

/* The state of an end, from the facts: enum of <netinet/tcp.h>, TCP_STATE_NONE, or -1. */
int machine_state(const struct machine *m, unsigned end);

/* Whether @ack covers the FIN of @end (which may have none). */
bool machine_acks_fin(const struct machine_end *end, uint32_t ack);

/* Whether the segment acknowledges the SYN of @end (RFC 9293 3.10.7.3). */
bool machine_acks_syn(const struct machine *m, unsigned end, const struct segment *segment);

/* Whether the end's FIN acknowledges the other's, so that it closed second. */
bool machine_closed_second(const struct machine *m, unsigned end);

/* Whether the end is no longer in the connection: closed, TIME-WAIT, taken away by a RST. */
bool machine_has_left(const struct machine *m, unsigned end);

/* Whether a SYN with another ISN from @end begins a new connection: an end has left this one. */
bool machine_over(const struct machine *m, unsigned end);

/* Whether the segment acknowledges a number that only a FIN the capture does not hold explains. */
bool machine_shows_fin(const struct machine *m, unsigned from, const struct segment *segment);

/* Whether a RST ended the connection; whether that answered a SYN. */
static inline bool machine_aborted(const struct machine *m)
{
	return m->end[0].took_rst || m->end[1].took_rst;
}

static inline bool machine_refused(const struct machine *m)
{
	return m->end[0].was_refused || m->end[1].was_refused;
}

/* The first number beyond all that the end sent, or received. */
static inline uint32_t machine_sent_top(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end];

	return seqset_top(me->sent, me->sent_holes ? &m->rare->holes->sent[end] : NULL);
}

static inline uint32_t machine_received_top(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end];

	return seqset_top(me->received, me->received_holes ? &m->rare->holes->received[end] : NULL);
}

/* What must be there before the segment is sent and arrives. */
enum machine_need { NEEDS_NOTHING, NEEDS_RARE, NEEDS_HOLES /* and rare */ };
enum machine_need machine_needs(const struct machine *m, unsigned from,
				const struct segment *segment, enum segment_role role);

/* The end sends: what it must know to send this, and what it does by it. */
void machine_send(struct machine *m, unsigned from, const struct segment *segment,
		  enum segment_role role, enum rst_cause cause, struct machine_news *news);

/* The segment from @from reaches the other end. Returns the cause of a RST as its arrival shows
 * it: @cause, or RST_IGNORED, RST_INTO_TIME_WAIT. */
enum rst_cause machine_arrive(struct machine *m, unsigned from, const struct segment *segment,
			      enum segment_role role, enum rst_cause cause,
			      struct machine_news *news);

/* The segment is known never to have arrived. */
void machine_lose(struct machine *m, unsigned from, enum segment_role role, enum rst_cause cause);

#endif
