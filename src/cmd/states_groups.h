/* Groups in the order that was asked for. */
#ifndef CONTEST_CMD_STATES_GROUPS_H
#define CONTEST_CMD_STATES_GROUPS_H

#include "cmd/states_look.h"

/* Sorts as --sort and --reverse say. */
void states_groups_sort(const struct states_look *look, struct socket_group *groups, size_t count);
/* The groups that are told, in their order (owned by the caller); NULL when memory is short. */
struct socket_group *states_groups_take(const struct states_look *look, size_t *ret_count);

#endif
