/* Listening sockets: addresses, interface names, options, and why a port cannot be had. */
#ifndef CONTEST_SERVE_LISTEN_H
#define CONTEST_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "tcp/key.h"

enum listen_family { LISTEN_ANY_FAMILY, LISTEN_V4, LISTEN_V6, LISTEN_DUAL };

struct listen_options {
	enum listen_family family;
	bool no_reuseaddr; /* SO_REUSEADDR is set unless told otherwise */
	bool reuseport;
	int backlog;			 /* 0: SOMAXCONN */
	int defer_accept_s;		 /* TCP_DEFER_ACCEPT; 0: off */
	int fastopen;			 /* queue length of TCP_FASTOPEN; 0: off */
	int receive_buffer, send_buffer; /* set before listen(2), so that the window scale fits */
};

#define LISTEN_MAX 64

/*
 * What @text stands for: an address ("10.0.0.1", "10.0.0.1:80", "::1", "[::1]:80"), all addresses
 * ("*", "*:80"), those of an interface ("eth0", "eth0:80"; link-local ones of IPv6 are left out),
 * or those of a host name ("localhost"). Up to @room endpoints (at most LISTEN_MAX), each once;
 * @port where it names none. "*" is the wildcard of IPv6, which takes IPv4 too; of IPv4 when that
 * family is asked for, or when any is allowed and this system has no IPv6. Returns the number of
 * endpoints, or -EINVAL (no address, or of the wrong family), -ENODEV (no such interface or
 * host), -EADDRNOTAVAIL (one without an address that fits) with @why.
 */
int listen_resolve(const char *text, uint16_t port, const struct listen_options *options,
		   struct tcp_endpoint *ret, size_t room, struct why *why);

/*
 * Opens a non-blocking listening socket (owned by the caller) and tells where it really listens
 * (port 0 is replaced). 0 or -errno with @why: on EADDRINUSE it tells what TIME-WAIT has to do
 * with it when SO_REUSEADDR is off (who holds the port is for observe/holder.h to find out); on
 * EACCES below 1024 how to get the privilege. IPV6_V6ONLY is set but on a wildcard of IPv6 with
 * another family than LISTEN_V6.
 */
int listen_open(const struct tcp_endpoint *at, const struct listen_options *options, int *ret_fd,
		struct tcp_endpoint *ret_at, struct why *why);

#endif
