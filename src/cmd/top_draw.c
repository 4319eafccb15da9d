#include "cmd/top_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/states_words.h"
#include "cmd/top_history.h"
#include "cmd/top_table.h"
#include "render/text.h"
#include "tcp/state.h"

/* Below so many rows the head is left out; from so many on a group's detail has the table above. */
#define ROWS_WITH_HEAD 8
#define ROWS_FOR_BOTH  18

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

static void draw_title(const struct top_model *model, struct top_terminal *terminal)
{
	const struct top_look *look = model->look;
	char text[256], took[STATES_TIME_MAX], every[STATES_TIME_MAX];

	states_time((uint64_t)(model->interval_ns / NS_PER_MS), every);
	if (!look)
		snprintf(text, sizeof(text), "contest top: looking (%s)", model->source);
	else
		snprintf(text, sizeof(text), "contest top: %" PRIu64 " socket%s, %s %s, %s%s%s%s",
			 look->sockets, look->sockets == 1 ? "" : "s", look->source,
			 states_time((uint64_t)(look->took_ns / NS_PER_MS), took),
			 model->paused ? "paused" : "every ", model->paused ? "" : every,
			 look->torn ? ", interrupted" : "",
			 look->serial != top_walker_serial(model->walker) ? ", looking" : "");
	top_terminal_put(terminal, 0, 0, UINT32_MAX, STYLE_PLAIN, true, text);
}

unsigned top_draw_states(struct top_terminal *terminal, unsigned row, unsigned column,
			 unsigned width, const uint64_t *states)
{
	unsigned at = column;

	for (size_t i = 0; states_order[i] >= 0; i++) {
		int state = states_order[i];
		unsigned left = column + width - at;
		char text[48];

		if (!states[state])
			continue;
		snprintf(text, sizeof(text), "%s %" PRIu64, states_name(state), states[state]);
		/* Half a number would be a wrong one. */
		if (screen_columns(text) > left) {
			top_terminal_put(terminal, row, at, left, STYLE_DIM, false, "...");
			break;
		}
		at += top_terminal_put(terminal, row, at, left, top_state_style(state), false,
				       text);
		at += 2;
		if (at >= column + width)
			break;
	}
	return at - column;
}

static void draw_sum(const struct top_model *model, struct top_terminal *terminal)
{
	const struct top_look *look = model->look;
	unsigned columns = top_terminal_columns(terminal);
	unsigned spark = columns >= 60 ? columns / 4 : 0;
	char line[TOP_SPARK_MAX];

	if (!look)
		return;
	top_draw_states(terminal, 1, 0, columns - spark - (spark > 0), look->states);
	if (spark)
		top_terminal_put(terminal, 1, columns - spark, spark, STYLE_LINK, false,
				 top_history_spark(&look->history, spark,
						   top_terminal_utf8(terminal), line));
}

