/* Which host owns which address. */
#ifndef CONTEST_WORLD_ROUTES_H
#define CONTEST_WORLD_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "tcp/key.h"

struct route {
	struct tcp_address address;
	int host;
};

struct routes {
	struct route *items; /* (owned) */
	size_t count, capacity;
};

/* 0, -EEXIST when a host has it already, or -ENOMEM. */
int routes_add(struct routes *routes, const struct tcp_address *address, int host);
/* Forgets the address, if it is there. */
void routes_remove(struct routes *routes, const struct tcp_address *address);
void routes_done(struct routes *routes);

/* The host that owns the target of a raw IP packet, or -1. */
int routes_target(const struct routes *routes, const uint8_t *packet, size_t length);

#endif
