/* Sets of addresses: "10.0.0.1", "10.0.0.1-10.0.0.9", "127.0.0.0/24", without listing them. */
#ifndef CONTEST_LOAD_SOURCE_H
#define CONTEST_LOAD_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "tcp/key.h"

/* @count addresses from @first on, in their numeric order. */
struct load_source {
	struct tcp_address first;
	uint64_t count; /* > 0; at most LOAD_SOURCE_MAX */
};

#define LOAD_SOURCE_MAX (1u << 24)

/*
 * What @text stands for. Of an IPv4 network (CIDR, but /31 and /32) the network's own and the
 * broadcast address are left out, unless it is loopback's (127.0.0.0/8), where each can be used
 * but 127.255.255.255. The address before the slash may be any of the network.
 * -EINVAL with @why: no address, ends of two families, a range that runs backwards or is too large.
 */
int load_source_parse(const char *text, struct load_source *ret, struct why *why);

/* How many addresses they have in all, and the one of that @index (< the number). */
uint64_t load_sources_total(const struct load_source *sources, size_t count);
void load_sources_at(const struct load_source *sources, size_t count, uint64_t index,
		     struct tcp_address *ret);

/* Whether @address is one of it, and which: its index from 0. */
bool load_source_find(const struct load_source *source, const struct tcp_address *address,
		      uint64_t *ret);

/*
 * Whether contest may send load to @address without being told that it is the user's own:
 * loopback, private (RFC 1918, RFC 4193), link-local, carrier-grade NAT (RFC 6598), benchmarking
 * (RFC 2544, RFC 5180), documentation (RFC 5737, RFC 3849), v4-mapped ones of these.
 */
bool load_is_private(const struct tcp_address *address);

#endif
