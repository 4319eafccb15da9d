/*
 * What a load says and what it takes for an answer. One const struct load_protocol each, one file
 * each, listed in load_protocols[]; without sockets. Their only caller is course.c.
 */
#ifndef CONTEST_LOAD_PROTOCOL_H
#define CONTEST_LOAD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "load/plan.h"

/* A parser's memory between reads; all zero before each answer. */
struct answer_state {
	uint64_t left; /* bytes of body or chunk still to come; others: bytes that came */
	uint32_t bits; /* parser state, the protocol's own */
	uint16_t size; /* of what is bounded: the head's lines */
	/* Once complete: the status that the answer bears, or 0. A connection with one of 400 or
	 * more has failed, when it is closed (LOAD_FAIL_STATUS). */
	uint16_t status;
};

enum answer_progress {
	ANSWER_MORE,	 /* it goes on */
	ANSWER_COMPLETE, /* and the connection may be kept for the next request */
	ANSWER_LAST,	 /* complete, and the peer will close: no further request is possible */
};

struct load_protocol {
	const char *name;		 /* "daytime" */
	const char *summary;		 /* one line */
	bool has_request;		 /* false: the server speaks first, or nobody (connect) */
	bool has_answer;		 /* false: complete once sent, or connected */
	enum load_closing usual_closing; /* each protocol works with each closing */

	/* Whether the plan has an answer awaited; NULL: as has_answer says. */
	bool (*awaits)(const struct load_plan *plan);

	/*
	 * Makes the bytes of a request, the same for each: @last for the last one of a connection.
	 * *ret (owned, free()) and its length; NULL: the plan has nothing said. 0 or -ENOMEM,
	 * -EINVAL (the plan's text cannot be sent so).
	 */
	int (*request)(const struct load_plan *plan, bool last, char **ret, size_t *ret_length);

	/*
	 * @length bytes came (0: the peer's FIN). Tells in *ret_taken how many belong to this
	 * answer (all of them with ANSWER_MORE, at least one with the others but for a FIN).
	 * Returns enum answer_progress, or -(enum load_failure): a FIN within an answer is
	 * -LOAD_FAIL_SHORT unless it ends one (ANSWER_LAST). Must come to the same however the
	 * bytes are split.
	 */
	int (*take)(struct answer_state *state, const struct load_plan *plan, const char *bytes,
		    size_t length, size_t *ret_taken);
};

extern const struct load_protocol *const load_protocols[]; /* ended by NULL; the first: default */
const struct load_protocol *load_protocol_find(const char *name);

#endif
