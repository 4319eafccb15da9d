/* The loop of `contest explain -i`: packets as they come, until a signal or the time ends it. */
#ifndef CONTEST_CMD_EXPLAIN_LIVE_H
#define CONTEST_CMD_EXPLAIN_LIVE_H

#include <stdint.h>

#include "base/why.h"
#include "capture/live.h"
#include "cmd/explain_decoder.h"
#include "cmd/explain_output.h"
#include "explain/flows.h"

struct explain_kept;

struct explain_live {
	struct capture_live *from;	 /* (borrowed) */
	struct explain_decoder *decoder; /* (borrowed) */
	struct flows *flows;		 /* (borrowed) */
	struct explain_output *output;	 /* (borrowed) */
	struct explain_kept *kept; /* (borrowed) or NULL: where segments are kept for ladders */
	enum color_choice color;
	int64_t duration_ns; /* 0: until a signal */
	uint64_t dropped;    /* told: by the kernel */
};

/* Follows it to the end. 0; -errno with @why when nothing more can be captured (the interface went
 * away), or memory is short. */
int explain_live_follow(struct explain_live *live, struct why *why);

/* --- segments of a live capture, which cannot be read again */

struct explain_kept *explain_kept_new(void); /* NULL when memory is short */
void explain_kept_free(struct explain_kept *kept);
/* Those that find no room are counted. */
void explain_kept_add(struct explain_kept *kept, const struct segment *segments, size_t count);
const struct segment *explain_kept_all(const struct explain_kept *kept, size_t *ret_count);
uint64_t explain_kept_left_out(const struct explain_kept *kept);

#endif
