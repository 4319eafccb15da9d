/* What the tests of the streaming tracker share: captures out of nothing, and their findings. */
#ifndef CONTEST_EXPLAIN_FLOWS_TESTING_H
#define CONTEST_EXPLAIN_FLOWS_TESTING_H

#include "explain/finding.h"
#include "explain/flows.h"

#define MS INT64_C(1000000)

#define OPEN                                                                                       \
	"c S 0\n"                                                                                  \
	"s SA 0 1\n"                                                                               \
	"c A 1 1\n"

/* The server closes first. */
#define CLOSED                                                                                     \
	OPEN "s FA 1 1 t=10\n"                                                                     \
	     "c A 1 2 t=11\n"                                                                      \
	     "c FA 1 2 t=20\n"                                                                     \
	     "s A 2 2 t=21\n"

/* The same numbers on each machine and in each run. */
uint32_t flows_random(uint64_t *seed);

struct capture {
	struct segment *segments; /* (owned) */
	size_t count, capacity;
};

void capture_add(struct capture *capture, const struct segment *segment);
void capture_done(struct capture *capture);

/* Lines of a script (script_testing.h) as a capture; the caller's time shift and so on come
 * afterwards. */
void capture_read(struct capture *capture, const char *lines);

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

/* What is found of the only connection in the lines; of the last one where there are more. */
struct finding find_last(const char *lines);

/* @since_ms: -1 for unknown. */
void assert_end(const struct finding *f, unsigned end, int state, int64_t since_ms);
void assert_ending(const struct finding *f, enum finding_ending ending,
		   enum finding_who closed_first, enum finding_who holder);

#endif
