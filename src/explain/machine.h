/*
 * What is known of both ends of a connection, and the RFC 9293 state that follows from it.
 * Private to explain.
 *
 * Theory of operation: no state is stored. A segment that was sent, or that arrived, adds facts
 * (a FIN was sent, with this ACK in it; everything up to there was received; the FIN was
 * acknowledged), and machine_state() derives the state from them. So a FIN that overtakes data,
 * FINs that cross, or an ACK that turns out to have been lost need no transition of their own.
 */
#ifndef CONTEST_EXPLAIN_MACHINE_H
#define CONTEST_EXPLAIN_MACHINE_H

#include "explain/seqset.h"
#include "explain/track.h"

enum machine_presence {
	PRESENT,  /* as far as known */
	DOUBTFUL, /* something came by that may have removed it: the state is unknown */
	GONE,	  /* a RST that it sent or took */
};

struct machine_end {
	/* What it sent. */
	bool seen; /* anything legal at all */
	bool syn_sent, data_sent, rst_sent;
	bool isn_known;
	bool base_known; /* isn is at least the first number seen */
	bool acked_known, scale_known, sack_permitted, fast_open;
	bool fin_seen;	     /* its FIN is known: seen, or … */
	bool fin_inferred;   /* … only an ACK shows it, and fin_ack means nothing */
	bool step_one;	     /* its ACK number last rose by exactly 1 */
	bool newer_syn;	     /* it sent a SYN that is not of this connection */
	bool keepalive_sent; /* since something arrived */
	uint8_t scale;
	uint16_t window; /* as last advertised, unscaled */
	uint32_t isn, newer_isn;
	uint32_t acked;		   /* highest ACK it sent */
	uint32_t fin_seq, fin_ack; /* its FIN's number, and the ACK in the first one */
	unsigned fin_count;
	int64_t fin_ns;
	uint64_t bytes;
	struct seqset sent;
	enum rst_cause rst_cause; /* of its first RST */

	/* What it received. */
	bool syn_arrived, open;
	bool data_arrived;
	bool data_unanswered; /* data arrived and it sent none since */
	bool fin_acked;	      /* the ACK of its FIN arrived */
	bool time_wait;	      /* it reached TIME-WAIT */
	bool challenge_due, keepalive_due, fin_again;
	uint32_t data_end; /* highest end of data that arrived */
	int64_t fin_acked_ns;
	struct seqset received; /* edge: RCV.NXT */
	enum machine_presence presence;
};

struct machine {
	struct machine_end end[2];
	bool aborted, refused, any;
	uint8_t last_from; /* who sent last, when any */
};

/* The state of an end, from the facts: enum of <netinet/tcp.h>, TCP_STATE_NONE, or -1. */
int machine_state(const struct machine *m, unsigned end);

/* Whether @ack covers the FIN of @end (which may have none). */
bool machine_acks_fin(const struct machine_end *end, uint32_t ack);

/* Whether the segment acknowledges the SYN of @end (RFC 9293 3.10.7.3). */
bool machine_acks_syn(const struct machine_end *end, const struct segment *segment);

/* Whether the end's FIN acknowledges the other's, so that it closed second. */
bool machine_closed_second(const struct machine *m, unsigned end);

/* Whether a SYN with another ISN from @end begins a new connection: an end has left this one. */
bool machine_over(const struct machine *m, unsigned end);

/* Whether the segment acknowledges a number that only a FIN the capture does not hold explains. */
bool machine_shows_fin(const struct machine *m, unsigned from, const struct segment *segment);

/* The end sends: what it must know to send this, and what it does by it. */
void machine_send(struct machine *m, unsigned from, const struct segment *segment,
		  enum segment_role role, enum rst_cause cause);

/* The segment from @from reaches the other end. Returns the cause of a RST as its arrival shows
 * it: @cause, or RST_IGNORED, RST_INTO_TIME_WAIT. */
enum rst_cause machine_arrive(struct machine *m, unsigned from, const struct segment *segment,
			      enum segment_role role, enum rst_cause cause, int64_t now_ns);

/* The segment is known never to have arrived. */
void machine_lose(struct machine *m, unsigned from, enum segment_role role, enum rst_cause cause);

#endif
