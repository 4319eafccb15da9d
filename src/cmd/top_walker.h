/*
 * The thread that looks at the sockets, so that the screen never waits for it. It is told what is
 * wanted, at any time and at once; it hands over whole looks, and follows one connection meanwhile.
 */
#ifndef CONTEST_CMD_TOP_WALKER_H
#define CONTEST_CMD_TOP_WALKER_H

#include "cmd/source_option.h"
#include "cmd/top_look.h"
#include "cmd/top_trail.h"
#include "observe/socket_filter.h"

struct top_walker;

struct top_start {
	struct source_choice source;
	const char *netns; /* top_places_open() */
	struct group_by by;
	bool owners;
	int64_t interval_ns;
};

/* Opens what is needed, then starts the thread, with signals blocked as they are in the caller.
 * @filter (NULL: all) is taken over, also on failure. 0 or -errno with @why. */
int top_walker_start(const struct top_start *start, struct socket_filter *filter,
		     struct top_walker **ret, struct why *why);
/* Ends the thread and all it has; NULL is allowed. */
void top_walker_stop(struct top_walker *walker);

/* Readable when there is something new: a look, a step of the trail (borrowed). */
int top_walker_fd(const struct top_walker *walker);

/* The newest look (owned by the caller), or NULL: none since the last call. */
struct top_look *top_walker_take(struct top_walker *walker);
/* The trail as it is now. False: no connection is followed. */
bool top_walker_trail(struct top_walker *walker, struct top_trail *ret);

/*
 * What is wanted from now on. What is being walked for an older wish is given up. Each wish has a
 * number: top_walker_serial() is that of the last one, and looks that answer it bear it.
 */
void top_walker_filter(struct top_walker *walker, struct socket_filter *filter); /* takes it over */
void top_walker_by(struct top_walker *walker, const struct group_by *by);
void top_walker_owners(struct top_walker *walker, bool owners);
/* NULL: none. */
void top_walker_group(struct top_walker *walker, const struct group_by *by,
		      const struct socket_group *group);
/* The connection that is followed from now on; NULL: none. */
void top_walker_follow(struct top_walker *walker, const struct top_connection *connection);
void top_walker_pace(struct top_walker *walker, int64_t interval_ns, bool paused);
uint64_t top_walker_serial(struct top_walker *walker);

#endif
