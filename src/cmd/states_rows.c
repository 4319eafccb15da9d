#include "cmd/states_rows.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "cmd/order.h"

struct order {
	enum states_sort sort;
	bool reverse;
	const struct owners *owners;
	const struct states_net *nets;
};

int states_rows_add(struct states_rows *rows, const struct socket_status *status, uint32_t net)
{
	if (ARRAY_ROOM(rows->at, rows->capacity, rows->count) < 0)
		return -ENOMEM;
	rows->at[rows->count++] = (struct states_row){*status, net};
	return 0;
}

/* Those without one last. */
static int by_process(const struct owners *owners, uint32_t a, uint32_t b)
{
	struct owner owner_a, owner_b;
	bool has_a = owners && owners_find(owners, a, &owner_a);
	bool has_b = owners && owners_find(owners, b, &owner_b);

	if (!has_a || !has_b)
		return has_b - has_a;
	return order_owners(&owner_a, &owner_b);
}

/* By their names, as a person reads them; without these as they were walked. */
static int by_net(const struct states_net *nets, uint32_t a, uint32_t b)
{
	int r = nets ? strcmp(nets[a].label, nets[b].label) : 0;

	return r ? r : order_numbers(a, b);
}

/* Without a timer last. */
static uint64_t left(const struct socket_status *status)
{
	return status->timer == SOCKET_TIMER_OFF ? UINT64_MAX : status->timer_left_ms;
}

static int compare(const struct order *order, const struct states_row *row_a,
		   const struct states_row *row_b)
{
	const struct socket_status *a = &row_a->status, *b = &row_b->status;

	switch (order->sort) {
	case STATES_SORT_STATE:
		return order_numbers((uint64_t)a->state, (uint64_t)b->state);
	case STATES_SORT_RECV_Q:
		return order_numbers(b->receive_queue, a->receive_queue);
	case STATES_SORT_SEND_Q:
		return order_numbers(b->send_queue, a->send_queue);
	case STATES_SORT_LOCAL:
		return order_endpoints(&a->key.local, &b->key.local);
	case STATES_SORT_LOCAL_PORT:
		return order_numbers(a->key.local.port, b->key.local.port);
	case STATES_SORT_PEER:
	case STATES_SORT_DESTINATION:
		return order_endpoints(&a->key.remote, &b->key.remote);
	case STATES_SORT_PEER_PORT:
		return order_numbers(a->key.remote.port, b->key.remote.port);
	case STATES_SORT_TIMER:
		return order_numbers(left(a), left(b));
	case STATES_SORT_PROCESS:
		return by_process(order->owners, a->inode, b->inode);
	case STATES_SORT_USER:
		/* Of nobody last: the kernel says 0, and root is somebody. */
		return order_numbers(socket_group_user(a), socket_group_user(b));
	case STATES_SORT_NETNS:
		return by_net(order->nets, row_a->net, row_b->net);
	case STATES_SORT_NONE:
	case STATES_SORT_COUNT:
		return 0;
	}
	return 0;
}

static int in_order(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	int r = compare(order, a, b);

	return order->reverse ? -r : r;
}

void states_rows_sort(struct states_rows *rows, enum states_sort sort, bool reverse,
		      const struct owners *owners, const struct states_net *nets)
{
	struct order order = {sort, reverse, owners, nets};

	/* glibc's sorts by merging, and so keeps ties in order, where memory allows (qsort(3)). */
	if (rows->count)
		qsort_r(rows->at, rows->count, sizeof(*rows->at), in_order, &order);
}
