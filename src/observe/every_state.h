/*
 * For tests: sockets in all eleven states, of both families and v4-mapped, in a namespace of the
 * program's own. The first state to go is FIN-WAIT-2 or TIME-WAIT, after 60 s.
 */
#ifndef CONTEST_OBSERVE_EVERY_STATE_H
#define CONTEST_OBSERVE_EVERY_STATE_H

#include "observe/testnet.h"

#include <fcntl.h>
#include <netinet/tcp.h>

static uint16_t next_port = 40000;

/* A socket bound to @address:@port (0: any). */
static inline int bound_to(const char *address, uint16_t port)
{
	struct tcp_endpoint at = {.port = port};
	struct sockaddr_storage name;
	socklen_t length;
	int fd;

	assert_int_equal(tcp_address_parse(address, &at.address), 0);
	tcp_endpoint_to_sockaddr(&at, &name, &length);
	fd = socket(at.address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, length), 0);
	return fd;
}

static inline int listener_at(const char *address, uint16_t port)
{
	int fd = bound_to(address, port);

	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* AF_INET6, at ::ffff:127.0.0.1 */
static inline int mapped_listener_at(uint16_t port)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &at.sin6_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

struct ends {
	int client, server;
};

/* From @from to the listener, at @to. */
static inline struct ends connection(int listener, const char *from, const char *to)
{
	struct ends ends = {.client = bound_to(from, next_port++)};

	connect_to(ends.client, to, port_of(listener));
	ends.server = accept(listener, NULL, NULL);
	assert_true(ends.server >= 0);
	return ends;
}

static inline void time_wait(int listener, const char *from, const char *to, bool at_server)
{
	struct ends ends = connection(listener, from, to);
	int first = at_server ? ends.server : ends.client;
	int second = at_server ? ends.client : ends.server;

	close(first);
	read_end(second);
	close(second);
}

/* Until nothing more goes into it: a FIN then has to wait. */
static inline void fill(int fd)
{
	static const char bytes[65536];

	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static inline void make_rare_states(int listener)
{
	struct ends ends = connection(listener, "127.0.0.1", "127.0.0.1");

	/* FIN-WAIT-1 towards ESTABLISHED. */
	fill(ends.client);
	assert_int_equal(shutdown(ends.client, SHUT_WR), 0);
	/* CLOSING towards FIN-WAIT-2. */
	ends = connection(listener, "127.0.0.1", "127.0.0.1");
	fill(ends.client);
	assert_int_equal(shutdown(ends.client, SHUT_WR), 0);
	assert_int_equal(shutdown(ends.server, SHUT_WR), 0);
	/* LAST-ACK towards FIN-WAIT-2. */
	ends = connection(listener, "127.0.0.1", "127.0.0.1");
	assert_int_equal(shutdown(ends.client, SHUT_WR), 0);
	read_end(ends.server);
	fill(ends.server);
	close(ends.server);
}

/* SYN-SENT: the second one finds no room. SYN-RECEIVED: the listener waits for data. */
static inline void make_opening_states(void)
{
	int busy = bound_to("127.0.0.1", 5010), seconds = 200, waiting;
	int late = bound_to("127.0.0.2", next_port++);
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(5010),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	assert_int_equal(listen(busy, 0), 0);
	connect_to(bound_to("127.0.0.2", next_port++), "127.0.0.1", 5010);
	assert_int_equal(fcntl(late, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(connect(late, (struct sockaddr *)&at, sizeof(at)), -1);
	assert_int_equal(errno, EINPROGRESS);
	for (int i = 0; i < 2; i++) {
		waiting = listener_at(i == 0 ? "127.0.0.1" : "::", (uint16_t)(5011 + i));
		assert_int_equal(setsockopt(waiting, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
					    sizeof(seconds)),
				 0);
		connect_to(bound_to("127.0.0.3", next_port++), "127.0.0.1", port_of(waiting));
	}
}

/*
 * Listeners at 0.0.0.0:5000, [::1]:5001, [::]:5002, 127.0.0.1:80, [::ffff:127.0.0.1]:5004; clients
 * from port 40000 on. All stay open until the program ends.
 */
static inline void make_every_state(void)
{
	int v4 = listener_at("0.0.0.0", 5000), v6 = listener_at("::1", 5001),
	    both = listener_at("::", 5002), one = listener_at("127.0.0.1", 80),
	    mapped = mapped_listener_at(5004);
	struct ends ends;

	for (int i = 0; i < 3; i++) {
		connection(v4, "127.0.0.1", "127.0.0.1");
		connection(v4, "127.0.0.2", "127.9.0.1");
		connection(v6, "::1", "::1");
		connection(both, "127.0.0.4", "127.0.0.1");
	}
	connection(both, "::1", "::1");
	connection(mapped, "127.0.0.1", "127.0.0.1");
	time_wait(v4, "127.0.0.1", "127.0.0.1", false);
	time_wait(v6, "::1", "::1", false);
	time_wait(both, "127.0.0.1", "127.9.0.2", true);
	time_wait(one, "127.0.0.5", "127.0.0.1", true);
	time_wait(mapped, "127.0.0.5", "127.0.0.1", true);
	ends = connection(one, "127.0.0.1", "127.0.0.1");
	close(ends.client); /* FIN-WAIT-2, a minisock, towards CLOSE-WAIT */
	ends = connection(both, "127.0.0.1", "127.0.0.1");
	close(ends.server);
	bound_to("127.0.0.1", 6000);
	bound_to("::1", 6001);
	make_rare_states(v4);
	make_opening_states();
}

#endif
