/* veth pairs whose ends need no ARP. */
#ifndef CONTEST_WORLD_VETH_H
#define CONTEST_WORLD_VETH_H

#include <stdint.h>

#include "base/why.h"

/*
 * The MAC of every host. A device without ARP sends to its own address (net/ipv4/arp.c,
 * arp_constructor(); net/ipv6/ndisc.c, ndisc_constructor()), so that one for all is always right.
 */
extern const uint8_t veth_host_mac[6];

struct rtnl_end;

/* Makes a quiet pair, both ends down. 0, -ENOTSUP where the kernel has no veth, or -errno. */
int veth_pair(const struct rtnl_end *a, const struct rtnl_end *b, struct why *why);

#endif
