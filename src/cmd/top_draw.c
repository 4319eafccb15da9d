#include "cmd/top_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/states_words.h"
#include "cmd/top_history.h"
#include "cmd/top_table.h"
#include "tcp/state.h"

/* Below so many rows the head is left out; from so many on a group's detail has the table above. */
#define ROWS_WITH_HEAD 8
#define ROWS_FOR_BOTH  18
/* Columns: below so many only the number of sockets is told. */
#define NARROW	    30
#define SPARK_LEAST 8
#define STATE_GAP   2

#define STATE_TEXT_MAX 48

enum screen_style top_state_style(int state)
{
	switch (state) {
	case TCP_ESTABLISHED:
		return STYLE_GOOD;
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return STYLE_BAD;
	case TCP_TIME_WAIT:
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
		return STYLE_WARN;
	default:
		return STYLE_PLAIN;
	}
}

/* ---- the head */

void top_draw_parts(struct top_terminal *terminal, unsigned row, bool reverse, char *text)
{
	char *comma;

	while (screen_columns(text) > top_terminal_columns(terminal) &&
	       (comma = strrchr(text, ',')))
		*comma = '\0';
	top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_PLAIN, reverse, text);
}

/* What the sums do not have in them. */
static void format_unseen(const struct top_look *look, char *to, size_t room)
{
	size_t used = 0;

	*to = '\0';
	if (look->refused)
		used = (size_t)snprintf(to, room, ", %u namespace%s not seen", look->refused,
					look->refused == 1 ? "" : "s");
	if (look->owners_known && look->hidden)
		snprintf(to + used, room - used, ", %u process%s not seen", look->hidden,
			 look->hidden == 1 ? "" : "es");
}

static void draw_title(const struct top_model *model, struct top_terminal *terminal)
{
	const struct top_look *look = model->look;
	char text[256], took[STATES_TIME_MAX], every[STATES_TIME_MAX], unseen[96];

	states_time((uint64_t)(model->interval_ns / NS_PER_MS), every);
	if (look)
		format_unseen(look, unseen, sizeof(unseen));
	if (!look)
		snprintf(text, sizeof(text), "contest top: looking (%s)", model->source);
	else if (top_terminal_columns(terminal) < NARROW)
		snprintf(text, sizeof(text), "%" PRIu64 " socket%s%s", look->sockets,
			 look->sockets == 1 ? "" : "s", model->paused ? ", paused" : "");
	else
		snprintf(text, sizeof(text), "contest top: %" PRIu64 " socket%s, %s %s, %s%s%s%s%s",
			 look->sockets, look->sockets == 1 ? "" : "s", look->source,
			 states_time((uint64_t)(look->took_ns / NS_PER_MS), took),
			 model->paused ? "paused" : "every ", model->paused ? "" : every,
			 look->torn ? ", interrupted" : "",
			 look->serial != top_walker_serial(model->walker) ? ", looking" : "",
			 unseen);
	top_draw_parts(terminal, 0, true, text);
}

static const char *ellipsis(const struct top_terminal *terminal)
{
	return top_terminal_utf8(terminal) ? "…" : "~";
}

/* "ESTAB 3" of the states that have sockets, from @at of states_order on; 0: there are no more. */
static size_t next_state(const uint64_t *states, size_t at, char *to, size_t room)
{
	for (; states_order[at] >= 0; at++) {
		int state = states_order[at];

		if (!states[state])
			continue;
		snprintf(to, room, "%s %" PRIu64, states_name(state), states[state]);
		return at + 1;
	}
	return 0;
}

static unsigned states_columns(const uint64_t *states)
{
	unsigned sum = 0;
	char text[STATE_TEXT_MAX];

	for (size_t at = 0; (at = next_state(states, at, text, sizeof(text)));)
		sum += screen_columns(text) + (sum ? STATE_GAP : 0);
	return sum;
}

