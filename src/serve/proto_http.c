/*
 * Enough HTTP/1.1 for curl, wrk, ab and a browser: each request, whatever it asks for, is answered
 * with plan->http_body bytes of text. One answer at a time: pipelined requests wait at the talk.
 *
 * Memory of a connection is protocol_state alone. While a request comes, it holds the parser: its
 * bounded size is in `offset`, its length in `number`, the rest in `bits`; from the last byte of
 * the request on, `offset` counts the answer's bytes sent, and `number` is the time in its Date.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "serve/http_parse.h"
#include "serve/protocols.h"

/* What `bits` holds, a byte each but for the two of the stage at the top. */
#define STATE(bits)   ((uint8_t)(bits))
#define MATCH(bits)   ((uint8_t)((bits) >> 8))
#define FLAGS(bits)   ((uint8_t)((bits) >> 16))
#define TROUBLE(bits) ((uint8_t)((bits) >> 24 & 0x3f))

enum stage { ASKING, CONTINUING, ANSWERING, ENDED };

static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

static enum stage stage(const struct protocol_state *state)
{
	return (enum stage)(state->bits >> 30);
}

static struct http_parse load(const struct protocol_state *state)
{
	return (struct http_parse){
		.length = state->number,
		.size = state->offset,
		.state = STATE(state->bits),
		.match = MATCH(state->bits),
		.flags = FLAGS(state->bits),
		.trouble = TROUBLE(state->bits),
	};
}

static void store(struct protocol_state *state, const struct http_parse *parse, enum stage next)
{
	state->number = next == ANSWERING ? 0 : parse->length;
	state->offset = next == ASKING ? parse->size : 0;
	state->bits = (uint32_t)parse->state | (uint32_t)parse->match << 8 |
		      (uint32_t)parse->flags << 16 | (uint32_t)parse->trouble << 24 |
		      (uint32_t)next << 30;
}

static ssize_t take(struct protocol_state *state, const struct serve_plan *plan, const char *bytes,
		    size_t length)
{
	struct http_parse parse;
	size_t taken;

	(void)plan;
	if (stage(state) == ENDED)
		return (ssize_t)length;
	parse = load(state);
	switch (http_parse(&parse, bytes, length, &taken)) {
	case HTTP_MORE:
		store(state, &parse, ASKING);
		break;
	case HTTP_BODY:
		store(state, &parse, CONTINUING);
		break;
	case HTTP_COMPLETE:
		store(state, &parse, ANSWERING);
		break;
	case HTTP_TROUBLED:
		store(state, &parse, ANSWERING);
		return -EPROTO;
	}
	return (ssize_t)taken;
}

/* ---- the answer */

struct answer {
	char head[256];
	size_t head_length;
	size_t body_length; /* as sent: 0 for HEAD */
};

/* By hand: snprintf() would take longer than all the rest of an answer here. */
static void add(struct answer *answer, const char *text)
{
	size_t length = strlen(text);

	assert(answer->head_length + length <= sizeof(answer->head));
	memcpy(answer->head + answer->head_length, text, length);
	answer->head_length += length;
}

static void add_number(struct answer *answer, size_t number)
{
	char digits[24], *at = digits + sizeof(digits);

	*--at = '\0';
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	add(answer, at);
}

/*
 * RFC 9110, 5.6.7 and 6.6.1: who has a clock tells the time. Made once a second; always of one
 * length, so that an answer has its length whenever it is made.
 */
static const char *date(time_t at)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	static _Thread_local time_t made_for;
	static _Thread_local char text[64] = "Thu, 01 Jan 1970 00:00:00 GMT";
	struct tm tm;

	if (made_for == at || !gmtime_r(&at, &tm))
		return text;
	snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
		 tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min,
		 tm.tm_sec);
	made_for = at;
	return text;
}

static void make_answer(const struct protocol_state *state, const struct serve_plan *plan,
			struct answer *ret)
{
	struct http_parse parse = load(state);
	const char *status = http_status(parse.trouble);
	size_t body = parse.trouble ? strlen(status) + 1 : plan->http_body;

	ret->head_length = 0;
	add(ret, "HTTP/1.1 ");
	add(ret, status);
	add(ret, "\r\nDate: ");
	add(ret, date((time_t)state->number));
	add(ret, "\r\nServer: contest\r\nContent-Type: text/plain\r\nContent-Length: ");
	add_number(ret, body);
	if (!http_keeps(&parse))
		add(ret, "\r\nConnection: close\r\n\r\n");
	else if (!(parse.flags & HTTP_11))
		add(ret, "\r\nConnection: keep-alive\r\n\r\n");
	else
		add(ret, "\r\n\r\n");
	ret->body_length = parse.flags & HTTP_HEAD ? 0 : body;
}

/* Bytes of the body from @offset on: the status and an end of line, or lines of digits. */
static size_t give_body(uint8_t trouble, size_t offset, char *to, size_t length)
{
	static const char line[] =
		"0123456789012345678901234567890123456789012345678901234567890\n";
	const size_t period = sizeof(line) - 1;

	if (trouble) {
		const char *status = http_status(trouble);

		for (size_t i = 0; i < length; i++)
			to[i] = status[offset + i] ? status[offset + i] : '\n';
		return length;
	}
	for (size_t i = 0; i < length;) {
		size_t from = (offset + i) % period, n = period - from;

		if (n > length - i)
			n = length - i;
		memcpy(to + i, line + from, n);
		i += n;
	}
	return length;
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t give(struct protocol_state *state, const struct serve_plan *plan, char *to,
		   size_t room)
{
	struct answer answer;
	size_t offset = state->offset, length = 0;

	switch (stage(state)) {
	case CONTINUING:
		length = lesser(room, sizeof(interim) - 1 - offset);
		memcpy(to, interim + offset, length);
		return length;
	case ANSWERING:
		break;
	default:
		return 0;
	}
	if (!state->number)
		state->number = time(NULL);
	make_answer(state, plan, &answer);
	if (offset < answer.head_length) {
		length = lesser(room, answer.head_length - offset);
		memcpy(to, answer.head + offset, length);
		offset += length;
	}
	if (offset >= answer.head_length) {
		size_t body = offset - answer.head_length;

		length += give_body(TROUBLE(state->bits), body, to + length,
				    lesser(room - length, answer.body_length - body));
	}
	return length;
}

static enum protocol_progress end_answer(struct protocol_state *state)
{
	struct http_parse parse = load(state);

	if (http_keeps(&parse)) {
		parse = (struct http_parse){0};
		store(state, &parse, ASKING);
		return PROTOCOL_ANSWERED;
	}
	store(state, &parse, ENDED);
	return PROTOCOL_LAST;
}

static enum protocol_progress sent(struct protocol_state *state, const struct serve_plan *plan,
				   size_t length)
{
	struct http_parse parse = load(state);
	struct answer answer;

	if (length == 0)
		return PROTOCOL_ON;
	state->offset += length;
	if (stage(state) == CONTINUING && state->offset == sizeof(interim) - 1) {
		parse.size = 0;
		store(state, &parse, ASKING);
	}
	if (stage(state) != ANSWERING)
		return PROTOCOL_ON;
	make_answer(state, plan, &answer);
	if (state->offset < answer.head_length + answer.body_length)
		return PROTOCOL_ON;
	return end_answer(state);
}

static void warm(void)
{
	date(time(NULL));
}

const struct serve_protocol protocol_http = {
	.name = "http",
	.summary = "answers any HTTP/1.x request with a small text",
	.usual_closing = SERVE_CLOSE_ACTIVE,
	.take = take,
	.give = give,
	.sent = sent,
	.warm = warm,
};
