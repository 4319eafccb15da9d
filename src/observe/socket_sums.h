/*
 * Sockets added up inside the kernel by a BPF program (bpf/tcp_sums.bpf.c, which says how and what
 * it does not promise). Part of the source "bpf".
 */
#ifndef CONTEST_OBSERVE_SOCKET_SUMS_H
#define CONTEST_OBSERVE_SOCKET_SUMS_H

#include <stdbool.h>

#include "base/why.h"
#include "observe/socket_source.h"

struct socket_sums;

/* In the network namespace of @netns_fd (borrowed: it must outlive the sums). 0; -ENOTSUP: this
 * kernel cannot (it is older than 6.2, or has changed); or -errno; with @why. */
int socket_sums_open(int netns_fd, struct socket_sums **ret, struct why *why);
void socket_sums_close(struct socket_sums *sums);

/* As `sum` of struct socket_source. */
int socket_sums_read(struct socket_sums *sums, uint32_t states, unsigned fields,
		     socket_sum_take take, void *context, struct socket_walk *ret, struct why *why);

#endif
