/* Sequence number arithmetic modulo 2^32 (RFC 9293 3.4). */
#ifndef CONTEST_TCP_SEQ_H
#define CONTEST_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* How far @a lies behind @b; negative when it lies before. */
static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) > 0;
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
	return seq_diff(a, b) >= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}

/* Whether @seq lies in the @length numbers that begin at @first. */
static inline bool seq_within(uint32_t seq, uint32_t first, uint32_t length)
{
	return seq - first < length;
}

#endif