unsigned top_draw_states(struct top_terminal *terminal, unsigned row, unsigned width,
			 const uint64_t *states)
{
	char text[STATE_TEXT_MAX], after[STATE_TEXT_MAX];
	unsigned column = 0;

	for (size_t at = 0; (at = next_state(states, at, text, sizeof(text)));) {
		bool last = !next_state(states, at, after, sizeof(after));

		/* Half a number would be a wrong one; that there are more is said. */
		if (column + screen_columns(text) + (last ? 0 : STATE_GAP + 1) > width) {
			top_terminal_put(terminal, row, column, 1, STYLE_DIM, false,
					 ellipsis(terminal));
			return column + 1;
		}
		column += STATE_GAP + top_terminal_put(terminal, row, column, UINT32_MAX,
						       top_state_style(states_order[at - 1]), false,
						       text);
	}
	return column > STATE_GAP ? column - STATE_GAP : 0;
}

static struct top_table lay_out(const struct top_look *look, unsigned width);

/* The sum's history stands above that of the groups, in what the states leave of it. */
static void draw_sum(const struct top_model *model, struct top_terminal *terminal)
{
	const struct top_look *look = model->look;
	unsigned columns = top_terminal_columns(terminal), spark, end, states;
	struct top_table table;
	char line[TOP_SPARK_MAX];

	if (!look)
		return;
	table = lay_out(look, columns);
	end = top_table_width(&table, look->by.count);
	states = states_columns(look->states) + STATE_GAP;
	spark = end > states ? end - states : 0;
	spark = spark < table.history ? spark : table.history;
	if (spark < SPARK_LEAST)
		spark = 0;
	top_draw_states(terminal, 1, columns, look->states);
	if (spark)
		top_terminal_put(terminal, 1, end - spark, spark, STYLE_LINK, false,
				 top_history_spark(&look->history, spark,
						   top_terminal_utf8(terminal), line));
}

static const char *format_filter(const struct top_model *model, char *to, size_t room)
{
	char by[GROUP_BY_TEXT_MAX];

	snprintf(to, room, "by %s; %s%s", group_by_format(&model->by, by),
		 model->filter[0] ? "filter: " : "all sockets", model->filter);
	return to;
}

#define FILTER_TEXT_MAX (TOP_EDIT_MAX + GROUP_BY_TEXT_MAX + 32)

static void draw_filter(const struct top_model *model, struct top_terminal *terminal)
{
	char text[FILTER_TEXT_MAX];

	top_terminal_put(terminal, 2, 0, UINT32_MAX, STYLE_PLAIN, false,
			 format_filter(model, text, sizeof(text)));
}

/* ---- the table */

static const char *title_of(const struct top_look *look, unsigned column)
{
	switch (column) {
	case TOP_COLUMN_COUNT:
		return "Count";
	case TOP_COLUMN_CHANGE:
		return "+/-";
	case TOP_COLUMN_TIMER:
		return "Timer left";
	default:
		return states_key_title(look->by.at[column]);
	}
}

static struct top_table lay_out(const struct top_look *look, unsigned width)
{
	unsigned wanted[GROUP_KEYS_MAX] = {0};
	unsigned count = screen_columns(title_of(look, TOP_COLUMN_COUNT)) + 2;
	char text[24];

	/* The largest of all is the first. */
	if (look->row_count) {
		snprintf(text, sizeof(text), "%" PRIu64, look->rows[0].group.count);
		count = screen_columns(text) > count ? screen_columns(text) : count;
	}
	for (size_t key = 0; key < look->by.count; key++) {
		/* And a sign for the order. */
		wanted[key] = screen_columns(title_of(look, (unsigned)key)) + 2;
		for (size_t i = 0; i < look->row_count; i++) {
			unsigned needs = screen_columns(look->rows[i].labels[key]);

			if (needs > wanted[key])
				wanted[key] = needs;
		}
	}
	return top_table_lay_out(width, wanted, look->by.count, count);
}

