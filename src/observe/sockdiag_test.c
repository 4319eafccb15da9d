#include "observe/testnet.h"

#include <netinet/tcp.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "observe/sockdiag.h"
#include "tcp/state.h"

static struct sockdiag *diag;

static int set_up(void **state)
{
	CLEANUP_CLOSE int here = -1;
	struct why why = {0};

	(void)state;
	if (not_alone)
		return 0;
	here = netns_open_current();
	if (sockdiag_open(here, &diag, &why) == 0)
		return 0;
	print_error("%s\n", why.text);
	return -1;
}

static int tear_down(void **state)
{
	(void)state;
	sockdiag_close(diag);
	diag = NULL;
	return 0;
}

/* Asks until the socket is in @state: what one system call began, a softirq may still be at. */
static struct socket_status await(const struct tcp_key *key, int state)
{
	int64_t give_up = clock_now_ns() + 20 * NS_PER_S;
	struct socket_status status = {0};
	int r;

	do {
		r = sockdiag_get(diag, key, &status);
		if ((r == 0 ? status.state : TCP_STATE_NONE) == state)
			return status;
		sched_yield();
	} while (clock_now_ns() < give_up);
	fail_msg("%s (%d), not %s", tcp_state_name(status.state), r, tcp_state_name(state));
	return status;
}

struct tally {
	size_t total, states[TCP_STATE_COUNT];
	const struct tcp_key *key; /* looked for */
	size_t found;
	int stop; /* returned by each visit */
};

static int tally_visit(const struct socket_status *status, void *context)
{
	struct tally *tally = context;

	tally->total++;
	tally->states[status->state]++;
	if (tally->key && tcp_key_equal(&status->key, tally->key))
		tally->found++;
	return tally->stop;
}

static size_t tally_of(int family, uint32_t states, const struct tcp_key *key, struct tally *ret)
{
	*ret = (struct tally){.key = key};
	assert_int_equal(sockdiag_dump(diag, family, states, tally_visit, ret), 0);
	return ret->total;
}

static uint32_t inode_of(int fd)
{
	struct stat info;

	assert_int_equal(fstat(fd, &info), 0);
	return (uint32_t)info.st_ino;
}

static void test_nothing(void **state)
{
	struct tcp_key key = {.local = {.port = 1}, .remote = {.port = 1}};
	struct socket_status status = {.uid = 77};
	struct tally tally;

	(void)state;
	NEEDS_NAMESPACE();
	key.local.address.family = key.remote.address.family = AF_INET;
	assert_int_equal(tally_of(AF_UNSPEC, 0, NULL, &tally), 0);
	assert_int_equal(sockdiag_get(diag, &key, &status), -ENOENT);
	assert_int_equal(status.uid, 77);
}

static void test_established(void **state)
{
	struct socket_status status;
	struct tcp_key listener = {0};
	struct pair pair;
	struct tally tally;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("127.0.0.1", "127.0.0.1");
	listener.local = pair.reverse.local;
	listener.remote.address.family = AF_INET;

	status = await(&pair.key, TCP_ESTABLISHED);
	assert_true(tcp_key_equal(&status.key, &pair.key));
	assert_int_equal(status.inode, inode_of(pair.client));
	assert_int_equal(status.uid, getuid());
	assert_false(status.minisock);
	assert_int_equal(await(&pair.reverse, TCP_ESTABLISHED).inode, inode_of(pair.server));
	assert_int_equal(await(&listener, TCP_LISTEN).inode, inode_of(pair.listener));

	assert_int_equal(tally_of(AF_UNSPEC, 0, &pair.key, &tally), 3);
	assert_int_equal(tally.found, 1);
	assert_int_equal(tally.states[TCP_LISTEN], 1);
	assert_int_equal(tally_of(AF_UNSPEC, 1U << TCP_LISTEN, NULL, &tally), 1);
	assert_int_equal(tally_of(AF_INET6, 0, NULL, &tally), 0);
	pair_close(&pair);
}

/* inet_lookup() hands out the listener for a connection that is not there. */
static void test_listener_is_no_match(void **state)
{
	struct socket_status status;
	struct tcp_key other;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("0.0.0.0", "127.0.0.1");
	other = pair.reverse;
	other.remote.port ^= 1;
	assert_int_equal(sockdiag_get(diag, &other, &status), -ENOENT);
	assert_int_equal(sockdiag_find(diag, &other, &status), -ENOENT);
	pair_close(&pair);
}

