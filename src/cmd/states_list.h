/* `contest states --list`: a socket on each line. */
#ifndef CONTEST_CMD_STATES_LIST_H
#define CONTEST_CMD_STATES_LIST_H

#include "cmd/cli.h"
#include "cmd/states_look.h"

/*
 * Looks and prints rows as they come, or sorted when the look is over. 0, or -errno with @why;
 * whether all could be written, standard output's error flag says.
 */
int states_list_print(const struct invocation *call, struct states_look *look, struct why *why);

#endif
