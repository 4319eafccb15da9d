/*
 * Which sockets are new since the look before: by a hash of each, 8 to 16 bytes per socket, so that
 * those that come while as many go are seen, too. What comes and goes between two looks is not.
 */
#ifndef CONTEST_CMD_STATES_BIRTHS_H
#define CONTEST_CMD_STATES_BIRTHS_H

#include "cmd/states_look.h"

struct states_births;

/* NULL when memory is short. */
struct states_births *states_births_new(const struct states_options *options);
void states_births_free(struct states_births *births);

/* Before a look: what the last one saw is now the look before, which was over @gap_ns ago. By that
 * TIME-WAIT is told from a later one at the same ends, which is younger. */
void states_births_turn(struct states_births *births, int64_t gap_ns);

/* To be told of each socket while it is taken. */
struct states_sink states_births_sink(struct states_births *births);

/*
 * The groups of @now that are told, in their order, with born and gone since @before (NULL: there
 * was no look before). A new array, owned by the caller; NULL when memory is short.
 */
struct socket_group *states_births_groups(struct states_births *births, struct states_look *now,
					  const struct states_look *before, size_t *ret_count);

#endif