static void test_time_wait(void **state)
{
	struct socket_status status;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("127.0.0.1", "127.0.0.1");
	close_once(&pair.client);
	read_end(pair.server);
	close_once(&pair.server);

	status = await(&pair.key, TCP_TIME_WAIT);
	assert_true(status.minisock);
	assert_int_equal(status.inode, 0);
	assert_int_equal(status.timer, SOCKET_TIMER_TIMEWAIT);
	assert_in_range(status.timer_left_ms, 1, 60000);
	await(&pair.reverse, TCP_STATE_NONE);
	pair_close(&pair);
}

static void test_fin_wait_2_minisock(void **state)
{
	struct socket_status status;
	struct tally tally;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(write(pair.client, "hello", 5), 5);
	close_once(&pair.client);

	status = await(&pair.key, TCP_FIN_WAIT2);
	assert_true(status.minisock);
	assert_int_equal(status.inode, 0);
	assert_int_equal(status.timer, SOCKET_TIMER_TIMEWAIT);
	assert_in_range(status.timer_left_ms, 1, 60000);
	tally_of(AF_UNSPEC, 1U << TCP_TIME_WAIT, &pair.key, &tally);
	assert_int_equal(tally.found, 0);
	tally_of(AF_UNSPEC, 1U << TCP_FIN_WAIT2, &pair.key, &tally);
	assert_int_equal(tally.found, 1);

	status = await(&pair.reverse, TCP_CLOSE_WAIT);
	assert_int_equal(status.receive_queue, 5 + 1); /* and the FIN */
	assert_false(status.minisock);
	pair_close(&pair);
	await(&pair.key, TCP_STATE_NONE);
}

/* Half closed, but still somebody's. */
static void test_fin_wait_2_owned(void **state)
{
	struct socket_status status;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(shutdown(pair.client, SHUT_WR), 0);
	status = await(&pair.key, TCP_FIN_WAIT2);
	assert_false(status.minisock);
	assert_int_equal(status.inode, inode_of(pair.client));
	assert_int_equal(status.timer, SOCKET_TIMER_OFF);
	pair_close(&pair);
}

/* Above TCP_TIMEWAIT_LEN an orphan stays a full socket, with its wait in the keepalive timer. */
static void test_fin_wait_2_orphan(void **state)
{
	struct socket_status status;
	struct pair pair;
	int seconds = 100;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(
		setsockopt(pair.client, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds)), 0);
	close_once(&pair.client);
	status = await(&pair.key, TCP_FIN_WAIT2);
	assert_false(status.minisock);
	assert_int_equal(status.inode, 0);
	assert_int_equal(status.timer, SOCKET_TIMER_KEEPALIVE);
	assert_in_range(status.timer_left_ms, 1, 40000);
	pair_close(&pair);
}

