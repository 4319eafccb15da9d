/* What the screen of contest top is made of, without a screen: keys, history, typing, columns, the
 * pick of connections, the trail of one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cmd/top_edit.h"
#include "cmd/top_history.h"
#include "cmd/top_pick.h"
#include "cmd/top_table.h"
#include "cmd/top_trail.h"
#include "tcp/state.h"

/* ---- keys */

static void by_is_parsed(void **state)
{
	char text[GROUP_BY_TEXT_MAX];
	struct group_by by;
	struct why why;
	size_t at = 99;

	(void)state;
	assert_int_equal(group_by_parse("peer,state", &by, &at, &why), 0);
	assert_string_equal(group_by_format(&by, text), "peer,state");
	assert_true(group_by_has(&by, GROUP_STATE));
	assert_false(group_by_has(&by, GROUP_TIMER));
}

static void wrong_by_points_at_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} wrong[] = {
		{"", 0},
		{"peers", 0},
		{"peer,", 5},
		{"peer,,state", 5},
		{"state,state", 6},
		{"state,peer,local,timer,user", 23},
		{"state,a-name-that-is-longer-than-any-key-there-is", 6},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct group_by by = {.count = 77};
		struct why why;
		size_t at = 99;

		assert_int_equal(group_by_parse(wrong[i].text, &by, &at, &why), -EINVAL);
		assert_int_equal(at, wrong[i].at);
		assert_int_equal(by.count, 77);
	}
}

static void longest_by_has_room(void **state)
{
	struct group_by by = {{GROUP_DESTINATION, GROUP_LOCAL_PORT, GROUP_PEER_PORT, GROUP_PROCESS},
			      4};
	char text[GROUP_BY_TEXT_MAX];

	(void)state;
	assert_true(strlen(group_by_format(&by, text)) < sizeof(text));
}

static void round_of_keys_comes_back(void **state)
{
	struct group_by first = group_by_next(&(struct group_by){{GROUP_PEER_PORT}, 1}, 1),
			by = first;
	int steps = 0;

	(void)state;
	do {
		struct group_by next = group_by_next(&by, 1), back = group_by_next(&next, -1);

		assert_true(group_by_equal(&back, &by));
		by = next;
		steps++;
	} while (!group_by_equal(&by, &first) && steps < 100);
	assert_int_equal(steps, 8);
}

static struct socket_status status_of(int state, const char *peer, uint16_t port)
{
	struct socket_status status = {.state = state};

	assert_int_equal(tcp_address_parse("10.0.0.1", &status.key.local.address), 0);
	assert_int_equal(tcp_address_parse(peer, &status.key.remote.address), 0);
	status.key.local.port = 1000;
	status.key.remote.port = port;
	return status;
}

/* A group holds just the sockets that socket_groups counts into it. */
static void group_has_what_is_counted_into_it(void **state)
{
	struct owner owner = {.pid = 7, .name = "seven"}, other = {.pid = 8, .name = "seven"};
	struct socket_status status = status_of(TCP_ESTABLISHED, "10.0.0.2", 80);

	(void)state;
	for (int key = 0; key < GROUP_KEY_COUNT; key++) {
		struct group_by by = {{(enum group_key)key}, 1};
		struct socket_groups *groups = socket_groups_new(by.at, 1);
		struct socket_status another = status_of(TCP_TIME_WAIT, "10.0.0.3", 81);
		struct socket_group *top;
		size_t count;

		another.key.local = another.key.remote;
		another.timer = SOCKET_TIMER_TIMEWAIT;
		another.minisock = true;
		assert_non_null(groups);
		assert_int_equal(socket_groups_add(groups, &status, &owner, 4), 0);
		top = socket_groups_top(groups, 0, &count);
		assert_int_equal(count, 1);
		assert_true(group_by_matches(&by, top, &status, &owner, 4));
		assert_false(group_by_matches(&by, top, &another, &other, 5));
		free(top);
		socket_groups_free(groups);
	}
}

/* ---- history */

static struct top_look look_of(struct top_row *rows, size_t count)
{
	struct top_look look = {
		.by = {{GROUP_PEER_PORT}, 1},
		.rows = rows,
		.row_count = count,
		.groups = count,
	};