static void draw_filter(const struct top_model *model, struct top_terminal *terminal)
{
	char by[TOP_BY_TEXT_MAX], text[TOP_EDIT_MAX + TOP_BY_TEXT_MAX + 32];

	snprintf(text, sizeof(text), "by %s; %s%s", top_by_format(&model->by, by),
		 model->filter[0] ? "filter: " : "all sockets", model->filter);
	top_terminal_put(terminal, 2, 0, UINT32_MAX, STYLE_PLAIN, false, text);
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

/* One cell; @right: numbers stand below each other. What is cut says so. */
static unsigned put_cell(struct top_terminal *terminal, unsigned row, unsigned column,
			 unsigned width, enum screen_style style, bool reverse, bool right,
			 const char *text)
{
	unsigned takes = screen_columns(text);
	unsigned blanks = right && takes < width ? width - takes : 0;

	if (width == 0)
		return column;
	top_terminal_put(terminal, row, column + blanks, width - blanks, style, reverse, text);
	if (takes > width)
		top_terminal_put(terminal, row, column + width - 1, 1, STYLE_DIM, reverse,
				 top_terminal_utf8(terminal) ? "…" : "~");
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
	return put_cell(terminal, row, column, width, STYLE_BOLD, false, which >= GROUP_KEYS_MAX,
			text);
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
	put_cell(terminal, row, at, table->history, STYLE_BOLD, false, false, "History");
}

static const char *format_change(const struct top_row *row, char *to, size_t room)
{
	if (!row->compared || row->change == 0)
		return "";
	snprintf(to, room, "%+" PRId64, row->change);
	return to;
}

static const char *format_timer(const struct socket_group *group, char *to)
{
	char *at = to;

	if (group->timers == 0)
		return "";
	at = states_put_time(group->timer_least_ms, at);
	if (group->timer_most_ms != group->timer_least_ms) {
		*at++ = '-';
		at = states_put_time(group->timer_most_ms, at);
	}
	*at = '\0';
	return to;
}

static enum screen_style key_style(const struct top_look *look, const struct top_row *row,
				   size_t key)
{
	return look->by.at[key] == GROUP_STATE ? top_state_style(row->group.state) : STYLE_PLAIN;
}

static void draw_row(const struct top_model *model, struct top_terminal *terminal,
		     const struct top_table *table, unsigned at, size_t place)
{
	const struct top_row *row = top_model_row(model, place);
	bool chosen = place == model->groups.chosen;
	char text[TOP_SPARK_MAX];
	unsigned column = 0;

	if (chosen)
		top_terminal_put(terminal, at, 0, UINT32_MAX, STYLE_PLAIN, true, "");
	for (size_t i = 0; i < model->look->by.count; i++)
		column = put_cell(terminal, at, column, table->keys[i],
				  key_style(model->look, row, i), chosen, false, row->labels[i]);
	snprintf(text, sizeof(text), "%" PRIu64, row->group.count);
	column = put_cell(terminal, at, column, table->count, STYLE_BOLD, chosen, true, text);
	column = put_cell(terminal, at, column, table->change,
			  row->change > 0 ? STYLE_GOOD : STYLE_WARN, chosen, true,
			  format_change(row, text, sizeof(text)));
	column = put_cell(terminal, at, column, table->timer, STYLE_PLAIN, chosen, true,
			  format_timer(&row->group, text));
	if (table->history)
		put_cell(terminal, at, column, table->history, STYLE_LINK, chosen, false,
			 top_history_spark(&row->history, table->history,
					   top_terminal_utf8(terminal), text));
}

static void draw_table(struct top_model *model, struct top_terminal *terminal, unsigned from,
		       unsigned to)
{
	const struct top_look *look = model->look;
	struct top_table table;
	unsigned room = to > from + 1 ? to - from - 1 : 0;

	if (!look)
		return;
	table = lay_out(look, top_terminal_columns(terminal));
	draw_titles(model, terminal, &table, from);
	if (look->row_count == 0)
		top_terminal_put(terminal, from + 1, 0, UINT32_MAX, STYLE_DIM, false,
				 model->filter[0] ? "no socket matches" : "no sockets");
	top_list_scroll(&model->groups, look->row_count, room);
	if (model->view == VIEW_GROUPS)
		model->page = room;
	for (unsigned i = 0; i < room && model->groups.first + i < look->row_count; i++)
		draw_row(model, terminal, &table, from + 1 + i, model->groups.first + i);
}

/* ---- the foot */

static void draw_hints(const struct top_model *model, struct top_terminal *terminal, unsigned row)
{
	static const char *const hints[] = {
		[VIEW_GROUPS] =
			"? help  / filter  Tab b by  < > r sort  Enter detail  Space pause  q quit",
		[VIEW_GROUP] = "? help  Enter follow a connection  Esc back  / filter  q quit",
		[VIEW_CONNECTION] = "? help  Esc back  q quit",
	};
	const struct top_look *look = model->look;
	char text[256];

	if (model->error[0]) {
		top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_BAD, true, model->error);
		return;
	}
	if (look && look->groups > look->row_count && model->view == VIEW_GROUPS) {
		snprintf(text, sizeof(text), "the %zu largest of %" PRIu64 " groups  ? help",
			 look->row_count, look->groups);
		top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_DIM, false, text);
		return;
	}
	top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_DIM, false, hints[model->view]);
}

/* Where the typed line is on the screen. */
struct typed {
	const char *prompt, *from; /* what is seen of the text begins there */
	unsigned begin, hidden;	   /* columns: of the prompt, of the text that is not seen */
	unsigned cursor, caret;	   /* columns of the screen; the caret's where it is wrong */
};

