/* What sockets are grouped by: the keys of --by, and what follows from them for a group. */
#ifndef CONTEST_CMD_GROUP_BY_H
#define CONTEST_CMD_GROUP_BY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "observe/socket_groups.h"

struct group_by {
	enum group_key at[GROUP_KEYS_MAX];
	size_t count;
};

/* The words that --by takes, NULL behind the last. */
const char *group_by_word(size_t index);

/* "KEY[,KEY]". 0, or -EINVAL with @why and the byte of @text at which it went wrong. */
int group_by_parse(const char *text, struct group_by *ret, size_t *ret_at, struct why *why);

#define GROUP_BY_TEXT_MAX 64
char *group_by_format(const struct group_by *by, char *to);

bool group_by_equal(const struct group_by *a, const struct group_by *b);
bool group_by_has(const struct group_by *by, enum group_key key);

/* The one that follows in a round of what is asked for most; @step 1 or -1. */
struct group_by group_by_next(const struct group_by *by, int step);

/* By the one key: < 0, 0, > 0. */
int group_key_compare(enum group_key key, const struct socket_group *a,
		      const struct socket_group *b);
/* By all of them, in their order: 0 when it is the same group. */
int group_by_compare(const struct group_by *by, const struct socket_group *a,
		     const struct socket_group *b);

/* Whether a socket is one of @group. @owner may be NULL. */
bool group_by_matches(const struct group_by *by, const struct socket_group *group,
		      const struct socket_status *status, const struct owner *owner,
		      uint64_t netns);

#endif
