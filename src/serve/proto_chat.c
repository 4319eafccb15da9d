/*
 * What CONTEST, the server before this one, did: each line that a client sends is told, with the
 * bytes that it has sent so far; `quit` ends. Nothing is answered. A line that does not end is told
 * in pieces of LINE_LONGEST, so that no client takes more memory than one read and that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/protocols.h"

enum { SAID_QUIT = 1, IN_LINE = 2, AT_END = 4 };

#define LINE_LONGEST 1000

/* state->number: what of the buffer has been told. It is empty again before the next read. */
static const char *rest(const struct protocol_state *state, size_t *ret_length)
{
	*ret_length = state->held - (size_t)state->number;
	return state->buffer ? state->buffer + state->number : NULL;
}

static void drop(struct protocol_state *state)
{
	free(state->buffer);
	state->buffer = NULL;
	state->held = 0;
	state->number = 0;
}

static ssize_t take(struct protocol_state *state, const struct serve_plan *plan, const char *bytes,
		    size_t length)
{
	size_t left;
	const char *old = rest(state, &left);
	char *more;

	(void)plan;
	if (length == 0)
		state->bits |= AT_END;
	if (length == 0 || state->bits & SAID_QUIT)
		return (ssize_t)length;
	more = malloc(left + length);
	if (!more)
		return -ENOMEM;
	if (left)
		memcpy(more, old, left);
	memcpy(more + left, bytes, length);
	drop(state);
	state->buffer = more;
	state->held = (uint32_t)(left + length);
	return (ssize_t)length;
}

static size_t give(struct protocol_state *state, const struct serve_plan *plan, char *to,
		   size_t room)
{
	(void)state, (void)plan, (void)to, (void)room;
	return 0;
}

static enum protocol_progress sent(struct protocol_state *state, const struct serve_plan *plan,
				   size_t length)
{
	(void)state, (void)plan, (void)length;
	return PROTOCOL_ON;
}

/* The first line with its end, or a piece of it; *ret_length 0: not there yet. */
static const char *first_line(const struct protocol_state *state, size_t *ret_length)
{
	size_t left;
	const char *text = rest(state, &left), *end;
	size_t reach = left < LINE_LONGEST ? left : LINE_LONGEST;

	end = reach ? memchr(text, '\n', reach) : NULL;
	if (end)
		reach = (size_t)(end + 1 - text);
	else if (reach < LINE_LONGEST && !(state->bits & AT_END))
		reach = 0;
	*ret_length = reach;
	return text;
}

/* Without "\n" or "\r\n". */
static size_t text_length(const char *line, size_t length)
{
	if (length && line[length - 1] == '\n') {
		length--;
		if (length && line[length - 1] == '\r')
			length--;
	}
	return length;
}

static ssize_t say(struct protocol_state *state, char *to, size_t room, uint64_t *ret_total)
{
	size_t whole, length;
	const char *line = first_line(state, &whole);

	if (!whole)
		return -EAGAIN;
	length = text_length(line, whole);
	if (length > room)
		length = room;
	memcpy(to, line, length);
	*ret_total = state->offset + whole;
	return (ssize_t)length;
}

static enum protocol_progress said(struct protocol_state *state)
{
	size_t length;
	const char *line = first_line(state, &length);
	bool ended = line[length - 1] == '\n';
	bool quit = (ended || state->bits & AT_END) && !(state->bits & IN_LINE) &&
		    text_length(line, length) == 4 && strncasecmp(line, "quit", 4) == 0;

	state->offset += length;
	state->number += (int64_t)length;
	state->bits &= AT_END;
	if (!ended)
		state->bits |= IN_LINE;
	if (quit)
		state->bits |= SAID_QUIT;
	if (quit || state->number == state->held)
		drop(state);
	return quit ? PROTOCOL_LAST : PROTOCOL_ANSWERED;
}

const struct serve_protocol protocol_chat = {
	.name = "chat",
	.summary = "tells in the log what each client says; \"quit\" ends",
	.usual_closing = SERVE_CLOSE_ACTIVE,
	.take = take,
	.give = give,
	.sent = sent,
	.say = say,
	.said = said,
};
