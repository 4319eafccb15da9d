/* What the tests of the streaming tracker share: captures out of nothing, and their findings. */
#ifndef CONTEST_EXPLAIN_FLOWS_TESTING_H
#define CONTEST_EXPLAIN_FLOWS_TESTING_H

#include "explain/finding.h"
#include "explain/flows.h"

/* The same numbers on each machine and in each run. */
uint32_t flows_random(uint64_t *seed);

struct capture {
	struct segment *segments; /* (owned) */
	size_t count, capacity;
};

void capture_add(struct capture *capture, const struct segment *segment);
void capture_done(struct capture *capture);

/* Conversations of a handful of pairs, one after the other and side by side, with loss,
 * repetition and another order; well-behaved otherwise. */
void capture_conversations(struct capture *capture, uint64_t seed, size_t conversations);
/* Segments that no TCP would send, with numbers that meet. */
void capture_nonsense(struct capture *capture, uint64_t seed, size_t count, unsigned range);

struct findings {
	struct finding *items; /* (owned) */
	size_t count, capacity;
	struct flows_sums sums;
};

/* What flows_feed() makes of it in batches of @batch segments. */
void findings_make(struct findings *findings, const struct capture *capture, size_t batch,
		   size_t max_connections);
void findings_done(struct findings *findings);

#endif
