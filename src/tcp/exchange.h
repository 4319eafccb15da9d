/*
 * An exchange: what two ends sent each other, ready to be told. explain fills it from packets,
 * the lab keeps it in results, render draws it as a ladder; it is the one model between them.
 */
#ifndef CONTEST_TCP_EXCHANGE_H
#define CONTEST_TCP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a row tells of a segment's way. A segment is one row where it arrived before another one
 * was sent or arrived; otherwise two, each at its time: EXCHANGE_HELD and EXCHANGE_ARRIVAL.
 */
enum exchange_fate {
	EXCHANGE_DELIVERED, /* sent and arrived; or taken to be: a capture seldom shows it */
	EXCHANGE_DROPPED,   /* sent, and lost on the way */
	EXCHANGE_HELD,	    /* sent, and under way: it arrives in a row of its own */
	EXCHANGE_ARRIVAL,   /* arrived: the second row of one that was under way */
	EXCHANGE_STUCK,	    /* sent, and still under way when the record ended */
	EXCHANGE_FATE_COUNT,
};

/* One arrow of the ladder, at one moment. The strings are owned by the exchange. */
struct exchange_row {
	int64_t time_ns;      /* of this row, since the exchange's first: sent; ARRIVAL: arrived */
	int64_t delivered_ns; /* likewise when it arrives; time_ns when it is not known apart */
	bool from_right;      /* the right end sent it */
	enum exchange_fate fate;
	char *flags;	   /* "FIN+ACK" */
	uint32_t seq, ack; /* relative to the first sequence number of each end, SYN = 0 */
	bool has_ack;
	uint32_t length; /* payload bytes */
	char *options;	 /* what is worth telling: "TS 42 ecr 7", or NULL */
	char *note;	 /* what the segment is: "acknowledges the FIN"; or NULL */
	int left_state;	 /* of each end once that has happened which the row tells; */
	int right_state; /* TCP_STATE_NONE: closed; -1: unknown */
};

struct exchange {
	char *left, *right;		    /* names of the ends: "client", "server" */
	char *left_address, *right_address; /* "10.0.0.1:40000" */
	char *title;			    /* or NULL */
	struct exchange_row *rows;
	size_t count, capacity;
	size_t left_out;	/* rows that did not fit … */
	size_t left_out_before; /* … and the index of the row before which they would stand */
};

struct exchange *exchange_new(void);
void exchange_free(struct exchange *exchange);

/*
 * Appends a row and returns it for the caller to fill, zeroed, states unknown; NULL when memory
 * is short. The pointer is good until the next call.
 */
struct exchange_row *exchange_add(struct exchange *exchange);

#endif
