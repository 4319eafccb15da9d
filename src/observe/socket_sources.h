/* The sources by themselves, for the list of them and for what they share. */
#ifndef CONTEST_OBSERVE_SOCKET_SOURCES_H
#define CONTEST_OBSERVE_SOCKET_SOURCES_H

#include "observe/socket_source.h"
#include "tcp/state.h"

extern const struct socket_source socket_source_diag, socket_source_bpf, socket_source_proc;

/* What any of them can give. TCP_BOUND_INACTIVE (bit 13) is for sock_diag alone, and not what
 * people mean by a socket in a state: ss leaves it out, too. */
#define SOCKET_SOURCE_STATES ((1U << (TCP_CLOSING + 1)) - 2)

static inline uint32_t socket_source_states(const struct socket_filter *filter)
{
	return (filter ? socket_filter_states(filter) : ~0U) & SOCKET_SOURCE_STATES;
}

/* Who is told of the sockets. */
struct socket_visitor {
	const struct socket_filter *filter; /* NULL: all */
	sockdiag_visit visit;
	void (*again)(void *context); /* may be NULL */
	void *context;
	uint64_t seen; /* sockets that @visit got */
	int stopped;   /* what it returned */
};

/* 0, or what the visitor returned. */
static inline int socket_visitor_show(struct socket_visitor *visitor,
				      const struct socket_status *status)
{
	if (visitor->filter && !socket_filter_matches(visitor->filter, status))
		return 0;
	visitor->seen++;
	visitor->stopped = visitor->visit(status, visitor->context);
	return visitor->stopped;
}

/* What was shown does not count. */
static inline void socket_visitor_again(struct socket_visitor *visitor)
{
	visitor->seen = 0;
	if (visitor->again)
		visitor->again(visitor->context);
}

#endif
