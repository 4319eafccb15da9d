/*
 * A connection as the tracker keeps it: what callers see, the machine behind it, and the segments
 * that are still on their way. Private to explain.
 */
#ifndef CONTEST_EXPLAIN_STORY_H
#define CONTEST_EXPLAIN_STORY_H

#include "explain/machine.h"

/* A segment that was sent and has not arrived. */
struct arrival {
	size_t segment; /* its place in the connection */
	int64_t due_ns;
	enum rst_cause cause; /* as it was sent; its arrival may show another */
};

/* What the machine leaves to others. */
struct story_end {
	unsigned fin_count;
	int64_t fin_ns, fin_acked_ns;
	uint64_t bytes;
};

struct story {
	struct connection connection;
	struct machine machine;
	struct machine_rare rare;   /* the machine's */
	struct machine_holes holes; /* the machine's */
	struct story_end end[2];
	int64_t now_ns; /* never goes back, whatever the capture says */
	struct arrival
		*pending; /* (owned) by time; the first @arrived of @pending_count are done */
	size_t pending_count, pending_capacity, arrived;
	size_t steps; /* segments sent and arrived so far */
	bool stale;   /* the connection lags behind the machine: story_settle() */
};

/* A connection between these ends, the first one the client. NULL when memory is short. */
struct story *story_new(const struct tcp_endpoint *client, const struct tcp_endpoint *server);
void story_free(struct story *story);

/* Makes room for one more segment, so that story_take() cannot fail. 0 or -ENOMEM. */
int story_reserve(struct story *story);

/* Lets everything arrive that is due at @now_ns. */
void story_advance(struct story *story, int64_t now_ns);

/* The number of the end that sent the segment. */
unsigned story_from(const struct story *story, const struct segment *segment);

/* Adds a segment; story_reserve() came before. */
void story_take(struct story *story, const struct segment *segment, size_t index,
		const struct segment_passage *passage);

/* Brings what callers see up to date, as if everything under way had arrived. */
void story_settle(struct story *story);

#endif
