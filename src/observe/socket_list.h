/* For tests of sources: what a walk gives, as a list in order. */
#ifndef CONTEST_OBSERVE_SOCKET_LIST_H
#define CONTEST_OBSERVE_SOCKET_LIST_H

#include "observe/testnet.h"

#include "base/cleanup.h"
#include "observe/socket_source.h"

#define LIST_MAX 4096

struct list {
	struct socket_status at[LIST_MAX];
	size_t count;
	size_t again;
	int stop; /* what each visit returns */
};

/* Visits, with a struct list. */
int keep(const struct socket_status *status, void *context);

/* A walk that has to succeed; the list is sorted by key. */
struct socket_walk walk_of(const struct socket_source *from, void *handle,
			   const struct socket_filter *filter, struct list *ret);

int by_key(const void *first, const void *second);

#endif
