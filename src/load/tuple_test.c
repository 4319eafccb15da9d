/* Turns as arithmetic, sockets in a network namespace of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/testnet.h"
#include "load/protocol.h"
#include "load/tuple.h"

static struct tcp_endpoint at(const char *address, uint16_t port)
{
	struct tcp_endpoint endpoint = {.port = port};

	assert_int_equal(tcp_address_parse(address, &endpoint.address), 0);
	return endpoint;
}

/* ---- arithmetic */

static void assert_tuple(const struct tuple *tuple, const struct tcp_endpoint *destination,
			 const char *source, unsigned port)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	assert_ptr_equal(tuple->destination, destination);
	assert_string_equal(
		tuple->source.family ? tcp_address_format(&tuple->source, text) : "none", source);
	assert_int_equal(tuple->port, port);
}

static void test_turns(void **state)
{
	struct tcp_endpoint to[2] = {at("127.0.0.1", 80), at("127.0.0.2", 80)};
	struct load_source from = {.first = at("10.0.0.1", 0).address, .count = 2};
	struct load_plan plan = {
		.destinations = to,
		.destination_count = 2,
		.sources = &from,
		.source_count = 1,
		.ports = LOAD_PORTS_RING,
	};
	struct tuples tuples;
	struct tuple tuple;

	(void)state;
	assert_int_equal(tuples_init(&tuples, &plan, 5000, 5002, 0, 1), 0);
	assert_int_equal(tuples_period(&tuples), 12);
	for (int round = 0; round < 2; round++)
		for (unsigned port = 5000; port <= 5002; port++)
			for (int source = 0; source < 2; source++)
				for (int destination = 0; destination < 2; destination++) {
					tuples_next(&tuples, &tuple);
					assert_tuple(&tuple, &to[destination],
						     source ? "10.0.0.2" : "10.0.0.1", port);
				}
}

static void test_kernel_chooses(void **state)
{
	struct tcp_endpoint to[3] = {at("127.0.0.1", 80), at("127.0.0.2", 80), at("::1", 80)};
	struct load_plan plan = {.destinations = to, .destination_count = 3};
	struct tuples tuples;
	struct tuple tuple;

	(void)state;
	/* More parts than ports are no matter; each part begins with another destination. */
	for (unsigned part = 0; part < 3; part++) {
		assert_int_equal(tuples_init(&tuples, &plan, 5000, 5000, part, 3), 0);
		assert_int_equal(tuples_period(&tuples), 0);
		for (unsigned i = 0; i < 6; i++) {
			tuples_next(&tuples, &tuple);
			assert_tuple(&tuple, &to[(part + i) % 3], "none", 0);
		}
	}
}

static void test_slices(void **state)
{
	struct tcp_endpoint to = at("127.0.0.1", 80);
	struct load_plan plan = {
		.destinations = &to, .destination_count = 1, .ports = LOAD_PORTS_RANGE};
	struct tuples tuples;
	struct tuple tuple;

	(void)state;
	for (unsigned parts = 1; parts <= 10; parts++) {
		unsigned next = 65526;

		for (unsigned part = 0; part < parts; part++) {
			assert_int_equal(tuples_init(&tuples, &plan, 65526, 65535, part, parts), 0);
			assert_int_equal(tuples.first, next);
			assert_true(tuples.last >= tuples.first);
			assert_int_equal(tuples_period(&tuples), tuples.last - tuples.first + 1);
			next = tuples.last + 1u;
			for (int i = 0; i < 20; i++) {
				tuples_next(&tuples, &tuple);
				assert_in_range(tuple.port, tuples.first, tuples.last);
			}
		}
		assert_int_equal(next, 65536);
	}
	assert_int_equal(tuples_init(&tuples, &plan, 65526, 65535, 0, 11), -EINVAL);
	assert_int_equal(tuples_init(&tuples, &plan, 2, 1, 0, 1), -EINVAL);
}

/* ---- sockets */

static int listen_on(struct tcp_endpoint *ret)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = {.sin_family = AF_INET};
	socklen_t length = sizeof(any);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, length), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &length), 0);
	*ret = at("127.0.0.1", ntohs(any.sin_port));
	return fd;
}

