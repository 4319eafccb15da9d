#include "observe/socket_list.h"

#include <stdlib.h>

int keep(const struct socket_status *status, void *context)
{
	struct list *list = context;

	assert_true(list->count < LIST_MAX);
	list->at[list->count++] = *status;
	return list->stop;
}

static void forget(void *context)
{
	struct list *list = context;

	list->count = 0;
	list->again++;
}

static int order(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	int bytes = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));

	if (bytes != 0)
		return bytes;
	if (a->address.family != b->address.family)
		return a->address.family - b->address.family;
	return a->port - b->port;
}

int by_key(const void *first, const void *second)
{
	const struct tcp_key *a = &((const struct socket_status *)first)->key;
	const struct tcp_key *b = &((const struct socket_status *)second)->key;
	int local = order(&a->local, &b->local);

	return local != 0 ? local : order(&a->remote, &b->remote);
}

struct socket_walk walk_of(const struct socket_source *from, void *handle,
			   const struct socket_filter *filter, struct list *ret)
{
	struct socket_walk walk = {.seen = 77, .repeated = 77};
	struct why why = {0};
	int r;

	ret->count = ret->again = 0;
	ret->stop = 0;
	r = from->walk(handle, filter, keep, forget, ret, &walk, &why);
	if (r != 0)
		fail_msg("%s: %d %s", from->name, r, why.text);
	assert_int_equal(walk.seen, ret->count);
	qsort(ret->at, ret->count, sizeof(ret->at[0]), by_key);
	return walk;
}
