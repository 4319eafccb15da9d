/*
 * A port: where the wire takes packets from a host and gives it others. One per host, and one
 * const table of functions per kind of device; all are called with the wire's lock held, or
 * before its thread runs and after it ended.
 */
#ifndef CONTEST_WORLD_PORT_H
#define CONTEST_WORLD_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

#define PORT_MTU	  1500
#define PORT_QUEUE_LENGTH 10000 /* packets: bursts wait for the wire's thread here */

struct port {
	const struct port_ops *ops;
	int fd;	       /* polls readable when a packet waits (owned) */
	uint8_t *ring; /* veth: the packet socket's ring (owned) */
	size_t ring_length;
	unsigned ring_next;
	int ring_index;		 /* veth: device index of the wire's end */
	unsigned long long lost; /* veth: what the ring had no room for */
};

/* Where to open it: a host's namespace, the wire's own, and the names of the devices. */
struct port_place {
	size_t index;
	int host_netns, wire_netns;
	const char *device;
};

struct port_ops {
	const char *name;
	/* Makes the host's device, quiet, still down. -ENOTSUP when this kind is not to be had. */
	int (*open)(struct port *port, const struct port_place *place, struct why *why);
	/* After the host's device was brought up. */
	int (*start)(struct port *port, const struct port_place *place, struct why *why);
	/* The next packet: its length; 0: one was taken that is not IP; -EAGAIN: none waits. */
	ssize_t (*read)(struct port *port, uint8_t *packet, size_t room);
	/* 0; -EAGAIN: it was refused for now; another error: it cannot be delivered. */
	int (*write)(struct port *port, const uint8_t *packet, size_t length);
	/* Packets that the kernel had for the port and lost. */
	unsigned long long (*lost)(struct port *port);
	void (*close)(struct port *port);
};

/* Takes the error that poll(2) told; whether the port is usable after that. */
bool port_clear_error(struct port *port);

extern const struct port_ops port_tun, port_veth;

#endif
