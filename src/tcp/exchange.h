/*
 * An exchange: what two ends sent each other, ready to be told. explain fills it from packets,
 * the lab keeps it in results, render draws it as a ladder; it is the one model between them.
 */
#ifndef CONTEST_TCP_EXCHANGE_H
#define CONTEST_TCP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What became of a segment on its way, where that is known. */
enum exchange_fate {
	EXCHANGE_DELIVERED, /* or taken to be: a capture seldom shows it */
	EXCHANGE_DROPPED,   /* lost on the way */
	EXCHANGE_HELD,      /* delivered late, after others that were sent after it */
};

/* One arrow of the ladder. The strings are owned by the exchange. */
struct exchange_row {
	int64_t time_ns;      /* since the exchange's first row */
	int64_t delivered_ns; /* likewise; equal to time_ns when it is not known apart */
	bool from_right;      /* the right end sent it */
	enum exchange_fate fate;
	char *flags;          /* "FIN+ACK" */
	uint32_t seq, ack;    /* relative to the first sequence number of each end, SYN = 0 */
	bool has_ack;
	uint32_t length;      /* payload bytes */
	char *options;        /* what is worth telling: "TS 42 ecr 7", or NULL */
	char *note;           /* what the segment is: "acknowledges the FIN"; or NULL */
	int left_state;       /* of each end once the segment was sent and arrived; */
	int right_state;      /* TCP_STATE_NONE: closed; -1: unknown */
};

struct exchange {
	char *left, *right;           /* names of the ends: "client", "server" */
	char *left_address, *right_address; /* "10.0.0.1:40000" */
	char *title;                  /* or NULL */
	struct exchange_row *rows;
	size_t count, capacity;
	size_t left_out;              /* rows that did not fit … */
	size_t left_out_before;       /* … and the index of the row before which they would stand */
};

struct exchange *exchange_new(void);
void exchange_free(struct exchange *exchange);

/*
 * Appends a row and returns it for the caller to fill, zeroed, states unknown; NULL when memory
 * is short. The pointer is good until the next call.
 */
struct exchange_row *exchange_add(struct exchange *exchange);

#endif
