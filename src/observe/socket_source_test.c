/*
 * The same contract for every source: sockets made in all states that can be made without waiting,
 * and each source has to tell of each of them, and the same as the others.
 */
#include "observe/socket_list.h"

#include <linux/inet_diag.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "observe/socket_testing.h"
#include "tcp/state.h"

/* In place of observe/socket_filter.c, which has tests of its own: here it only matters what a
 * source does with a filter. */
struct socket_filter {
	uint32_t states;
	uint16_t local_port; /* 0: any */
	const void *bytecode;
	size_t bytecode_length;
};

static size_t filter_asked;

bool socket_filter_matches(const struct socket_filter *filter, const struct socket_status *status)
{
	filter_asked++;
	return filter->states & 1U << status->state &&
	       (filter->local_port == 0 || filter->local_port == status->key.local.port);
}

uint32_t socket_filter_states(const struct socket_filter *filter)
{
	return filter->states;
}

size_t socket_filter_bytecode(const struct socket_filter *filter, const void **ret)
{
	*ret = filter->bytecode;
	return filter->bytecode_length;
}

/* ---- looking at them ---- */

static int home_netns = -1;
static const struct socket_source *source; /* that the tests are about */
static void *opened;

static const struct socket_status *find(const struct list *list, const struct tcp_key *key)
{
	const struct socket_status *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		if (!tcp_key_equal(&list->at[i].key, key))
			continue;
		if (found)
			return NULL; /* twice is as bad as not at all */
		found = &list->at[i];
	}
	return found;
}

static uint32_t inode_of(int fd)
{
	struct stat info;

	if (fd < 0)
		return 0;
	assert_int_equal(fstat(fd, &info), 0);
	return (uint32_t)info.st_ino;
}

static bool is_expected(const struct made_socket *expected, const struct socket_status *status)
{
	return status && status->state == expected->state &&
	       status->minisock == expected->minisock &&
	       status->inode == inode_of(expected->owner) &&
	       (expected->timer < 0 || expected->timer == (int)status->timer);
}

/* The first that is not as it should be; NULL: all are. */
static const struct made_socket *wrong_of(const struct list *list)
{
	for (size_t i = 0; i < made_count; i++)
		if (!is_expected(&made[i], find(list, &made[i].key)))
			return &made[i];
	return NULL;
}

static void describe(const struct list *list, const struct tcp_key *key)
{
	char local[TCP_ENDPOINT_TEXT_MAX], remote[TCP_ENDPOINT_TEXT_MAX];

	print_error("%s - %s:\n", tcp_endpoint_format(&key->local, local),
		    tcp_endpoint_format(&key->remote, remote));
	for (size_t i = 0; i < list->count; i++) {
		const struct socket_status *status = &list->at[i];

		if (tcp_key_equal(&status->key, key))
			print_error("  %s %s timer %s %u ms, repeats %u, queues %u %u, inode %u, "
				    "uid %u\n",
				    tcp_state_name(status->state),
				    status->minisock ? "(minisock)" : "",
				    socket_timer_name(status->timer), status->timer_left_ms,
				    status->retransmits, status->receive_queue, status->send_queue,
				    status->inode, status->uid);
	}
}

static int64_t in_20_s(void)
{
	return clock_now_ns() + 20 * NS_PER_S;
}

/* What one system call began, a softirq may still be at: looks until all is as expected. */
static void test_states(void **state)
{
	static struct list list;
	const struct made_socket *wrong;
	int64_t give_up = in_20_s();

	(void)state;
	do {
		walk_of(source, opened, NULL, &list);
		wrong = wrong_of(&list);
	} while (wrong && clock_now_ns() < give_up);
	if (wrong) {
		describe(&list, &wrong->key);
		fail_msg("%s: %s is not as expected", source->name, wrong->what);
	}
	assert_int_equal(list.count, made_count);
}

/* ---- the same answer ---- */

