/* The lower part of the screen: a group and its connections, or one connection as a ladder. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/states_words.h"
#include "cmd/top_draw.h"
#include "cmd/top_history.h"
#include "render/text.h"
#include "tcp/state.h"

/* Columns of a process's name and id that are worth their place. */
#define PROCESS_LEAST 8

/* ---- a group */

static const char *format_timer(const struct socket_status *status, char *to, size_t room)
{
	char left[STATES_TIME_MAX];

	if (status->timer == SOCKET_TIMER_OFF)
		return "";
	snprintf(to, room, status->retransmits ? "%s %s x%u" : "%s %s",
		 socket_timer_name(status->timer), states_time(status->timer_left_ms, left),
		 status->retransmits);
	return to;
}

static const char *format_owner(const struct owner *owner, char *to, size_t room)
{
	if (!owner->pid)
		return "-";
	snprintf(to, room, "%s (%d)", owner->name, (int)owner->pid);
	return to;
}

static const char *format_queues(const struct socket_status *status, char *to, size_t room)
{
	snprintf(to, room, "%" PRIu32 "/%" PRIu32, status->receive_queue, status->send_queue);
	return to;
}

enum column { LOCAL, PEER, STATE, TIMER, QUEUES, PROCESS, COLUMNS };

static const char *const titles[] = {
	[LOCAL] = "Local", [PEER] = "Peer",	   [STATE] = "State",
	[TIMER] = "Timer", [QUEUES] = "Recv/Send", [PROCESS] = "Process",
};

_Static_assert(ARRAY_SIZE(titles) == COLUMNS, "a title for each column");

/* What stands in that column; may be in @to. */
static const char *cell(const struct top_connection *connection, enum column column, char *to,
			size_t room)
{
	const struct socket_status *status = &connection->status;

	switch (column) {
	case LOCAL:
		return tcp_endpoint_format(&status->key.local, to);
	case PEER:
		return tcp_endpoint_format(&status->key.remote, to);
	case STATE:
		return states_name(status->state);
	case TIMER:
		return format_timer(status, to, room);
	case QUEUES:
		return format_queues(status, to, room);
	case PROCESS:
		return format_owner(&connection->owner, to, room);
	case COLUMNS:
		break;
	}
	return "";
}

/* Of a screen that has no room for both the peer is cut last, the state never. */
static void squeeze(unsigned *widths, unsigned width)
{
	unsigned left = width > widths[STATE] + 1 ? width - widths[STATE] - 1 : 0;

	widths[PEER] = widths[PEER] < left ? widths[PEER] : left;
	widths[LOCAL] = left > widths[PEER] + 1 ? left - widths[PEER] - 1 : 0;
	widths[TIMER] = widths[QUEUES] = widths[PROCESS] = 0;
}

/* Widths of the columns, 0: no room. As wide as what is in them; half a number is a wrong one, so
 * that only names are cut. */
static void lay_out(const struct top_group *detail, unsigned width, unsigned *widths)
{
	unsigned left;
	char text[128];

	for (enum column column = LOCAL; column < COLUMNS; column++) {
		widths[column] = screen_columns(titles[column]);
		for (size_t i = 0; i < detail->connection_count; i++) {
			unsigned takes = screen_columns(
				cell(&detail->connections[i], column, text, sizeof(text)));

			widths[column] = takes > widths[column] ? takes : widths[column];
		}
	}
	if (widths[LOCAL] + widths[PEER] + widths[STATE] + 2 > width) {
		squeeze(widths, width);
		return;
	}
	left = width - widths[LOCAL] - widths[PEER] - widths[STATE] - 2;
	for (enum column column = TIMER; column < COLUMNS; column++) {
		if (column == PROCESS && left > PROCESS_LEAST && widths[PROCESS] > left - 1)
			widths[PROCESS] = left - 1;
		if (widths[column] + 1 > left)
			widths[column] = 0;
		left -= widths[column] ? widths[column] + 1 : 0;
	}
}

