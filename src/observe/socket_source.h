/*
 * Where sockets are listed: sock_diag, a BPF iterator, /proc/net/tcp. One interface, the same
 * answer from each (observe/socket_source_test.c holds them against each other), at different cost.
 */
#ifndef CONTEST_OBSERVE_SOCKET_SOURCE_H
#define CONTEST_OBSERVE_SOCKET_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "observe/sockdiag.h"
#include "observe/socket_filter.h"
#include "observe/socket_sum.h"

/* What a walk came to besides its sockets. */
struct socket_walk {
	uint64_t seen;	   /* sockets that were visited, in what counts */
	unsigned repeated; /* times the whole was begun again: NLM_F_DUMP_INTR and the like */
	bool torn;	   /* … and the last time was interrupted, too: it may lack some, or have
			    * some twice */
	bool without_backlog; /* a listener's backlog (send_queue) is not known, and 0 */
};

/* A source as a const struct; listed in socket_sources[]. */
struct socket_source {
	const char *name;    /* "diag", "bpf", "proc": --source */
	const char *summary; /* one line of help */
	/* Whether it may be used here: 0, or -errno with @why (which privilege, which feature). */
	int (*probe)(struct why *why);
	/* In the network namespace of @netns_fd. 0 or -errno with @why. */
	int (*open)(int netns_fd, void **ret, struct why *why);
	/*
	 * Visits every TCP socket of the namespace, both families, v4-mapped ones with a v4 key,
	 * that @filter (NULL: all) matches. Sockets that are only bound, or not even that, are not
	 * among them. @again (may be NULL) is called when what was visited so far does not count
	 * any more, because the walk begins anew. Sockets that come or go meanwhile may be there
	 * or not. 0, what @visit returned, or -errno with @why; *ret is set when it is 0. One
	 * thread at a time; @visit must not walk the same source.
	 */
	int (*walk)(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		    void (*again)(void *context), void *context, struct socket_walk *ret,
		    struct why *why);
	/*
	 * Or NULL. Tells the sockets of the namespace that are in one of @states (bit 1 << state)
	 * as sums of those that are alike in @fields (SOCKET_FIELD_…); the same sum may come more
	 * than once, and has to be added. All else as walk(). -ENOTSUP, before anything is told:
	 * not here, or not of so many different ones; walk instead.
	 */
	int (*sum)(void *source, uint32_t states, unsigned fields, socket_sum_take take,
		   void *context, struct socket_walk *ret, struct why *why);
	void (*close)(void *source);
};

/* The best first; NULL at the end. */
extern const struct socket_source *const socket_sources[];

/*
 * The source whose sum() is worth to be asked in the namespace of @netns_fd, where the user has
 * chosen none: there are so many sockets that it pays to load a program, and that is allowed. NULL:
 * the first source's walk() does it sooner.
 */
const struct socket_source *socket_source_summing(int netns_fd);

/* The one of that name; NULL: none. */
const struct socket_source *socket_source_find(const char *name);

#endif
