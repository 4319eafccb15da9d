/* HTTP/1.1: GET of one target, again and again over a connection that is kept. */
#include <errno.h>
#include <stdio.h>

#include "load/http_answer.h"
#include "load/proto_list.h"

/* Whether it may stand in a line of a request: no space, no control characters (RFC 9112, 3.2). */
static bool is_sendable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

/*
 * "Connection: close" (RFC 9112, 9.6) makes the server close first: it sends its FIN with the last
 * answer, before any client could. So it is said only where the server is to close. Elsewhere the
 * client ends a connection that is kept, as any client may at any time (9.5).
 */
static bool says_close(const struct load_plan *plan, bool last)
{
	return last && plan->closing == LOAD_CLOSE_PASSIVE;
}

static int request(const struct load_plan *plan, bool last, char **ret, size_t *ret_length)
{
	const char *target = plan->http_target ? plan->http_target : "/";
	char *text;
	int length;

	if (!*target || !plan->http_host || !is_sendable(target) || !is_sendable(plan->http_host))
		return -EINVAL;
	length = asprintf(&text, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: contest\r\n%s\r\n",
			  target, plan->http_host,
			  says_close(plan, last) ? "Connection: close\r\n" : "");
	if (length < 0)
		return -ENOMEM;
	*ret = text;
	*ret_length = (size_t)length;
	return 0;
}

static int take(struct answer_state *state, const struct load_plan *plan, const char *bytes,
		size_t length, size_t *ret_taken)
{
	(void)plan;
	return http_answer_take(state, bytes, length, ret_taken);
}

/* Either end may close (RFC 9112, 9.6). Who makes load by connections that close wants to see what
 * that costs the end that closes first: this one. */
const struct load_protocol load_protocol_http = {
	.name = "http",
	.summary = "HTTP/1.1 GET, over a connection that is kept",
	.has_request = true,
	.has_answer = true,
	.usual_closing = LOAD_CLOSE_ACTIVE,
	.request = request,
	.take = take,
};
