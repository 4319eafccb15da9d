/* Any other protocol: bytes from a file, and as many in return as the user says there will be. */
#include "load/proto_list.h"
#include "load/tally.h"

static bool awaits(const struct load_plan *plan)
{
	return plan->answer_bytes > 0;
}

static int request(const struct load_plan *plan, bool last, char **ret, size_t *ret_length)
{
	(void)last;
	return load_payload_copy(plan, ret, ret_length);
}

static int take(struct answer_state *state, const struct load_plan *plan, const char *bytes,
		size_t length, size_t *ret_taken)
{
	uint64_t left = plan->answer_bytes - state->left;

	(void)bytes;
	if (length == 0)
		return -LOAD_FAIL_SHORT;
	if (length > left)
		length = (size_t)left;
	state->left += length;
	*ret_taken = length;
	return length == left ? ANSWER_COMPLETE : ANSWER_MORE;
}

const struct load_protocol load_protocol_raw = {
	.name = "raw",
	.summary = "sends a payload and awaits a number of bytes, or none",
	.has_request = true,
	.has_answer = true,
	.usual_closing = LOAD_CLOSE_ACTIVE,
	.awaits = awaits,
	.request = request,
	.take = take,
};
