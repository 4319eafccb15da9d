#include "observe/socket_filter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "observe/socket_filter_tree.h"
#include "observe/socket_sum.h"

bool filter_network_holds(const struct filter_network *network, const uint8_t *address)
{
	uint64_t want[2], mask[2], is[2];

	memcpy(want, network->address, sizeof(want));
	memcpy(mask, network->mask, sizeof(mask));
	memcpy(is, address, sizeof(is));
	return (((is[0] ^ want[0]) & mask[0]) | ((is[1] ^ want[1]) & mask[1])) == 0;
}

static bool holds(const struct socket_filter *filter, const struct filter_node *node,
		  const struct socket_status *status)
{
	const struct tcp_endpoint *end = node->remote ? &status->key.remote : &status->key.local;
	bool r = false;

	switch (node->kind) {
	case FILTER_AND:
	case FILTER_OR:
		r = node->kind == FILTER_AND;
		for (uint32_t i = node->below; i != 0 && r == (node->kind == FILTER_AND);
		     i = filter->nodes[i].before)
			r = holds(filter, &filter->nodes[i], status);
		break;
	case FILTER_STATES:
		r = node->states & 1U << status->state;
		break;
	case FILTER_PORTS:
		r = node->ports.low <= end->port && end->port <= node->ports.high;
		break;
	case FILTER_HOST:
		r = node->network.family == end->address.family &&
		    filter_network_holds(&node->network, end->address.bytes);
		break;
	}
	return r != node->negated;
}

bool socket_filter_matches(const struct socket_filter *filter, const struct socket_status *status)
{
	if ((unsigned)status->state >= TCP_STATE_COUNT || !(filter->states & 1U << status->state))
		return false;
	return holds(filter, &filter->nodes[filter->root], status);
}

uint32_t socket_filter_states(const struct socket_filter *filter)
{
	return filter->states;
}

unsigned socket_filter_fields(const struct socket_filter *filter)
{
	unsigned fields = 0;

	for (size_t i = 1; i < filter->count; i++) {
		const struct filter_node *node = &filter->nodes[i];

		if (node->kind == FILTER_PORTS)
			fields |= node->remote ? SOCKET_FIELD_REMOTE_PORT : SOCKET_FIELD_LOCAL_PORT;
		if (node->kind == FILTER_HOST)
			fields |= node->remote ? SOCKET_FIELD_REMOTE : SOCKET_FIELD_LOCAL;
	}
	return fields;
}

size_t socket_filter_bytecode(const struct socket_filter *filter, const void **ret)
{
	*ret = filter->bytecode;
	return filter->bytecode_length;
}

void socket_filter_free(struct socket_filter *filter)
{
	if (!filter)
		return;
	free(filter->nodes);
	free(filter->bytecode);
	free(filter);
}
