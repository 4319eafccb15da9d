/* Addresses of connection ends, and the pair of them that names a connection. */
#ifndef CONTEST_TCP_KEY_H
#define CONTEST_TCP_KEY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct tcp_address {
	int family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16]; /* network order; the first 4 for AF_INET, the rest zero */
	};
};

struct tcp_endpoint {
	struct tcp_address address;
	uint16_t port; /* host order */
};

/* A connection as one end sees it. */
struct tcp_key {
	struct tcp_endpoint local, remote;
};

#define TCP_ENDPOINT_TEXT_MAX 56 /* "[v6 address]:port" and the NUL */

bool tcp_address_equal(const struct tcp_address *a, const struct tcp_address *b);
bool tcp_endpoint_equal(const struct tcp_endpoint *a, const struct tcp_endpoint *b);
bool tcp_key_equal(const struct tcp_key *a, const struct tcp_key *b);

/* The same connection seen from the other end. */
struct tcp_key tcp_key_reverse(const struct tcp_key *key);

/* "10.0.0.1" or "fd00::1" (inet_pton(3) syntax). 0 or -EINVAL. */
int tcp_address_parse(const char *text, struct tcp_address *ret);

/* "10.0.0.1:80", "[fd00::1]:80". Returns @text, which has room for TCP_ENDPOINT_TEXT_MAX. */
char *tcp_endpoint_format(const struct tcp_endpoint *endpoint, char *text);
/* The address alone, without port and brackets. */
char *tcp_address_format(const struct tcp_address *address, char *text);

/* To and from the socket API. The length is set; -EAFNOSUPPORT for another family. A v4-mapped
 * v6 address becomes the v4 address it stands for. */
void tcp_endpoint_to_sockaddr(const struct tcp_endpoint *endpoint, struct sockaddr_storage *ret,
			      socklen_t *ret_length);
int tcp_endpoint_from_sockaddr(const struct sockaddr *from, struct tcp_endpoint *ret);

/* The key of a connected socket: getsockname(2) and getpeername(2). 0 or -errno. */
int tcp_key_of_socket(int fd, struct tcp_key *ret);

#endif
