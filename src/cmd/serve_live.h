/* The live line of `contest serve`: what comes, what is open, how it ended, and how many tasks that
 * takes. On a terminal only, in place. */
#ifndef CONTEST_CMD_SERVE_LIVE_H
#define CONTEST_CMD_SERVE_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "render/screen.h"
#include "serve/tally.h"

#define SERVE_LIVE_NS 500000000 /* between two drawings */

struct serve_live {
	FILE *out; /* (borrowed) */
	enum color_choice color;
	bool on;	  /* a terminal that can take lines back */
	bool drawn;	  /* the line stands above the cursor, */
	unsigned columns; /* so wide */
	int64_t counted_ns;
	uint64_t counted; /* accepted at that time */
};

/* @allowed: false where something else is to have the terminal. */
void serve_live_init(struct serve_live *live, FILE *out, enum color_choice color, bool allowed);
void serve_live_draw(struct serve_live *live, const struct tally_sum *sum, bool draining);
/* Takes the line away, so that something else can be printed. */
void serve_live_hide(struct serve_live *live);

#endif
