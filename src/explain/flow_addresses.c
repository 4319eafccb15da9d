#include "explain/flow_addresses.h"

#include <stdlib.h>
#include <string.h>

#include "explain/flow_hash.h"

#define FIRST_CAPACITY 64

void flow_addresses_done(struct flow_addresses *addresses)
{
	free(addresses->items);
	free(addresses->heads);
	*addresses = (struct flow_addresses){0};
}

static uint32_t *head_of(const struct flow_addresses *addresses, const uint8_t bytes[16])
{
	uint64_t word[2];

	memcpy(word, bytes, sizeof(word));
	return &addresses->heads[flow_hash(word[0], word[1], addresses->seed) &
				 (addresses->capacity - 1)];
}

uint32_t flow_addresses_find(const struct flow_addresses *addresses, const uint8_t bytes[16])
{
	uint32_t at;

	if (!addresses->capacity)
		return FLOW_ADDRESS_NONE;
	for (at = *head_of(addresses, bytes); at != FLOW_ADDRESS_NONE;
	     at = addresses->items[at].next)
		if (memcmp(addresses->items[at].bytes, bytes, 16) == 0)
			break;
	return at;
}

static void put_into_chain(struct flow_addresses *addresses, uint32_t number)
{
	uint32_t *head = head_of(addresses, addresses->items[number].bytes);

	addresses->items[number].next = *head;
	*head = number;
}

/* Only when every item is in use, so that all of them belong into chains. */
static int grow(struct flow_addresses *addresses)
{
	uint32_t capacity = addresses->capacity ? 2 * addresses->capacity : FIRST_CAPACITY;
	struct flow_address *items;
	uint32_t *heads;

	if (capacity > UINT32_MAX / 4)
		return -1;
	items = realloc(addresses->items, capacity * sizeof(*items));
	if (!items)
		return -1;
	addresses->items = items;
	heads = malloc(capacity * sizeof(*heads));
	if (!heads)
		return -1;
	memset(heads, 0xff, capacity * sizeof(*heads));
	free(addresses->heads);
	addresses->heads = heads;
	addresses->capacity = capacity;
	for (uint32_t i = 0; i < addresses->used; i++)
		put_into_chain(addresses, i);
	return 0;
}

static uint32_t take_free(struct flow_addresses *addresses)
{
	uint32_t number = addresses->free;

	if (addresses->capacity && number != FLOW_ADDRESS_NONE) {
		addresses->free = addresses->items[number].next;
		return number;
	}
	if (addresses->used == addresses->capacity && grow(addresses) < 0)
		return FLOW_ADDRESS_NONE;
	addresses->free = FLOW_ADDRESS_NONE;
	return addresses->used++;
}

uint32_t flow_addresses_take(struct flow_addresses *addresses, const uint8_t bytes[16])
{
	uint32_t number = flow_addresses_find(addresses, bytes);

	if (number == FLOW_ADDRESS_NONE) {
		number = take_free(addresses);
		if (number == FLOW_ADDRESS_NONE)
			return number;
		memcpy(addresses->items[number].bytes, bytes, 16);
		addresses->items[number].users = 0;
		put_into_chain(addresses, number);
		addresses->changes++;
	}
	addresses->items[number].users++;
	return number;
}

void flow_addresses_drop(struct flow_addresses *addresses, uint32_t number)
{
	struct flow_address *item = &addresses->items[number];
	uint32_t *link = head_of(addresses, item->bytes);

	if (--item->users)
		return;
	while (*link != number)
		link = &addresses->items[*link].next;
	*link = item->next;
	item->next = addresses->free;
	addresses->free = number;
	addresses->changes++;
}
