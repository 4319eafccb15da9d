/* A segment's pair of endpoints in the form that records have. Private to explain. */
#ifndef CONTEST_EXPLAIN_FLOW_KEY_H
#define CONTEST_EXPLAIN_FLOW_KEY_H

#include <string.h>

#include "explain/flow.h"
#include "explain/flow_hash.h"

/* Both addresses and both ports, each as they lie in a record; the halves of each are the ends. */
struct flow_pair {
	uint64_t addresses;
	uint32_t ports;
};

struct flow_key {
	struct flow_pair pair; /* the source first */
	uint64_t hash;
	bool v6;
	bool known; /* addresses that no connection has are not */
};

static inline struct flow_pair flow_pair_reverse(struct flow_pair pair)
{
	return (struct flow_pair){pair.addresses << 32 | pair.addresses >> 32,
				  pair.ports << 16 | pair.ports >> 16};
}

static inline bool flow_pair_equal(struct flow_pair a, struct flow_pair b)
{
	return a.addresses == b.addresses && a.ports == b.ports;
}

static inline struct flow_pair flow_record_pair(const struct flow *flow)
{
	struct flow_pair pair;

	memcpy(&pair.addresses, flow->address, sizeof(pair.addresses));
	memcpy(&pair.ports, flow->port, sizeof(pair.ports));
	return pair;
}

/* The same whoever sent. */
static inline uint64_t flow_key_hash(struct flow_pair pair, bool v6, uint64_t seed)
{
	struct flow_pair back = flow_pair_reverse(pair);

	if (back.addresses < pair.addresses ||
	    (back.addresses == pair.addresses && back.ports < pair.ports))
		pair = back;
	return flow_hash(pair.addresses, pair.ports | (uint64_t)v6 << 32, seed);
}

static inline void flow_key_make(const struct flows *flows, const struct segment *s,
				 struct flow_key *ret)
{
	uint32_t address[2];
	uint16_t port[2] = {s->source.port, s->target.port};

	ret->v6 = s->source.address.family == AF_INET6;
	ret->known = true;
	if (ret->v6) {
		address[0] = flow_addresses_find(&flows->addresses, s->source.address.bytes);
		address[1] = flow_addresses_find(&flows->addresses, s->target.address.bytes);
		ret->known = address[0] != FLOW_ADDRESS_NONE && address[1] != FLOW_ADDRESS_NONE;
	} else {
		memcpy(&address[0], s->source.address.bytes, sizeof(address[0]));
		memcpy(&address[1], s->target.address.bytes, sizeof(address[1]));
	}
	memcpy(&ret->pair.addresses, address, sizeof(ret->pair.addresses));
	memcpy(&ret->pair.ports, port, sizeof(ret->pair.ports));
	ret->hash = flow_key_hash(ret->pair, ret->v6, flows->seed);
}

/* Which end of the record's connection is the source; -1: the record has another pair. */
static inline int flow_key_side(const struct flow_key *key, const struct flow *flow)
{
	struct flow_pair pair = flow_record_pair(flow);

	if (((flow->flags & FLOW_V6) != 0) != key->v6)
		return -1;
	if (flow_pair_equal(pair, key->pair))
		return TRACK_CLIENT;
	return flow_pair_equal(pair, flow_pair_reverse(key->pair)) ? TRACK_SERVER : -1;
}

#endif
