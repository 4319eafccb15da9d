#include "observe/testnet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/netns.h"
#include "observe/observer.h"
#include "tcp/state.h"

#define LONG_NS (20 * NS_PER_S) /* for what comes; nothing is measured with it */

static int here = -1; /* the namespace of this program */

static struct observer *observe(size_t limit)
{
	const struct observer_host host = {.name = "alone", .netns_fd = here};
	struct observer *observer = NULL;
	struct why why = {0};

	if (observer_new(&host, 1, limit, &observer, &why) < 0)
		fail_msg("%s", why.text);
	return observer;
}

static const struct observer_timeline *timeline_of(const struct observer *observer,
						   const struct tcp_key *key)
{
	for (size_t i = 0; i < observer_timeline_count(observer); i++) {
		const struct observer_timeline *timeline = observer_timeline(observer, i);

		if (tcp_key_equal(&timeline->key, key))
			return timeline;
	}
	return NULL;
}

/* Neighbours differ, and the bounds make sense. */
static void assert_only_changes(const struct observer_timeline *timeline)
{
	for (size_t i = 1; i < timeline->count; i++) {
		const struct observer_change *a = &timeline->changes[i - 1];
		const struct observer_change *b = &timeline->changes[i];
		const struct socket_status *was = &a->status, *is = &b->status;

		assert_true(a->time_ns < b->time_ns);
		assert_true(b->since_ns < b->time_ns);
		assert_true(was->state != is->state || was->timer != is->timer ||
			    was->retransmits != is->retransmits || was->inode != is->inode ||
			    was->minisock != is->minisock ||
			    !was->receive_queue != !is->receive_queue ||
			    !was->send_queue != !is->send_queue);
	}
}

static void test_nothing(void **state)
{
	struct tcp_key key = {.remote.port = 1};
	struct observer_change change = {.time_ns = 77};
	struct observer *observer;

	(void)state;
	NEEDS_NAMESPACE();
	observer = observe(0);
	key.local.address.family = key.remote.address.family = AF_INET;
	assert_int_equal(observer_look(observer), 0);
	assert_int_equal(observer_count(observer, 0, TCP_LISTEN), 0);
	assert_int_equal(observer_count(observer, 1, TCP_LISTEN), 0);
	assert_int_equal(observer_count(observer, 0, -1), 0);
	assert_int_equal(observer_status(observer, 0, &key, &change), -ENOENT);
	assert_int_equal(observer_wait(observer, 0, &key, TCP_STATE_NONE, 0, 0, &change),
			 -ETIMEDOUT);
	assert_int_equal(change.time_ns, 77);
	observer_stop(observer);
	assert_int_equal(observer_timeline_count(observer), 0);
	assert_null(observer_timeline(observer, 0));
	assert_int_equal(observer_look(observer), -ECANCELED);
	assert_int_equal(observer_wait(observer, 0, &key, TCP_LISTEN, 0, LONG_NS, NULL),
			 -ECANCELED);
	observer_free(observer);
	observer_free(NULL);
}

static void test_active_close(void **state)
{
	const struct observer_timeline *timeline;
	struct observer_change change;
	struct observer *observer;
	struct pair pair;
	struct stat info;

	(void)state;
	NEEDS_NAMESPACE();
	observer = observe(0);
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(fstat(pair.client, &info), 0);
	assert_int_equal(
		observer_wait(observer, 0, &pair.key, TCP_ESTABLISHED, 0, LONG_NS, &change), 0);
	assert_int_equal(change.status.inode, info.st_ino);
	assert_int_equal(change.status.uid, getuid());
	assert_true(change.since_ns > 0);
	assert_int_equal(observer_count(observer, 0, TCP_LISTEN), 1);

	close_once(&pair.client);
	assert_int_equal(observer_wait(observer, 0, &pair.key, TCP_FIN_WAIT2, 0, LONG_NS, &change),
			 0);
	assert_true(change.status.minisock);
	assert_int_equal(observer_look(observer), 0);
	assert_int_equal(observer_count(observer, 0, TCP_FIN_WAIT2), 1);
	assert_int_equal(observer_count(observer, 0, TCP_TIME_WAIT), 0);
	assert_int_equal(observer_count(observer, 0, TCP_CLOSE_WAIT), 1);

	close_once(&pair.server);
	assert_int_equal(observer_wait(observer, 0, &pair.key, TCP_TIME_WAIT, 0, LONG_NS, &change),
			 0);
	assert_true(change.status.minisock);
	assert_int_equal(change.status.inode, 0);
	assert_int_equal(
		observer_wait(observer, 0, &pair.reverse, TCP_STATE_NONE, 0, LONG_NS, &change), 0);
	assert_true(tcp_key_equal(&change.status.key, &pair.reverse));
	/* Passed through: yes from the beginning, no after now. */
	assert_int_equal(observer_wait(observer, 0, &pair.key, TCP_ESTABLISHED, 0, 0, NULL), 0);
	assert_int_equal(
		observer_wait(observer, 0, &pair.key, TCP_ESTABLISHED, clock_now_ns(), 0, NULL),
		-ETIMEDOUT);
	/* It is in this state still. */
	assert_int_equal(
		observer_wait(observer, 0, &pair.key, TCP_TIME_WAIT, clock_now_ns(), 0, NULL), 0);

	observer_stop(observer);
	timeline = timeline_of(observer, &pair.key);
	assert_non_null(timeline);
	assert_only_changes(timeline);
	assert_int_equal(timeline->changes[timeline->count - 1].status.state, TCP_TIME_WAIT);
	assert_only_changes(timeline_of(observer, &pair.reverse));
	observer_free(observer);
	pair_close(&pair);
}

