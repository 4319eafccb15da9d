#include "explain/summary.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Open addressing, never more than half full; a power of two. */
#define HOST_SLOTS (2 * SUMMARY_HOSTS)

struct summary_tables {
	uint16_t port_at[UINT16_MAX + 1]; /* index into ports plus one; 0: not there */
	struct summary_port *ports;	  /* (owned) */
	size_t port_count, port_capacity;
	uint32_t *host_slots;	      /* index into hosts plus one; 0: free (owned) */
	struct summary_closer *hosts; /* (owned) */
	size_t host_count, host_capacity;
};

void summary_done(struct summary *summary)
{
	if (summary->tables) {
		free(summary->tables->ports);
		free(summary->tables->hosts);
		free(summary->tables->host_slots);
		free(summary->tables);
	}
	*summary = (struct summary){0};
}

/* ---- ports */

/* The place of the port, or NULL in *ret when there is no room for one more. 0 or -ENOMEM. */
static int find_port(struct summary_tables *tables, uint16_t number, struct summary_port **ret)
{
	uint16_t *at = &tables->port_at[number];

	if (!*at && tables->port_count == SUMMARY_PORTS) {
		*ret = NULL;
		return 0;
	}
	if (!*at) {
		if (ARRAY_ROOM(tables->ports, tables->port_capacity, tables->port_count) < 0)
			return -ENOMEM;
		tables->ports[tables->port_count] = (struct summary_port){.port = number};
		*at = (uint16_t)++tables->port_count;
	}
	*ret = &tables->ports[*at - 1];
	return 0;
}

/* ---- hosts */

static size_t host_hash(const struct tcp_address *host)
{
	uint64_t word[2] = {0, 0}, x;

	memcpy(word, host->bytes, host->family == AF_INET ? 4 : 16);
	x = (word[0] ^ word[1] * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(x ^ x >> 32);
}

/* The slot of the host, or the free one where it belongs; there is always a free one. */
static uint32_t *host_slot(const struct summary_tables *tables, const struct tcp_address *host)
{
	size_t at = host_hash(host) % HOST_SLOTS;

	while (tables->host_slots[at] &&
	       !tcp_address_equal(&tables->hosts[tables->host_slots[at] - 1].host, host))
		at = (at + 1) % HOST_SLOTS;
	return &tables->host_slots[at];
}

static int find_host(struct summary_tables *tables, const struct tcp_address *host,
		     struct summary_closer **ret)
{
	uint32_t *slot;

	if (!tables->host_slots)
		tables->host_slots = calloc(HOST_SLOTS, sizeof(*tables->host_slots));
	if (!tables->host_slots)
		return -ENOMEM;
	slot = host_slot(tables, host);
	if (!*slot && tables->host_count == SUMMARY_HOSTS) {
		*ret = NULL;
		return 0;
	}
	if (!*slot) {
		if (ARRAY_ROOM(tables->hosts, tables->host_capacity, tables->host_count) < 0)
			return -ENOMEM;
		tables->hosts[tables->host_count] = (struct summary_closer){.host = *host};
		*slot = (uint32_t)++tables->host_count;
	}
	*ret = &tables->hosts[*slot - 1];
	return 0;
}

/* ---- adding */

static void count_connection(struct summary *summary, const struct finding *finding)
{
	const struct finding_end *end = finding->end;

	summary->connections++;
	summary->evicted += finding->evicted;
	summary->opened[finding->opened]++;
	summary->endings[finding->ending]++;
	summary->closed_first[finding->closed_first]++;
	summary->time_wait_holder[finding->time_wait_holder]++;
	summary->problems[finding_problem(finding)]++;
	if (finding->rst.any)
		summary->rst_causes[finding->rst.cause]++;
	summary->packets += end[0].packets + end[1].packets;
	summary->bytes += end[0].bytes + end[1].bytes;
	summary->fin_repeated += end[0].fin_count > 1 || end[1].fin_count > 1;
	summary->reused += finding->reuses != 0;
}

static void count_port(struct summary *summary, struct summary_port *port,
		       const struct finding *finding)
{
	if (!port) {
		summary->other_ports++;
		return;
	}
	port->connections++;
	port->endings[finding->ending]++;
	port->closed_first[finding->closed_first]++;
}

static void count_closer(struct summary *summary, struct summary_closer *closer,
			 const struct finding_end *end)
{
	if (!closer) {
		summary->other_closers++;
		return;
	}
	closer->closed_first++;
	closer->time_wait += end->time_wait;
}

int summary_add(struct summary *summary, const struct finding *finding)
{
	bool one_closed = finding->closed_first == WHO_CLIENT ||
			  finding->closed_first == WHO_SERVER;
	const struct finding_end *closing =
		&finding->end[finding->closed_first == WHO_SERVER ? TRACK_SERVER : TRACK_CLIENT];
	struct summary_closer *closer = NULL;
	struct summary_port *port;

	if (!summary->tables)
		summary->tables = calloc(1, sizeof(*summary->tables));
	if (!summary->tables ||
	    find_port(summary->tables, finding->end[TRACK_SERVER].endpoint.port, &port) < 0 ||
	    (one_closed && find_host(summary->tables, &closing->endpoint.address, &closer) < 0))
		return -ENOMEM;
	count_connection(summary, finding);
	count_port(summary, port, finding);
	if (one_closed)
		count_closer(summary, closer, closing);
	return 0;
}

/* ---- the most of them */

static int compare_counts(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

static int compare_ports(const void *left, const void *right)
{
	const struct summary_port *a = left, *b = right;
	int r = compare_counts(a->connections, b->connections);

	return r ? r : (a->port > b->port) - (a->port < b->port);
}

static int compare_closers(const void *left, const void *right)
{
	const struct summary_closer *a = left, *b = right;
	int r = compare_counts(a->closed_first, b->closed_first);

	if (r == 0 && a->host.family != b->host.family)
		r = a->host.family == AF_INET ? -1 : 1;
	if (r == 0)
		r = memcmp(a->host.bytes, b->host.bytes, a->host.family == AF_INET ? 4 : 16);
	return r;
}

/*
 * The @room first of the @count elements into @ret, in order. Each is put among those that are
 * there already, which for a handful out of thousands is as good as sorting, and needs no memory.
 */
static void take_first(const void *from, size_t count, size_t size, void *ret, size_t room,
		       int (*compare)(const void *, const void *))
{
	const char *at = from;
	char *first = ret;
	size_t taken = 0;

	for (size_t i = 0; i < count; i++, at += size) {
		size_t place = taken;

		while (place > 0 && compare(at, first + (place - 1) * size) < 0)
			place--;
		if (place == room)
			continue;
		if (taken < room)
			taken++;
		memmove(first + (place + 1) * size, first + place * size,
			(taken - place - 1) * size);
		memcpy(first + place * size, at, size);
	}
}

size_t summary_ports(const struct summary *summary, struct summary_port *ret, size_t room)
{
	const struct summary_tables *tables = summary->tables;

	if (!tables)
		return 0;
	take_first(tables->ports, tables->port_count, sizeof(*ret), ret, room, compare_ports);
	return tables->port_count;
}

size_t summary_closers(const struct summary *summary, struct summary_closer *ret, size_t room)
{
	const struct summary_tables *tables = summary->tables;

	if (!tables)
		return 0;
	take_first(tables->hosts, tables->host_count, sizeof(*ret), ret, room, compare_closers);
	return tables->host_count;
}
