/* RFC 862: what is said comes back, byte for byte. */
#include <errno.h>
#include <string.h>

#include "load/proto_list.h"
#include "load/tally.h"

static int request(const struct load_plan *plan, bool last, char **ret, size_t *ret_length)
{
	(void)last;
	if (!plan->payload_length) /* no answer could be told from silence */
		return -EINVAL;
	return load_payload_copy(plan, ret, ret_length);
}

static int take(struct answer_state *state, const struct load_plan *plan, const char *bytes,
		size_t length, size_t *ret_taken)
{
	size_t left = plan->payload_length - (size_t)state->left;

	if (length == 0)
		return -LOAD_FAIL_SHORT;
	if (length > left)
		length = left;
	if (memcmp(plan->payload + state->left, bytes, length) != 0)
		return -LOAD_FAIL_MALFORMED;
	state->left += length;
	*ret_taken = length;
	return length == left ? ANSWER_COMPLETE : ANSWER_MORE;
}

/* "This continues until the calling user terminates the connection." */
const struct load_protocol load_protocol_echo = {
	.name = "echo",
	.summary = "sends a payload and awaits the same bytes (RFC 862)",
	.has_request = true,
	.has_answer = true,
	.usual_closing = LOAD_CLOSE_ACTIVE,
	.request = request,
	.take = take,
};
