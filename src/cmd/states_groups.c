#include "cmd/states_groups.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/order.h"

static int by_net(const struct states_look *look, uint64_t a, uint64_t b)
{
	int r = strcmp(states_look_net_name(look, a), states_look_net_name(look, b));

	return r ? r : order_numbers(a, b);
}

static int compare(const struct states_look *look, const struct socket_group *a,
		   const struct socket_group *b)
{
	static const enum group_key keys[] = {
		[STATES_SORT_STATE] = GROUP_STATE,
		[STATES_SORT_LOCAL] = GROUP_LOCAL,
		[STATES_SORT_LOCAL_PORT] = GROUP_LOCAL_PORT,
		[STATES_SORT_PEER] = GROUP_PEER,
		[STATES_SORT_PEER_PORT] = GROUP_PEER_PORT,
		[STATES_SORT_DESTINATION] = GROUP_DESTINATION,
		[STATES_SORT_TIMER] = GROUP_TIMER,
		[STATES_SORT_PROCESS] = GROUP_PROCESS,
		[STATES_SORT_USER] = GROUP_USER,
	};
	enum states_sort sort = look->options->sort;

	if (sort <= STATES_SORT_COUNT)
		return order_numbers(b->count, a->count);
	return sort == STATES_SORT_NETNS ? by_net(look, a->netns, b->netns)
					 : group_key_compare(keys[sort], a, b);
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
