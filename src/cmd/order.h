/* Comparisons that rows and groups are sorted by: negative, 0 or positive. */
#ifndef CONTEST_CMD_ORDER_H
#define CONTEST_CMD_ORDER_H

#include <stdint.h>
#include <string.h>

#include "observe/owners.h"
#include "tcp/key.h"

static inline int order_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* IPv4 first. */
static inline int order_addresses(const struct tcp_address *a, const struct tcp_address *b)
{
	int r = order_numbers((uint64_t)a->family, (uint64_t)b->family);

	return r ? r : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static inline int order_endpoints(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	int r = order_addresses(&a->address, &b->address);

	return r ? r : order_numbers(a->port, b->port);
}

/* By name, then by number. */
static inline int order_owners(const struct owner *a, const struct owner *b)
{
	int r = strcmp(a->name, b->name);

	return r ? r : order_numbers((uint64_t)a->pid, (uint64_t)b->pid);
}

#endif
