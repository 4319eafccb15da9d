#include "world/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int routes_find(const struct routes *routes, const struct tcp_address *address)
{
	for (size_t i = 0; i < routes->count; i++)
		if (tcp_address_equal(&routes->items[i].address, address))
			return routes->items[i].host;
	return -1;
}

int routes_add(struct routes *routes, const struct tcp_address *address, int host)
{
	if (routes_find(routes, address) >= 0)
		return -EEXIST;
	if (ARRAY_ROOM(routes->items, routes->capacity, routes->count) < 0)
		return -ENOMEM;
	routes->items[routes->count++] = (struct route){.address = *address, .host = host};
	return 0;
}

void routes_remove(struct routes *routes, const struct tcp_address *address)
{
	for (size_t i = 0; i < routes->count; i++)
		if (tcp_address_equal(&routes->items[i].address, address))
			routes->items[i--] = routes->items[--routes->count];
}

void routes_done(struct routes *routes)
{
	free(routes->items);
	*routes = (struct routes){0};
}

int routes_target(const struct routes *routes, const uint8_t *packet, size_t length)
{
	struct tcp_address target = {0};

	if (length >= 20 && packet[0] >> 4 == 4) {
		target.family = AF_INET;
		memcpy(target.bytes, packet + 16, 4);
	} else if (length >= 40 && packet[0] >> 4 == 6) {
		target.family = AF_INET6;
		memcpy(target.bytes, packet + 24, 16);
	} else {
		return -1;
	}
	return routes_find(routes, &target);
}