/* Scrolled so that the cursor is seen, with a column behind the last character for it. */
static struct typed place_typed(const struct top_model *model, unsigned columns)
{
	const struct top_edit *edit = &model->edit;
	size_t at = model->complaint_at < edit->length ? model->complaint_at : edit->length;
	unsigned cursor = text_columns(edit->text, edit->cursor);
	unsigned wrong = text_columns(edit->text, at);
	struct typed typed = {
		.prompt = model->typing == TYPING_FILTER ? "filter: " : "by: ",
		.from = edit->text,
	};

	typed.begin = screen_columns(typed.prompt);
	if (typed.begin + 8 > columns)
		typed.begin = 0;
	while (cursor - typed.hidden + 1 > columns - typed.begin && *typed.from) {
		typed.from += text_fit(typed.from, 1) ? text_fit(typed.from, 1)
						      : text_fit(typed.from, 2);
		typed.hidden = text_columns(edit->text, (size_t)(typed.from - edit->text));
	}
	typed.cursor = typed.begin + cursor - typed.hidden;
	typed.caret = typed.begin + (wrong > typed.hidden ? wrong - typed.hidden : 0);
	if (typed.caret >= columns)
		typed.caret = columns - 1;
	return typed;
}

#define COMPLAINT_LINES 3

/* Lines that a complaint takes below the caret's; 0: it stands beside the caret. */
static unsigned complaint_lines(const struct top_model *model, unsigned columns)
{
	unsigned caret = place_typed(model, columns).caret, lines = 0;
	const char *rest = model->complaint;

	if (caret + 2 + screen_columns(model->complaint) <= columns)
		return 0;
	while (*rest && lines < COMPLAINT_LINES) {
		text_line(&rest, columns);
		lines++;
	}
	return lines;
}

/* Rows that typing takes: the line, what is wrong with it. */
static unsigned typing_rows(const struct top_model *model, unsigned columns)
{
	if (!model->typing)
		return 1;
	return 2 + (model->complaint[0] ? complaint_lines(model, columns) : 0);
}

static void draw_complaint(const struct top_model *model, struct top_terminal *terminal,
			   unsigned row, unsigned caret)
{
	unsigned columns = top_terminal_columns(terminal);
	unsigned lines = complaint_lines(model, columns);
	const char *rest = model->complaint;
	char text[sizeof(model->complaint)];

	top_terminal_put(terminal, row, caret, 1, STYLE_BAD, false, "^");
	if (!lines)
		top_terminal_put(terminal, row, caret + 2, UINT32_MAX, STYLE_BAD, false, rest);
	for (unsigned i = 1; i <= lines; i++) {
		const char *from = rest;
		size_t length = text_line(&rest, columns);

		snprintf(text, sizeof(text), "%.*s", (int)length, from);
		top_terminal_put(terminal, row + i, 0, UINT32_MAX, STYLE_BAD, false, text);
	}
}

/* The character that is wrong, where it is seen. */
static void draw_wrong(const struct top_model *model, struct top_terminal *terminal, unsigned row,
		       const struct typed *typed)
{
	const char *at = model->edit.text + model->complaint_at;
	size_t size;
	char text[8];

	if (model->complaint_at >= model->edit.length || at < typed->from)
		return;
	size = text_fit(at, 1) ? text_fit(at, 1) : text_fit(at, 2);
	snprintf(text, sizeof(text), "%.*s", (int)size, at);
	top_terminal_put(terminal, row, typed->caret, screen_columns(text), STYLE_BAD, true, text);
}

static void draw_typing(const struct top_model *model, struct top_terminal *terminal, unsigned row)
{
	struct typed typed = place_typed(model, top_terminal_columns(terminal));

	if (typed.begin)
		top_terminal_put(terminal, row, 0, typed.begin, STYLE_BOLD, false, typed.prompt);
	top_terminal_put(terminal, row, typed.begin, UINT32_MAX, STYLE_PLAIN, false, typed.from);
	if (model->complaint[0]) {
		draw_wrong(model, terminal, row, &typed);
		draw_complaint(model, terminal, row + 1, typed.caret);
	} else {
		top_terminal_put(terminal, row + 1, 0, UINT32_MAX, STYLE_DIM, false,
				 "in force  Enter keep it  Esc as it was");
	}
	top_terminal_cursor(terminal, row, typed.cursor);
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
	unsigned foot = typing_rows(model, top_terminal_columns(terminal));
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
	if (model->typing) {
		draw_typing(model, terminal, rows - foot);
	} else {
		draw_hints(model, terminal, rows - 1);
		top_terminal_no_cursor(terminal);
	}
	top_terminal_show(terminal);
}
