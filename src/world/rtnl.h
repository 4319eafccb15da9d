/* rtnetlink: the few requests that make devices, addresses and routes, and read counters. */
#ifndef CONTEST_WORLD_RTNL_H
#define CONTEST_WORLD_RTNL_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/key.h"

struct mnl_socket;

/* A conversation with the kernel about one network namespace. */
struct rtnl {
	struct mnl_socket *socket; /* (owned) */
	unsigned sequence;
};

/* Opens in the namespace of @netns_fd. 0 or -errno. */
int rtnl_open(struct rtnl *rtnl, int netns_fd);
void rtnl_close(struct rtnl *rtnl);

struct rtnl_end {
	const char *device;
	int netns_fd;
	uint8_t mac[6];
};

/* Makes a veth pair, both ends down; @a in the namespace of @rtnl. 0 or -errno. */
int rtnl_veth_add(struct rtnl *rtnl, const struct rtnl_end *a, const struct rtnl_end *b);

/* The index of a device, or -errno. */
int rtnl_link_index(struct rtnl *rtnl, const char *device);

/*
 * Prepares a device for quiet: no ARP, no multicast, no generated IPv6 addresses; sets the
 * length of its queue (0: leave it). 0 or -errno.
 */
int rtnl_link_quiet(struct rtnl *rtnl, int index, uint32_t queue_length);

/* Brings a device up. 0 or -errno. */
int rtnl_link_up(struct rtnl *rtnl, int index);

/* Adds an address, without duplicate address detection. 0 or -errno (-EEXIST). */
int rtnl_address_add(struct rtnl *rtnl, int index, const struct tcp_address *address,
		     uint8_t prefix);

/*
 * Whether packets for the address are taken: 1 or 0, or -errno. The route that says so comes some
 * time after an IPv6 address, from a work queue (net/ipv6/addrconf.c, addrconf_dad_work()).
 */
int rtnl_address_ready(struct rtnl *rtnl, const struct tcp_address *address);

/* Everything of @family goes out of the device, on-link. 0 or -errno. */
int rtnl_route_default(struct rtnl *rtnl, int index, int family);

struct rtnl_counters {
	unsigned long long sent_packets, sent_dropped, received_packets, received_dropped;
};

/* IFLA_STATS64 of a device. 0 or -errno. */
int rtnl_link_counters(struct rtnl *rtnl, int index, struct rtnl_counters *ret);

/* Packets that the device's queueing disciplines dropped. 0 or -errno. */
int rtnl_queue_drops(struct rtnl *rtnl, int index, unsigned long long *ret);

#endif
