#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "observe/socket_groups.h"
#include "tcp/state.h"

static struct socket_status status_of(int state, const char *local, uint16_t local_port,
				      const char *peer, uint16_t peer_port)
{
	struct socket_status status = {.state = state};

	assert_int_equal(tcp_address_parse(local, &status.key.local.address), 0);
	assert_int_equal(tcp_address_parse(peer, &status.key.remote.address), 0);
	status.key.local.port = local_port;
	status.key.remote.port = peer_port;
	return status;
}

static struct socket_groups *groups_by(enum group_key a, enum group_key b)
{
	const enum group_key keys[] = {a, b};
	struct socket_groups *groups = socket_groups_new(keys, b == GROUP_KEY_COUNT ? 1 : 2);

	assert_non_null(groups);
	return groups;
}

static void add(struct socket_groups *groups, const struct socket_status *status, int times)
{
	while (times-- > 0)
		assert_int_equal(socket_groups_add(groups, status, NULL, 0), 0);
}

static struct socket_group *top_of(const struct socket_groups *groups, size_t room, size_t expected)
{
	size_t count = 99;
	struct socket_group *top = socket_groups_top(groups, room, &count);

	assert_non_null(top);
	assert_int_equal(count, expected);
	return top;
}

/* Ten sockets, one after the other unlike the one before in one thing only. */
static struct socket_status sockets[10];
static struct owner owners[10];
static uint64_t namespaces[10];

static int make_sockets(void **state)
{
	(void)state;
	sockets[0] = status_of(TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.2", 5000);
	for (int i = 1; i < 10; i++) {
		sockets[i] = sockets[i - 1];
		owners[i] = owners[i - 1];
		namespaces[i] = namespaces[i - 1];
		switch (i) {
		case 1:
			sockets[i].state = TCP_CLOSE_WAIT;
			break;
		case 2:
			assert_int_equal(
				tcp_address_parse("10.0.0.3", &sockets[i].key.remote.address), 0);
			break;
		case 3:
			sockets[i].key.remote.port++;
			break;
		case 4:
			sockets[i].key.local.address.v4.s_addr ^= htonl(4);
			break;
		case 5:
			sockets[i].key.local.port++;
			break;
		case 6:
			owners[i] = (struct owner){.pid = 7, .name = "\n\xff"};
			break;
		case 7:
			sockets[i].uid = 1000;
			break;
		case 8:
			namespaces[i] = UINT64_C(1) << 40 | 9;
			break;
		default:
			sockets[i].timer = SOCKET_TIMER_PROBE;
		}
	}
	return 0;
}

static void each_key_tells_apart_its_own(void **state)
{
	(void)state;
	for (int key = 0; key < GROUP_KEY_COUNT; key++) {
		/* A destination differs by two things. */
		size_t expected = key == GROUP_DESTINATION ? 3 : 2;
		struct socket_groups *groups = groups_by((enum group_key)key, GROUP_KEY_COUNT);

		for (int i = 0; i < 10; i++)
			assert_int_equal(socket_groups_add(groups, &sockets[i],
							   owners[i].pid ? &owners[i] : NULL,
							   namespaces[i]),
					 0);
		assert_int_equal(socket_groups_count(groups), expected);
		assert_int_equal(socket_groups_sockets(groups), 10);
		socket_groups_free(groups);
	}
}

static void assert_address(const struct tcp_address *address, const char *expected)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	assert_string_equal(tcp_address_format(address, text), expected);
}

static void keys_come_back(void **state)
{
	static const enum group_key first[] = {GROUP_STATE, GROUP_DESTINATION, GROUP_LOCAL,
					       GROUP_LOCAL_PORT};
	static const enum group_key widest[] = {GROUP_PROCESS, GROUP_PEER, GROUP_LOCAL,
						GROUP_DESTINATION};
	static const enum group_key last[] = {GROUP_USER, GROUP_NETNS, GROUP_TIMER,
					      GROUP_PEER_PORT};
	static const enum group_key *const all[] = {first, widest, last};
	struct socket_status status = status_of(TCP_CLOSING, "fd00::1:2", 80, "10.1.2.3", 65535);
	struct owner owner = {.pid = 4000000, .name = "fifteen\xff\n\t\033 b", .fd = 9, .more = 3};

	(void)state;
	status.uid = 4294967290;
	status.timer = SOCKET_TIMER_KEEPALIVE;
	for (int i = 0; i < 3; i++) {
		struct socket_groups *groups = socket_groups_new(all[i], 4);
		struct socket_group *top;

		assert_non_null(groups);
		assert_int_equal(socket_groups_add(groups, &status, &owner, UINT64_MAX - 1), 0);
		top = top_of(groups, 0, 1);
		assert_int_equal(top->count, 1);
		if (i == 0) {
			assert_int_equal(top->state, TCP_CLOSING);
			assert_int_equal(top->local.port, 80);
		}
		if (i < 2) {
			assert_address(&top->peer.address, "10.1.2.3");
			assert_address(&top->local.address, "fd00::1:2");
		}
		if (i == 1) {
			assert_int_equal(top->owner.pid, 4000000);
			assert_string_equal(top->owner.name, owner.name);
			assert_int_equal(top->owner.fd, 0);
		}
		if (i == 2) {
			assert_int_equal(top->uid, 4294967290);
			assert_true(top->netns == UINT64_MAX - 1);
			assert_int_equal(top->timer, SOCKET_TIMER_KEEPALIVE);
		}
		assert_int_equal(top->peer.port, 65535);
		free(top);
		socket_groups_free(groups);
	}
}