unsigned top_draw_cell(struct top_terminal *terminal, unsigned row, unsigned column, unsigned width,
		       enum screen_style style, bool reverse, bool right, const char *text)
{
	unsigned takes = screen_columns(text);
	unsigned blanks = right && takes < width ? width - takes : 0;

	if (width == 0)
		return column;
	top_terminal_put(terminal, row, column + blanks, width - blanks, style, reverse, text);
	if (takes > width)
		top_terminal_put(terminal, row, column + width - 1, 1, STYLE_DIM, reverse,
				 ellipsis(terminal));
	return column + width + TOP_TABLE_GAP;
}

static unsigned put_title(const struct top_model *model, struct top_terminal *terminal,
			  unsigned row, unsigned column, unsigned width, unsigned which)
{
	bool utf8 = top_terminal_utf8(terminal);
	bool down = (which >= GROUP_KEYS_MAX) != model->reverse;
	char text[64];

	snprintf(text, sizeof(text), "%s%s", title_of(model->look, which),
		 model->sort != which ? ""
		 : down		      ? (utf8 ? " ▼" : " v")
				      : (utf8 ? " ▲" : " ^"));
	return top_draw_cell(terminal, row, column, width, STYLE_BOLD, false,
			     which >= GROUP_KEYS_MAX, text);
}

static void draw_titles(const struct top_model *model, struct top_terminal *terminal,
			const struct top_table *table, unsigned row)
{
	unsigned at = 0;

	for (unsigned i = 0; i < model->look->by.count; i++)
		at = put_title(model, terminal, row, at, table->keys[i], i);
	at = put_title(model, terminal, row, at, table->count, TOP_COLUMN_COUNT);
	at = put_title(model, terminal, row, at, table->change, TOP_COLUMN_CHANGE);
	at = put_title(model, terminal, row, at, table->timer, TOP_COLUMN_TIMER);
	top_draw_cell(terminal, row, at, table->history, STYLE_BOLD, false, true, "History");
}

static const char *format_change(const struct top_row *row, char *to, size_t room)
{
	if (!row->compared || row->change == 0)
		return "";
	snprintf(to, room, "%+" PRId64, row->change);
	return to;
}

static const char *format_timer(const struct socket_group *group, char *to, size_t room)
{
	char least[STATES_TIME_MAX], most[STATES_TIME_MAX];

	if (group->timers == 0)
		return "";
	states_time(group->timer_least_ms, least);
	states_time(group->timer_most_ms, most);
	snprintf(to, room, strcmp(least, most) == 0 ? "%s" : "%s-%s", least, most);
	return to;
}

/* More of what is a fault is bad news. */
static enum screen_style change_style(const struct top_look *look, const struct top_row *row)
{
	if (!group_by_has(&look->by, GROUP_STATE) || row->change <= 0 ||
	    top_state_style(row->group.state) != STYLE_BAD)
		return STYLE_PLAIN;
	return STYLE_BAD;
}

/* The chosen row is a bar of one colour, up to its history: that would be seen inside out. */
static void draw_row(const struct top_model *model, struct top_terminal *terminal,
		     const struct top_table *table, unsigned at, size_t place)
{
	const struct top_look *look = model->look;
	const struct top_row *row = top_model_row(model, place);
	bool chosen = place == model->groups.chosen;
	char text[TOP_SPARK_MAX];
	unsigned column = 0;

	if (chosen)
		top_terminal_put(terminal, at, 0,
				 table->history ? top_table_width(table, look->by.count) -
							  table->history - TOP_TABLE_GAP
						: UINT32_MAX,
				 STYLE_PLAIN, true, "");
	for (size_t i = 0; i < look->by.count; i++)
		column = top_draw_cell(terminal, at, column, table->keys[i],
				       look->by.at[i] == GROUP_STATE && !chosen
					       ? top_state_style(row->group.state)
					       : STYLE_PLAIN,
				       chosen, false, row->labels[i]);
	snprintf(text, sizeof(text), "%" PRIu64, row->group.count);
	column = top_draw_cell(terminal, at, column, table->count, STYLE_BOLD, chosen, true, text);
	column = top_draw_cell(terminal, at, column, table->change,
			       chosen ? STYLE_PLAIN : change_style(look, row), chosen, true,
			       format_change(row, text, sizeof(text)));
	column = top_draw_cell(terminal, at, column, table->timer, STYLE_PLAIN, chosen, true,
			       format_timer(&row->group, text, sizeof(text)));
	if (table->history)
		top_draw_cell(terminal, at, column, table->history, STYLE_LINK, false, false,
			      top_history_spark(&row->history, table->history,
						top_terminal_utf8(terminal), text));
}

