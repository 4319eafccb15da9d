/* What sockets are grouped by: the keys of --by, and what follows from them for a group. */
#ifndef CONTEST_CMD_TOP_BY_H
#define CONTEST_CMD_TOP_BY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "observe/socket_groups.h"

struct top_by {
	enum group_key at[GROUP_KEYS_MAX];
	size_t count;
};

/* "KEY[,KEY]". 0, or -EINVAL with @why and the byte of @text at which it went wrong. */
int top_by_parse(const char *text, struct top_by *ret, size_t *ret_at, struct why *why);

#define TOP_BY_TEXT_MAX 64
char *top_by_format(const struct top_by *by, char *to);

bool top_by_equal(const struct top_by *a, const struct top_by *b);
bool top_by_has(const struct top_by *by, enum group_key key);

/* The one that follows in a round of what is asked for most; @step 1 or -1. */
struct top_by top_by_next(const struct top_by *by, int step);

/* By the one key: < 0, 0, > 0. */
int top_key_compare(enum group_key key, const struct socket_group *a, const struct socket_group *b);
/* By all of them, in their order: 0 when it is the same group. */
int top_group_compare(const struct top_by *by, const struct socket_group *a,
		      const struct socket_group *b);

/* Whether a socket is one of @group. @owner may be NULL. */
bool top_group_has(const struct top_by *by, const struct socket_group *group,
		   const struct socket_status *status, const struct owner *owner, uint64_t netns);

#endif
