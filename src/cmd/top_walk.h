/* One look at all sockets: walked, filtered, grouped, named. */
#ifndef CONTEST_CMD_TOP_WALK_H
#define CONTEST_CMD_TOP_WALK_H

#include <stdatomic.h>

#include "cmd/top_history.h"
#include "cmd/top_look.h"
#include "cmd/top_places.h"

struct top_question {
	const struct socket_filter *filter; /* (borrowed) NULL: all */
	struct group_by by;
	bool owners; /* whose sockets are */
	bool group_chosen;
	struct group_by group_by;
	struct socket_group group;
	const atomic_bool *stop; /* (borrowed) true: nobody waits for the answer any more */
};

struct top_walk;

/* @places is borrowed. NULL when memory is short. */
struct top_walk *top_walk_new(struct top_places *places);
void top_walk_free(struct top_walk *walk);
/* Counts of looks before are not comparable any more. */
void top_walk_forget(struct top_walk *walk);

/* 0 and a new look (owned by the caller); -ECANCELED when it was stopped; -errno with @why. */
int top_walk_look(struct top_walk *walk, const struct top_question *question, struct top_look **ret,
		  struct why *why);

/* Whose the socket with that inode was at the last look that asked; pid 0: not known. */
struct owner top_walk_owner(const struct top_walk *walk, uint32_t inode);

#endif
