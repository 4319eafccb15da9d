/* From the pair of endpoints, whichever sent, to a number: open addressing. Private to explain. */
#ifndef CONTEST_EXPLAIN_PAIRS_H
#define CONTEST_EXPLAIN_PAIRS_H

#include <stddef.h>

#include "tcp/key.h"

#define PAIRS_NONE ((size_t)-1)

struct pairs {
	struct pairs_slot {
		struct tcp_endpoint low, high;
		size_t value;	/* plus one; 0: free */
	} * slots;		/* (owned) */
	size_t count, capacity; /* capacity: a power of two, or 0 */
};

void pairs_done(struct pairs *pairs);

/* The value of the pair, or PAIRS_NONE. */
size_t pairs_get(const struct pairs *pairs, const struct tcp_endpoint *a,
		 const struct tcp_endpoint *b);

/* Makes room for one more pair, so that pairs_set() cannot fail. 0 or -ENOMEM. */
int pairs_reserve(struct pairs *pairs);
void pairs_set(struct pairs *pairs, const struct tcp_endpoint *a, const struct tcp_endpoint *b,
	       size_t value);

#endif
