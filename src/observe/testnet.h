/* For the tests of this folder: connections over the loopback of a network namespace of their own.
 */
#ifndef CONTEST_OBSERVE_TESTNET_H
#define CONTEST_OBSERVE_TESTNET_H

#include "base/testnet.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "tcp/key.h"

/* Whether the kernel is older than that. */
static inline bool linux_before(unsigned major, unsigned minor)
{
	unsigned here_major, here_minor;
	struct utsname name;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &here_major, &here_minor), 2);
	return here_major < major || (here_major == major && here_minor < minor);
}

/* A listener on @address (any port), which takes v4 as well when it is "::". */
static inline int listen_at(const char *address)
{
	struct tcp_endpoint endpoint = {0};
	struct sockaddr_storage at;
	socklen_t length;
	int fd;

	assert_int_equal(tcp_address_parse(address, &endpoint.address), 0);
	tcp_endpoint_to_sockaddr(&endpoint, &at, &length);
	fd = socket(endpoint.address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static inline uint16_t port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t length = sizeof(at);
	struct tcp_endpoint endpoint;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	assert_int_equal(tcp_endpoint_from_sockaddr((struct sockaddr *)&at, &endpoint), 0);
	return endpoint.port;
}

/* connect(2) of @fd (-1: a new socket) to @address. */
static inline int connect_to(int fd, const char *address, uint16_t port)
{
	struct tcp_endpoint endpoint = {.port = port};
	struct sockaddr_storage to;
	socklen_t length;

	assert_int_equal(tcp_address_parse(address, &endpoint.address), 0);
	tcp_endpoint_to_sockaddr(&endpoint, &to, &length);
	if (fd < 0)
		fd = socket(endpoint.address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, length), 0);
	return fd;
}

/* A connection between two sockets of this process. */
struct pair {
	int listener, client, server;
	struct tcp_key key, reverse; /* as the client, and as the server sees it */
};

static inline struct pair pair_open(const char *listen, const char *connect)
{
	struct pair pair = {.listener = listen_at(listen)};

	pair.client = connect_to(-1, connect, port_of(pair.listener));
	pair.server = accept(pair.listener, NULL, NULL);
	assert_true(pair.server >= 0);
	assert_int_equal(tcp_key_of_socket(pair.client, &pair.key), 0);
	pair.reverse = tcp_key_reverse(&pair.key);
	return pair;
}

static inline void close_once(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Without a trace: RST, whatever the state. */
static inline void reset_once(int *fd)
{
	struct linger none = {.l_onoff = 1};

	if (*fd >= 0)
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close_once(fd);
}

static inline void pair_close(struct pair *pair)
{
	reset_once(&pair->client);
	reset_once(&pair->server);
	close_once(&pair->listener);
}

/* The peer's FIN is here. */
static inline void read_end(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), 0);
}

#endif
