#include "explain/seqset.h"

#include <string.h>

#include "tcp/seq.h"

static void drop_first(struct seqset_islands *islands)
{
	islands->count--;
	memmove(islands->at, islands->at + 1, islands->count * sizeof(islands->at[0]));
}

void seqset_advance(uint32_t *edge, struct seqset_islands *islands, uint32_t to)
{
	if (seq_gt(to, *edge))
		*edge = to;
	while (islands && islands->count && seq_leq(islands->at[0].from, *edge)) {
		*edge = seq_max(*edge, islands->at[0].to);
		drop_first(islands);
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
static uint32_t add_island(uint32_t *edge, struct seqset_islands *islands, uint32_t from,
			   uint32_t to)
{
	struct seqset_island merged = {from, to}, *all = islands->at;
	uint32_t added = to - from;
	size_t at = 0, end;

	while (at < islands->count && seq_lt(all[at].to, from))
		at++;
	for (end = at; end < islands->count && seq_leq(all[end].from, to); end++) {
		added -= overlap(&all[end], from, to);
		if (seq_lt(all[end].from, merged.from))
			merged.from = all[end].from;
		merged.to = seq_max(merged.to, all[end].to);
	}
	if (end == at && islands->count == SEQSET_ISLANDS) {
		seqset_advance(edge, islands, all[0].from);
		return seqset_add(edge, islands, from, to);
	}
	memmove(all + at + 1, all + end, (islands->count - end) * sizeof(all[0]));
	all[at] = merged;
	islands->count = (uint8_t)(islands->count - (end - at) + 1);
	return added;
}

uint32_t seqset_add(uint32_t *edge, struct seqset_islands *islands, uint32_t from, uint32_t to)
{
	uint32_t added;

	if (seq_lt(from, *edge))
		from = *edge;
	if (seq_leq(to, from))
		return 0;
	if (!islands || (!islands->count && from == *edge)) {
		*edge = to;
		return to - from;
	}
	added = add_island(edge, islands, from, to);
	seqset_advance(edge, islands, *edge);
	return added;
}

uint32_t seqset_missing(uint32_t edge, const struct seqset_islands *islands, uint32_t from,
			uint32_t to)
{
	uint32_t missing;

	if (seq_lt(from, edge))
		from = edge;
	if (seq_leq(to, from))
		return 0;
	missing = to - from;
	for (size_t i = 0; islands && i < islands->count && seq_leq(islands->at[i].from, to); i++)
		if (seq_geq(islands->at[i].to, from))
			missing -= overlap(&islands->at[i], from, to);
	return missing;
}