	for (size_t i = 0; i < count; i++)
		look.sockets += rows[i].group.count;
	return look;
}

static struct top_row row_of(uint16_t port, uint64_t count)
{
	return (struct top_row){.group = {.peer = {.port = port}, .count = count}};
}

static void history_follows_a_group(void **state)
{
	struct top_memory *memory = top_memory_new();
	struct top_row first[] = {row_of(80, 5), row_of(443, 3)};
	struct top_row second[] = {row_of(443, 9), row_of(22, 4), row_of(80, 1)};
	struct top_look look = look_of(first, 2);

	(void)state;
	assert_int_equal(top_memory_recall(memory, &look), 0);
	assert_false(first[0].compared);
	look = look_of(second, 3);
	assert_int_equal(top_memory_recall(memory, &look), 0);
	assert_true(second[0].compared);
	assert_int_equal(second[0].change, 6);
	assert_int_equal(second[0].history.count, 2);
	assert_int_equal(second[0].history.at[0], 3);
	assert_int_equal(second[0].history.at[1], 9);
	/* New: there was none of it. */
	assert_int_equal(second[1].change, 4);
	assert_int_equal(second[1].history.at[0], 0);
	assert_int_equal(second[2].change, -4);
	assert_int_equal(look.history.count, 2);
	assert_int_equal(look.history.at[0], 8);
	assert_int_equal(look.history.at[1], 14);
	top_memory_free(memory);
}

/* Where not all groups were remembered, one that was not may have been there. */
static void unknown_past_is_not_made_up(void **state)
{
	struct top_memory *memory = top_memory_new();
	struct top_row first[] = {row_of(80, 5)}, second[] = {row_of(443, 9)};
	struct top_look look = look_of(first, 1);

	(void)state;
	look.groups = 2;
	assert_int_equal(top_memory_recall(memory, &look), 0);
	look = look_of(second, 1);
	assert_int_equal(top_memory_recall(memory, &look), 0);
	assert_false(second[0].compared);
	assert_int_equal(second[0].history.count, 1);
	top_memory_free(memory);
}

/* What comes and goes has a line that comes and goes. */
static void history_outlasts_a_gap(void **state)
{
	static const uint32_t want[] = {3, 0, 0, 7};
	struct top_memory *memory = top_memory_new();
	struct top_row first[] = {row_of(80, 5), row_of(443, 3)}, gap[] = {row_of(80, 5)};
	struct top_row last[] = {row_of(443, 7), row_of(80, 5)};
	struct top_look look = look_of(first, 2);

	(void)state;
	assert_int_equal(top_memory_recall(memory, &look), 0);
	for (int i = 0; i < 2; i++) {
		gap[0] = row_of(80, 5);
		look = look_of(gap, 1);
		assert_int_equal(top_memory_recall(memory, &look), 0);
	}
	look = look_of(last, 2);
	assert_int_equal(top_memory_recall(memory, &look), 0);
	assert_int_equal(last[0].change, 7);
	assert_int_equal(last[0].history.count, 4);
	assert_memory_equal(last[0].history.at, want, sizeof(want));
	top_memory_free(memory);
}

/* More groups went than are kept: nothing is said of what these had before. */
static void forgotten_groups_are_not_zero(void **state)
{
	static struct top_row first[TOP_ROWS], second[TOP_ROWS], last[TOP_ROWS];
	struct top_memory *memory = top_memory_new();
	struct top_row *looks[] = {first, second};
	struct top_look look;

	(void)state;
	for (uint16_t i = 0; i < TOP_ROWS; i++) {
		first[i] = last[i] = row_of((uint16_t)(1 + i), 2);
		second[i] = row_of((uint16_t)(5000 + i), 2);
	}
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		look = look_of(looks[i], TOP_ROWS);
		assert_int_equal(top_memory_recall(memory, &look), 0);
	}
	for (size_t i = 0; i < TOP_ROWS; i++)
		second[i] = row_of((uint16_t)(10000 + i), 2);
	look = look_of(second, TOP_ROWS);
	assert_int_equal(top_memory_recall(memory, &look), 0);
	look = look_of(last, TOP_ROWS);
	assert_int_equal(top_memory_recall(memory, &look), 0);
	for (size_t i = 0; i < TOP_ROWS; i++) {
		assert_int_equal(last[i].change, 2);
		/* Remembered from its beginning, or since the look before. */
		assert_true((last[i].history.count == 4 && last[i].history.at[0] == 2) ||
			    (last[i].history.count == 2 && last[i].history.at[0] == 0));
	}
	top_memory_free(memory);
}