static bool same_queues(const struct socket_status *a, const struct socket_status *b)
{
	/* What /proc does not know: socket_walk.without_backlog. */
	bool backlog = a->state != TCP_LISTEN || source != socket_source_find("proc");

	return a->receive_queue == b->receive_queue && (!backlog || a->send_queue == b->send_queue);
}

static bool same_timer(const struct socket_status *a, const struct socket_status *b)
{
	/* /proc counts timeouts of a request socket, the others its repetitions. */
	return a->timer == b->timer &&
	       (a->retransmits == b->retransmits || a->state == TCP_SYN_RECV);
}

static bool same(const struct socket_status *a, const struct socket_status *b)
{
	return by_key(a, b) == 0 && a->state == b->state && a->minisock == b->minisock &&
	       a->inode == b->inode && a->uid == b->uid && same_queues(a, b) && same_timer(a, b);
}

/* Between two looks at the same run of a timer there is less and less left of it; /proc tells in
 * units of 10 ms, rounded down. */
static bool between(const struct socket_status *before, const struct socket_status *status,
		    const struct socket_status *after)
{
	return status->timer_left_ms <= before->timer_left_ms &&
	       status->timer_left_ms + 10 >= after->timer_left_ms;
}

/* The first that differs, or -1. */
static int difference(const struct list *before, const struct list *list, const struct list *after)
{
	for (size_t i = 0; i < list->count || i < before->count || i < after->count; i++)
		if (i >= list->count || i >= before->count || i >= after->count ||
		    !same(&before->at[i], &list->at[i]) || !same(&after->at[i], &list->at[i]) ||
		    !between(&before->at[i], &list->at[i], &after->at[i]))
			return (int)i;
	return -1;
}

/* A SYN has been repeated: so many is a number that can be compared, too. */
static bool has_repeats(const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->at[i].state == TCP_SYN_SENT && list->at[i].retransmits > 0)
			return true;
	return false;
}

/* Timers fire meanwhile: one look at which none did is enough. */
static void test_same_answer(void **state)
{
	static struct list before, list, after;
	const struct socket_source *diag = socket_source_find("diag");
	int64_t give_up = in_20_s();
	struct why why;
	void *handle;
	int at;

	(void)state;
	assert_int_equal(diag->open(home_netns, &handle, &why), 0);
	do {
		walk_of(diag, handle, NULL, &before);
		walk_of(source, opened, NULL, &list);
		walk_of(diag, handle, NULL, &after);
		at = difference(&before, &list, &after);
	} while ((at >= 0 || !has_repeats(&list)) && clock_now_ns() < give_up);
	diag->close(handle);
	if (at < 0) {
		assert_true(has_repeats(&list));
		return;
	}
	if ((size_t)at < list.count)
		describe(&list, &list.at[at].key);
	if ((size_t)at < before.count)
		describe(&before, &before.at[at].key);
	fail_msg("%s and diag differ", source->name);
}

/* ---- filters ---- */

static size_t count_expected(uint32_t states)
{
	size_t count = 0;

	for (size_t i = 0; i < made_count; i++)
		count += (states >> made[i].state) & 1;
	return count;
}

/* The kernel leaves out, by state, what is not wanted, and it is not asked for here. */
static bool asks_the_kernel(void)
{
	return source != socket_source_find("proc");
}

static void test_filter_states(void **state)
{
	static struct list list;

	(void)state;
	for (int i = TCP_ESTABLISHED; i <= TCP_CLOSING; i++) {
		struct socket_filter filter = {.states = 1U << i};

		filter_asked = 0;
		walk_of(source, opened, &filter, &list);
		assert_int_equal(list.count, count_expected(filter.states));
		assert_int_equal(filter_asked, asks_the_kernel() ? list.count : made_count);
		for (size_t j = 0; j < list.count; j++)
			assert_int_equal(list.at[j].state, i);
	}
	filter_asked = 0;
	walk_of(source, opened, &(struct socket_filter){.states = 0}, &list);
	assert_int_equal(list.count, 0);
	assert_int_equal(filter_asked, asks_the_kernel() ? 0 : made_count);
}

