/*
 * Connections out of an endless stream of segments: what track.h does with everything kept, this
 * does in a fixed, small amount of memory per connection, and at speed. Same machine (machine.h),
 * same rules (track.c), other memory: no segment is kept.
 *
 * Pure: no I/O, no clock, no globals.
 */
#ifndef CONTEST_EXPLAIN_FLOWS_H
#define CONTEST_EXPLAIN_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/finding.h"
#include "tcp/segment.h"

/* What one connection costs, index and all, at most (one with holes in it or with repeated FINs has
 * some more). Held by a static_assert and by the benchmark. */
#define FLOWS_BYTES_EACH 200

struct flows_plan {
	size_t max_connections; /* at once; 0: no bound. Beyond it the one that was idle longest is
				 * told as it stands, with @evicted, and forgotten */
	bool history;		/* keep what finding's history for Zeek needs (costs memory) */
};

struct flows_sums {
	uint64_t segments, copies; /* fed; of them the capture's own copies, which were left out */
	uint64_t connections, evicted;
	uint64_t illegal;      /* segments that no TCP sends */
	uint64_t back_in_time; /* segments before their predecessor */
	int64_t first_ns, last_ns;
};

/* Told once for each connection. The finding is borrowed. Non-zero ends the telling and is what the
 * function that was called returns. */
typedef int (*flows_tell)(void *context, const struct finding *finding);

struct flows;

/* NULL when memory is short. @tell is called from flows_feed() for evicted connections, from
 * flows_tell_over() and from flows_finish(). */
struct flows *flows_new(const struct flows_plan *plan, flows_tell tell, void *context);
void flows_free(struct flows *flows);

/*
 * Feeds segments in the order of capture; their time may be FINDING_TIME_UNKNOWN. 0, -ENOMEM, or
 * what @tell returned.
 */
int flows_feed(struct flows *flows, const struct segment *segments, size_t count);

/* Tells those that are over (closed or reset at both ends, or with nothing but TIME-WAIT left) and
 * quiet since @before_ns, once; later segments still find them. For live captures. */
int flows_tell_over(struct flows *flows, int64_t before_ns);

/* Tells all that were not told yet, in the order of their first segment. */
int flows_finish(struct flows *flows);

void flows_sums(const struct flows *flows, struct flows_sums *ret);

/* The history of the connection that is being told, in Zeek's letters ("ShADadFf"); "" without
 * @history in the plan. Good within flows_tell. */
const char *flows_history(const struct flows *flows);

#endif
