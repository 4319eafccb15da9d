/* Sockets by sock_diag: needs no privilege, and the kernel leaves out what the filter does. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/socket_sources.h"

static int diag_probe(struct why *why)
{
	CLEANUP_CLOSE int here = netns_open_current();
	struct sockdiag *diag;
	int r;

	if (here < 0)
		return why_set(why, here, "cannot open /proc/thread-self/ns/net");
	r = sockdiag_open(here, &diag, why);
	if (r == 0)
		sockdiag_close(diag);
	return r;
}

static int diag_open(int netns_fd, void **ret, struct why *why)
{
	struct sockdiag *diag;
	int r = sockdiag_open(netns_fd, &diag, why);

	if (r == 0)
		*ret = diag;
	return r;
}

static int show(const struct socket_status *status, void *context)
{
	return socket_visitor_show(context, status);
}

static void begin_again(void *context)
{
	socket_visitor_again(context);
}

static int diag_walk(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		     void (*again)(void *context), void *context, struct socket_walk *ret,
		     struct why *why)
{
	struct socket_visitor visitor = {filter, visit, again, context};
	struct sockdiag_query query = {.states = socket_source_states(filter)};
	struct sockdiag_course course = {0};
	int r = 0;

	if (filter)
		query.bytecode_length = socket_filter_bytecode(filter, &query.bytecode);
	/* To the kernel no state at all would be all of them. */
	if (query.states)
		r = sockdiag_walk(source, &query, show, begin_again, &visitor, &course);
	/* A kernel that does not know the bytecode says so before the first socket. */
	if (r == -EINVAL && visitor.seen == 0 && query.bytecode_length > 0) {
		query.bytecode_length = 0;
		r = sockdiag_walk(source, &query, show, begin_again, &visitor, &course);
	}
	if (visitor.stopped)
		return visitor.stopped;
	if (r < 0)
		return why_set(why, r, "cannot list the TCP sockets over netlink");
	*ret = (struct socket_walk){
		.seen = visitor.seen,
		.repeated = course.repeated,
		.torn = course.torn,
	};
	return 0;
}

static void diag_close(void *source)
{
	sockdiag_close(source);
}

const struct socket_source socket_source_diag = {
	.name = "diag",
	.summary = "sock_diag over netlink: needs no privilege",
	.probe = diag_probe,
	.open = diag_open,
	.walk = diag_walk,
	.close = diag_close,
};
