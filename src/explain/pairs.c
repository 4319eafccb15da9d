#include "explain/pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void pairs_done(struct pairs *pairs)
{
	free(pairs->slots);
	*pairs = (struct pairs){0};
}

/* The finalizer of a 64-bit mixing function: each input bit reaches each output bit. */
static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

static uint64_t hash(const struct tcp_endpoint *endpoint)
{
	uint64_t word[2] = {0, 0};

	memcpy(word, endpoint->address.bytes, endpoint->address.family == AF_INET ? 4 : 16);
	return mix(mix(word[0] + endpoint->port) ^ word[1]);
}

static int compare(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	if (a->address.family != b->address.family)
		return a->address.family < b->address.family ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return memcmp(a->address.bytes, b->address.bytes, a->address.family == AF_INET ? 4 : 16);
}

/* The slot of the pair, or the free one where it belongs; there is always a free one. */
static struct pairs_slot *find(struct pairs_slot *slots, size_t capacity,
			       const struct tcp_endpoint *low, const struct tcp_endpoint *high)
{
	size_t at = mix(hash(low) + 3 * hash(high)) & (capacity - 1);

	while (slots[at].value && !(tcp_endpoint_equal(&slots[at].low, low) &&
				    tcp_endpoint_equal(&slots[at].high, high)))
		at = (at + 1) & (capacity - 1);
	return &slots[at];
}

static struct pairs_slot *find_pair(const struct pairs *pairs, const struct tcp_endpoint *a,
				    const struct tcp_endpoint *b)
{
	bool ordered = compare(a, b) <= 0;

	return find(pairs->slots, pairs->capacity, ordered ? a : b, ordered ? b : a);
}

size_t pairs_get(const struct pairs *pairs, const struct tcp_endpoint *a,
		 const struct tcp_endpoint *b)
{
	return pairs->capacity ? find_pair(pairs, a, b)->value - 1 : PAIRS_NONE;
}

int pairs_reserve(struct pairs *pairs)
{
	size_t capacity = pairs->capacity ? 2 * pairs->capacity : FIRST_CAPACITY;
	struct pairs_slot *slots;

	if (pairs->count + 1 <= pairs->capacity / 4 * 3)
		return 0;
	slots = calloc(capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < pairs->capacity; i++) {
		const struct pairs_slot *old = &pairs->slots[i];

		if (old->value)
			*find(slots, capacity, &old->low, &old->high) = *old;
	}
	free(pairs->slots);
	pairs->slots = slots;
	pairs->capacity = capacity;
	return 0;
}

void pairs_set(struct pairs *pairs, const struct tcp_endpoint *a, const struct tcp_endpoint *b,
	       size_t value)
{
	struct pairs_slot *slot = find_pair(pairs, a, b);
	bool ordered = compare(a, b) <= 0;

	if (!slot->value)
		pairs->count++;
	slot->low = ordered ? *a : *b;
	slot->high = ordered ? *b : *a;
	slot->value = value + 1;
}
