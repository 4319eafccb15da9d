/*
 * Looks are made some 20 times a second, and states between two of them are not seen. Which packets
 * lead from one state to another says RFC 9293, 3.3.2: the table has the steps, and the jumps over
 * one or more of them. A packet that is in doubt is not in it.
 */
#include "cmd/top_trail.h"

#include <string.h>

#include "base/cleanup.h"
#include "tcp/state.h"

bool top_trail_is_gone(const struct top_trail *trail)
{
	return trail->count && trail->steps[trail->count - 1].state == TCP_STATE_NONE;
}

static void add_step(struct top_trail *trail, int state, int64_t now_ns)
{
	if (trail->count == TOP_TRAIL_STEPS) {
		memmove(trail->steps, trail->steps + 1, --trail->count * sizeof(*trail->steps));
		trail->forgotten++;
	}
	trail->steps[trail->count++] = (struct top_step){.state = state, .seen_ns = now_ns};
}

bool top_trail_see(struct top_trail *trail, const struct socket_status *status, int64_t now_ns)
{
	int state = status ? status->state : TCP_STATE_NONE;
	struct top_step *step;
	bool news = trail->count == 0 || trail->steps[trail->count - 1].state != state;

	if (news)
		add_step(trail, state, now_ns);
	step = &trail->steps[trail->count - 1];
	step->until_ns = now_ns;
	if (!status)
		return news;
	if (status->retransmits > step->retransmits)
		step->retransmits = status->retransmits;
	trail->last = *status;
	trail->last_ns = now_ns;
	return news;
}

const char *top_trail_between(int from, int to)
{
	static const struct {
		int from, to;
		const char *what;
	} ways[] = {
		{TCP_STATE_NONE, TCP_SYN_SENT, ">SYN"},
		{TCP_STATE_NONE, TCP_SYN_RECV, "<SYN >SYN+ACK"},
		{TCP_STATE_NONE, TCP_ESTABLISHED, "!opened"},
		{TCP_STATE_NONE, TCP_LISTEN, "!listen()"},
		{TCP_LISTEN, TCP_STATE_NONE, "!closed"},
		{TCP_SYN_SENT, TCP_SYN_RECV, "<SYN >SYN+ACK"},
		{TCP_SYN_SENT, TCP_ESTABLISHED, "<SYN+ACK >ACK"},
		{TCP_SYN_SENT, TCP_STATE_NONE, "!refused (RST), given up, or closed"},
		{TCP_SYN_RECV, TCP_ESTABLISHED, "<ACK"},
		{TCP_SYN_RECV, TCP_STATE_NONE, "!RST, or given up"},
		{TCP_ESTABLISHED, TCP_FIN_WAIT1, ">FIN"},
		{TCP_ESTABLISHED, TCP_FIN_WAIT2, ">FIN <ACK"},
		{TCP_ESTABLISHED, TCP_CLOSING, ">FIN <FIN >ACK"},
		{TCP_ESTABLISHED, TCP_TIME_WAIT, ">FIN <FIN >ACK"},
		{TCP_ESTABLISHED, TCP_CLOSE_WAIT, "<FIN >ACK"},
		{TCP_ESTABLISHED, TCP_LAST_ACK, "<FIN >ACK >FIN"},
		{TCP_ESTABLISHED, TCP_STATE_NONE, "!RST, or closed by the peer and then by us"},
		{TCP_FIN_WAIT1, TCP_FIN_WAIT2, "<ACK"},
		{TCP_FIN_WAIT1, TCP_CLOSING, "<FIN >ACK"},
		{TCP_FIN_WAIT1, TCP_TIME_WAIT, "<FIN >ACK"},
		{TCP_FIN_WAIT1, TCP_STATE_NONE, "!RST, or given up"},
		{TCP_FIN_WAIT2, TCP_TIME_WAIT, "<FIN >ACK"},
		{TCP_FIN_WAIT2, TCP_STATE_NONE, "!tcp_fin_timeout is over, or RST"},
		{TCP_CLOSING, TCP_TIME_WAIT, "<ACK"},
		{TCP_CLOSING, TCP_STATE_NONE, "!RST, or given up"},
		{TCP_CLOSE_WAIT, TCP_LAST_ACK, ">FIN"},
		{TCP_CLOSE_WAIT, TCP_STATE_NONE, "!closed: FIN and its ACK, or RST"},
		{TCP_LAST_ACK, TCP_STATE_NONE, "!ACK of our FIN, RST, or given up"},
		{TCP_TIME_WAIT, TCP_STATE_NONE, "!60 s are over, or the port was used again"},
		{TCP_TIME_WAIT, TCP_SYN_RECV, "<SYN >SYN+ACK"},
		{TCP_TIME_WAIT, TCP_SYN_SENT, ">SYN"},
		{TCP_TIME_WAIT, TCP_ESTABLISHED, "!a new connection between the same ends"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (ways[i].from == from && ways[i].to == to)
			return ways[i].what;
	return NULL;
}
