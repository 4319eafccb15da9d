/* The size of a host's connection hash: small worlds are looked at often, and a look walks it. */
#ifndef CONTEST_WORLD_TABLES_H
#define CONTEST_WORLD_TABLES_H

#include "world/world.h"

/* Enough for the few thousand sockets of an arm on the wire; a look takes some 20 us. */
#define TABLES_SMALL 4096

/*
 * Makes namespaces that the calling thread unshares from now on get a connection hash of their
 * own, of @entries buckets, rounded up to a power of two (net/ipv4/tcp_ipv4.c, tcp_set_hashinfo(),
 * since 6.1). Without it all share the machine's, and inet_diag walks its several 100,000 buckets
 * at each dump. 0, or -errno: where the kernel has no such setting (-ENOENT) nothing changes.
 */
int tables_make(unsigned entries);

/*
 * Gives the limits that the kernel derives from the size of that hash back to @host, as they are
 * in the calling thread's namespace: tcp_max_tw_buckets and tcp_max_syn_backlog. A smaller hash
 * must not change what a host does. 0 or -errno.
 */
int tables_restore_limits(const struct host *host);

#endif