static bool has_unread(const struct observer_change *change, void *context)
{
	++*(int *)context;
	return change->status.receive_queue > 0;
}

static void test_predicate(void **state)
{
	struct observer_change change;
	struct observer *observer;
	struct pair pair;
	int asked = 0;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("::", "127.0.0.1");
	observer = observe(0);
	assert_int_equal(
		observer_wait_for(observer, 0, &pair.reverse, has_unread, &asked, 0, 0, NULL),
		-ETIMEDOUT);
	assert_int_equal(asked, 1);
	assert_int_equal(write(pair.client, "hello", 5), 5);
	assert_int_equal(observer_wait_for(observer, 0, &pair.reverse, has_unread, &asked, 0,
					   LONG_NS, &change),
			 0);
	assert_int_equal(change.status.receive_queue, 5);
	assert_int_equal(change.status.state, TCP_ESTABLISHED);
	observer_free(observer);
	pair_close(&pair);
}

/* What is there before the observer has no lower bound. */
static void test_first_look(void **state)
{
	struct observer_change change;
	struct observer *observer;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("::1", "::1");
	observer = observe(0);
	assert_int_equal(observer_status(observer, 0, &pair.key, &change), 0);
	assert_int_equal(change.since_ns, 0);
	assert_int_equal(change.status.state, TCP_ESTABLISHED);
	observer_free(observer);
	pair_close(&pair);
}

static int connect_from(uint16_t from, uint16_t port)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(from)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	return connect_to(fd, "127.0.0.1", port);
}

/* Reset, and opened again between the same ports: one timeline goes on. */
static void test_gone_and_back(void **state)
{
	const struct observer_timeline *timeline;
	struct observer_change gone, back;
	struct observer *observer;
	struct pair pair;
	size_t at = 0;

	(void)state;
	NEEDS_NAMESPACE();
	observer = observe(0);
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(observer_look(observer), 0);
	reset_once(&pair.client);
	reset_once(&pair.server);
	assert_int_equal(observer_wait(observer, 0, &pair.key, TCP_STATE_NONE, 0, LONG_NS, &gone),
			 0);
	assert_int_equal(observer_status(observer, 0, &pair.key, &back), 0);
	assert_int_equal(back.status.state, TCP_STATE_NONE);
	pair.client = connect_from(pair.key.local.port, pair.key.remote.port);
	assert_int_equal(observer_wait(observer, 0, &pair.key, TCP_ESTABLISHED, gone.time_ns,
				       LONG_NS, &back),
			 0);
	assert_true(back.time_ns > gone.time_ns);
	observer_stop(observer);
	timeline = timeline_of(observer, &pair.key);
	assert_only_changes(timeline);
	while (timeline->changes[at].status.state != TCP_STATE_NONE)
		at++;
	assert_true(at > 0 && at + 1 < timeline->count);
	observer_free(observer);
	pair_close(&pair);
}

static void test_limit(void **state)
{
	struct observer *observer;
	uint64_t looks, left_out;
	struct pair a, b;

	(void)state;
	NEEDS_NAMESPACE();
	a = pair_open("127.0.0.1", "127.0.0.1");
	b = pair_open("127.0.0.1", "127.0.0.1");
	observer = observe(3);
	assert_int_equal(observer_look(observer), 0);
	assert_int_equal(observer_count(observer, 0, TCP_ESTABLISHED), 4);
	assert_int_equal(observer_count(observer, 0, TCP_LISTEN), 2);
	observer_stop(observer);
	observer_totals(observer, &looks, &left_out);
	assert_true(looks >= 2);
	assert_true(left_out >= 1);
	assert_int_equal(observer_timeline_count(observer), 3);
	observer_free(observer);
	pair_close(&a);
	pair_close(&b);
}