static void draw_connection_row(struct top_terminal *terminal, const unsigned *widths, unsigned row,
				const struct top_connection *connection, bool chosen)
{
	char text[128];
	unsigned at = 0;

	if (chosen)
		top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_PLAIN, true, "");
	for (enum column column = LOCAL; column < COLUMNS; column++)
		at = top_draw_cell(terminal, row, at, widths[column],
				   column == STATE && !chosen
					   ? top_state_style(connection->status.state)
					   : STYLE_PLAIN,
				   chosen, false, cell(connection, column, text, sizeof(text)));
}

static void draw_connection_titles(struct top_terminal *terminal, const unsigned *widths,
				   unsigned row)
{
	unsigned at = 0;

	for (enum column column = LOCAL; column < COLUMNS; column++)
		at = top_draw_cell(terminal, row, at, widths[column], STYLE_BOLD, false, false,
				   titles[column]);
}

/* Title, states, queues; returns the row behind them, and how many columns the states took. */
static unsigned draw_group_head(const struct top_model *model, struct top_terminal *terminal,
				unsigned from, unsigned to, unsigned *ret_used)
{
	const struct top_group *detail = &model->look->detail;
	char text[sizeof(model->detail_title) + 64];

	snprintf(text, sizeof(text), "%s: %" PRIu64 " socket%s", model->detail_title, detail->count,
		 detail->count == 1 ? "" : "s");
	top_terminal_put(terminal, from++, 0, UINT32_MAX, STYLE_PLAIN, true, text);
	if (to < from + 5)
		return from;
	*ret_used = top_draw_states(terminal, from++, top_terminal_columns(terminal),
				    detail->states);
	snprintf(text, sizeof(text),
		 "unread %" PRIu64 " B, unacknowledged %" PRIu64 " B, retransmitting %" PRIu64
		 ", minisocks %" PRIu64,
		 detail->receive_queue, detail->send_queue, detail->retransmitting,
		 detail->minisocks);
	top_draw_parts(terminal, from++, false, text);
	return from;
}

void top_draw_group(struct top_model *model, struct top_terminal *terminal, unsigned from,
		    unsigned to)
{
	const struct top_group *detail = &model->look->detail;
	unsigned widths[COLUMNS];
	struct top_list *list = &model->connections;
	unsigned head = from, used = 0, room;

	if (!detail->chosen) {
		top_terminal_put(terminal, from, 0, UINT32_MAX, STYLE_PLAIN, true,
				 model->detail_title);
		return;
	}
	from = draw_group_head(model, terminal, head, to, &used);
	lay_out(detail, top_terminal_columns(terminal), widths);
	if (from < to)
		draw_connection_titles(terminal, widths, from++);
	room = from < to ? to - from : 0;
	model->page = room;
	top_list_scroll(list, detail->connection_count, room);
	if (used)
		top_draw_range(terminal, head + 1, used, list, room, detail->connection_count,
			       detail->count > detail->connection_count);
	for (unsigned i = 0; i < room && list->first + i < detail->connection_count; i++)
		draw_connection_row(terminal, widths, from + i,
				    &detail->connections[list->first + i],
				    list->first + i == list->chosen);
}

/* ---- a connection */

/* The lines of a ladder: @lines of them are above the part that is shown. */
struct ladder {
	struct top_terminal *terminal;
	unsigned from, to;
	size_t skip, line;
	unsigned us, peer; /* columns of the two ends' lines */
};

/* The row of the next line; false: it is not shown. */
static bool next_line(struct ladder *ladder, unsigned *ret_row)
{
	size_t line = ladder->line++;

	if (line < ladder->skip || ladder->from + (line - ladder->skip) >= ladder->to)
		return false;
	*ret_row = ladder->from + (unsigned)(line - ladder->skip);
	return true;
}

static void draw_ends(const struct ladder *ladder, unsigned row)
{
	const char *bar = top_terminal_utf8(ladder->terminal) ? "│" : "|";

	if (!ladder->peer)
		return;
	top_terminal_put(ladder->terminal, row, ladder->us, 1, STYLE_DIM, false, bar);
	top_terminal_put(ladder->terminal, row, ladder->peer, 1, STYLE_DIM, false, bar);
}

/* How an arrow is drawn. */
struct arrow_signs {
	const char *dash, *from_us, *to_peer, *to_us, *from_peer;
};

