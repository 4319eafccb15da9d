#include "load/slots.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

/* What issue 4 bounds with 200 bytes; the histograms and the buffer are a thread's, not its. */
_Static_assert(sizeof(struct slot) <= 96, "a connection has become expensive");

int slots_init(struct slots *slots, uint32_t capacity)
{
	void *memory = mmap(NULL, (size_t)capacity * sizeof(struct slot), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*slots = (struct slots){.free = SLOTS_NONE};
	if (memory == MAP_FAILED)
		return -ENOMEM;
	slots->at = memory;
	slots->capacity = capacity;
	for (int i = 0; i < SLOTS_LISTS; i++)
		slots->lists[i].first = slots->lists[i].last = SLOTS_NONE;
	return 0;
}

void slots_done(struct slots *slots)
{
	if (slots->at)
		munmap(slots->at, (size_t)slots->capacity * sizeof(*slots->at));
	slots->at = NULL;
}

uint32_t slots_take(struct slots *slots)
{
	uint32_t at = slots->free;
	struct slot *slot;

	if (at == SLOTS_NONE && slots->used == slots->capacity)
		return SLOTS_NONE;
	if (at != SLOTS_NONE)
		slots->free = slots->at[at].next;
	else
		at = slots->used++;
	slots->count++;
	slot = &slots->at[at];
	slot->fd = -1;
	slot->list = SLOTS_UNLISTED;
	slot->state = slot->ready = slot->watched = 0;
	return at;
}

void slots_give(struct slots *slots, uint32_t at)
{
	struct slot *slot = &slots->at[at];

	slots_delist(slots, at);
	slot->fd = -1;
	slot->next = slots->free;
	slots->free = at;
	slots->count--;
}

void slots_enlist(struct slots *slots, uint32_t at, enum slots_list list, int64_t due_ns)
{
	struct slot *slot = &slots->at[at];
	uint32_t after;

	slots_delist(slots, at);
	after = slots->lists[list].last;
	while (after != SLOTS_NONE && slots->at[after].due_ns > due_ns)
		after = slots->at[after].prev;

	slot->due_ns = due_ns;
	slot->list = (uint8_t)list;
	slot->prev = after;
	if (after != SLOTS_NONE) {
		slot->next = slots->at[after].next;
		slots->at[after].next = at;
	} else {
		slot->next = slots->lists[list].first;
		slots->lists[list].first = at;
	}
	if (slot->next != SLOTS_NONE)
		slots->at[slot->next].prev = at;
	else
		slots->lists[list].last = at;
	slots->lists[list].count++;
}

void slots_delist(struct slots *slots, uint32_t at)
{
	struct slot *slot = &slots->at[at];
	enum slots_list list = slot->list;

	if (list == SLOTS_UNLISTED)
		return;
	if (slot->prev != SLOTS_NONE)
		slots->at[slot->prev].next = slot->next;
	else
		slots->lists[list].first = slot->next;
	if (slot->next != SLOTS_NONE)
		slots->at[slot->next].prev = slot->prev;
	else
		slots->lists[list].last = slot->prev;
	slots->lists[list].count--;
	slot->list = SLOTS_UNLISTED;
}

int64_t slots_due(const struct slots *slots)
{
	int64_t due = INT64_MAX;

	for (int i = 0; i < SLOTS_LISTS; i++)
		if (slots->lists[i].count && slots->at[slots->lists[i].first].due_ns < due)
			due = slots->at[slots->lists[i].first].due_ns;
	return due;
}
