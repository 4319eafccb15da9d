/*
 * RFC 863: throws away what comes, and answers nothing. The RFC leaves closing to the peer; for
 * closings that do not, what came with the first end of a line is what closing waits for.
 */
#include <string.h>

#include "serve/protocols.h"

enum { LINE_ENDED = 1 };

static ssize_t take(struct protocol_state *state, const struct serve_plan *plan, const char *bytes,
		    size_t length)
{
	(void)plan;
	if (memchr(bytes, '\n', length))
		state->bits |= LINE_ENDED;
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
	bool ended = state->bits & LINE_ENDED;

	(void)plan, (void)length;
	state->bits = 0;
	return ended ? PROTOCOL_LAST : PROTOCOL_ON;
}

const struct serve_protocol protocol_discard = {
	.name = "discard",
	.summary = "throws away what comes (RFC 863)",
	.usual_closing = SERVE_CLOSE_PASSIVE,
	.take = take,
	.give = give,
	.sent = sent,
};