/* Connects the tuple's socket: 0 (established) or -errno of connect(). */
static int try_tuple(const struct load_plan *plan, const struct tuple *tuple, int *ret_fd)
{
	struct sockaddr_storage to;
	socklen_t length;
	const char *step = "";
	int fd = tuple_socket(plan, tuple, &step);

	if (fd < 0)
		fail_msg("%s: %s", step, strerror(-fd));
	*ret_fd = fd;
	tcp_endpoint_to_sockaddr(tuple->destination, &to, &length);
	if (connect(fd, (struct sockaddr *)&to, length) < 0 && errno != EINPROGRESS)
		return -errno;
	/* Over the loopback it is decided by now. */
	return connect(fd, (struct sockaddr *)&to, length) < 0 ? -errno : 0;
}

static struct tcp_endpoint local_of(int fd)
{
	struct tcp_key key;

	assert_int_equal(tcp_key_of_socket(fd, &key), 0);
	return key.local;
}

static int number_of(int fd, int level, int option)
{
	socklen_t length = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
	return value;
}

static void test_ports_are_those(void **state)
{
	static const enum load_ports ways[] = {LOAD_PORTS_RANGE, LOAD_PORTS_RING};
	static const char *const sources[] = {NULL, "127.0.0.9"};
	struct tcp_endpoint to;
	struct load_plan plan = {.destinations = &to, .destination_count = 1};

	(void)state;
	NEEDS_NAMESPACE();
	int listener = listen_on(&to);

	for (size_t i = 0; i < 4; i++) {
		struct tuple tuple = {.destination = &to, .port = (uint16_t)(40001 + i)};
		const char *source = sources[i % 2];
		CLEANUP_CLOSE int fd = -1;
		struct tcp_endpoint local;

		plan.ports = ways[i / 2];
		if (plan.ports == LOAD_PORTS_RANGE && tuples_probe_range(NULL) < 0)
			continue;
		if (source)
			tuple.source = at(source, 0).address;
		assert_int_equal(try_tuple(&plan, &tuple, &fd), 0);
		local = local_of(fd);
		assert_int_equal(local.port, tuple.port);
		if (source)
			assert_true(tcp_address_equal(&local.address, &tuple.source));
	}
	close(listener);
}

static void test_kernel_stays_in_range(void **state)
{
	struct tcp_endpoint to;
	struct load_plan plan = {.destinations = &to,
				 .destination_count = 1,
				 .first_port = 41000,
				 .last_port = 41003};
	struct tuple tuple = {.destination = &to, .source = at("127.0.0.3", 0).address};
	int fds[5];

	(void)state;
	NEEDS_NAMESPACE();
	if (tuples_probe_range(NULL) < 0)
		skip();
	int listener = listen_on(&to);

	for (int i = 0; i < 4; i++) {
		assert_int_equal(try_tuple(&plan, &tuple, &fds[i]), 0);
		assert_in_range(local_of(fds[i]).port, 41000, 41003);
	}
	assert_int_equal(try_tuple(&plan, &tuple, &fds[4]), -EADDRNOTAVAIL);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	close(listener);
}

static void set_tw_reuse(const char *value)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_tw_reuse", "w");

	assert_non_null(file);
	fputs(value, file);
	assert_int_equal(fclose(file), 0);
}

/* Leaves the tuple's port in TIME-WAIT: this end closes first. */
static void use_up(const struct load_plan *plan, const struct tuple *tuple, int listener)
{
	char byte;
	int fd, peer;

	assert_int_equal(try_tuple(plan, tuple, &fd), 0);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(read(peer, &byte, 1), 0);
	close(peer);
	assert_int_equal(recv(fd, &byte, 1, 0), 0); /* its FIN came with the close, or before */
	close(fd);
}