/* Of the first socket's port; two may have the same towards different peers. */
static size_t count_of_port(void)
{
	size_t count = 0;

	for (size_t i = 0; i < made_count; i++)
		count += made[i].key.local.port == made[0].key.local.port;
	return count;
}

static void test_filter(void **state)
{
	struct socket_filter filter = {.states = ~0U, .local_port = made[0].key.local.port};
	static struct list list;

	(void)state;
	walk_of(source, opened, &filter, &list);
	assert_int_equal(list.count, count_of_port());
	assert_non_null(find(&list, &made[0].key));
}

/* What the kernel left out was not asked for; what it does not understand is done here. */
static void test_bytecode(void **state)
{
	uint16_t port = made[0].key.local.port;
	struct inet_diag_bc_op equal[] = {
		{.code = INET_DIAG_BC_S_GE, .yes = 8, .no = 20},
		{.no = port},
		{.code = INET_DIAG_BC_S_LE, .yes = 8, .no = 12},
		{.no = port},
	};
	struct inet_diag_bc_op nonsense[] = {{.code = 200, .yes = 4, .no = 4}};
	struct socket_filter filter = {~0U, port, equal, sizeof(equal)};
	static struct list list;

	(void)state;
	filter_asked = 0;
	walk_of(source, opened, &filter, &list);
	assert_int_equal(list.count, count_of_port());
	if (source == socket_source_find("diag"))
		assert_int_equal(filter_asked, count_of_port());
	filter.bytecode = nonsense;
	filter.bytecode_length = sizeof(nonsense);
	filter_asked = 0;
	walk_of(source, opened, &filter, &list);
	assert_int_equal(list.count, count_of_port());
	assert_int_equal(filter_asked, made_count);
}

/* ---- walks ---- */

/* Left at the first socket; the next walk is a whole one. */
static void test_stop(void **state)
{
	static struct list list;
	struct socket_walk walk = {.seen = 77};
	struct why why = {0};

	(void)state;
	for (int stop = -1; stop <= 1; stop += 2) {
		list = (struct list){.stop = stop};
		assert_int_equal(source->walk(opened, NULL, keep, NULL, &list, &walk, &why), stop);
		assert_int_equal(list.count, 1);
		assert_int_equal(walk.seen, 77);
	}
	assert_string_equal(why.text, "");
	walk_of(source, opened, NULL, &list);
	assert_int_equal(list.count, made_count);
}

/* A descriptor of a new namespace, in which the thread is now; home_netns is where it was. */
static int go_elsewhere(void)
{
	int other;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	raise_loopback();
	other = netns_open_current();
	assert_true(other >= 0);
	return other;
}

static void go_home(void)
{
	netns_leave(dup(home_netns));
}

static void walk_elsewhere(int netns_fd, const struct socket_filter *filter, struct list *ret)
{
	struct why why = {0};
	void *handle;

	if (source->open(netns_fd, &handle, &why) < 0)
		fail_msg("%s: %s", source->name, why.text);
	walk_of(source, handle, filter, ret);
	source->close(handle);
}

/* A source is of the namespace that it was opened for, wherever the thread is at the moment. */
static void test_namespaces(void **state)
{
	static struct list list;
	CLEANUP_CLOSE int other = go_elsewhere(), listener = listen_at("0.0.0.0");

	(void)state;
	walk_of(source, opened, NULL, &list);
	go_home();
	assert_int_equal(list.count, made_count);
	walk_elsewhere(other, NULL, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.at[0].key.local.port, port_of(listener));
}

/* TIME-WAIT, each towards a listener at @address. */
static void make_many(const char *address, size_t count)
{
	int listener = listen_at(address), client, server;

	for (size_t i = 0; i < count; i++) {
		client = connect_to(-1, address, port_of(listener));
		server = accept(listener, NULL, NULL);
		close(client);
		read_end(server);
		close(server);
	}
	close(listener);
}

