#include "serve/slab.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

#define CHUNK_SLOTS 1024u

/* The lists' links, the flags and the alignment included: what issue 3 bounds with 100 bytes. */
_Static_assert(sizeof(struct slot) <= 80, "a connection has become expensive");

void slab_init(struct slab *slab, bool recording)
{
	*slab = (struct slab){.free = SLAB_NO_SLOT, .recording = recording};
	for (int i = 0; i < SLAB_LISTS; i++)
		slab->lists[i].first = slab->lists[i].last = SLAB_NO_SLOT;
}

void slab_done(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->chunk_count; i++) {
		free(slab->chunks[i]);
		if (slab->recording)
			free(slab->records[i]);
	}
	free(slab->chunks);
	free(slab->records);
}

static int slab_grow(struct slab *slab)
{
	uint32_t n = slab->chunk_count;
	struct slot *chunk;

	if ((n + 1) * CHUNK_SLOTS > SLAB_MAX)
		return -ENOMEM;
	if (ARRAY_ROOM(slab->chunks, slab->chunk_capacity, n) < 0 ||
	    (slab->recording && ARRAY_ROOM(slab->records, slab->record_capacity, n) < 0))
		return -ENOMEM;
	chunk = malloc(CHUNK_SLOTS * sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	if (slab->recording) {
		slab->records[n] = malloc(CHUNK_SLOTS * sizeof(**slab->records));
		if (!slab->records[n]) {
			free(chunk);
			return -ENOMEM;
		}
	}
	slab->chunks[n] = chunk;
	slab->chunk_count++;
	return 0;
}

int slab_reserve(struct slab *slab)
{
	if (slab->free != SLAB_NO_SLOT || slab->used < slab->chunk_count * CHUNK_SLOTS)
		return 0;
	return slab_grow(slab);
}

uint32_t slab_take(struct slab *slab)
{
	uint32_t at = slab->free;

	if (at != SLAB_NO_SLOT)
		slab->free = slab_at(slab, at)->next;
	else
		at = slab->used++;
	slab->count++;
	slab_at(slab, at)->list = SLAB_NONE;
	slab_at(slab, at)->watched = 0;
	return at;
}

void slab_give(struct slab *slab, uint32_t at)
{
	struct slot *slot = slab_at(slab, at);

	slab_delist(slab, at);
	slot->fd = -1;
	slot->next = slab->free;
	slab->free = at;
	slab->count--;
}

struct slot *slab_at(const struct slab *slab, uint32_t at)
{
	return &slab->chunks[at / CHUNK_SLOTS][at % CHUNK_SLOTS];
}

struct engine_record *slab_record(const struct slab *slab, uint32_t at)
{
	return slab->recording ? &slab->records[at / CHUNK_SLOTS][at % CHUNK_SLOTS] : NULL;
}

void slab_enlist(struct slab *slab, uint32_t at, enum slab_list list, int64_t due_ns)
{
	struct slot *slot = slab_at(slab, at);
	uint32_t after;

	slab_delist(slab, at);
	after = slab->lists[list].last;
	while (after != SLAB_NO_SLOT && slab_at(slab, after)->due_ns > due_ns)
		after = slab_at(slab, after)->prev;

	slot->due_ns = due_ns;
	slot->list = (uint8_t)list;
	slot->prev = after;
	if (after != SLAB_NO_SLOT) {
		slot->next = slab_at(slab, after)->next;
		slab_at(slab, after)->next = at;
	} else {
		slot->next = slab->lists[list].first;
		slab->lists[list].first = at;
	}
	if (slot->next != SLAB_NO_SLOT)
		slab_at(slab, slot->next)->prev = at;
	else
		slab->lists[list].last = at;
	slab->lists[list].count++;
}

void slab_delist(struct slab *slab, uint32_t at)
{
	struct slot *slot = slab_at(slab, at);
	enum slab_list list = slot->list;

	if (list == SLAB_NONE)
		return;
	if (slot->prev != SLAB_NO_SLOT)
		slab_at(slab, slot->prev)->next = slot->next;
	else
		slab->lists[list].first = slot->next;
	if (slot->next != SLAB_NO_SLOT)
		slab_at(slab, slot->next)->prev = slot->prev;
	else
		slab->lists[list].last = slot->prev;
	slab->lists[list].count--;
	slot->list = SLAB_NONE;
}

int64_t slab_due(const struct slab *slab)
{
	int64_t due = INT64_MAX;

	for (int i = 0; i < SLAB_LISTS; i++)
		if (slab->lists[i].count && slab_at(slab, slab->lists[i].first)->due_ns < due)
			due = slab_at(slab, slab->lists[i].first)->due_ns;
	return due;
}
