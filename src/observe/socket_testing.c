#include "observe/testnet.h"

#include "observe/socket_testing.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include "base/cleanup.h"
#include "observe/sockdiag.h"
#include "tcp/state.h"

struct made_socket made[MADE_MAX];
size_t made_count;

static int held[MADE_MAX * 2]; /* descriptors to be closed at the end */
static size_t held_count;

static int hold(int fd)
{
	assert_true(fd >= 0 && held_count < ARRAY_SIZE(held));
	held[held_count++] = fd;
	return fd;
}

static void expect(const char *what, const struct tcp_key *key, int state, int owner)
{
	assert_true(made_count < MADE_MAX);
	made[made_count++] = (struct made_socket){what, *key, state, false, -1, owner};
}

static void expect_minisock(const char *what, const struct tcp_key *key, int state)
{
	expect(what, key, state, -1);
	made[made_count - 1].minisock = true;
	made[made_count - 1].timer = SOCKET_TIMER_TIMEWAIT;
}

/* A socket bound to @address:@port (0: any). */
static int bound_to(const char *address, uint16_t port)
{
	struct tcp_endpoint at = {.port = port};
	struct sockaddr_storage name;
	socklen_t length;
	int fd;

	assert_int_equal(tcp_address_parse(address, &at.address), 0);
	tcp_endpoint_to_sockaddr(&at, &name, &length);
	fd = hold(socket(at.address.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, length), 0);
	return fd;
}

static int listener_at(const char *what, const char *address, uint16_t port)
{
	int fd = bound_to(address, port);
	struct tcp_key key = {0};

	assert_int_equal(listen(fd, 64), 0);
	key.local.port = port_of(fd);
	assert_int_equal(tcp_address_parse(address, &key.local.address), 0);
	key.remote.address.family = key.local.address.family;
	expect(what, &key, TCP_LISTEN, fd);
	return fd;
}

/* Of AF_INET6, at a v4-mapped address. */
static int mapped_listener_at(uint16_t port)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = hold(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct tcp_key key = {.local.port = port};

	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &at.sin6_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(tcp_address_parse("127.0.0.1", &key.local.address), 0);
	key.remote.address.family = AF_INET;
	expect("a listener at a v4-mapped address", &key, TCP_LISTEN, fd);
	return fd;
}

/* How a connection is made: from a port of its own, to the listener. */
struct way {
	const char *from, *to;
	int listener;
};

static uint16_t next_port = 40000;

static struct pair connection(const struct way *way)
{
	struct pair pair = {.listener = way->listener, .client = bound_to(way->from, next_port++)};

	connect_to(pair.client, way->to, port_of(way->listener));
	pair.server = hold(accept(way->listener, NULL, NULL));
	assert_int_equal(tcp_key_of_socket(pair.client, &pair.key), 0);
	pair.reverse = tcp_key_reverse(&pair.key);
	return pair;
}

/* Hands a held descriptor to close(2) early. */
static void drop(int fd)
{
	for (size_t i = 0; i < held_count; i++)
		if (held[i] == fd)
			held[i] = -1;
	close(fd);
}

static void shut(int fd)
{
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

/* Writes until the peer, who does not read, has closed its window and nothing more fits. */
static void stuff(int fd)
{
	static const char block[65536];

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void make_established(const struct way *way)
{
	struct pair pair = connection(way);
	int on = 1;

	assert_int_equal(send(pair.client, "unread", 6, 0), 6);
	expect("established", &pair.key, TCP_ESTABLISHED, pair.client);
	assert_int_equal(setsockopt(pair.server, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	expect("established, keepalive", &pair.reverse, TCP_ESTABLISHED, pair.server);
	made[made_count - 1].timer = SOCKET_TIMER_KEEPALIVE;
}

static void make_half_closed(const struct way *way)
{
	struct pair pair = connection(way);

	shut(pair.client);
	expect("FIN-WAIT-2, owned", &pair.key, TCP_FIN_WAIT2, pair.client);
	expect("CLOSE-WAIT", &pair.reverse, TCP_CLOSE_WAIT, pair.server);
}

static void make_orphaned(const struct way *way)
{
	struct pair pair = connection(way);

	drop(pair.client);
	expect_minisock("FIN-WAIT-2, minisock", &pair.key, TCP_FIN_WAIT2);
	expect("CLOSE-WAIT of an orphan", &pair.reverse, TCP_CLOSE_WAIT, pair.server);
}

/* Above TCP_TIMEWAIT_LEN the orphan stays a full socket. */
static void make_orphaned_full(const struct way *way)
{
	struct pair pair = connection(way);
	int seconds = 100;

	assert_int_equal(
		setsockopt(pair.client, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds)), 0);
	drop(pair.client);
	expect("FIN-WAIT-2, full orphan", &pair.key, TCP_FIN_WAIT2, -1);
	made[made_count - 1].timer = SOCKET_TIMER_KEEPALIVE;
	expect("CLOSE-WAIT of a full orphan", &pair.reverse, TCP_CLOSE_WAIT, pair.server);
}

/* @client_first: who holds TIME-WAIT; over "::" the server's one is of AF_INET6, and v4-mapped. */
static void make_time_wait(const struct way *way, bool client_first)
{
	struct pair pair = connection(way);
	int first = client_first ? pair.client : pair.server;
	int second = client_first ? pair.server : pair.client;

	drop(first);
	read_end(second);
	drop(second);
	expect_minisock("TIME-WAIT", client_first ? &pair.key : &pair.reverse, TCP_TIME_WAIT);
}

/* The FIN waits behind data that the peer has no room for. */
static void make_fin_wait_1(const struct way *way, bool orphan)
{
	struct pair pair = connection(way);

	stuff(pair.client);
	if (orphan)
		drop(pair.client);
	else
		shut(pair.client);
	expect("FIN-WAIT-1", &pair.key, TCP_FIN_WAIT1, orphan ? -1 : pair.client);
	expect("the other end of FIN-WAIT-1", &pair.reverse, TCP_ESTABLISHED, pair.server);
}

static void make_last_ack(const struct way *way)
{
	struct pair pair = connection(way);

	stuff(pair.server);
	shut(pair.client);
	shut(pair.server);
	expect("LAST-ACK", &pair.reverse, TCP_LAST_ACK, pair.server);
	expect("the other end of LAST-ACK", &pair.key, TCP_FIN_WAIT2, pair.client);
}

static void make_closing(const struct way *way)
{
	struct pair pair = connection(way);

	stuff(pair.client);
	shut(pair.client);
	shut(pair.server);
	expect("CLOSING", &pair.key, TCP_CLOSING, pair.client);
	expect("the other end of CLOSING", &pair.reverse, TCP_FIN_WAIT2, pair.server);
}

/* A listener whose queue is full answers no SYN (tcp_conn_request(), sk_acceptq_is_full()). */
static void make_syn_sent(const char *from, const char *at, uint16_t port)
{
	int listener = listener_at("a listener with a full queue", at, port);
	struct sockaddr_storage to = {0}, name = {0};
	socklen_t length = sizeof(to);
	struct tcp_key key, waiting = {0};
	int fd;

	assert_int_equal(listen(listener, 0), 0);
	fd = connect_to(bound_to(from, next_port++), at, port);
	assert_int_equal(tcp_key_of_socket(fd, &key), 0);
	expect("connected, but not accepted", &key, TCP_ESTABLISHED, fd);
	key = tcp_key_reverse(&key);
	expect("not accepted yet", &key, TCP_ESTABLISHED, -1);

	assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &length), 0);
	fd = bound_to(from, next_port++);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, length), -1);
	assert_int_equal(errno, EINPROGRESS);
	length = sizeof(name);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	tcp_endpoint_from_sockaddr((struct sockaddr *)&name, &waiting.local);
	tcp_endpoint_from_sockaddr((struct sockaddr *)&to, &waiting.remote);
	expect("SYN-SENT", &waiting, TCP_SYN_SENT, fd);
	made[made_count - 1].timer = SOCKET_TIMER_RETRANSMIT;
}

