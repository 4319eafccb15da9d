/*
 * Sums against walks: sockets in all states, grouped by each key, come to the same whether
 * sock_diag tells of each or the BPF program adds them up. Then what only the program has: a table
 * that overflows, tables of connections that a namespace has for itself, sockets of other
 * namespaces.
 */
#include "observe/testnet.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "observe/socket_groups.h"
#include "observe/socket_source.h"
#include "observe/socket_testing.h"
#include "tcp/state.h"

#define ALL_STATES (~0U)

static const struct socket_source *diag, *bpf;
static int home_netns = -1;
static void *summing; /* of bpf, in the namespace of the program */
static const char *refused;

#define NEEDS_SUMS()                                                                               \
	do {                                                                                       \
		NEEDS_NAMESPACE();                                                                 \
		if (refused) {                                                                     \
			print_message("sums cannot be tested: %s\n", refused);                     \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* ---- both ways to the same groups ---- */

struct counting {
	struct socket_groups *groups;
	uint64_t told; /* sockets */
	unsigned calls, again;
	int stop; /* what each call returns */
};

static int count_one(const struct socket_status *status, void *context)
{
	struct counting *counting = context;

	counting->told++;
	return socket_groups_add(counting->groups, status, NULL, 1);
}

static int count_sum(const struct socket_sum *sum, void *context)
{
	struct counting *counting = context;

	counting->calls++;
	counting->told += sum->count;
	assert_true(sum->count > 0);
	assert_true(sum->minisocks <= sum->timers && sum->timers <= sum->count);
	if (socket_groups_add_sum(counting->groups, sum, 1) < 0)
		return -ENOMEM;
	return counting->stop;
}

static void count_anew(void *context)
{
	struct counting *counting = context;

	counting->again++;
	counting->told = 0;
	socket_groups_clear(counting->groups);
}

static struct counting walked(int netns_fd, const enum group_key *keys, size_t count)
{
	struct counting counting = {.groups = socket_groups_new(keys, count)};
	struct socket_walk walk;
	struct why why;
	void *handle;

	assert_int_equal(diag->open(netns_fd, &handle, &why), 0);
	assert_int_equal(diag->walk(handle, NULL, count_one, count_anew, &counting, &walk, &why),
			 0);
	diag->close(handle);
	return counting;
}

static struct counting summed(void *handle, uint32_t states, const enum group_key *keys,
			      size_t count)
{
	struct counting counting = {.groups = socket_groups_new(keys, count)};
	int fields = socket_groups_fields(counting.groups);
	struct socket_walk walk = {.seen = 77};
	struct why why = {0};
	int r;

	assert_true(fields >= 0);
	r = bpf->sum(handle, states, (unsigned)fields, count_sum, &counting, &walk, &why);
	if (r != 0)
		fail_msg("%d %s", r, why.text);
	assert_int_equal(walk.seen, counting.told);
	assert_false(walk.torn);
	return counting;
}

/* A timer that was looked at between two looks; it is told in whole ticks. */
static void check_timers(const struct socket_group *before, const struct socket_group *sum,
			 const struct socket_group *after)
{
	uint32_t tick_ms = (uint32_t)(clock_tick_ns() / NS_PER_MS) + 1;

	/* One may have been set meanwhile: only those that run down are held against each other. */
	if (sum->timers != sum->minisocks)
		return;
	assert_true(sum->timer_least_ms <= before->timer_least_ms + tick_ms);
	assert_true(sum->timer_least_ms + tick_ms >= after->timer_least_ms);
	assert_true(sum->timer_most_ms <= before->timer_most_ms + tick_ms);
	assert_true(sum->timer_most_ms + tick_ms >= after->timer_most_ms);
}

struct looks {
	struct counting before, sums, after;
	struct socket_group *top[3]; /* of each, the largest first */
	size_t count[3];
};

static void take_looks(struct looks *looks, const enum group_key *keys, size_t key_count)
{
	looks->before = walked(home_netns, keys, key_count);
	looks->sums = summed(summing, ALL_STATES, keys, key_count);
	looks->after = walked(home_netns, keys, key_count);
	looks->top[0] = socket_groups_top(looks->before.groups, 0, &looks->count[0]);
	looks->top[1] = socket_groups_top(looks->sums.groups, 0, &looks->count[1]);
	looks->top[2] = socket_groups_top(looks->after.groups, 0, &looks->count[2]);
}

static void forget_looks(struct looks *looks)
{
	for (size_t i = 0; i < 3; i++)
		free(looks->top[i]);
	socket_groups_free(looks->before.groups);
	socket_groups_free(looks->sums.groups);
	socket_groups_free(looks->after.groups);
}

static bool is_same(const struct socket_group *a, const struct socket_group *b)
{
	return a->state == b->state && tcp_endpoint_equal(&a->peer, &b->peer) &&
	       tcp_endpoint_equal(&a->local, &b->local) && a->timer == b->timer &&
	       a->count == b->count && a->minisocks == b->minisocks && a->timers == b->timers;
}

/* Whether looks @a and @b came to the same. */
static bool are_same(const struct looks *looks, int a, int b)
{
	if (looks->count[a] != looks->count[b])
		return false;
	for (size_t i = 0; i < looks->count[a]; i++)
		if (!is_same(&looks->top[a][i], &looks->top[b][i]))
			return false;
	return true;
}

/* What one system call began, a softirq may still be at; timers fire, too. Sums count between two
 * walks that agree. */
static void check_same(const enum group_key *keys, size_t key_count)
{
	struct looks looks;

	take_looks(&looks, keys, key_count);
	while (!are_same(&looks, 0, 2)) {
		forget_looks(&looks);
		take_looks(&looks, keys, key_count);
	}
	assert_int_equal(looks.sums.told, looks.before.told);
	assert_true(looks.count[1] > 0);
	assert_true(are_same(&looks, 0, 1));
	for (size_t i = 0; i < looks.count[1]; i++)
		check_timers(&looks.top[0][i], &looks.top[1][i], &looks.top[2][i]);
	forget_looks(&looks);
}

static void test_same_as_walk(void **state)
{
	static const enum group_key keys[] = {
		GROUP_STATE,	  GROUP_PEER,  GROUP_PEER_PORT,	  GROUP_LOCAL,
		GROUP_LOCAL_PORT, GROUP_TIMER, GROUP_DESTINATION, GROUP_NETNS,
	};

	(void)state;
	NEEDS_SUMS();
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		check_same(&keys[i], 1);
		for (size_t j = 0; j < i; j++)
			check_same((enum group_key[]){keys[i], keys[j]}, 2);
	}
	check_same(
		(enum group_key[]){GROUP_STATE, GROUP_LOCAL, GROUP_LOCAL_PORT, GROUP_DESTINATION},
		4);
}

static void test_states(void **state)
{
	static const enum group_key key = GROUP_STATE;
	uint64_t all = 0;

	(void)state;
	NEEDS_SUMS();
	for (int of = 1; of < TCP_STATE_COUNT; of++) {
		struct counting sums = summed(summing, 1U << of, &key, 1);
		uint64_t made_so = 0;

		for (size_t i = 0; i < made_count; i++)
			made_so += made[i].state == of;
		assert_int_equal(sums.told, made_so);
		all += made_so;
		socket_groups_free(sums.groups);
	}
	assert_int_equal(all, made_count);
}

/* What was left in the table would be told the next time. */
static void test_stop(void **state)
{
	static const enum group_key key = GROUP_STATE;
	struct counting stopped = {.stop = -ECANCELED};
	struct socket_walk walk;
	struct why why;

	(void)state;
	NEEDS_SUMS();
	stopped.groups = socket_groups_new(&key, 1);
	assert_int_equal(bpf->sum(summing, ALL_STATES, 0, count_sum, &stopped, &walk, &why),
			 -ECANCELED);
	assert_int_equal(stopped.calls, 1);
	socket_groups_free(stopped.groups);
	check_same(&key, 1);
}

/* ---- many, in a namespace of their own ---- */

/* Each is connected to itself and closed: one socket in TIME-WAIT, at 127.@second.x.y. */
static void make_time_wait(unsigned second, unsigned peers, unsigned each)
{
	for (unsigned i = 0; i < peers * each; i++) {
		uint32_t address = 0x7f000001U | second << 16;
		struct sockaddr_in self = {
			.sin_family = AF_INET,
			.sin_port = htons((uint16_t)(2000 + i % each)),
			.sin_addr.s_addr = htonl(address + i / each),
		};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&self, sizeof(self)), 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&self, sizeof(self)), 0);
		close(fd);
	}
}

