/*
 * A peer without sockets, for tests: what it sends, in which pieces, and what a talk does with it.
 * The trace is a letter for each step, runs of the same step as one; F is a write with
 * which the FIN may go.
 */
#ifndef CONTEST_SERVE_TALK_TESTING_H
#define CONTEST_SERVE_TALK_TESTING_H

#include <stddef.h>
#include <stdint.h>

#include "serve/talk.h"

struct peer {
	const char *says; /* what it sends in all */
	size_t length;
	size_t pieces[2];   /* sizes of the first two reads; 0: the rest */
	const char *late;   /* sends this once it has got all that the talk sends */
	bool ends;	    /* its FIN follows the last byte */
	int breaks;	    /* … or this error (>0) */
	size_t room, sends; /* bytes that a talk_next() may give, that a write takes; 0: all */

	/* what came of it */
	char got[65536];
	size_t got_length;
	char said[8192]; /* "TEXT@TOTAL|" each */
	char trace[64];
	struct talk_step last; /* of CLOSE */
	unsigned answers;
	bool idle; /* talk_idle() at the end */
	int error;
	int64_t waited_until;
};

/* Runs it until it closes or leaks, or waits for a peer that has no more to tell ("?"). */
void peer_run(struct peer *peer, const struct serve_plan *plan);

#endif
