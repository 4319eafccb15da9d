/*
 * A peer without sockets, for tests: what it answers, in which pieces, how it ends, and what a
 * course does with it. The trace is a letter for each step, runs of the same step as one:
 * S send, F send with which the FIN may go, R read, T think, U shutdown, C close, K keep;
 * ? waits for a peer that has no more to tell.
 */
#ifndef CONTEST_LOAD_COURSE_TESTING_H
#define CONTEST_LOAD_COURSE_TESTING_H

#include <stdbool.h>
#include <stddef.h>

#include "load/course.h"

enum course_peer_end { PEER_STAYS, PEER_FIN, PEER_RST };

struct course_peer {
	const char *answers[4]; /* to each request in turn; all at once where nothing is said */
	enum course_peer_end end;
	unsigned after;	    /* … behind so many answers */
	bool hidden;	    /* no RDHUP tells of the FIN: it is found by reading alone */
	bool eager;	    /* what it says is read while the course sends, too */
	size_t piece;	    /* bytes that a read gives; 0: all that is there */
	size_t sends;	    /* bytes that a write takes; 0: all */
	int send_error;	    /* errno of the write … */
	int read_error;	    /* … or the read … */
	unsigned error_at;  /* … of that number, from 0 */
	unsigned expire_at; /* course_fail(TIMEOUT) at the step of that number, from 1; 0: none */
	bool times_out;	    /* … when it waits for ever, too */

	/* what came of it */
	char got[65536];
	size_t got_length;
	char trace[64];
	struct course_step last; /* of CLOSE, KEEP */
	struct course course;
	unsigned steps;
};

/* Runs it until it closes, is kept, or waits for ever. */
void course_peer_run(struct course_peer *peer, const struct course_plan *plan);

#endif
