#include "explain/seqset.h"

#include <string.h>

#include "tcp/seq.h"

void seqset_begin(struct seqset *set, uint32_t edge)
{
	set->known = true;
	set->count = 0;
	set->edge = edge;
}

uint32_t seqset_top(const struct seqset *set)
{
	return set->count ? set->islands[set->count - 1].to : set->edge;
}

static void drop_first(struct seqset *set)
{
	set->count--;
	memmove(set->islands, set->islands + 1, set->count * sizeof(set->islands[0]));
}

void seqset_advance(struct seqset *set, uint32_t edge)
{
	if (!set->known) {
		seqset_begin(set, edge);
		return;
	}
	if (seq_gt(edge, set->edge))
		set->edge = edge;
	while (set->count && seq_leq(set->islands[0].from, set->edge)) {
		set->edge = seq_max(set->edge, set->islands[0].to);
		drop_first(set);
	}
}

/* Numbers that the island and the range have in common. */
static uint32_t overlap(const struct seqset_island *island, uint32_t from, uint32_t to)
{
	uint32_t first = seq_max(from, island->from);
	uint32_t end = seq_lt(to, island->to) ? to : island->to;

	return seq_gt(end, first) ? end - first : 0;
}

/* Puts the range among the islands; what it touches becomes one with it. */
static uint32_t add_island(struct seqset *set, uint32_t from, uint32_t to)
{
	struct seqset_island merged = {from, to};
	uint32_t added = to - from;
	size_t at = 0, end;

	while (at < set->count && seq_lt(set->islands[at].to, from))
		at++;
	for (end = at; end < set->count && seq_leq(set->islands[end].from, to); end++) {
		added -= overlap(&set->islands[end], from, to);
		if (seq_lt(set->islands[end].from, merged.from))
			merged.from = set->islands[end].from;
		merged.to = seq_max(merged.to, set->islands[end].to);
	}
	if (end == at && set->count == SEQSET_ISLANDS) {
		seqset_advance(set, set->islands[0].from);
		return seqset_add(set, from, to);
	}
	memmove(set->islands + at + 1, set->islands + end,
		(set->count - end) * sizeof(set->islands[0]));
	set->islands[at] = merged;
	set->count = (uint8_t)(set->count - (end - at) + 1);
	return added;
}

uint32_t seqset_add(struct seqset *set, uint32_t from, uint32_t to)
{
	uint32_t added;

	if (!set->known)
		seqset_begin(set, from);
	if (seq_lt(from, set->edge))
		from = set->edge;
	if (seq_leq(to, from))
		return 0;
	added = add_island(set, from, to);
	seqset_advance(set, set->edge);
	return added;
}
