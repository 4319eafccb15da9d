/* contest states without sockets: lists that are interrupted, births, order, words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/testnet.h"
#include "cmd/states_births.h"
#include "cmd/states_history.h"
#include "cmd/states_look.h"
#include "cmd/states_rows.h"
#include "cmd/states_words.h"

/* ---- a source that tells what the test says */

#define AGAIN -1 /* as the state of a socket: the list is interrupted */

static struct socket_status script[16];
static size_t script_length;
static unsigned walks;		  /* of all but listeners */
static unsigned interrupted_walk; /* that one is interrupted behind its first socket; 0: none */
static bool torn;

static struct socket_status made(int state, const char *peer, uint16_t port)
{
	struct socket_status status = {.state = state};

	status.key.local.address.family = status.key.remote.address.family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, "10.0.0.1", status.key.local.address.bytes), 1);
	assert_int_equal(inet_pton(AF_INET, peer, status.key.remote.address.bytes), 1);
	status.key.local.port = port;
	status.key.remote.port = 80;
	if (state == TCP_TIME_WAIT) {
		status.minisock = true;
		status.timer = SOCKET_TIMER_TIMEWAIT;
		status.timer_left_ms = 1000U * (port % 60);
	}
	return status;
}

static void say(int state, const char *peer, uint16_t port)
{
	assert_true(script_length < ARRAY_SIZE(script));
	script[script_length++] = made(state, peer, port);
}

static void say_interrupted(void)
{
	script[script_length++].state = AGAIN;
}

static int fake_probe(struct why *why)
{
	(void)why;
	return 0;
}

static int fake_open(int netns_fd, void **ret, struct why *why)
{
	(void)why;
	(void)netns_fd;
	*ret = script;
	return 0;
}

static int fake_walk(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		     void (*again)(void *context), void *context, struct socket_walk *ret,
		     struct why *why)
{
	unsigned repeated = 0;
	int r = 0;

	(void)source;
	(void)why;
	if (!filter)
		walks++;
	for (size_t i = 0; i < script_length && r == 0; i++) {
		if (script[i].state == AGAIN && again) {
			again(context);
			repeated++;
		} else if (script[i].state != AGAIN &&
			   (!filter || socket_filter_matches(filter, &script[i]))) {
			r = visit(&script[i], context);
		}
		if (!filter && again && i == 0 && walks == interrupted_walk)
			again(context);
	}
	*ret = (struct socket_walk){.repeated = repeated, .torn = torn};
	return r;
}

static void fake_close(void *source)
{
	(void)source;
}

static const struct socket_source fake = {
	.name = "fake",
	.probe = fake_probe,
	.open = fake_open,
	.walk = fake_walk,
	.close = fake_close,
};

static struct states_options options_by(enum group_key key)
{
	script_length = walks = interrupted_walk = 0;
	torn = false;
	return (struct states_options){
		.text = (char *)"", .source = {&fake, true}, .by = {{key}, 1}};
}

static void take(struct states_look *look, const struct states_sink *sink)
{
	struct why why = {0};

	assert_int_equal(states_look_take(look, sink, &why), 0);
}

/* ---- a look */

static void counts(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	struct states_look look;

	(void)state;
	assert_int_equal(states_look_init(&look, &options), 0);
	say(TCP_TIME_WAIT, "10.0.0.2", 40005);
	say(TCP_TIME_WAIT, "10.0.0.2", 40010);
	say(TCP_FIN_WAIT2, "10.0.0.3", 40011);
	script[2].minisock = true;
	say(TCP_FIN_WAIT2, "10.0.0.3", 40012);
	take(&look, NULL);
	assert_int_equal(look.total, 4);
	assert_int_equal(look.states[TCP_TIME_WAIT].count, 2);
	assert_int_equal(look.states[TCP_TIME_WAIT].least_ms, 1000 * (40005 % 60));
	assert_int_equal(look.states[TCP_TIME_WAIT].most_ms, 1000 * (40010 % 60));
	assert_int_equal(states_look_fin_wait2_minisocks(&look), 1);
	/* The next look begins from nothing. */
	take(&look, NULL);
	assert_int_equal(look.total, 4);
	assert_int_equal(look.net_count, 1);
	states_look_done(&look);
}

