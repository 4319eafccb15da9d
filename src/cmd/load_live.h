/* The live line of `contest load`: how fast, how many at once, what failed, how long it takes, and
 * how many ports are left. On a terminal only, in place. */
#ifndef CONTEST_CMD_LOAD_LIVE_H
#define CONTEST_CMD_LOAD_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "load/tally.h"
#include "render/screen.h"

#define LOAD_LIVE_NS 250000000 /* between two drawings */

struct load_live {
	FILE *out; /* (borrowed) */
	enum color_choice color;
	bool on;	  /* a terminal that can take lines back */
	bool drawn;	  /* the line stands above the cursor, */
	unsigned columns; /* so wide */
	int64_t due_ns;	  /* when it is to be drawn anew */
	int64_t counted_ns;
	uint64_t counted; /* connected at that time */
};

/* What is shown. */
struct load_moment {
	const struct load_sum *sum;
	uint64_t p99_ns;    /* of the total latency so far */
	int64_t ports_left; /* towards the first destination; < 0: not known */
	double seconds;	    /* since the start */
	const char *ending; /* "draining", instead of the rate; NULL: it goes on */
};

void load_live_init(struct load_live *live, FILE *out, enum color_choice color);
void load_live_draw(struct load_live *live, const struct load_moment *moment);
/* Takes the line away, so that something else can be printed. */
void load_live_hide(struct load_live *live);

#endif
