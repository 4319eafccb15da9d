/* The live line of `contest load`: how fast, how many at once, what failed, how long it takes, and
 * how many ports are left. */
#ifndef CONTEST_CMD_LOAD_LIVE_H
#define CONTEST_CMD_LOAD_LIVE_H

#include "cmd/live_line.h"
#include "load/tally.h"

#define LOAD_LIVE_NS 250000000 /* between two drawings */

/* What is shown. */
struct load_moment {
	const struct load_sum *sum;
	uint64_t p99_ns;    /* of the total latency so far */
	int64_t ports_left; /* towards the first destination; < 0: not known */
	double seconds;	    /* since the start */
	const char *ending; /* "draining", instead of the rate; NULL: it goes on */
};

void load_live_draw(struct live_line *live, const struct load_moment *moment);

#endif
