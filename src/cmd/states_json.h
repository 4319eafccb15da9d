/* What a look came to, for programs: contest.states/1 (docs/contest.states.1.schema.json). */
#ifndef CONTEST_CMD_STATES_JSON_H
#define CONTEST_CMD_STATES_JSON_H

#include <stdio.h>

#include "cmd/states_look.h"

struct states_json;

/* All of a look, as one line. 0 or -ENOMEM. */
int states_json_print(const struct states_look *look);

/* The same with sockets, which come one by one while the look is taken: begin, sockets, end (or
 * drop, when it failed), which frees. NULL when memory is short. */
struct states_json *states_json_begin(const struct states_look *look);
void states_json_socket(struct states_json *json, const struct socket_status *status,
			const struct owner *owner, const struct states_net *net);
/* @failed: so many of the sockets do not count. 0 or -ENOMEM. */
int states_json_end(struct states_json *json, const struct states_look *look, size_t failed);
void states_json_drop(struct states_json *json);

/* A look among several: a line. @seconds: since the look before; 0: it is the first, and born and
 * gone of the groups mean nothing. */
int states_json_watch(FILE *out, const struct states_look *look, double seconds,
		      const struct socket_group *groups, size_t count);

#endif
