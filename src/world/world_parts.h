/* The inside of a world, for its own files. */
#ifndef CONTEST_WORLD_WORLD_PARTS_H
#define CONTEST_WORLD_WORLD_PARTS_H

#include <net/if.h>

#include "world/world.h"

struct host {
	struct world *world; /* (borrowed) */
	size_t index;
	char name[IFNAMSIZ];
	char device[IFNAMSIZ];
	int netns;			/* (owned) */
	struct tcp_address **addresses; /* each (owned): host_address() lends them */
	size_t address_count, address_capacity;
};

struct world {
	enum world_link link;
	bool ipv6; /* the kernel has it */
	int home;  /* the wire's own namespace (owned) */
	struct host hosts[WORLD_HOSTS_MAX];
	size_t host_count;
	struct wire *wire; /* (owned), or NULL */
};

/* Splits "10.0.0.1/24"; without prefix it is a single address. 0 or -EINVAL. */
int address_parse(const char *text, struct tcp_address *ret, uint8_t *ret_prefix);

/* Makes the host's namespace, with lo up. 0 or -errno. */
int host_open(struct host *host);
void host_close(struct host *host);

/* Brings the host's device up. 0 or -errno. */
int host_link_up(struct host *host);
/* Lets the host reach everything by its device. 0 or -errno. */
int host_route_all(struct host *host);

#endif