static void ports_without_listeners(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	CLEANUP_FREE struct socket_group *top = NULL;
	struct states_look look;
	size_t count;

	(void)state;
	options.by.count = 0;
	assert_int_equal(states_look_init(&look, &options), 0);
	say(TCP_ESTABLISHED, "10.0.0.2", 40000);
	say(TCP_TIME_WAIT, "10.0.0.2", 40001);
	say(TCP_TIME_WAIT, "10.0.0.3", 50000);
	say(TCP_TIME_WAIT, "10.0.0.3", 80); /* outside of the range */
	say(TCP_LISTEN, "0.0.0.0", 50000);
	script[4].key.remote.port = 0;
	take(&look, NULL);
	top = socket_groups_top(look.ports, 0, &count);
	assert_non_null(top);
	assert_int_equal(count, 1);
	assert_int_equal(top[0].count, 2);
	assert_int_equal(top[0].minisocks, 1);
	assert_int_equal(look.served, 1);
	assert_int_equal(socket_groups_count(look.peers), 2);
	states_look_done(&look);
}

static int count_row(void *context, const struct socket_status *status, const struct owner *owner,
		     const struct states_net *net)
{
	(void)status;
	(void)owner;
	(void)net;
	return ++*(int *)context == 3 ? 7 : 0;
}

static void forget_rows(void *context)
{
	*(int *)context = 0;
}

static void interrupted(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	struct states_look look;
	int rows = 0;
	const struct states_sink sink = {count_row, forget_rows, &rows};
	struct why why;

	(void)state;
	assert_int_equal(states_look_init(&look, &options), 0);
	say(TCP_ESTABLISHED, "10.0.0.2", 1);
	say(TCP_ESTABLISHED, "10.0.0.2", 2);
	say_interrupted();
	say(TCP_ESTABLISHED, "10.0.0.2", 1);
	take(&look, &sink);
	assert_int_equal(rows, 1);
	assert_int_equal(look.total, 1);
	assert_int_equal(socket_groups_sockets(look.groups), 1);
	assert_int_equal(look.nets[0].sockets, 1);
	assert_int_equal(look.repeated, 1);
	assert_false(look.torn);
	torn = true;
	rows = 0;
	take(&look, &sink);
	assert_true(look.torn);
	/* A sink that has enough ends it. */
	rows = 2;
	script_length = 2;
	assert_int_equal(states_look_take(&look, &sink, &why), 7);
	states_look_done(&look);
}

/* A second namespace to look at, as long as the child lives. */
static pid_t make_namespace(void)
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		byte = unshare(CLONE_NEWNET) == 0;
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

