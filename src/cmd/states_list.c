/*
 * A million rows are a tenth of a gigabyte: each is put together in one buffer, byte by byte, and
 * written when the buffer is full. A column grows with what stands in it, from the row on that
 * needs it; the widths of what is sorted are known before.
 */
#include "cmd/states_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/states_json.h"
#include "cmd/states_out.h"
#include "cmd/states_rows.h"
#include "cmd/states_words.h"
#include "render/text.h"

#define BUFFER	(128 * 1024)
#define ROW_MAX 1024 /* of a row: names are short, and escaped at most fourfold */
#define INDENT	2    /* of a row's further lines on a narrow terminal */
#define WIDE	83   /* columns in which a row of IPv4 has room */

/* The look ends: nobody reads on, or there are rows enough. */
#define STOP 1

enum column { STATE, RECV_Q, SEND_Q, LOCAL, PEER, TIMER, AGE, PROCESS, NETNS, COLUMNS };

static const struct {
	const char *title;
	uint8_t width;
	bool right;
} columns[COLUMNS] = {
	[STATE] = {"State", 10, false},
	[RECV_Q] = {"Recv-Q", 6, true},
	[SEND_Q] = {"Send-Q", 6, true},
	[LOCAL] = {"Local Address:Port", 18, false},
	[PEER] = {"Peer Address:Port", 17, false},
	[TIMER] = {"Timer", 15, false},
	[AGE] = {"Age", 5, false},
	[PROCESS] = {"Process", 0, false},
	[NETNS] = {"Netns", 0, false},
};

struct list {
	const struct states_look *look;
	const struct screen *screen;
	size_t told, room; /* rows; room 0: all */
	int error;	   /* of a write; 0: none failed */
	size_t failed;	   /* rows of a walk that was interrupted, which stand there */
	bool on[COLUMNS];
	unsigned width[COLUMNS];
	unsigned fold; /* columns of the terminal that rows are broken at; 0: they are not */
	struct states_rows rows;
	char *at;	 /* in buffer, … */
	char *begin;	 /* … where the cell began, */
	unsigned column; /* of the line */
	unsigned owed;	 /* blanks before the next cell */
	struct states_json *json;
	char buffer[BUFFER + ROW_MAX];
};

/* ---- cells */

static void put_text(struct list *list, const char *text)
{
	size_t length = strlen(text);

	memcpy(list->at, text, length);
	list->at += length;
}

/* On a narrow terminal a cell that does not fit begins another line. */
static bool fold_cell(struct list *list, unsigned length)
{
	char cell[ROW_MAX];
	size_t bytes = (size_t)(list->at - list->begin);

	if (list->column == 0 || list->column + list->owed + length <= list->fold)
		return false;
	memcpy(cell, list->begin, bytes);
	*list->begin++ = '\n';
	memset(list->begin, ' ', INDENT);
	list->begin += INDENT;
	memcpy(list->begin, cell, bytes);
	list->at = list->begin + bytes;
	list->column = INDENT;
	list->owed = 0;
	return true;
}

/* What stands between begin and at is the cell: it is moved to its place. */
static void end_cell(struct list *list, enum column column, unsigned length)
{
	size_t bytes = (size_t)(list->at - list->begin);
	unsigned pad, before;

	if (length > list->width[column])
		list->width[column] = length;
	pad = list->width[column] - length;
	if (list->fold && fold_cell(list, columns[column].right ? list->width[column] : length))
		pad = 0;
	before = list->owed;
	if (columns[column].right) {
		before += pad;
		pad = 0;
	}
	if (before) {
		memmove(list->begin + before, list->begin, bytes);
		memset(list->begin, ' ', before);
		list->at += before;
	}
	list->column += before + length;
	list->owed = pad + 1;
	list->begin = list->at;
}

static void end_ascii(struct list *list, enum column column)
{
	end_cell(list, column, (unsigned)(list->at - list->begin));
}

static void end_row(struct list *list)
{
	*list->at++ = '\n';
	list->begin = list->at;
	list->column = list->owed = 0;
}

static int flush(struct list *list)
{
	size_t length = (size_t)(list->at - list->buffer);

	list->at = list->begin = list->buffer;
	if (fwrite(list->buffer, 1, length, list->screen->out) == length)
		return 0;
	list->error = errno;
	return STOP;
}