static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/* The thread goes into a namespace without sockets. Its descriptor, to be given to go_home(). */
static int go_away(void)
{
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	raise_loopback();
	write_sysctl("/proc/sys/net/ipv4/tcp_max_tw_buckets", "200000");
	fd = netns_open_current();
	assert_true(fd >= 0);
	return fd;
}

static void go_home(int away)
{
	close(away);
	assert_int_equal(setns(home_netns, CLONE_NEWNET), 0);
}

static void check_many(int netns_fd, unsigned peers, unsigned each)
{
	static const enum group_key peer = GROUP_PEER, destination = GROUP_DESTINATION;
	struct counting sums = {0}, refusing = {.groups = socket_groups_new(&destination, 1)};
	struct socket_group *top;
	struct socket_walk walk;
	struct why why;
	void *handle;
	size_t count;

	assert_int_equal(bpf->open(netns_fd, &handle, &why), 0);
	sums = summed(handle, ALL_STATES, &peer, 1);
	assert_int_equal(sums.told, peers * each);
	assert_true(sums.calls >= peers);
	top = socket_groups_top(sums.groups, 0, &count);
	assert_int_equal(count, peers);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(top[i].count, each);
		assert_int_equal(top[i].minisocks, each);
	}
	free(top);
	/* The table is too small for that many sums, and nothing was told. */
	assert_int_equal(bpf->sum(handle, ALL_STATES,
				  (unsigned)socket_groups_fields(refusing.groups), count_sum,
				  &refusing, &walk, &why),
			 -ENOTSUP);
	assert_int_equal(refusing.calls, 0);
	/* And the next who asks finds no remains. */
	socket_groups_free(sums.groups);
	sums = summed(handle, ALL_STATES, &peer, 1);
	assert_int_equal(sums.told, peers * each);
	bpf->close(handle);
	socket_groups_free(sums.groups);
	socket_groups_free(refusing.groups);
}

