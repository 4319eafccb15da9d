/*
 * A world: a handful of hosts (network namespaces inside one user namespace) joined by a link,
 * all in the hands of one process. No root needed; nothing outside is touched; it vanishes with
 * the process, however that ends, because the kernel frees a namespace with its last reference.
 */
#ifndef CONTEST_WORLD_WORLD_H
#define CONTEST_WORLD_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "tcp/key.h"

struct world;
struct host;
struct wire;

enum world_link {
	WORLD_LINK_WIRE,      /* wire: TUN where it opens, else veth */
	WORLD_LINK_WIRE_TUN,  /* wire over TUN */
	WORLD_LINK_WIRE_VETH, /* wire over veth and packet sockets */
	WORLD_LINK_VETH,      /* fast: one veth pair between two hosts; no program in between */
	WORLD_LINK_LOOPBACK,  /* fast: every host is the same namespace, talking over lo */
};

#define WORLD_HOSTS_MAX	    8
#define WORLD_ADDRESSES_MAX 64

struct world_host_spec {
	/* "client": letters, digits, - and _, at most 15; the device is named by the first 14 and
	 * 0. */
	const char *name;
	/*
	 * Addresses with prefix: "10.0.0.1/24", "fd00::1/64"; NULL ends the list. None: host n gets
	 * 10.0.N.(n+1)/24 and fd00:0:0:N::(n+1)/64, where N is the world's network. Hosts reach
	 * each other's addresses, whatever the prefix.
	 */
	const char *addresses[WORLD_ADDRESSES_MAX];
};

struct world_spec {
	enum world_link link;
	size_t host_count; /* 2 for the fast veth link */
	uint8_t network;   /* of the addresses that hosts get by themselves */
	/* Buckets of each host's own connection hash (-ENOTSUP before Linux 6.1); 0: few on a wire,
	 * and on a fast link that of the machine, which all namespaces share. */
	unsigned hash_entries;
	struct world_host_spec hosts[WORLD_HOSTS_MAX];
};

/*
 * Makes the world. The calling process must have one thread (unshare(2), CLONE_NEWUSER); it is
 * changed for good: it lives in the world's user namespace, as its root, until it ends. Meant to
 * be called once, in a process forked for it.
 *
 * Where the system forbids user namespaces to this user, -EPERM (or the kernel's error) with the
 * setting that forbids it, and sudo as the way out, in @why; a privileged caller gets along
 * without a user namespace. -ENOTSUP when what the link needs is not there (TUN, veth, packet
 * sockets, IPv6), and which.
 */
int world_new(const struct world_spec *spec, struct world **ret, struct why *why);

/* Stops the wire and frees everything. NULL is allowed. */
void world_free(struct world *world);

/* The link that was made: WORLD_LINK_WIRE becomes the kind that was found. */
enum world_link world_link(const struct world *world);
/* "tun", "veth", "veth-fast", "loopback". */
const char *world_link_name(enum world_link link);

struct host *world_host(struct world *world, size_t index);
size_t world_host_count(const struct world *world);

/* The wire; NULL with a fast link. */
struct wire *world_wire(struct world *world);

const char *host_name(const struct host *host);
size_t host_index(const struct host *host);

/* The network namespace (borrowed). For observers and for a thread that wants to live there. */
int host_netns(const struct host *host);

/* Name of the host's network device ("client0", "lo"). */
const char *host_device(const struct host *host);

/* The n-th address of a family, or NULL. */
const struct tcp_address *host_address(const struct host *host, int family, size_t index);

/*
 * Adds one more address ("10.0.0.77/24") while the world runs; packets for it are taken from then
 * on. 0, -EEXIST when a host has it, -EINVAL, or -errno. One thread at a time for each host.
 */
int host_add_address(struct host *host, const char *address);

/*
 * socket(2) on this host: a descriptor (owned, close-on-exec), or -errno. It stays on the host
 * wherever it is used.
 */
int host_socket(const struct host *host, int family, int type, int protocol);

/*
 * Sets or reads a sysctl of this host, named with dots: "net.ipv4.tcp_fin_timeout". -ENOENT when
 * this kernel has none of that name (or not per namespace), -EINVAL when it does not take the
 * value. host_sysctl_read: text without the newline; returns its length.
 */
int host_sysctl(const struct host *host, const char *name, const char *value);
int host_sysctl_read(const struct host *host, const char *name, char *ret, size_t room);

/* Counters of the host's device: what the audit of the wire is made of. 0 or -errno. */
struct host_device_counters {
	unsigned long long sent_packets, sent_dropped, received_packets, received_dropped;
};
int host_device_counters(const struct host *host, struct host_device_counters *ret);

/*
 * Why user namespaces do not work for this process, and what to do, in one line; 0 when they
 * work. Tried in a child process.
 */
int world_probe(struct why *why);

#endif