static void other_keys_forget(void **state)
{
	struct top_memory *memory = top_memory_new();
	struct top_row first[] = {row_of(80, 5)}, second[] = {row_of(80, 5)};
	struct top_look look = look_of(first, 1);

	(void)state;
	assert_int_equal(top_memory_recall(memory, &look), 0);
	look = look_of(second, 1);
	look.by = (struct group_by){{GROUP_LOCAL_PORT}, 1};
	assert_int_equal(top_memory_recall(memory, &look), 0);
	assert_int_equal(look.history.count, 1);
	assert_false(second[0].compared);
	top_memory_free(memory);
}

static void history_keeps_the_newest(void **state)
{
	struct top_history history = {.count = 0};

	(void)state;
	for (unsigned i = 0; i < TOP_HISTORY + 5; i++)
		top_history_add(&history, i);
	assert_int_equal(history.count, TOP_HISTORY);
	assert_int_equal(history.at[0], 5);
	assert_int_equal(history.at[TOP_HISTORY - 1], TOP_HISTORY + 4);
	top_history_add(&history, UINT64_MAX);
	assert_int_equal(history.at[TOP_HISTORY - 1], UINT32_MAX);
}

static void history_is_drawn(void **state)
{
	struct top_history history = {.at = {0, 1, 500000, 1000000}, .count = 4};
	struct top_history none = {.count = 0};
	char text[TOP_SPARK_MAX];

	(void)state;
	assert_string_equal(top_history_spark(&history, 6, true, text), "   ▁▄▇");
	assert_string_equal(top_history_spark(&history, 6, false, text), "   .=#");
	assert_string_equal(top_history_spark(&history, 2, true, text), "▄▇");
	assert_string_equal(top_history_spark(&none, 3, true, text), "   ");
	assert_int_equal(strlen(top_history_spark(&none, 1000, true, text)), TOP_HISTORY);
	history = (struct top_history){.count = TOP_HISTORY};
	for (unsigned i = 0; i < TOP_HISTORY; i++)
		history.at[i] = UINT32_MAX;
	assert_int_equal(strlen(top_history_spark(&history, 1000, true, text)), TOP_SPARK_MAX - 1);
}

/* ---- typing */

static void type(struct top_edit *edit, const char *text)
{
	while (*text)
		assert_true(top_edit_insert(edit, (unsigned char)*text++));
}

static void typing_edits(void **state)
{
	struct top_edit edit;

	(void)state;
	top_edit_set(&edit, "state");
	type(&edit, " x");
	assert_string_equal(edit.text, "state x");
	assert_true(top_edit_cut(&edit, EDIT_BEFORE));
	top_edit_move(&edit, EDIT_HOME);
	assert_false(top_edit_cut(&edit, EDIT_BEFORE));
	type(&edit, "not ");
	assert_string_equal(edit.text, "not state ");
	top_edit_move(&edit, EDIT_END);
	assert_true(top_edit_cut(&edit, EDIT_WORD));
	assert_string_equal(edit.text, "not ");
	top_edit_move(&edit, EDIT_LEFT);
	assert_true(top_edit_cut(&edit, EDIT_AFTER));
	assert_false(top_edit_cut(&edit, EDIT_AFTER));
	assert_true(top_edit_cut(&edit, EDIT_TO_HOME));
	assert_string_equal(edit.text, "");
	assert_int_equal(edit.cursor, 0);
}

