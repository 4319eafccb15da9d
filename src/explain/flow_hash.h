/* Hashes that who writes a capture cannot aim at, as long as the seed is not known to them. */
#ifndef CONTEST_EXPLAIN_FLOW_HASH_H
#define CONTEST_EXPLAIN_FLOW_HASH_H

#include <stdint.h>

/* Both halves of a product of two 64-bit numbers, folded. */
static inline uint64_t flow_hash_fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t flow_hash(uint64_t a, uint64_t b, uint64_t seed)
{
	return flow_hash_fold(flow_hash_fold(a ^ seed, b ^ seed ^ 0x9e3779b97f4a7c15u) ^ seed,
			      0xd6e8feb86659fd93u);
}

#endif
