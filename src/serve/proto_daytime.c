/* RFC 867: the time as a line of text; what the peer sends is thrown away. */
#include <string.h>
#include <time.h>

#include "serve/protocols.h"

#define LINE 26 /* "Thu Jan  1 00:00:00 1970\r\n": 24 characters of ctime(3) and the end */

/* The line for @at: made once a second, as localtime() takes a lock and most of an answer's time.
 */
static const char *line(time_t at)
{
	static _Thread_local time_t made_for;
	static _Thread_local char text[LINE + 6];
	char made[32];

	if (made_for != at) {
		memset(text, ' ', 24);
		if (ctime_r(&at, made))
			memcpy(text, made, strnlen(made, 24));
		memcpy(text + 24, "\r\n", 2);
		made_for = at;
	}
	return text;
}

static ssize_t take(struct protocol_state *state, const struct serve_plan *plan, const char *bytes,
		    size_t length)
{
	(void)state, (void)plan, (void)bytes;
	return (ssize_t)length;
}

static size_t give(struct protocol_state *state, const struct serve_plan *plan, char *to,
		   size_t room)
{
	size_t length = LINE - state->offset;

	(void)plan;
	if (length == 0)
		return 0;
	if (!state->number)
		state->number = time(NULL);
	if (length > room)
		length = room;
	memcpy(to, line((time_t)state->number) + state->offset, length);
	return length;
}

static enum protocol_progress sent(struct protocol_state *state, const struct serve_plan *plan,
				   size_t length)
{
	(void)plan;
	state->offset += length;
	return length && state->offset == LINE ? PROTOCOL_LAST : PROTOCOL_ON;
}

static void warm(void)
{
	line(time(NULL));
}

const struct serve_protocol protocol_daytime = {
	.name = "daytime",
	.summary = "the time, then closes (RFC 867)",
	.speaks_first = true,
	.usual_closing = SERVE_CLOSE_ACTIVE,
	.take = take,
	.give = give,
	.sent = sent,
	.warm = warm,
};