/* ---- a row */

static void put_endpoint(struct list *list, const struct tcp_endpoint *endpoint)
{
	tcp_endpoint_format(endpoint, list->at);
	list->at += strlen(list->at);
	if (endpoint->port == 0)
		list->at[-1] = '*';
}

/* As behind "timer:" of ss -o: kind, time left, repeats. */
static void put_timer(struct list *list, const struct socket_status *status)
{
	if (status->timer == SOCKET_TIMER_OFF) {
		*list->at++ = '-';
		return;
	}
	put_text(list, socket_timer_name(status->timer));
	*list->at++ = ',';
	list->at = states_put_time(status->timer_left_ms, list->at);
	*list->at++ = ',';
	list->at = states_put_number(status->retransmits, list->at);
}

static void put_age(struct list *list, const struct socket_status *status)
{
	if (status->state == TCP_TIME_WAIT)
		list->at = states_put_time(states_time_wait_age_ms(status->timer_left_ms),
					   list->at);
	else
		*list->at++ = '-';
	end_ascii(list, AGE);
}

/* Cleaned; blanks and quotes in a name would end the cell for those who read it by words. */
static unsigned put_name(struct list *list, const char *name)
{
	char cleaned[4 * 64 + 1], *at = list->at;

	screen_clean(list->screen, name, strlen(name), cleaned, sizeof(cleaned));
	for (const char *c = cleaned; *c; c++) {
		if (*c == ' ' || *c == '"') {
			put_text(list, *c == ' ' ? "\\x20" : "\\x22");
			continue;
		}
		*list->at++ = *c;
	}
	return text_columns(at, (size_t)(list->at - at));
}

/* users:(("nginx",pid=123,fd=4)), as ss has it; of several processes the first. */
static void put_process(struct list *list, const struct owner *owner)
{
	const char *begin = list->at;
	unsigned length;

	if (!owner) {
		*list->at++ = '-';
		end_cell(list, PROCESS, 1);
		return;
	}
	put_text(list, "users:((\"");
	length = (unsigned)(list->at - begin);
	length += put_name(list, owner->name);
	begin = list->at;
	put_text(list, "\",pid=");
	list->at = states_put_number((uint64_t)owner->pid, list->at);
	put_text(list, ",fd=");
	list->at = states_put_number((uint64_t)owner->fd, list->at);
	put_text(list, owner->more ? "),+" : "))");
	if (owner->more) {
		list->at = states_put_number(owner->more, list->at);
		*list->at++ = ')';
	}
	end_cell(list, PROCESS, length + (unsigned)(list->at - begin));
}

static int put_row(struct list *list, const struct socket_status *status, const struct owner *owner,
		   const struct states_net *net)
{
	put_text(list, states_name(status->state));
	end_ascii(list, STATE);
	list->at = states_put_number(status->receive_queue, list->at);
	end_ascii(list, RECV_Q);
	list->at = states_put_number(status->send_queue, list->at);
	end_ascii(list, SEND_Q);
	put_endpoint(list, &status->key.local);
	end_ascii(list, LOCAL);
	put_endpoint(list, &status->key.remote);
	end_ascii(list, PEER);
	put_timer(list, status);
	end_ascii(list, TIMER);
	if (list->on[AGE])
		put_age(list, status);
	if (list->on[PROCESS])
		put_process(list, owner);
	if (list->on[NETNS])
		end_cell(list, NETNS, put_name(list, net->label));
	end_row(list);
	return list->at - list->buffer >= BUFFER ? flush(list) : 0;
}

static void put_head(struct list *list)
{
	for (enum column column = 0; column < COLUMNS; column++) {
		if (!list->on[column])
			continue;
		put_text(list, columns[column].title);
		end_ascii(list, column);
	}
	end_row(list);
}

/* ---- sinks */

static int stream(void *context, const struct socket_status *status, const struct owner *owner,
		  const struct states_net *net)
{
	struct list *list = context;

	/* One more than is wanted ends it: JSON goes on to count. */
	if (list->room && list->told == list->room)
		return list->json ? 0 : STOP;
	list->told++;
	if (list->json) {
		states_json_socket(list->json, status, owner, net);
		if (!ferror(list->screen->out))
			return 0;
		list->error = errno;
		return STOP;
	}
	return put_row(list, status, owner, net);
}