/* The first two hosts are one namespace, the third is another. */
static void test_shared_namespace(void **state)
{
	struct observer_host hosts[] = {
		{.name = "a", .netns_fd = here}, {.name = "b", .netns_fd = here}, {.name = "c"}};
	struct observer_change change;
	struct observer *observer;
	struct pair pair;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	hosts[2].netns_fd = netns_open_current();
	assert_true(hosts[2].netns_fd >= 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	assert_int_equal(observer_new(hosts, 3, 0, &observer, NULL), 0);
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(observer_look(observer), 0);
	assert_int_equal(observer_status(observer, 0, &pair.key, &change), 0);
	assert_int_equal(observer_status(observer, 1, &pair.key, &change), 0);
	assert_int_equal(observer_status(observer, 2, &pair.key, &change), -ENOENT);
	assert_int_equal(observer_status(observer, 3, &pair.key, &change), -ENOENT);
	assert_int_equal(observer_count(observer, 1, TCP_LISTEN), 1);
	assert_int_equal(observer_count(observer, 2, TCP_LISTEN), 0);
	observer_stop(observer);
	for (size_t i = 0; i < observer_timeline_count(observer); i++)
		assert_int_equal(observer_timeline(observer, i)->host, 0);
	observer_free(observer);
	close(hosts[2].netns_fd);
	pair_close(&pair);
}

static void test_not_a_namespace(void **state)
{
	struct observer_host host = {.name = "nowhere", .netns_fd = -1};
	struct observer *observer = NULL;
	struct why why = {0};

	(void)state;
	assert_int_equal(observer_new(&host, 1, 0, &observer, &why), -EBADF);
	assert_null(observer);
	assert_non_null(strstr(why.text, "nowhere"));
}

/* How long before the look that showed a new connection the one before it was. */
static int64_t look_distance(struct observer *observer, bool kick)
{
	struct pair pair = pair_open("127.0.0.1", "127.0.0.1");
	struct observer_change change;

	if (kick)
		observer_kick(observer);
	while (observer_status(observer, 0, &pair.key, &change) < 0)
		sched_yield();
	pair_close(&pair);
	return change.time_ns - change.since_ns;
}

/*
 * A look nearer to the one before it than the heartbeat was a kick's: two looks without a kick
 * leave the thread asleep for a whole heartbeat, and there is no timer that soon. On a busy machine
 * not each one is that near; where kicks do nothing, none is.
 */
static void test_kick(void **state)
{
	struct observer *observer;
	bool early = false;

	(void)state;
	NEEDS_NAMESPACE();
	observer = observe(0);
	for (int i = 0; i < 5 && !early; i++) {
		look_distance(observer, false);
		look_distance(observer, false);
		early = look_distance(observer, true) < OBSERVER_HEARTBEAT_MS * NS_PER_MS;
	}
	assert_true(early);
	observer_free(observer);
}

static void *kick_until(void *context)
{
	void **both = context;

	while (!atomic_load((atomic_bool *)both[1]))
		observer_kick(both[0]);
	return NULL;
}

/* Everybody at once: kicks, looks, questions, waits; for the thread sanitizer above all. */
static void test_threads(void **state)
{
	struct observer *observer;
	atomic_bool done = false;
	pthread_t kicker;

	(void)state;
	NEEDS_NAMESPACE();
	observer = observe(0);
	assert_int_equal(pthread_create(&kicker, NULL, kick_until, (void *[]){observer, &done}), 0);
	for (int i = 0; i < 30; i++) {
		struct pair pair = pair_open("127.0.0.1", "127.0.0.1");
		struct observer_change change;

		assert_int_equal(observer_look(observer), 0);
		assert_int_equal(observer_status(observer, 0, &pair.key, &change), 0);
		pair_close(&pair);
		assert_int_equal(
			observer_wait(observer, 0, &pair.key, TCP_STATE_NONE, 0, LONG_NS, NULL), 0);
	}
	atomic_store(&done, true);
	pthread_join(kicker, NULL);
	observer_free(observer);
}

static void *stop_it(void *context)
{
	observer_stop(context);
	return NULL;
}

/* A wait without an end ends with the observer. */
static void test_stop_ends_wait(void **state)
{
	struct tcp_key key = {.remote.port = 1};
	struct observer *observer;
	pthread_t stopper;

	(void)state;
	NEEDS_NAMESPACE();
	key.local.address.family = key.remote.address.family = AF_INET;
	observer = observe(0);
	assert_int_equal(pthread_create(&stopper, NULL, stop_it, observer), 0);
	assert_int_equal(observer_wait(observer, 0, &key, TCP_LISTEN, 0, INT64_MAX, NULL),
			 -ECANCELED);
	pthread_join(stopper, NULL);
	observer_free(observer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_active_close),
		cmocka_unit_test(test_predicate),
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_gone_and_back),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_shared_namespace),
		cmocka_unit_test(test_not_a_namespace),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_stop_ends_wait),
	};

	be_alone();
	here = netns_open_current();
	return cmocka_run_group_tests_name("observer", tests, NULL, NULL);
}
