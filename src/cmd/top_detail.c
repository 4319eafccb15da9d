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

/* ---- a group */

struct columns {
	unsigned local, peer, state, timer, queues, process; /* 0: no room */
};

static struct columns lay_out(const struct top_group *detail, unsigned width)
{
	struct columns columns = {.local = 8, .peer = 8, .state = 10};
	char text[TCP_ENDPOINT_TEXT_MAX];
	unsigned left;

	for (size_t i = 0; i < detail->connection_count; i++) {
		const struct tcp_key *key = &detail->connections[i].status.key;
		unsigned local = screen_columns(tcp_endpoint_format(&key->local, text));
		unsigned peer = screen_columns(tcp_endpoint_format(&key->remote, text));

		columns.local = local > columns.local ? local : columns.local;
		columns.peer = peer > columns.peer ? peer : columns.peer;
	}
	if (columns.local + columns.peer + columns.state + 2 > width) {
		/* The peer is cut last, the state never. */
		left = width > columns.state + 1 ? width - columns.state - 1 : 0;
		columns.peer = columns.peer < left ? columns.peer : left;
		columns.local = left > columns.peer + 1 ? left - columns.peer - 1 : 0;
		return columns;
	}
	left = width - columns.local - columns.peer - columns.state - 2;
	columns.timer = left >= 15 ? 14 : 0;
	left -= columns.timer ? 15 : 0;
	columns.queues = left >= 9 ? 8 : 0;
	left -= columns.queues ? 9 : 0;
	columns.process = left >= 9 ? left - 1 : 0;
	return columns;
}

static unsigned put(struct top_terminal *terminal, unsigned row, unsigned at, unsigned width,
		    enum screen_style style, bool reverse, const char *text)
{
	if (!width)
		return at;
	top_terminal_put(terminal, row, at, width, style, reverse, text);
	return at + width + 1;
}

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

static void draw_connection_row(struct top_terminal *terminal, const struct columns *columns,
				unsigned row, const struct top_connection *connection, bool chosen)
{
	const struct socket_status *status = &connection->status;
	char text[128];
	unsigned at = 0;

	if (chosen)
		top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_PLAIN, true, "");
	at = put(terminal, row, at, columns->local, STYLE_PLAIN, chosen,
		 tcp_endpoint_format(&status->key.local, text));
	at = put(terminal, row, at, columns->peer, STYLE_PLAIN, chosen,
		 tcp_endpoint_format(&status->key.remote, text));
	at = put(terminal, row, at, columns->state, top_state_style(status->state), chosen,
		 states_name(status->state));
	at = put(terminal, row, at, columns->timer, STYLE_PLAIN, chosen,
		 format_timer(status, text, sizeof(text)));
	snprintf(text, sizeof(text), "%" PRIu32 "/%" PRIu32, status->receive_queue,
		 status->send_queue);
	at = put(terminal, row, at, columns->queues, STYLE_PLAIN, chosen, text);
	put(terminal, row, at, columns->process, STYLE_PLAIN, chosen,
	    format_owner(&connection->owner, text, sizeof(text)));
}

static void draw_connection_titles(struct top_terminal *terminal, const struct columns *columns,
				   unsigned row)
{
	unsigned at = 0;

	at = put(terminal, row, at, columns->local, STYLE_BOLD, false, "Local");
	at = put(terminal, row, at, columns->peer, STYLE_BOLD, false, "Peer");
	at = put(terminal, row, at, columns->state, STYLE_BOLD, false, "State");
	at = put(terminal, row, at, columns->timer, STYLE_BOLD, false, "Timer");
	at = put(terminal, row, at, columns->queues, STYLE_BOLD, false, "Recv/S-Q");
	put(terminal, row, at, columns->process, STYLE_BOLD, false, "Process");
}

/* Title, states, queues; returns the row behind them. */
static unsigned draw_group_head(const struct top_model *model, struct top_terminal *terminal,
				unsigned from, unsigned to)
{
	const struct top_group *detail = &model->look->detail;
	char text[sizeof(model->detail_title) + 64];

	snprintf(text, sizeof(text), "%s: %" PRIu64 " socket%s", model->detail_title, detail->count,
		 detail->count == 1 ? "" : "s");
	top_terminal_put(terminal, from++, 0, UINT32_MAX, STYLE_PLAIN, true, text);
	if (to < from + 5)
		return from;
	top_draw_states(terminal, from++, 0, top_terminal_columns(terminal), detail->states);
	snprintf(text, sizeof(text),
		 "unread %" PRIu64 " B, unacknowledged %" PRIu64 " B, retransmitting %" PRIu64
		 ", minisocks %" PRIu64,
		 detail->receive_queue, detail->send_queue, detail->retransmitting,
		 detail->minisocks);
	top_terminal_put(terminal, from++, 0, UINT32_MAX, STYLE_PLAIN, false, text);
	return from;
}