/* A request socket: the listener waits for data before it makes a real one. */
static void test_syn_received(void **state)
{
	struct tcp_key key;
	struct tally tally;
	int seconds = 5, listener, client;

	(void)state;
	NEEDS_NAMESPACE();
	listener = listen_at("127.0.0.1");
	assert_int_equal(
		setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	client = connect_to(-1, "127.0.0.1", port_of(listener));
	assert_int_equal(tcp_key_of_socket(client, &key), 0);
	key = tcp_key_reverse(&key);
	assert_int_equal(await(&key, TCP_SYN_RECV).timer, SOCKET_TIMER_RETRANSMIT);
	tally_of(AF_INET, 1U << TCP_SYN_RECV, &key, &tally);
	assert_int_equal(tally.found, 1);
	reset_once(&client);
	close_once(&listener);
}

static void test_v6(void **state)
{
	struct tally tally;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("::1", "::1");
	assert_int_equal(await(&pair.key, TCP_ESTABLISHED).inode, inode_of(pair.client));
	assert_int_equal(await(&pair.reverse, TCP_ESTABLISHED).inode, inode_of(pair.server));
	tally_of(AF_INET6, 0, &pair.key, &tally);
	assert_int_equal(tally.found, 1);
	tally_of(AF_INET, 0, &pair.key, &tally);
	assert_int_equal(tally.found, 0);
	pair_close(&pair);
}

/* The accepted socket is of AF_INET6, with v4-mapped addresses; its key is v4. */
static void test_dual_stack(void **state)
{
	struct socket_status status;
	struct tcp_key listener = {0};
	struct tally tally;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("::", "127.0.0.1");
	assert_int_equal(pair.reverse.local.address.family, AF_INET);
	assert_int_equal(await(&pair.reverse, TCP_ESTABLISHED).inode, inode_of(pair.server));
	assert_int_equal(sockdiag_find(diag, &pair.reverse, &status), 0);
	tally_of(AF_INET6, 0, &pair.reverse, &tally);
	assert_int_equal(tally.found, 1);
	tally_of(AF_INET, 0, &pair.reverse, &tally);
	assert_int_equal(tally.found, 0);
	tally_of(AF_UNSPEC, 0, &pair.reverse, &tally);
	assert_int_equal(tally.found, 1);

	listener.local.address.family = listener.remote.address.family = AF_INET6;
	listener.local.port = port_of(pair.listener);
	assert_int_equal(await(&listener, TCP_LISTEN).inode, inode_of(pair.listener));

	close_once(&pair.server);
	read_end(pair.client);
	close_once(&pair.client);
	assert_true(await(&pair.reverse, TCP_TIME_WAIT).minisock);
	pair_close(&pair);
}

/* The exact lookup has no device to compare with: it needs the dump behind it. */
static void test_bound_to_device(void **state)
{
	struct socket_status status;
	struct tcp_key key;
	int listener, client;

	(void)state;
	NEEDS_NAMESPACE();
	listener = listen_at("127.0.0.1");
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	connect_to(client, "127.0.0.1", port_of(listener));
	assert_int_equal(tcp_key_of_socket(client, &key), 0);
	assert_int_equal(sockdiag_find(diag, &key, &status), -ENOENT);
	assert_int_equal(await(&key, TCP_ESTABLISHED).inode, inode_of(client));
	reset_once(&client);
	close_once(&listener);
}

/* More than one part of a dump holds. */
static void test_many(void **state)
{
	enum { MANY = 600 };
	struct tally tally, before;
	struct tcp_key last;
	int listener;

	(void)state;
	NEEDS_NAMESPACE();
	tally_of(AF_UNSPEC, 1U << TCP_TIME_WAIT, NULL, &before);
	listener = listen_at("127.0.0.1");
	for (int i = 0; i < MANY; i++) {
		int client = connect_to(-1, "127.0.0.1", port_of(listener));
		int server = accept(listener, NULL, NULL);

		assert_int_equal(tcp_key_of_socket(client, &last), 0);
		close(client);
		read_end(server);
		close(server);
	}
	close(listener);
	await(&last, TCP_TIME_WAIT);
	assert_int_equal(tally_of(AF_UNSPEC, 1U << TCP_TIME_WAIT, &last, &tally),
			 before.total + MANY);
	assert_int_equal(tally.found, 1);
	assert_false(sockdiag_whole(diag));

	/* Left half-way, and then again. */
	tally = (struct tally){.stop = -ECANCELED};
	assert_int_equal(sockdiag_dump(diag, AF_UNSPEC, 0, tally_visit, &tally), -ECANCELED);
	assert_int_equal(tally.total, 1);
	assert_int_equal(tally_of(AF_UNSPEC, 1U << TCP_TIME_WAIT, &last, &tally),
			 before.total + MANY);
	assert_int_equal(tally_of(AF_UNSPEC, 1U << TCP_LISTEN, NULL, &tally), 0);
	assert_true(sockdiag_whole(diag));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(socket_timer_name(SOCKET_TIMER_OFF), "off");
	assert_string_equal(socket_timer_name(SOCKET_TIMER_PROBE), "persist");
	assert_string_equal(socket_timer_name(SOCKET_TIMER_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_established),
		cmocka_unit_test(test_listener_is_no_match),
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_fin_wait_2_minisock),
		cmocka_unit_test(test_fin_wait_2_owned),
		cmocka_unit_test(test_fin_wait_2_orphan),
		cmocka_unit_test(test_syn_received),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_dual_stack),
		cmocka_unit_test(test_bound_to_device),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_names),
	};

	be_alone();
	return cmocka_run_group_tests_name("sockdiag", tests, set_up, tear_down);
}
