/* For tests of the words: findings of each kind, as flows.c would fill them. */
#ifndef CONTEST_EXPLAIN_FINDING_TESTING_H
#define CONTEST_EXPLAIN_FINDING_TESTING_H

#include "base/clock.h"
#include "explain/finding.h"
#include "tcp/state.h"

#define START_NS 1700000000000000000
#define MS(n)	 (START_NS + (n)*NS_PER_MS)

/* Opened by the client 10.0.0.1:40000 to port 5000, 26 bytes from the server; nobody has closed. */
struct finding finding_open(void);

/* @first closed at 1.2 s, the other 40 ms later; four segments. */
struct finding finding_closed(unsigned first);

/* @end sends its FIN at @at_ms, and that is acknowledged a millisecond later. */
void finding_fin(struct finding *finding, unsigned end, int64_t at_ms);

/* A RST of @from at 3 s that ends the connection. */
void finding_reset(struct finding *finding, unsigned from, enum rst_cause cause);

/* Any finding at all that enums and indexes allow, from the state of a generator. */
struct finding finding_random(uint64_t *seed);

#endif
