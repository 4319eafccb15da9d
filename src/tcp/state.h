/*
 * Names of the connection states. The numbers are the kernel's, from <netinet/tcp.h>
 * (TCP_ESTABLISHED = 1 … TCP_CLOSING = 11), which is what sock_diag reports.
 */
#ifndef CONTEST_TCP_STATE_H
#define CONTEST_TCP_STATE_H

#include <netinet/tcp.h>

/* No socket is there (RFC 9293: CLOSED, as an absence); sock_diag never reports it. */
#define TCP_STATE_NONE 0

/* One more than the largest number that sock_diag reports (TCP_BOUND_INACTIVE, 6.8). */
#define TCP_STATE_COUNT 14

/* RFC 9293 spelling: "FIN-WAIT-2"; "CLOSED" for TCP_STATE_NONE and TCP_CLOSE, "?" beyond. */
const char *tcp_state_name(int state);

/* The state of a name as RFC 9293, ss or the kernel spell it, any case; -EINVAL. */
int tcp_state_parse(const char *name);

#endif