static void largest_first_then_by_key(void **state)
{
	static const char *const peers[] = {"10.0.0.9", "10.0.0.10", "fd00::2", "fd00::1",
					    "9.255.0.0"};
	static const int counts[] = {3, 3, 3, 3, 1};
	static const char *const order[] = {"10.0.0.9", "10.0.0.10", "fd00::1", "fd00::2",
					    "9.255.0.0"};

	(void)state;
	/* Whichever comes first. */
	for (size_t start = 0; start < 5; start++) {
		struct socket_groups *groups = groups_by(GROUP_PEER, GROUP_KEY_COUNT);

		for (size_t i = 0; i < 5; i++) {
			size_t which = (start + i) % 5;
			struct socket_status status = status_of(TCP_ESTABLISHED, "::1", 1,
								peers[which], 1);

			add(groups, &status, counts[which]);
		}
		for (size_t room = 1; room <= 7; room++) {
			size_t expected = room < 5 ? room : 5;
			struct socket_group *top = top_of(groups, room % 7, expected);

			for (size_t i = 0; i < expected; i++)
				assert_address(&top[i].peer.address, order[i]);
			assert_int_equal(top[0].count, 3);
			free(top);
		}
		socket_groups_free(groups);
	}
}

static void families_in_turn(void **state)
{
	struct socket_groups *groups = groups_by(GROUP_PEER, GROUP_LOCAL);
	struct socket_status v4 = status_of(TCP_ESTABLISHED, "10.0.0.1", 1, "10.0.0.2", 1);
	struct socket_status v6 = status_of(TCP_ESTABLISHED, "fd00::1", 1, "a00:2::2", 1);

	(void)state;
	for (int i = 0; i < 3; i++) {
		add(groups, &v4, 1 + i);
		add(groups, &v6, 1);
	}
	assert_int_equal(socket_groups_count(groups), 2);
	socket_groups_free(groups);
}

static int compare_groups(const void *a, const void *b)
{
	const struct socket_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->peer.port < y->peer.port ? -1 : x->peer.port > y->peer.port;
}

/* Against a plain array of counters. */
static void many_groups(void **state)
{
	static uint32_t counts[65536];
	static struct socket_group expected[65536];
	struct socket_groups *groups = groups_by(GROUP_STATE, GROUP_PEER_PORT);
	struct socket_status status = status_of(TCP_ESTABLISHED, "10.0.0.1", 1, "10.0.0.2", 1);
	uint32_t random = 1;
	size_t distinct = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		random = random * 1664525 + 1013904223;
		/* Small ones more often. */
		status.key.remote.port = (uint16_t)((random >> 16) & (random >> 8));
		counts[status.key.remote.port]++;
		add(groups, &status, 1);
	}
	for (size_t port = 0; port < 65536; port++) {
		if (counts[port] == 0)
			continue;
		expected[distinct].peer.port = (uint16_t)port;
		expected[distinct++].count = counts[port];
	}
	qsort(expected, distinct, sizeof(*expected), compare_groups);
	assert_int_equal(socket_groups_count(groups), distinct);
	for (size_t room = 0; room < 3000; room += 997) {
		size_t count = room ? room : distinct;
		struct socket_group *top = top_of(groups, room, count);

		for (size_t i = 0; i < count; i++) {
			assert_int_equal(top[i].peer.port, expected[i].peer.port);
			assert_int_equal(top[i].count, expected[i].count);
		}
		free(top);
	}
	socket_groups_free(groups);
}

static void timers_and_minisocks(void **state)
{
	struct socket_groups *groups = groups_by(GROUP_STATE, GROUP_KEY_COUNT);
	struct socket_status status = status_of(TCP_FIN_WAIT2, "10.0.0.1", 1, "10.0.0.2", 1);
	struct socket_group *top;

	(void)state;
	status.timer_left_ms = 1; /* of no timer */
	add(groups, &status, 2);
	top = top_of(groups, 0, 1);
	assert_int_equal(top->timers, 0);
	assert_int_equal(top->timer_least_ms, 0);
	assert_int_equal(top->timer_most_ms, 0);
	free(top);

	status.timer = SOCKET_TIMER_TIMEWAIT;
	status.minisock = true;
	status.timer_left_ms = 500;
	add(groups, &status, 1);
	status.timer_left_ms = 400;
	add(groups, &status, 1);
	status.timer_left_ms = 450;
	add(groups, &status, 1);
	top = top_of(groups, 0, 1);
	assert_int_equal(top->count, 5);
	assert_int_equal(top->minisocks, 3);
	assert_int_equal(top->timers, 3);
	assert_int_equal(top->timer_least_ms, 400);
	assert_int_equal(top->timer_most_ms, 500);
	free(top);

	status.timer_left_ms = 0;
	add(groups, &status, 1);
	top = top_of(groups, 0, 1);
	assert_int_equal(top->timer_least_ms, 0);
	assert_int_equal(top->timer_most_ms, 500);
	free(top);
	socket_groups_free(groups);
}