static const struct arrow_signs *arrow_signs(const struct ladder *ladder)
{
	static const struct arrow_signs lines = {"─", "├", "▶", "◀", "┤"},
					ascii = {"-", "|", ">", "<", "|"};

	return top_terminal_utf8(ladder->terminal) ? &lines : &ascii;
}

static void put_sign(const struct ladder *ladder, unsigned row, unsigned column, const char *sign)
{
	top_terminal_put(ladder->terminal, row, column, 1, STYLE_LINK, false, sign);
}

/* "├─── FIN ───▶│", from end to end. */
static void draw_arrow(const struct ladder *ladder, unsigned row, bool sent, const char *name)
{
	const struct arrow_signs *signs = arrow_signs(ladder);
	unsigned room = ladder->peer - ladder->us - 1;

	draw_ends(ladder, row);
	for (unsigned i = 0; i < room; i++)
		put_sign(ladder, row, ladder->us + 1 + i, signs->dash);
	if (sent) {
		put_sign(ladder, row, ladder->us, signs->from_us);
		put_sign(ladder, row, ladder->peer - 1, signs->to_peer);
	} else {
		put_sign(ladder, row, ladder->us + 1, signs->to_us);
		put_sign(ladder, row, ladder->peer, signs->from_peer);
	}
	top_terminal_put(ladder->terminal, row, ladder->us + 1 + (room - screen_columns(name)) / 2,
			 room, STYLE_LINK, false, name);
}

static void draw_packet(struct ladder *ladder, const char *name, size_t length, bool sent)
{
	unsigned row;
	char text[32];

	if (!next_line(ladder, &row))
		return;
	snprintf(text, sizeof(text), " %.*s ", (int)length, name);
	if (ladder->peer) {
		draw_arrow(ladder, row, sent, text);
		return;
	}
	top_terminal_put(ladder->terminal, row, ladder->us, UINT32_MAX, STYLE_LINK, false,
			 sent ? "->" : "<-");
	top_terminal_put(ladder->terminal, row, ladder->us + 2, UINT32_MAX, STYLE_LINK, false,
			 text);
}

static void draw_between(struct ladder *ladder, int before, int state)
{
	const char *way = top_trail_between(before, state);
	unsigned row;

	if (!way || *way == '!') {
		if (!next_line(ladder, &row))
			return;
		draw_ends(ladder, row);
		top_terminal_put(ladder->terminal, row, ladder->us + 2, UINT32_MAX, STYLE_DIM,
				 false, way ? way + 1 : "not seen");
		return;
	}
	while (*way) {
		size_t length = strcspn(way, " ");

		draw_packet(ladder, way + 1, length - 1, *way == '>');
		way += length + (way[length] == ' ');
	}
}

static void draw_step(struct ladder *ladder, const struct top_trail *trail, size_t at,
		      int64_t now_ns)
{
	const struct top_step *step = &trail->steps[at];
	bool last = at + 1 == trail->count;
	int64_t until = last ? now_ns : trail->steps[at + 1].seen_ns;
	char text[96], seconds[24], lasted[STATES_TIME_MAX];
	unsigned row;

	if (!next_line(ladder, &row))
		return;
	draw_ends(ladder, row);
	snprintf(seconds, sizeof(seconds), "%8.2f s ",
		 clock_seconds(step->seen_ns - trail->steps[0].seen_ns));
	top_terminal_put(ladder->terminal, row, 0, 11, STYLE_DIM, false, seconds);
	top_terminal_put(ladder->terminal, row, 11, 12,
			 step->state ? top_state_style(step->state) : STYLE_BOLD, false,
			 step->state ? states_name(step->state) : "gone");
	states_time((uint64_t)((until - step->seen_ns) / NS_PER_MS), lasted);
	snprintf(text, sizeof(text), step->retransmits ? "%s %s, %u retransmits" : "%s %s",
		 last ? "for" : "lasted", lasted, step->retransmits);
	top_terminal_put(ladder->terminal, row, (ladder->peer ? ladder->us : 22) + 2, UINT32_MAX,
			 last ? STYLE_BOLD : STYLE_PLAIN, false, text);
}

static void draw_ladder(struct ladder *ladder, const struct top_trail *trail, int64_t now_ns)
{
	ladder->line = 0;
	for (size_t i = 0; i < trail->count; i++) {
		if (i)
			draw_between(ladder, trail->steps[i - 1].state, trail->steps[i].state);
		draw_step(ladder, trail, i, now_ns);
	}
}