void top_draw_group(struct top_model *model, struct top_terminal *terminal, unsigned from,
		    unsigned to)
{
	const struct top_group *detail = &model->look->detail;
	struct columns columns;
	struct top_list *list = &model->connections;
	unsigned room;

	if (!detail->chosen) {
		top_terminal_put(terminal, from, 0, UINT32_MAX, STYLE_PLAIN, true,
				 model->detail_title);
		return;
	}
	from = draw_group_head(model, terminal, from, to);
	columns = lay_out(detail, top_terminal_columns(terminal));
	if (from < to)
		draw_connection_titles(terminal, &columns, from++);
	room = from < to ? to - from : 0;
	model->page = room;
	top_list_scroll(list, detail->connection_count, room);
	for (unsigned i = 0; i < room && list->first + i < detail->connection_count; i++)
		draw_connection_row(terminal, &columns, from + i,
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

/* "──── FIN ───▶", from end to end. */
static void draw_packet(struct ladder *ladder, const char *name, size_t length, bool sent)
{
	struct top_terminal *terminal = ladder->terminal;
	const char *dash = top_terminal_utf8(terminal) ? "─" : "-";
	unsigned row, room = ladder->peer - ladder->us - 1;
	char text[32];

	if (!next_line(ladder, &row))
		return;
	draw_ends(ladder, row);
	snprintf(text, sizeof(text), " %.*s ", (int)length, name);
	if (!ladder->peer) {
		top_terminal_put(terminal, row, ladder->us, UINT32_MAX, STYLE_LINK, false,
				 sent ? "->" : "<-");
		top_terminal_put(terminal, row, ladder->us + 2, UINT32_MAX, STYLE_LINK, false,
				 text);
		return;
	}
	for (unsigned i = 0; i < room; i++)
		top_terminal_put(terminal, row, ladder->us + 1 + i, 1, STYLE_LINK, false, dash);
	top_terminal_put(terminal, row, sent ? ladder->peer - 1 : ladder->us + 1, 1, STYLE_LINK,
			 false, sent ? ">" : "<");
	top_terminal_put(terminal, row, ladder->us + 1 + (room - screen_columns(text)) / 2, room,
			 STYLE_LINK, false, text);
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

/* Who, what the socket holds, what it waits for; returns the row behind. */
static unsigned draw_facts(const struct top_trail *trail, struct top_terminal *terminal,
			   unsigned from, int64_t now_ns)
{
	const struct socket_status *last = &trail->last;
	char local[TCP_ENDPOINT_TEXT_MAX], peer[TCP_ENDPOINT_TEXT_MAX], text[256], name[64];
	int64_t gone_ms = (now_ns - trail->last_ns) / NS_PER_MS;
	uint64_t left_ms = last->timer_left_ms > gone_ms ? last->timer_left_ms - (uint64_t)gone_ms
							 : 0;
	char left[STATES_TIME_MAX];

	snprintf(text, sizeof(text), "%s to %s, %s", tcp_endpoint_format(&trail->key.local, local),
		 tcp_endpoint_format(&trail->key.remote, peer),
		 trail->owner.pid ? format_owner(&trail->owner, name, sizeof(name)) : "no process");
	top_terminal_put(terminal, from++, 0, UINT32_MAX, STYLE_PLAIN, true, text);
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
	top_terminal_put(terminal, from++, 0, UINT32_MAX, STYLE_PLAIN, false, text);
	return from;
}

void top_draw_connection(const struct top_model *model, struct top_terminal *terminal,
			 unsigned from, unsigned to)
{
	unsigned columns = top_terminal_columns(terminal);
	struct ladder ladder = {.terminal = terminal, .to = to, .us = 23};
	int64_t now_ns = clock_now_ns();

	from = draw_facts(&model->trail, terminal, from, now_ns);
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
}