/* A request socket: the listener waits for data before it makes a real one. */
static void make_syn_received(const char *from, const char *to, const char *at, uint16_t port)
{
	int listener = listener_at("a listener that waits for data", at, port);
	int seconds = 200, client;
	struct tcp_key key;

	assert_int_equal(
		setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	client = connect_to(bound_to(from, next_port++), to, port);
	assert_int_equal(tcp_key_of_socket(client, &key), 0);
	expect("connected to a request socket", &key, TCP_ESTABLISHED, client);
	key = tcp_key_reverse(&key);
	expect("SYN-RECEIVED", &key, TCP_SYN_RECV, -1);
	made[made_count - 1].timer = SOCKET_TIMER_RETRANSMIT;
}

/* Of another user, where that can be had; and some that are bound, or not even that, and not among
 * those that are expected: only sock_diag shows them, and only when it is asked to. */
static void make_others(void)
{
	uid_t me = geteuid();
	bool other = seteuid(4711) == 0;

	listener_at("a listener of another user", "127.0.0.5", 0);
	if (other)
		assert_int_equal(seteuid(me), 0);
	bound_to("127.0.0.1", 6000);
	bound_to("::1", 6001);
	hold(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void make_connections(const struct way *way)
{
	make_established(way);
	make_half_closed(way);
	make_orphaned(way);
	make_orphaned_full(way);
	make_time_wait(way, true);
	make_time_wait(way, false);
	make_fin_wait_1(way, false);
	make_last_ack(way);
	make_closing(way);
}

void sockets_make(void)
{
	int v4 = listener_at("a listener at all v4 addresses", "0.0.0.0", 5000);
	int v6 = listener_at("a listener of v6", "::1", 5001);
	int both = listener_at("a listener at all addresses", "::", 5002);
	int one = listener_at("a listener at one address", "127.0.0.1", 80);
	int mapped = mapped_listener_at(5004);
	const struct way of_v4 = {"127.0.0.1", "127.0.0.1", v4}, of_v6 = {"::1", "::1", v6},
			 of_both = {"127.0.0.4", "127.0.0.1", both},
			 few[] = {
				 {"127.0.0.2", "127.9.0.1", v4},
				 {"::1", "::1", both},
				 {"127.0.0.1", "127.9.0.2", both},
				 {"127.0.0.5", "127.0.0.1", one},
				 {"127.0.0.5", "127.0.0.1", mapped},
			 };

	make_connections(&of_v4);
	make_connections(&of_v6);
	make_connections(&of_both);
	for (size_t i = 0; i < ARRAY_SIZE(few); i++) {
		make_established(&few[i]);
		make_orphaned(&few[i]);
		make_time_wait(&few[i], i % 2);
	}
	make_fin_wait_1(&of_v4, true);
	make_syn_sent("127.0.0.2", "127.0.0.1", 5010);
	make_syn_sent("::1", "::1", 5013);
	make_syn_received("127.0.0.3", "127.0.0.1", "127.0.0.1", 5011);
	make_syn_received("127.0.0.3", "127.0.0.1", "::", 5012);
	make_syn_received("::1", "::1", "::1", 5014);
	make_others();
}

void sockets_close(void)
{
	for (size_t i = 0; i < held_count; i++)
		reset_once(&held[i]);
	held_count = made_count = 0;
}
