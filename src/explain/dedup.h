/*
 * Segments that were captured twice (device "any", a mirror of both sides of a link): copies that
 * the capture made, not TCP. To be asked before tracker_feed().
 */
#ifndef CONTEST_EXPLAIN_DEDUP_H
#define CONTEST_EXPLAIN_DEDUP_H

#include <stdbool.h>
#include <stddef.h>

#include "tcp/segment.h"

#define DEDUP_RECENT  64
#define DEDUP_BUCKETS 256 /* four for each that is remembered: nearly always empty or right */

struct dedup_segment {
	struct segment segment; /* without its SACK blocks and payload */
	uint8_t bucket, next;	/* the next of the bucket, plus one; 0: the last */
};

/* The last segments that were not copies. Zeroed to begin with. */
struct dedup {
	struct dedup_segment recent[DEDUP_RECENT];
	uint8_t buckets[DEDUP_BUCKETS]; /* the newest in it, plus one; 0: none */
	size_t count;			/* ever kept; the ring's next place follows from it */
};

/*
 * Whether the segment is a copy of one of the last; if not, it is remembered. A retransmission
 * has another IP id, or comes later: no timer of a TCP is as short as the time allowed here. With
 * an IP id of 0, which tells nothing (and IPv6), only a TTL that is less by one makes a copy.
 */
bool dedup_is_copy(struct dedup *dedup, const struct segment *segment);

#endif
