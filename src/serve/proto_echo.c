/*
 * RFC 862: sends back what comes. The RFC leaves closing to the peer; for closings that do not,
 * the answer is what came with the first end of a line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/protocols.h"

enum { LINE_ENDED = 1 };

/* Nothing is held here: the talk reads only what it has room for, when all was sent. */
static ssize_t take(struct protocol_state *state, const struct serve_plan *plan, const char *bytes,
		    size_t length)
{
	char *more = realloc(state->buffer, state->held + length);

	(void)plan;
	if (!more)
		return -ENOMEM;
	memcpy(more + state->held, bytes, length);
	state->buffer = more;
	state->held += (uint32_t)length;
	if (memchr(bytes, '\n', length))
		state->bits |= LINE_ENDED;
	return (ssize_t)length;
}

static size_t give(struct protocol_state *state, const struct serve_plan *plan, char *to,
		   size_t room)
{
	size_t length = state->held - state->offset;

	(void)plan;
	if (length > room)
		length = room;
	if (length)
		memcpy(to, state->buffer + state->offset, length);
	return length;
}

static enum protocol_progress sent(struct protocol_state *state, const struct serve_plan *plan,
				   size_t length)
{
	bool ended = state->bits & LINE_ENDED;

	(void)plan;
	state->offset += length;
	if (!length || state->offset < state->held)
		return PROTOCOL_ON;
	/* No buffer for a connection that waits. */
	free(state->buffer);
	*state = (struct protocol_state){0};
	return ended ? PROTOCOL_LAST : PROTOCOL_ON;
}

const struct serve_protocol protocol_echo = {
	.name = "echo",
	.summary = "sends back what comes (RFC 862)",
	.usual_closing = SERVE_CLOSE_PASSIVE,
	.take = take,
	.give = give,
	.sent = sent,
};
