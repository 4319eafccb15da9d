/*
 * The part of a sequence space that was seen: all below an edge, and islands beyond it that
 * arrived before what lies between. Numbers compare modulo 2^32 (RFC 9293 3.4).
 *
 * Most sets never have an island, so the edge is the caller's, and the islands lie elsewhere:
 * NULL stands for none, as long as nothing is added beyond the edge.
 */
#ifndef CONTEST_EXPLAIN_SEQSET_H
#define CONTEST_EXPLAIN_SEQSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holes that are kept apart; of more, the oldest is taken for something the capture missed. */
#define SEQSET_ISLANDS 12

struct seqset_islands {
	uint8_t count;
	struct seqset_island {
		uint32_t from, to; /* to: the first beyond it */
	} at[SEQSET_ISLANDS];	   /* in order, apart from each other and from the edge */
};

/*
 * Adds the numbers from @from up to but without @to. Returns how many of them were new. Without
 * @islands, what lies between the edge and @from is taken as seen.
 */
uint32_t seqset_add(uint32_t *edge, struct seqset_islands *islands, uint32_t from, uint32_t to);

/* How many of these numbers seqset_add() would find new. */
uint32_t seqset_missing(uint32_t edge, const struct seqset_islands *islands, uint32_t from,
			uint32_t to);

/* Everything before @to is there, seen or not; does nothing when that is no news. */
void seqset_advance(uint32_t *edge, struct seqset_islands *islands, uint32_t to);

/* The first number beyond all that was seen. */
static inline uint32_t seqset_top(uint32_t edge, const struct seqset_islands *islands)
{
	return islands && islands->count ? islands->at[islands->count - 1].to : edge;
}

#endif
