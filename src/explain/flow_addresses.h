/*
 * IPv6 addresses by number, so that a connection's record has four bytes for each. Counted: an
 * address goes with its last connection. Private to explain.
 */
#ifndef CONTEST_EXPLAIN_FLOW_ADDRESSES_H
#define CONTEST_EXPLAIN_FLOW_ADDRESSES_H

#include <stdint.h>

#define FLOW_ADDRESS_NONE UINT32_MAX

struct flow_address {
	uint8_t bytes[16];
	uint32_t users; /* 0: free */
	uint32_t next;	/* in its chain, or of the free ones */
};

struct flow_addresses {
	struct flow_address *items; /* (owned) */
	uint32_t *heads;	    /* (owned) a chain for each hash; as many as @capacity */
	uint32_t capacity;	    /* a power of two, or 0 */
	uint32_t used, free;	    /* ever given out; the first free one */
	uint64_t changes;	    /* how often an address came or went */
	uint64_t seed;
};

void flow_addresses_done(struct flow_addresses *addresses);

/* The number of the address, or FLOW_ADDRESS_NONE. */
uint32_t flow_addresses_find(const struct flow_addresses *addresses, const uint8_t bytes[16]);

/* Likewise, with one user more; a new number when there was none. FLOW_ADDRESS_NONE: no memory. */
uint32_t flow_addresses_take(struct flow_addresses *addresses, const uint8_t bytes[16]);

/* One user less. */
void flow_addresses_drop(struct flow_addresses *addresses, uint32_t number);

#endif
