/* The connections of one group that are listed: where there are too many, those with the lowest
 * addresses, so that they are the same ones at the next look. */
#ifndef CONTEST_CMD_TOP_PICK_H
#define CONTEST_CMD_TOP_PICK_H

#include "cmd/top_look.h"

/* By peer, own address, namespace; 0: the same ends. */
int top_connection_compare(const struct top_connection *a, const struct top_connection *b);

/* Counts one socket in, and keeps it if it is among the lowest TOP_CONNECTIONS.
 * @detail->connections has room for as many, and is a heap until top_pick_end() has sorted it. */
void top_pick_add(struct top_group *detail, const struct top_connection *connection);
void top_pick_clear(struct top_group *detail);
void top_pick_end(struct top_group *detail);

#endif
