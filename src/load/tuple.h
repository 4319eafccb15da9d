/*
 * Which addresses and ports the connections use, in turn. Arithmetic only, so that threads and
 * processes share the tuples out without talking to each other: destinations turn fastest, then
 * source addresses, then ports; each part has a slice of the ports of its own.
 */
#ifndef CONTEST_LOAD_TUPLE_H
#define CONTEST_LOAD_TUPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"
#include "load/plan.h"

struct tuples {
	const struct load_plan *plan;
	uint64_t sources;     /* addresses in all; at least 1: the kernel's choice */
	uint16_t first, last; /* the ports of this part; RANGE and RING */
	uint64_t next;	      /* the turn: counts tuples handed out */
};

/*
 * Those of part @part of @parts; @first, @last: the ports of the load: the plan's, or the host's.
 * 0, or -EINVAL when there are fewer ports than parts.
 */
int tuples_init(struct tuples *tuples, const struct load_plan *plan, uint16_t first, uint16_t last,
		unsigned part, unsigned parts);

struct tuple {
	const struct tcp_endpoint *destination;
	struct tcp_address source; /* family 0: the kernel's choice */
	uint16_t port;		   /* 0: the kernel's choice */
};

/* The next one. Ports of a pair of addresses come round after last - first + 1 of its turns. */
void tuples_next(struct tuples *tuples, struct tuple *ret);
/* How many turns until the same tuple comes again; 0 where the kernel chooses ports. */
uint64_t tuples_period(const struct tuples *tuples);

/*
 * Makes a non-blocking socket for it: options of the plan, local address and port, as plan->ports
 * says (IP_BIND_ADDRESS_NO_PORT wherever an address alone is bound). Returns the descriptor or
 * -errno; *ret_step tells where it failed (borrowed constant: "socket", "setsockopt", "bind"):
 * at bind() -EADDRINUSE, the port is held by another (RING); -EADDRNOTAVAIL, the address is none of
 * this host's. That a 4-tuple is taken only connect() tells: -EADDRNOTAVAIL.
 *
 * RANGE works within ip_local_port_range only: ends that lie outside are passed over without a
 * word (net/ipv4/inet_connection_sock.c, inet_sk_get_local_port_range()).
 *
 * RING takes a port in TIME-WAIT again if the connection before it had SO_REUSEADDR, too (that is,
 * came from RING: inet_csk_bind_conflict()) and timestamps (tcp_twsk_unique(), whose @twp is NULL
 * for a bound port: whatever tcp_tw_reuse says). The other way round, a port that bind() has
 * taken is none that connect() chooses, to any destination and from any address, before its last
 * TIME-WAIT is over (__inet_hash_connect(): tb->fastreuse >= 0): after RING has been through the
 * range, KERNEL and RANGE, and all other programs of the host, have no port for up to 60 s.
 */
int tuple_socket(const struct load_plan *plan, const struct tuple *tuple, const char **ret_step);

/* Whether this kernel has IP_LOCAL_PORT_RANGE (6.3): 0, or -ENOTSUP with @why. */
int tuples_probe_range(struct why *why);

#endif