static void typing_keeps_characters_whole(void **state)
{
	struct top_edit edit;

	(void)state;
	top_edit_set(&edit, "a\xc3\xa9\xf0\x9f\x98\x80z");
	assert_int_equal(edit.length, 8);
	top_edit_move(&edit, EDIT_LEFT);
	top_edit_move(&edit, EDIT_LEFT);
	assert_int_equal(edit.cursor, 3);
	assert_true(top_edit_cut(&edit, EDIT_AFTER));
	assert_string_equal(edit.text, "a\xc3\xa9z");
	assert_true(top_edit_cut(&edit, EDIT_BEFORE));
	assert_string_equal(edit.text, "az");
	assert_true(top_edit_insert(&edit, 0x20ac));
	assert_string_equal(edit.text, "a\xe2\x82\xacz");
}

static void typing_takes_nothing_that_harms(void **state)
{
	struct top_edit edit;

	(void)state;
	top_edit_set(&edit, "a\x1b[31m\x80\xff\nb");
	assert_string_equal(edit.text, "a[31mb");
	assert_false(top_edit_insert(&edit, 0x1b));
	assert_false(top_edit_insert(&edit, 0x9b));
	assert_false(top_edit_insert(&edit, 0x202e));
	assert_false(top_edit_insert(&edit, 0xd800));
	assert_false(top_edit_insert(&edit, 0x110000));
}

static void typing_ends_where_there_is_no_room(void **state)
{
	struct top_edit edit;
	size_t count = 0;

	(void)state;
	top_edit_set(&edit, "");
	while (top_edit_insert(&edit, 0x20ac) && count < TOP_EDIT_MAX)
		count++;
	assert_int_equal(count, (TOP_EDIT_MAX - 1) / 3);
	assert_int_equal(strlen(edit.text), edit.length);
}

/* ---- columns */

/* Whatever the width: what is shown fits, and the count is shown. */
static void columns_fit(void **state)
{
	static const unsigned wanted[] = {45, 11, 20, 8};

	(void)state;
	for (size_t keys = 1; keys <= 4; keys++)
		for (unsigned width = 1; width < 300; width++) {
			struct top_table table = top_table_lay_out(width, wanted, keys, 7);
			unsigned sum = table.count;

			for (size_t i = 0; i < keys; i++)
				sum += table.keys[i] ? table.keys[i] + TOP_TABLE_GAP : 0;
			sum += table.change ? table.change + TOP_TABLE_GAP : 0;
			sum += table.timer ? table.timer + TOP_TABLE_GAP : 0;
			sum += table.history ? table.history + TOP_TABLE_GAP : 0;
			assert_true(table.count > 0);
			/* Of two columns and less there is no room for a gap. */
			assert_true(sum <= width || width < 4);
			assert_int_equal(top_table_width(&table, keys), sum);
		}
}

static void columns_go_in_their_order(void **state)
{
	static const unsigned wanted[] = {15, 11};
	struct top_table table = top_table_lay_out(80, wanted, 2, 7);

	(void)state;
	assert_true(table.history >= 10);
	assert_int_equal(table.keys[0], 15);
	table = top_table_lay_out(62, wanted, 2, 7);
	assert_int_equal(table.history, 0);
	assert_true(table.timer && table.change);
	table = top_table_lay_out(48, wanted, 2, 7);
	assert_false(table.timer);
	assert_true(table.change);
	table = top_table_lay_out(36, wanted, 2, 7);
	assert_false(table.change);
	assert_int_equal(table.keys[1], 11);
}

/* ---- the pick */

static void pick_is_the_lowest(void **state)
{
	struct top_group detail = {.chosen = true};
	unsigned total = 5 * TOP_CONNECTIONS;

	(void)state;
	detail.connections = calloc(TOP_CONNECTIONS, sizeof(*detail.connections));
	assert_non_null(detail.connections);
	for (unsigned i = 0; i < total; i++) {
		struct top_connection connection = {
			/* In disorder: 7 and the total have no divisor in common. */
			.status = status_of(TCP_ESTABLISHED, "10.0.0.2",
					    (uint16_t)(1 + i * 7 % total)),
		};

		connection.status.send_queue = 2;
		top_pick_add(&detail, &connection);
	}
	top_pick_end(&detail);
	assert_int_equal(detail.count, total);
	assert_int_equal(detail.states[TCP_ESTABLISHED], total);
	assert_int_equal(detail.send_queue, 2 * total);
	assert_int_equal(detail.connection_count, TOP_CONNECTIONS);
	for (unsigned i = 0; i < TOP_CONNECTIONS; i++)
		assert_int_equal(detail.connections[i].status.key.remote.port, i + 1);
	top_pick_clear(&detail);
	assert_int_equal(detail.count, 0);
	assert_int_equal(detail.connection_count, 0);
	assert_true(detail.chosen);
	free(detail.connections);
}