/* What is printed cannot be taken back. */
static void restart(void *context)
{
	struct list *list = context;

	list->failed = list->told;
	if (list->room)
		list->room = list->look->options->top + list->told;
}

static int keep(void *context, const struct socket_status *status, const struct owner *owner,
		const struct states_net *net)
{
	struct list *list = context;

	(void)owner;
	return states_rows_add(&list->rows, status, (uint32_t)(net - list->look->nets));
}

static void drop(void *context)
{
	struct list *list = context;

	list->rows.count = 0;
}

/* ---- the whole */

static void widen(struct list *list, enum column column, const struct tcp_endpoint *endpoint)
{
	char text[TCP_ENDPOINT_TEXT_MAX];
	unsigned length = (unsigned)strlen(tcp_endpoint_format(endpoint, text));

	if (length > list->width[column])
		list->width[column] = length;
}

static void tell_sorted(struct list *list)
{
	const struct states_options *options = list->look->options;
	size_t count = list->rows.count;
	int r = 0;

	states_rows_sort(&list->rows, options->sort, options->reverse, list->look->owners,
			 list->look->nets);
	if (options->top && count > options->top)
		count = options->top;
	for (size_t i = 0; i < count && !list->json; i++) {
		widen(list, LOCAL, &list->rows.at[i].status.key.local);
		widen(list, PEER, &list->rows.at[i].status.key.remote);
	}
	if (!list->json)
		put_head(list);
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct states_row *row = &list->rows.at[i];
		struct owner owner;
		bool owned = list->look->owners &&
			     owners_find(list->look->owners, row->status.inode, &owner);

		r = stream(list, &row->status, owned ? &owner : NULL, &list->look->nets[row->net]);
	}
}

static bool is_sorted(const struct states_options *options)
{
	return options->sort != STATES_SORT_NONE || options->reverse;
}

static int look_and_tell(struct list *list, struct states_look *look, struct why *why)
{
	bool sorted = is_sorted(look->options);
	struct states_sink sink = {
		.row = sorted ? keep : stream,
		.again = sorted ? drop : restart,
		.context = list,
	};
	int r;

	if (!sorted && !list->json)
		put_head(list);
	r = states_look_take(look, &sink, why);
	if (r < 0)
		return r;
	if (sorted)
		tell_sorted(list);
	return 0;
}

static void tell_void(const struct invocation *call, size_t rows)
{
	if (rows == 1)
		invocation_fail(call, CLI_DONE,
				"the first row is of a list that was interrupted: it does not "
				"count");
	else if (rows)
		invocation_fail(call, CLI_DONE,
				"the first %zu rows are of a list that was interrupted: they do "
				"not count",
				rows);
}

static unsigned fold_at(const struct screen *screen)
{
	return screen->terminal || getenv("COLUMNS") ? screen->width : 0;
}

int states_list_print(const struct invocation *call, struct states_look *look, struct why *why)
{
	const struct states_options *options = look->options;
	CLEANUP_FREE struct list *list = calloc(1, sizeof(*list));
	struct screen screen;
	int r;

	if (!list)
		return why_set(why, -ENOMEM, "cannot list the sockets");
	screen_init(&screen, stdout, call->color);
	list->look = look;
	list->screen = &screen;
	list->room = options->top;
	list->fold = fold_at(&screen);
	list->at = list->begin = list->buffer;
	for (enum column column = 0; column < COLUMNS; column++) {
		list->on[column] = true;
		list->width[column] = columns[column].width;
	}
	/* Of TIME-WAIT the timer says the same: 60 s less what is left. */
	list->on[AGE] = !list->fold || list->fold >= WIDE;
	list->on[PROCESS] = options->processes;
	list->on[NETNS] = options->netns && strcmp(options->netns, "all") == 0;
	if (options->json) {
		list->json = states_json_begin(look);
		if (!list->json)
			return why_set(why, -ENOMEM, "cannot list the sockets");
	}
	r = look_and_tell(list, look, why);
	if (list->json && r == 0)
		r = states_json_end(list->json, look, list->failed);
	else if (list->json)
		states_json_drop(list->json);
	else
		flush(list);
	if (!options->json && r == 0)
		tell_void(call, list->failed);
	free(list->rows.at);
	return r == 0 && list->error ? states_out_failed(list->error, why) : r;
}
