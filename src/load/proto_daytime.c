/* RFC 867: the server says a line with the time and closes. */
#include <string.h>

#include "load/proto_list.h"
#include "load/tally.h"

/* RFC 867 bounds nothing; what goes on for so long without a line's end is no time of day. */
#define LINE_MAX_BYTES 4096

static int take(struct answer_state *state, const struct load_plan *plan, const char *bytes,
		size_t length, size_t *ret_taken)
{
	const char *end;

	(void)plan;
	if (length == 0) {
		if (state->left == 0)
			return -LOAD_FAIL_SHORT;
		*ret_taken = 0;
		return ANSWER_LAST;
	}
	end = memchr(bytes, '\n', length);
	if (end)
		length = (size_t)(end - bytes) + 1;
	state->left += length;
	if (state->left > LINE_MAX_BYTES)
		return -LOAD_FAIL_MALFORMED;
	*ret_taken = length;
	return end ? ANSWER_LAST : ANSWER_MORE;
}

/* The server's closing is a part of the protocol: it is how the answer ends. */
const struct load_protocol load_protocol_daytime = {
	.name = "daytime",
	.summary = "reads the line that the server says first (RFC 867)",
	.has_answer = true,
	.usual_closing = LOAD_CLOSE_PASSIVE,
	.take = take,
};