/* What other namespaces gave cannot be taken back in part: all are looked at again. */
static void interrupted_among_several(void **state)
{
	struct states_options options = options_by(GROUP_NETNS);
	struct states_look look;
	pid_t child;

	(void)state;
	NEEDS_NAMESPACE();
	child = make_namespace();
	options.netns = "all";
	for (int last = 0; last < 2; last++) {
		script_length = walks = 0;
		say(TCP_ESTABLISHED, "10.0.0.2", 1);
		if (last)
			say(TCP_ESTABLISHED, "10.0.0.2", 2);
		interrupted_walk = 2;
		assert_int_equal(states_look_init(&look, &options), 0);
		take(&look, NULL);
		assert_true(look.net_count >= 2);
		assert_int_equal(look.repeated, 1);
		assert_int_equal(look.total, look.net_count * script_length);
		assert_int_equal(socket_groups_count(look.groups), look.net_count);
		assert_false(look.torn);
		states_look_done(&look);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* ---- births */

static void check_group(struct states_births *births, struct states_look *now,
			const struct states_look *before, int of, uint64_t count, uint64_t born,
			uint64_t gone)
{
	CLEANUP_FREE struct socket_group *groups = NULL;
	size_t all;

	groups = states_births_groups(births, now, before, &all);
	assert_non_null(groups);
	for (size_t i = 0; i < all; i++) {
		if (groups[i].state != of)
			continue;
		assert_int_equal(groups[i].count, count);
		assert_int_equal(groups[i].born, born);
		assert_int_equal(groups[i].gone, gone);
		return;
	}
	fail_msg("no group of state %d", of);
}

static void births(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	struct states_births *births = states_births_new(&options);
	struct states_sink sink;
	struct states_look first, second;

	(void)state;
	assert_non_null(births);
	sink = states_births_sink(births);
	assert_int_equal(states_look_init(&first, &options), 0);
	assert_int_equal(states_look_init(&second, &options), 0);
	say(TCP_ESTABLISHED, "10.0.0.2", 1);
	say(TCP_ESTABLISHED, "10.0.0.2", 2);
	say(TCP_ESTABLISHED, "10.0.0.2", 3);
	say(TCP_CLOSE_WAIT, "10.0.0.2", 4);
	states_births_turn(births, 0);
	take(&first, &sink);
	check_group(births, &first, NULL, TCP_ESTABLISHED, 3, 0, 0);

	/* One stays, one changes its state, one goes, and two come. */
	script_length = 0;
	say(TCP_ESTABLISHED, "10.0.0.2", 1);
	say(TCP_TIME_WAIT, "10.0.0.2", 2);
	say(TCP_ESTABLISHED, "10.0.0.2", 5);
	say(TCP_ESTABLISHED, "10.0.0.3", 2);
	states_births_turn(births, 0);
	take(&second, &sink);
	check_group(births, &second, &first, TCP_ESTABLISHED, 3, 2, 2);
	check_group(births, &second, &first, TCP_TIME_WAIT, 1, 1, 0);
	check_group(births, &second, &first, TCP_CLOSE_WAIT, 0, 0, 1);

	/* Interrupted: what was seen before does not count. */
	say_interrupted();
	say(TCP_TIME_WAIT, "10.0.0.2", 2);
	states_births_turn(births, 0);
	take(&first, &sink);
	check_group(births, &first, &second, TCP_TIME_WAIT, 1, 0, 0);
	check_group(births, &first, &second, TCP_ESTABLISHED, 0, 0, 3);

	/* What came back is new; what was there two looks ago is no matter. */
	script_length = 0;
	say(TCP_TIME_WAIT, "10.0.0.2", 2);
	say(TCP_TIME_WAIT, "10.0.0.2", 6);
	say(TCP_ESTABLISHED, "10.0.0.2", 1);
	states_births_turn(births, 0);
	take(&second, &sink);
	check_group(births, &second, &first, TCP_TIME_WAIT, 2, 1, 0);
	check_group(births, &second, &first, TCP_ESTABLISHED, 1, 1, 0);
	states_look_done(&first);
	states_look_done(&second);
	states_births_free(births);
}

/* The same ends in TIME-WAIT, and yet another connection. */
static void reused(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	struct states_births *births = states_births_new(&options);
	struct states_sink sink;
	struct states_look first, second;

	(void)state;
	assert_non_null(births);
	sink = states_births_sink(births);
	assert_int_equal(states_look_init(&first, &options), 0);
	assert_int_equal(states_look_init(&second, &options), 0);
	say(TCP_TIME_WAIT, "10.0.0.2", 1);
	say(TCP_TIME_WAIT, "10.0.0.2", 2);
	script[0].timer_left_ms = script[1].timer_left_ms = 58000;
	states_births_turn(births, 0);
	take(&first, &sink);
	check_group(births, &first, NULL, TCP_TIME_WAIT, 2, 0, 0);
	script[0].timer_left_ms = 59500;
	script[1].timer_left_ms = 57000;
	states_births_turn(births, NS_PER_S);
	take(&second, &sink);
	check_group(births, &second, &first, TCP_TIME_WAIT, 2, 1, 1);
	states_look_done(&first);
	states_look_done(&second);
	states_births_free(births);
}

/* So many that the sets have to grow. */
static void many_births(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	struct states_births *births = states_births_new(&options);
	struct states_sink sink;
	struct states_net net = {.inode = 1};

	(void)state;
	assert_non_null(births);
	sink = states_births_sink(births);
	for (int look = 0; look < 2; look++) {
		states_births_turn(births, 0);
		for (int port = 0; port < 20000; port++) {
			struct socket_status status = made(TCP_ESTABLISHED, "10.0.0.2",
							   (uint16_t)(port + 10000 * look));

			assert_int_equal(sink.row(sink.context, &status, NULL, &net), 0);
		}
	}
	/* Half of them were there before. */
	{
		struct states_look now, before;

		assert_int_equal(states_look_init(&now, &options), 0);
		assert_int_equal(states_look_init(&before, &options), 0);
		for (int port = 0; port < 20000; port++) {
			struct socket_status status = made(TCP_ESTABLISHED, "10.0.0.2", 1);

			assert_int_equal(socket_groups_add(now.groups, &status, NULL, 1), 0);
			assert_int_equal(socket_groups_add(before.groups, &status, NULL, 1), 0);
		}
		check_group(births, &now, &before, TCP_ESTABLISHED, 20000, 10000, 10000);
		states_look_done(&now);
		states_look_done(&before);
	}
	states_births_free(births);
}

/* ---- bars */

static void check_bars(const struct states_history *history, const struct socket_group *group,
		       unsigned columns, bool utf8, const char *expected)
{
	char bars[STATES_SPARKLINE_MAX];

	assert_string_equal(states_history_line(history, group, columns, utf8, bars), expected);
}

static void bars(void **state)
{
	struct states_options options = options_by(GROUP_STATE);
	struct states_history *history = states_history_new(&options);
	struct socket_group groups[] = {{.state = TCP_LISTEN}, {.state = TCP_TIME_WAIT}};

	(void)state;
	assert_non_null(history);
	for (uint64_t look = 0; look <= 8; look++) {
		groups[0].count = 3;
		groups[1].count = look * 1000;
		assert_int_equal(states_history_add(history, groups, 2), 0);
	}
	check_bars(history, &groups[0], 99, true, "█████████");
	check_bars(history, &groups[1], 99, true, "_▁▂▃▄▅▆▇█");
	check_bars(history, &groups[1], 99, false, "_.:-=+*#@");
	check_bars(history, &groups[1], 3, true, "▆▇█");
	check_bars(history, &groups[1], 0, true, "");
	/* No more than STATES_HISTORY, and not of what was not told in all that time. */
	for (int look = 0; look < STATES_HISTORY + 5; look++)
		assert_int_equal(states_history_add(history, groups, 1), 0);
	check_bars(history, &groups[1], 99, true, "");
	states_history_free(history);
}

/* ---- order */

static void check_order(struct states_rows *rows, enum states_sort sort, bool reverse,
			const char *expected)
{
	static const struct states_net nets[] = {
		{.label = "d"}, {.label = "c"}, {.label = "b"}, {.label = "a"}};
	char got[16] = "";

	states_rows_sort(rows, sort, reverse, NULL, nets);
	for (size_t i = 0; i < rows->count; i++)
		got[i] = (char)('0' + rows->at[i].net);
	assert_string_equal(got, expected);
}

static void order(void **state)
{
	struct states_rows rows = {0};
	struct socket_status status[] = {
		made(TCP_TIME_WAIT, "10.0.0.9", 40030),
		made(TCP_ESTABLISHED, "10.0.0.10", 9),
		made(TCP_LISTEN, "10.0.0.9", 80),
		made(TCP_TIME_WAIT, "10.0.0.2", 40020),
	};

	(void)state;
	status[1].receive_queue = 10;
	status[2].send_queue = 128;
	status[1].inode = 5;
	status[1].uid = 1000;
	status[2].inode = 6;
	for (uint32_t i = 0; i < ARRAY_SIZE(status); i++)
		assert_int_equal(states_rows_add(&rows, &status[i], i), 0);
	check_order(&rows, STATES_SORT_NETNS, false, "3210");
	/* Nobody's last, root's before: minisocks say 0. */
	check_order(&rows, STATES_SORT_USER, false, "2130");
	check_order(&rows, STATES_SORT_LOCAL_PORT, false, "1230");
	check_order(&rows, STATES_SORT_LOCAL_PORT, true, "0321");
	check_order(&rows, STATES_SORT_PEER, false, "3021");
	check_order(&rows, STATES_SORT_TIMER, false, "3021");
	check_order(&rows, STATES_SORT_RECV_Q, false, "1302");
	check_order(&rows, STATES_SORT_SEND_Q, false, "2130");
	check_order(&rows, STATES_SORT_NONE, false, "2130");
	check_order(&rows, STATES_SORT_STATE, false, "1302");
	free(rows.at);
}

/* ---- words */

static void words(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} times[] = {
		{0, "0ms"},	     {999, "999ms"},
		{1000, "1.0s"},	     {9999, "9.9s"},
		{10000, "10s"},	     {59999, "59s"},
		{60000, "1min"},     {61500, "1min1s"},
		{7200000, "120min"}, {UINT32_MAX, "71582min47s"},
	};
	char text[STATES_TIME_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		assert_string_equal(states_time(times[i].ms, text), times[i].text);
	assert_int_equal(states_time_wait_age_ms(58000), 2000);
	assert_int_equal(states_time_wait_age_ms(0), 60000);
	assert_int_equal(states_time_wait_age_ms(61000), 0);
	assert_string_equal(states_name(TCP_ESTABLISHED), "ESTAB");
	assert_string_equal(states_name(TCP_SYN_RECV), "SYN-RECV");
	assert_string_equal(states_name(TCP_CLOSE), "UNCONN");
	assert_string_equal(states_name(TCP_FIN_WAIT2), "FIN-WAIT-2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts),      cmocka_unit_test(ports_without_listeners),
		cmocka_unit_test(interrupted), cmocka_unit_test(interrupted_among_several),
		cmocka_unit_test(births),      cmocka_unit_test(reused),
		cmocka_unit_test(many_births), cmocka_unit_test(bars),
		cmocka_unit_test(order),       cmocka_unit_test(words),
	};

	be_alone();
	return cmocka_run_group_tests_name("contest states", tests, NULL, NULL);
}