/* More than fits into one answer, whatever its size. */
static void test_many(void **state)
{
	enum { MANY = 1500 };
	static struct list list;
	struct socket_filter filter = {.states = 1U << TCP_TIME_WAIT};
	CLEANUP_CLOSE int other = go_elsewhere();
	int64_t give_up = in_20_s();

	(void)state;
	make_many("127.0.0.1", MANY / 2);
	make_many("::1", MANY / 2);
	go_home();
	do {
		walk_elsewhere(other, &filter, &list);
	} while (list.count != MANY && clock_now_ns() < give_up);
	assert_int_equal(list.count, MANY);
	for (size_t i = 1; i < list.count; i++)
		assert_true(by_key(&list.at[i - 1], &list.at[i]) < 0);
}

static void test_without_reasons(void **state)
{
	static struct list list;
	struct socket_walk walk;
	void *handle = &list;

	(void)state;
	assert_int_equal(source->probe(NULL), 0);
	assert_int_equal(source->walk(opened, NULL, keep, NULL, &list, &walk, NULL), 0);
	assert_false(walk.torn);
	assert_int_equal(walk.repeated, 0);
	assert_int_equal(source->open(made[0].owner, &handle, NULL), -EINVAL); /* no namespace */
	assert_ptr_equal(handle, &list);
	source->close(NULL);
}

/* ---- */

/* Once, for all of them. */
static void begin(void)
{
	if (home_netns >= 0)
		return;
	home_netns = netns_open_current();
	sockets_make();
}

/* For each source its own group; one that may not be used here is told, and left out. */
static int open_source(void **state)
{
	struct why why = {0};

	(void)state;
	opened = NULL;
	if (not_alone)
		return 0;
	begin();
	if (getenv("CONTEST_VALGRIND") && source == socket_source_find("bpf"))
		print_message("bpf cannot be tested: valgrind 3.19 knows too little of bpf(2)\n");
	else if (source->probe(&why) < 0)
		print_message("%s cannot be tested: %s\n", source->name, why.text);
	else if (source->open(home_netns, &opened, &why) < 0)
		fail_msg("%s: %s", source->name, why.text);
	return 0;
}

static int close_source(void **state)
{
	(void)state;
	if (opened)
		source->close(opened);
	return 0;
}

#define OVER_SOURCE(test)                                                                          \
	static void test##_of_source(void **state)                                                 \
	{                                                                                          \
		NEEDS_NAMESPACE();                                                                 \
		if (!opened)                                                                       \
			skip();                                                                    \
		test(state);                                                                       \
	}

OVER_SOURCE(test_states)
OVER_SOURCE(test_same_answer)
OVER_SOURCE(test_filter_states)
OVER_SOURCE(test_filter)
OVER_SOURCE(test_bytecode)
OVER_SOURCE(test_stop)
OVER_SOURCE(test_namespaces)
OVER_SOURCE(test_many)
OVER_SOURCE(test_without_reasons)

static int run_contract(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states_of_source),
		cmocka_unit_test(test_same_answer_of_source),
		cmocka_unit_test(test_filter_states_of_source),
		cmocka_unit_test(test_filter_of_source),
		cmocka_unit_test(test_bytecode_of_source),
		cmocka_unit_test(test_stop_of_source),
		cmocka_unit_test(test_namespaces_of_source),
		cmocka_unit_test(test_many_of_source),
		cmocka_unit_test(test_without_reasons_of_source),
	};

	return cmocka_run_group_tests_name(source->name, tests, open_source, close_source);
}

int main(void)
{
	int failed = 0;

	be_alone_with_privileges();
	for (size_t i = 0; socket_sources[i]; i++) {
		source = socket_sources[i];
		if (BPF_BUILT || source != socket_source_find("bpf"))
			failed += run_contract();
	}
	sockets_close();
	close_once(&home_netns);
	return failed;
}
