/*
 * Which sockets are meant: the filter that users of ss know, as a value.
 *
 *	state time-wait and ( sport = :5000 or dst 10.0.0.0/8 ) and not dport >= :1024
 *
 * Understood by us, and where it can be done there, by the kernel (inet_diag bytecode, state mask):
 * what the kernel has left out need not be copied. socket_filter_matches() is the whole truth; the
 * bytecode only ever leaves out what it would leave out, too.
 */
#ifndef CONTEST_OBSERVE_SOCKET_FILTER_H
#define CONTEST_OBSERVE_SOCKET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "observe/sockdiag.h"

struct socket_filter;

/* More is not handed to the kernel, which runs the whole of it for each socket. */
#define SOCKET_FILTER_BYTECODE_MAX 2048

/*
 * Parses @text (ss(8), STATE-FILTER and EXPRESSION; "" matches all). 0; or -EINVAL with a sentence
 * in @why and the byte of @text at which it went wrong in *ret_at (its length: something is
 * missing at the end); -ENOMEM. Names of hosts are not looked up in the network; names of services
 * are those of services(5), where there is such a file.
 *
 * Where it is not as in ss: "and" binds tighter than "or" (ss(8) says so; ss 6.1 takes them from
 * left to right). States may stand anywhere: "not ( state listening or sport = :22 )". A v4-mapped
 * address is an IPv4 one, in the filter as in the sockets: src [::ffff:127.0.0.1] is
 * src 127.0.0.1, and [::/0] has none of them. dev, fwmark, cgroup, autobound are refused.
 */
int socket_filter_parse(const char *text, struct socket_filter **ret, size_t *ret_at,
			struct why *why);
void socket_filter_free(struct socket_filter *filter);

/* From any thread, while nobody frees it. */
bool socket_filter_matches(const struct socket_filter *filter, const struct socket_status *status);

/*
 * Bit 1 << state of every state that can match (tcp/state.h), with those that only the kernel tells
 * apart (NEW-SYN-RECV, BOUND-INACTIVE). 0: none can, and there is nothing to ask for; beware that
 * sockdiag_dump() takes 0 for all.
 */
uint32_t socket_filter_states(const struct socket_filter *filter);

/* SOCKET_FIELD_… that it reads: sockets that are in one state and alike in these match together. */
unsigned socket_filter_fields(const struct socket_filter *filter);

/*
 * The filter as inet_diag bytecode (INET_DIAG_REQ_BYTECODE) in *ret (borrowed) and its length in
 * bytes, at most SOCKET_FILTER_BYTECODE_MAX; 0 bytes (*ret is NULL): there is nothing that the
 * kernel could do, or more than fits. It holds for sockets of both families and in all states,
 * minisocks included. S_EQ and D_EQ came with Linux 4.16: before, the kernel says -EINVAL.
 */
size_t socket_filter_bytecode(const struct socket_filter *filter, const void **ret);

#endif
