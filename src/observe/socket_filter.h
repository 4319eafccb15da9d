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

/*
 * Parses @text (ss(8), STATE-FILTER and EXPRESSION; "" matches all). 0; or -EINVAL with a sentence
 * in
 * @why and the byte of @text at which it went wrong in *ret_at. Names of hosts are not looked up in
 * the network; names of services are those of services(5), where there is such a file.
 */
int socket_filter_parse(const char *text, struct socket_filter **ret, size_t *ret_at,
			struct why *why);
void socket_filter_free(struct socket_filter *filter);

bool socket_filter_matches(const struct socket_filter *filter, const struct socket_status *status);

/* Bit 1 << state of every state that can match (tcp/state.h). */
uint32_t socket_filter_states(const struct socket_filter *filter);

/*
 * The filter as inet_diag bytecode (INET_DIAG_REQ_BYTECODE) in *ret (borrowed) and its length in
 * bytes; 0 bytes: there is nothing that the kernel could do, or more than fits into a request.
 */
size_t socket_filter_bytecode(const struct socket_filter *filter, const void **ret);

#endif
