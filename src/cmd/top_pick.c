/* The heap has the highest of the lowest at its top, where the next lower one takes its place. */
#include "cmd/top_pick.h"

#include <stdlib.h>
#include <string.h>

static int compare_ends(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	int order = a->address.family - b->address.family;

	if (order == 0)
		order = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));
	return order ? order : a->port - b->port;
}

int top_connection_compare(const struct top_connection *a, const struct top_connection *b)
{
	int order = compare_ends(&a->status.key.remote, &b->status.key.remote);

	if (order == 0)
		order = compare_ends(&a->status.key.local, &b->status.key.local);
	return order ? order : (a->netns > b->netns) - (a->netns < b->netns);
}

static void rise(struct top_connection *heap, size_t at)
{
	while (at > 0 && top_connection_compare(&heap[at], &heap[(at - 1) / 2]) > 0) {
		struct top_connection swap = heap[at];

		heap[at] = heap[(at - 1) / 2];
		heap[(at - 1) / 2] = swap;
		at = (at - 1) / 2;
	}
}

static void sink(struct top_connection *heap, size_t count)
{
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;
		struct top_connection swap = heap[at];

		if (child >= count)
			return;
		if (child + 1 < count && top_connection_compare(&heap[child + 1], &heap[child]) > 0)
			child++;
		if (top_connection_compare(&heap[child], &heap[at]) <= 0)
			return;
		heap[at] = heap[child];
		heap[child] = swap;
		at = child;
	}
}

void top_pick_add(struct top_group *detail, const struct top_connection *connection)
{
	const struct socket_status *status = &connection->status;

	detail->count++;
	if ((unsigned)status->state < TCP_STATE_COUNT)
		detail->states[status->state]++;
	detail->minisocks += status->minisock;
	/* A listener's are lengths of its queues (struct socket_status). */
	if (status->state != TCP_LISTEN) {
		detail->receive_queue += status->receive_queue;
		detail->send_queue += status->send_queue;
	}
	detail->retransmitting += status->retransmits > 0;
	if (detail->connection_count < TOP_CONNECTIONS) {
		detail->connections[detail->connection_count] = *connection;
		rise(detail->connections, detail->connection_count++);
	} else if (top_connection_compare(connection, detail->connections) < 0) {
		detail->connections[0] = *connection;
		sink(detail->connections, detail->connection_count);
	}
}

void top_pick_clear(struct top_group *detail)
{
	struct top_group fresh = {
		.chosen = detail->chosen,
		.by = detail->by,
		.group = detail->group,
		.connections = detail->connections,
	};

	*detail = fresh;
}

static int compare(const void *a, const void *b)
{
	return top_connection_compare(a, b);
}

void top_pick_end(struct top_group *detail)
{
	/* Without a group there is no array. */
	if (detail->connection_count)
		qsort(detail->connections, detail->connection_count, sizeof(*detail->connections),
		      compare);
}
