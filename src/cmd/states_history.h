/* Counts of groups over the last looks, as a line of little bars. */
#ifndef CONTEST_CMD_STATES_HISTORY_H
#define CONTEST_CMD_STATES_HISTORY_H

#include "cmd/states_options.h"
#include "render/screen.h"

#define STATES_HISTORY 60

struct states_history;

/* NULL when memory is short. */
struct states_history *states_history_new(const struct states_options *options);
void states_history_free(struct states_history *history);

/* Remembers the counts of these groups; groups that are not among them for long are forgotten. 0 or
 * -ENOMEM. */
int states_history_add(struct states_history *history, const struct socket_group *groups,
		       size_t count);

#define STATES_SPARKLINE_MAX (STATES_HISTORY * 3 + 1)
/* The last @columns counts of the group, from 0 to the largest of them. Returns @to, which has room
 * for STATES_SPARKLINE_MAX. */
char *states_history_line(const struct states_history *history, const struct socket_group *group,
			  unsigned columns, bool utf8, char *to);

#endif