/* As many lines as it takes; returns the row behind. */
static unsigned put_lines(struct top_terminal *terminal, unsigned from, unsigned to, bool reverse,
			  const char *text)
{
	char line[256];

	while (*text && from < to) {
		const char *begin = text;
		size_t length = text_line(&text, top_terminal_columns(terminal));

		snprintf(line, sizeof(line), "%.*s", (int)length, begin);
		top_terminal_put(terminal, from++, 0, UINT32_MAX, STYLE_PLAIN, reverse, line);
	}
	return from;
}

/* A minisock has none any more; the trail knows who it was. */
static const char *format_last_owner(const struct top_trail *trail, char *to, size_t room)
{
	if (!trail->owner.pid)
		return "no process";
	if (!trail->last.minisock)
		return format_owner(&trail->owner, to, room);
	snprintf(to, room, "no process, once %s (%d)", trail->owner.name, (int)trail->owner.pid);
	return to;
}

/* Who, what the socket holds, what it waits for; returns the row behind. */
static unsigned draw_facts(const struct top_trail *trail, struct top_terminal *terminal,
			   unsigned from, unsigned to, int64_t now_ns)
{
	const struct socket_status *last = &trail->last;
	char local[TCP_ENDPOINT_TEXT_MAX], peer[TCP_ENDPOINT_TEXT_MAX], text[256], name[96];
	int64_t gone_ms = (now_ns - trail->last_ns) / NS_PER_MS;
	uint64_t left_ms = last->timer_left_ms > gone_ms ? last->timer_left_ms - (uint64_t)gone_ms
							 : 0;
	char left[STATES_TIME_MAX];

	snprintf(text, sizeof(text), "%s to %s, %s", tcp_endpoint_format(&trail->key.local, local),
		 tcp_endpoint_format(&trail->key.remote, peer),
		 format_last_owner(trail, name, sizeof(name)));
	from = put_lines(terminal, from, to, true, text);
	if (top_trail_is_gone(trail))
		snprintf(text, sizeof(text), "there is no such socket any more");
	else if (last->timer == SOCKET_TIMER_OFF)
		snprintf(text, sizeof(text),
			 "no timer; unread %" PRIu32 ", unacknowledged %" PRIu32 "%s",
			 last->receive_queue, last->send_queue, last->minisock ? "; minisock" : "");
	else
		snprintf(text, sizeof(text),
			 "timer %s, %s left, %u retransmits; unread %" PRIu32
			 ", unacknowledged %" PRIu32 "%s",
			 socket_timer_name(last->timer), states_time(left_ms, left),
			 last->retransmits, last->receive_queue, last->send_queue,
			 last->minisock ? "; minisock" : "");
	return put_lines(terminal, from, to, false, text);
}

void top_draw_connection(const struct top_model *model, struct top_terminal *terminal,
			 unsigned from, unsigned to)
{
	unsigned columns = top_terminal_columns(terminal);
	struct ladder ladder = {.terminal = terminal, .to = to, .us = 23};
	int64_t now_ns = clock_now_ns();

	from = draw_facts(&model->trail, terminal, from, to, now_ns);
	if (columns >= 60) {
		ladder.peer = columns < 100 ? columns - 3 : 97;
		if (from + 4 < to) {
			top_terminal_put(terminal, from, ladder.us, 8, STYLE_BOLD, false, "us");
			top_terminal_put(terminal, from++, ladder.peer - 3, 4, STYLE_BOLD, false,
					 "peer");
		}
	} else {
		ladder.us = columns > 30 ? 23 : 2;
	}
	ladder.from = from;
	/* The newest is seen: the lines are counted first. */
	ladder.skip = SIZE_MAX;
	draw_ladder(&ladder, &model->trail, now_ns);
	ladder.skip = from < to && ladder.line > to - from ? ladder.line - (to - from) : 0;
	draw_ladder(&ladder, &model->trail, now_ns);
	/* It goes on: so do the lines. */
	for (unsigned row; !top_trail_is_gone(&model->trail) && next_line(&ladder, &row);)
		draw_ends(&ladder, row);
}