static void test_ring_takes_time_wait(void **state)
{
	struct tcp_endpoint to;
	struct load_plan plan = {
		.destinations = &to, .destination_count = 1, .ports = LOAD_PORTS_RING};
	struct tuple tuple = {.destination = &to, .port = 42000};
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	set_tw_reuse("0");
	int listener = listen_on(&to);

	use_up(&plan, &tuple, listener);
	if (tuples_probe_range(NULL) == 0) {
		plan.ports = LOAD_PORTS_RANGE; /* which does not get it */
		assert_int_equal(try_tuple(&plan, &tuple, &fd), -EADDRNOTAVAIL);
		close(fd);
		plan.ports = LOAD_PORTS_RING;
	}
	use_up(&plan, &tuple, listener);
	use_up(&plan, &tuple, listener);
	close(listener);
}

/* What the two ways leave in TIME-WAIT is not for each other (tuple.h). */
static void test_ring_and_others(void **state)
{
	struct tcp_endpoint to, other;
	struct load_plan plan = {.destinations = &to, .destination_count = 1};
	struct tuple ring = {.destination = &to, .port = 42001};
	struct tuple range = {.destination = &to, .port = 42002};
	const char *step = "";
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	if (tuples_probe_range(NULL) < 0)
		skip();
	int listener = listen_on(&to), second = listen_on(&other);

	plan.ports = LOAD_PORTS_RING;
	use_up(&plan, &ring, listener);
	plan.ports = LOAD_PORTS_RANGE;
	use_up(&plan, &range, listener);
	/* Another source and another destination are no help. */
	ring.destination = &other;
	ring.source = at("127.0.0.8", 0).address;
	assert_int_equal(try_tuple(&plan, &ring, &fd), -EADDRNOTAVAIL);
	close(fd);
	plan.ports = LOAD_PORTS_RING;
	assert_int_equal(tuple_socket(&plan, &range, &step), -EADDRINUSE);
	assert_string_equal(step, "bind");
	close(listener);
	close(second);
}

static void test_taken_port(void **state)
{
	struct tcp_endpoint to;
	struct load_plan plan = {
		.destinations = &to, .destination_count = 1, .ports = LOAD_PORTS_RING};
	struct tuple tuple = {.destination = &to};
	const char *step = NULL;

	(void)state;
	NEEDS_NAMESPACE();
	int listener = listen_on(&to);

	tuple.port = to.port; /* held by a listener, without SO_REUSEADDR */
	assert_int_equal(tuple_socket(&plan, &tuple, &step), -EADDRINUSE);
	assert_string_equal(step, "bind");
	plan.ports = LOAD_PORTS_KERNEL;
	tuple.source = at("192.0.2.1", 0).address;
	assert_int_equal(tuple_socket(&plan, &tuple, &step), -EADDRNOTAVAIL);
	assert_string_equal(step, "bind");
	close(listener);
}

static void test_options(void **state)
{
	const struct load_protocol speaks = {.has_request = true}, silent = {0};
	struct tcp_endpoint to = at("127.0.0.1", 80);
	struct load_plan plan = {
		.destinations = &to,
		.destination_count = 1,
		.protocol = &speaks,
		.nodelay = true,
		.keepalive = true,
		.fastopen = true,
		.set_quickack = true,
		.user_timeout_ms = 1234,
		.syn_count = 2,
		.set_linger2 = true,
		.linger2_s = 7,
		.send_buffer = 10000,
		.receive_buffer = 20000,
	};
	struct tuple tuple = {.destination = &to};
	const char *step;
	int fd = tuple_socket(&plan, &tuple, &step);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(number_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_QUICKACK), 0);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_SYNCNT), 2);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_LINGER2), 7);
	assert_int_equal(number_of(fd, SOL_SOCKET, SO_SNDBUF), 20000); /* doubled: socket(7) */
	assert_int_equal(number_of(fd, SOL_SOCKET, SO_RCVBUF), 40000);
	close(fd);
	plan.protocol = &silent;
	fd = tuple_socket(&plan, &tuple, &step);
	assert_int_equal(number_of(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_kernel_chooses),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_ports_are_those),
		cmocka_unit_test(test_kernel_stays_in_range),
		cmocka_unit_test(test_ring_takes_time_wait),
		cmocka_unit_test(test_ring_and_others),
		cmocka_unit_test(test_taken_port),
		cmocka_unit_test(test_options),
	};

	be_alone();
	return cmocka_run_group_tests_name("tuple", tests, NULL, NULL);
}