/* ---- the trail */

static void trail_has_steps(void **state)
{
	struct socket_status status = status_of(TCP_ESTABLISHED, "10.0.0.2", 80);
	struct top_trail trail = {.count = 0};

	(void)state;
	assert_true(top_trail_see(&trail, &status, 10));
	assert_false(top_trail_see(&trail, &status, 20));
	status.state = TCP_FIN_WAIT1;
	status.retransmits = 3;
	assert_true(top_trail_see(&trail, &status, 30));
	status.retransmits = 0;
	assert_false(top_trail_see(&trail, &status, 40));
	assert_false(top_trail_is_gone(&trail));
	assert_true(top_trail_see(&trail, NULL, 50));
	assert_true(top_trail_is_gone(&trail));
	assert_int_equal(trail.count, 3);
	assert_int_equal(trail.steps[0].seen_ns, 10);
	assert_int_equal(trail.steps[0].until_ns, 20);
	assert_int_equal(trail.steps[1].retransmits, 3);
	assert_int_equal(trail.last_ns, 40);
	assert_int_equal(trail.last.state, TCP_FIN_WAIT1);
}

static void trail_forgets_its_beginning(void **state)
{
	struct socket_status status = status_of(TCP_ESTABLISHED, "10.0.0.2", 80);
	struct top_trail trail = {.count = 0};

	(void)state;
	for (int i = 0; i < TOP_TRAIL_STEPS + 6; i++)
		top_trail_see(&trail, i % 2 ? NULL : &status, i);
	assert_int_equal(trail.count, TOP_TRAIL_STEPS);
	assert_int_equal(trail.forgotten, 6);
	assert_int_equal(trail.steps[0].seen_ns, 6);
}

/* Each way is packets or words, and from each state one leads to its end. */
static void ways_are_known(void **state)
{
	(void)state;
	for (int from = 0; from < TCP_STATE_COUNT; from++)
		for (int to = 0; to < TCP_STATE_COUNT; to++) {
			const char *way = top_trail_between(from, to);

			if (way)
				assert_true(*way == '!' || *way == '<' || *way == '>');
		}
	for (int from = TCP_ESTABLISHED; from <= TCP_CLOSING; from++)
		if (from != TCP_CLOSE)
			assert_non_null(top_trail_between(from, TCP_STATE_NONE));
	assert_string_equal(top_trail_between(TCP_ESTABLISHED, TCP_FIN_WAIT2), ">FIN <ACK");
	assert_null(top_trail_between(TCP_TIME_WAIT, TCP_CLOSE_WAIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_is_parsed),
		cmocka_unit_test(wrong_by_points_at_its_place),
		cmocka_unit_test(longest_by_has_room),
		cmocka_unit_test(round_of_keys_comes_back),
		cmocka_unit_test(group_has_what_is_counted_into_it),
		cmocka_unit_test(history_follows_a_group),
		cmocka_unit_test(unknown_past_is_not_made_up),
		cmocka_unit_test(history_outlasts_a_gap),
		cmocka_unit_test(forgotten_groups_are_not_zero),
		cmocka_unit_test(other_keys_forget),
		cmocka_unit_test(history_keeps_the_newest),
		cmocka_unit_test(history_is_drawn),
		cmocka_unit_test(typing_edits),
		cmocka_unit_test(typing_keeps_characters_whole),
		cmocka_unit_test(typing_takes_nothing_that_harms),
		cmocka_unit_test(typing_ends_where_there_is_no_room),
		cmocka_unit_test(columns_fit),
		cmocka_unit_test(columns_go_in_their_order),
		cmocka_unit_test(pick_is_the_lowest),
		cmocka_unit_test(trail_has_steps),
		cmocka_unit_test(trail_forgets_its_beginning),
		cmocka_unit_test(ways_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