static void draw_table(struct top_model *model, struct top_terminal *terminal, unsigned from,
		       unsigned to)
{
	const struct top_look *look = model->look;
	struct top_table table;
	unsigned room = to > from + 1 ? to - from - 1 : 0;
	char text[FILTER_TEXT_MAX];

	if (!look)
		return;
	table = lay_out(look, top_terminal_columns(terminal));
	draw_titles(model, terminal, &table, from);
	if (look->row_count == 0)
		top_terminal_put(terminal, from + 1, 0, UINT32_MAX, STYLE_DIM, false,
				 model->filter[0] ? "no socket matches" : "no sockets");
	top_list_scroll(&model->groups, look->row_count, room);
	if (from)
		top_draw_range(terminal, from - 1,
			       screen_columns(format_filter(model, text, sizeof(text))),
			       &model->groups, room, look->row_count,
			       look->groups > look->row_count);
	if (model->view == VIEW_GROUPS)
		model->page = room;
	for (unsigned i = 0; i < room && model->groups.first + i < look->row_count; i++)
		draw_row(model, terminal, &table, from + 1 + i, model->groups.first + i);
}

void top_draw_range(struct top_terminal *terminal, unsigned row, unsigned used,
		    const struct top_list *list, size_t room, size_t count, bool more)
{
	unsigned columns = top_terminal_columns(terminal), takes;
	size_t end = list->first + room;
	char text[80];

	if ((count <= room && !more) || room == 0)
		return;
	snprintf(text, sizeof(text), "%zu-%zu of %s%zu", list->first + 1, end < count ? end : count,
		 more ? "the first " : "", count);
	takes = screen_columns(text);
	if (used + 2 + takes <= columns)
		top_terminal_put(terminal, row, columns - takes, takes, STYLE_DIM, false, text);
}

/* ---- all of it */

static void draw_body(struct top_model *model, struct top_terminal *terminal, unsigned from,
		      unsigned to)
{
	unsigned middle;

	switch (model->view) {
	case VIEW_GROUPS:
		draw_table(model, terminal, from, to);
		break;
	case VIEW_GROUP:
		middle = to >= ROWS_FOR_BOTH ? from + 1 + (to - from) / 4 : from;
		if (middle > from)
			draw_table(model, terminal, from, middle);
		top_draw_group(model, terminal, middle, to);
		break;
	case VIEW_CONNECTION:
		top_draw_connection(model, terminal, from, to);
		break;
	}
}

void top_draw(struct top_model *model, struct top_terminal *terminal)
{
	unsigned rows = top_terminal_rows(terminal);
	unsigned foot = top_foot_rows(model, top_terminal_columns(terminal));
	unsigned from = rows >= ROWS_WITH_HEAD ? 3 : 0;

	top_terminal_erase(terminal);
	if (model->help) {
		top_draw_help(model, terminal);
		top_terminal_no_cursor(terminal);
		top_terminal_show(terminal);
		return;
	}
	foot = rows >= foot ? foot : rows;
	if (from) {
		draw_title(model, terminal);
		draw_sum(model, terminal);
		draw_filter(model, terminal);
	}
	if (rows > foot)
		draw_body(model, terminal, from, rows - foot);
	top_draw_foot(model, terminal, rows - foot);
	top_terminal_show(terminal);
}
