#include "cmd/states_groups.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/states_order.h"

static int by_net(const struct states_look *look, uint64_t a, uint64_t b)
{
	int r = strcmp(states_look_net_name(look, a), states_look_net_name(look, b));

	return r ? r : order_numbers(a, b);
}

static int compare(const struct states_look *look, const struct socket_group *a,
		   const struct socket_group *b)
{
	switch (look->options->sort) {
	case STATES_SORT_STATE:
		return order_numbers((uint64_t)a->state, (uint64_t)b->state);
	case STATES_SORT_PEER:
		return order_addresses(&a->peer.address, &b->peer.address);
	case STATES_SORT_DESTINATION:
		return order_endpoints(&a->peer, &b->peer);
	case STATES_SORT_PEER_PORT:
		return order_numbers(a->peer.port, b->peer.port);
	case STATES_SORT_LOCAL:
		return order_addresses(&a->local.address, &b->local.address);
	case STATES_SORT_LOCAL_PORT:
		return order_numbers(a->local.port, b->local.port);
	case STATES_SORT_TIMER:
		return order_numbers(a->timer, b->timer);
	case STATES_SORT_PROCESS:
		return order_owners(&a->owner, &b->owner);
	case STATES_SORT_USER:
		return order_numbers(a->uid, b->uid);
	case STATES_SORT_NETNS:
		return by_net(look, a->netns, b->netns);
	default:
		return order_numbers(b->count, a->count);
	}
}

/* The sort is stable where @a and @b lie in one array, largest first. */
static int in_order(const void *a, const void *b, void *context)
{
	const struct states_look *look = context;
	int r = compare(look, a, b);

	if (r == 0)
		return (a > b) - (a < b);
	return look->options->reverse ? -r : r;
}

void states_groups_sort(const struct states_look *look, struct socket_group *groups, size_t count)
{
	if (look->options->sort == STATES_SORT_NONE && !look->options->reverse)
		return;
	qsort_r(groups, count, sizeof(*groups), in_order, (void *)look);
}

/* In the order of their counts the largest are chosen in one pass; else all are sorted. */
struct socket_group *states_groups_take(const struct states_look *look, size_t *ret_count)
{
	const struct states_options *options = look->options;
	bool largest = options->sort <= STATES_SORT_COUNT && !options->reverse;
	struct socket_group *groups;

	groups = socket_groups_top(look->groups, largest ? options->top : 0, ret_count);
	if (!groups || largest)
		return groups;
	states_groups_sort(look, groups, *ret_count);
	if (options->top && *ret_count > options->top)
		*ret_count = options->top;
	return groups;
}
