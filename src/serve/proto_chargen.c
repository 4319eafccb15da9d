/*
 * RFC 864: characters without end; what the peer sends is thrown away. Lines of 72 of the 95
 * printing characters, each line beginning one character later: after 95 lines it is the first
 * again. Such a turn is an answer, for closings that do not wait for the peer.
 */
#include <string.h>

#include "serve/protocols.h"

enum { SET = 95, SHOWN = 72, LINE = SHOWN + 2, TURN = SET * LINE };

/* All the characters, and again, so that each line is a stretch of it. */
static const char ring[SET + SHOWN + 1] =
	" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
	" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg";

static ssize_t take(struct protocol_state *state, const struct serve_plan *plan, const char *bytes,
		    size_t length)
{
	(void)state, (void)plan, (void)bytes;
	return (ssize_t)length;
}

/* The rest of a line from @offset of the turn on. */
static size_t give_line(size_t offset, char *to, size_t room)
{
	size_t column = offset % LINE, length = LINE - column;
	char line[LINE];

	memcpy(line, ring + offset / LINE, SHOWN);
	memcpy(line + SHOWN, "\r\n", 2);
	if (length > room)
		length = room;
	memcpy(to, line + column, length);
	return length;
}

static size_t give(struct protocol_state *state, const struct serve_plan *plan, char *to,
		   size_t room)
{
	size_t length = 0;

	(void)plan;
	while (length < room && state->offset + length < TURN)
		length += give_line(state->offset + length, to + length, room - length);
	return length;
}

static enum protocol_progress sent(struct protocol_state *state, const struct serve_plan *plan,
				   size_t length)
{
	(void)plan;
	state->offset += length;
	if (state->offset < TURN)
		return PROTOCOL_ON;
	state->offset = 0;
	return PROTOCOL_LAST;
}

const struct serve_protocol protocol_chargen = {
	.name = "chargen",
	.summary = "characters without end (RFC 864)",
	.speaks_first = true,
	.usual_closing = SERVE_CLOSE_PASSIVE,
	.take = take,
	.give = give,
	.sent = sent,
};