/* Nearly as many sums as the program's table holds, and then more. */
static void test_many(void **state)
{
	int away;

	(void)state;
	NEEDS_SUMS();
	away = go_away();
	make_time_wait(1, 6000, 5);
	check_many(away, 6000, 5);
	/* What is here is not there. */
	check_same((enum group_key[]){GROUP_STATE}, 1);
	go_home(away);
}

/* A table of 2^10 buckets that is the namespace's alone (tcp_set_hashinfo(), 6.1): lists of some
 * fifty, more than one run goes through. */
static void test_own_table(void **state)
{
	int away;

	(void)state;
	NEEDS_SUMS();
	away = go_away();
	if (access("/proc/sys/net/ipv4/tcp_child_ehash_entries", W_OK) < 0) {
		go_home(away);
		print_message("no net.ipv4.tcp_child_ehash_entries\n");
		skip();
	}
	write_sysctl("/proc/sys/net/ipv4/tcp_child_ehash_entries", "1024");
	close(away);
	away = go_away();
	make_time_wait(2, 6000, 8);
	check_many(away, 6000, 8);
	go_home(away);
}

/* Sockets that come and go while they are added up: what stays is there each time. */
static void test_coming_and_going(void **state)
{
	static const enum group_key key = GROUP_PEER;
	int status;
	pid_t child;

	(void)state;
	NEEDS_SUMS();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (unsigned i = 0; i < 3; i++)
			make_time_wait(3 + i, 100, 50);
		_exit(0);
	}
	do {
		struct counting sums = summed(summing, ALL_STATES, &key, 1);

		assert_true(sums.told >= made_count);
		socket_groups_free(sums.groups);
	} while (waitpid(child, &status, WNOHANG) == 0);
	assert_true(WIFEXITED(status));
	check_same(&key, 1);
}

/* ---- */

static int begin(void **state)
{
	static struct why why;

	(void)state;
	diag = socket_source_find("diag");
	bpf = socket_source_find("bpf");
	if (not_alone)
		return 0;
	home_netns = netns_open_current();
	sockets_make();
	if (getenv("CONTEST_VALGRIND"))
		refused = "valgrind 3.19 knows too little of bpf(2)";
	else if (bpf->probe(&why) < 0)
		refused = why.text;
	else if (linux_before(6, 2))
		refused = "bpf_rdonly_cast() came with Linux 6.2";
	else if (bpf->open(home_netns, &summing, &why) < 0)
		fail_msg("%s", why.text);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (summing)
		bpf->close(summing);
	if (!not_alone)
		sockets_close();
	close_once(&home_netns);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_walk), cmocka_unit_test(test_states),
		cmocka_unit_test(test_stop),	     cmocka_unit_test(test_many),
		cmocka_unit_test(test_own_table),    cmocka_unit_test(test_coming_and_going),
	};

	be_alone_with_privileges();
	return cmocka_run_group_tests_name("socket_sums", tests, begin, end);
}