static void a_minisock_is_nobodys(void **state)
{
	struct socket_groups *groups = groups_by(GROUP_USER, GROUP_KEY_COUNT);
	struct socket_status status = status_of(TCP_TIME_WAIT, "10.0.0.1", 1, "10.0.0.2", 1);
	struct socket_group *top;

	(void)state;
	status.minisock = true;
	add(groups, &status, 3);
	status = status_of(TCP_SYN_RECV, "10.0.0.1", 1, "10.0.0.2", 1);
	add(groups, &status, 1);
	status.state = TCP_ESTABLISHED; /* root's */
	add(groups, &status, 2);
	top = top_of(groups, 0, 2);
	assert_int_equal(top[0].uid, GROUP_NO_USER);
	assert_int_equal(top[0].count, 4);
	assert_int_equal(top[1].uid, 0);
	free(top);
	socket_groups_free(groups);
}

static void add_ports(struct socket_groups *groups, uint16_t port, int times)
{
	struct socket_status status = status_of(TCP_ESTABLISHED, "10.0.0.1", 1, "10.0.0.2", port);

	add(groups, &status, times);
}

static void more_and_less_than_before(void **state)
{
	struct socket_groups *before = groups_by(GROUP_PEER_PORT, GROUP_KEY_COUNT);
	struct socket_groups *now = groups_by(GROUP_PEER_PORT, GROUP_KEY_COUNT);
	struct socket_group *top;

	(void)state;
	add_ports(before, 1, 5);
	add_ports(before, 2, 4);
	add_ports(before, 3, 3);
	add_ports(now, 1, 9); /* more */
	add_ports(now, 2, 2); /* less; 3: gone */
	add_ports(now, 4, 1); /* new */
	assert_int_equal(socket_groups_compare(now, before), 0);
	top = top_of(now, 0, 4);
	assert_int_equal(top[0].peer.port, 1);
	assert_int_equal(top[0].born, 4);
	assert_int_equal(top[0].gone, 0);
	assert_int_equal(top[1].peer.port, 2);
	assert_int_equal(top[1].born, 0);
	assert_int_equal(top[1].gone, 2);
	assert_int_equal(top[2].peer.port, 4);
	assert_int_equal(top[2].born, 1);
	assert_int_equal(top[3].peer.port, 3);
	assert_int_equal(top[3].count, 0);
	assert_int_equal(top[3].gone, 3);
	assert_int_equal(socket_groups_sockets(now), 12);
	free(top);

	/* In turn: what was gone is not there any more. */
	socket_groups_clear(before);
	assert_int_equal(socket_groups_count(before), 0);
	assert_int_equal(socket_groups_sockets(before), 0);
	free(top_of(before, 0, 0));
	add_ports(before, 1, 9);
	assert_int_equal(socket_groups_compare(before, now), 0);
	top = top_of(before, 0, 3);
	assert_int_equal(top[0].count, 9);
	assert_int_equal(top[0].born + top[0].gone, 0);
	assert_int_equal(top[1].peer.port, 2);
	assert_int_equal(top[1].gone, 2);
	assert_int_equal(top[2].peer.port, 4);
	assert_int_equal(top[2].gone, 1);
	free(top);
	socket_groups_free(before);
	socket_groups_free(now);
	socket_groups_free(NULL);
}

static void names_of_keys(void **state)
{
	(void)state;
	for (int key = 0; key < GROUP_KEY_COUNT; key++)
		assert_int_equal(group_key_parse(group_key_name((enum group_key)key)), key);
	assert_int_equal(group_key_parse("peer-port"), GROUP_PEER_PORT);
	assert_int_equal(group_key_parse("peer-por"), -EINVAL);
	assert_int_equal(group_key_parse(""), -EINVAL);
	assert_string_equal(group_key_name(GROUP_KEY_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_tells_apart_its_own),
		cmocka_unit_test(keys_come_back),
		cmocka_unit_test(largest_first_then_by_key),
		cmocka_unit_test(families_in_turn),
		cmocka_unit_test(many_groups),
		cmocka_unit_test(timers_and_minisocks),
		cmocka_unit_test(a_minisock_is_nobodys),
		cmocka_unit_test(more_and_less_than_before),
		cmocka_unit_test(names_of_keys),
	};

	return cmocka_run_group_tests(tests, make_sockets, NULL);
}
