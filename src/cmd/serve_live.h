/* The live line of `contest serve`: what comes, what is open, how it ended, and how many tasks that
 * takes. */
#ifndef CONTEST_CMD_SERVE_LIVE_H
#define CONTEST_CMD_SERVE_LIVE_H

#include "cmd/live_line.h"
#include "serve/tally.h"

#define SERVE_LIVE_NS 500000000 /* between two drawings */

void serve_live_draw(struct live_line *live, const struct tally_sum *sum, bool draining);

#endif
