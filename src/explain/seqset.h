/*
 * The part of a sequence space that was seen: all below an edge, and islands beyond it that
 * arrived before what lies between. Numbers compare modulo 2^32 (RFC 9293 3.4).
 */
#ifndef CONTEST_EXPLAIN_SEQSET_H
#define CONTEST_EXPLAIN_SEQSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holes that are kept apart; of more, the oldest is taken for something the capture missed. */
#define SEQSET_ISLANDS 12

struct seqset {
	bool known;    /* the rest means something */
	uint8_t count; /* of islands */
	uint32_t edge; /* the first number that is missing */
	struct seqset_island {
		uint32_t from, to; /* to: the first beyond it */
	} islands[SEQSET_ISLANDS]; /* in order, apart from each other and from the edge */
};

/* Everything before @edge is there, and nothing is beyond. */
void seqset_begin(struct seqset *set, uint32_t edge);

/* Adds the numbers from @from up to but without @to; an empty set begins at @from. Returns how
 * many of them were new. */
uint32_t seqset_add(struct seqset *set, uint32_t from, uint32_t to);

/* Everything before @edge is there, seen or not; does nothing when that is no news. */
void seqset_advance(struct seqset *set, uint32_t edge);

/* The first number beyond all that was seen. */
uint32_t seqset_top(const struct seqset *set);

#endif
