/* The commands of contest: one file each, listed in commands.c. */
#ifndef CONTEST_CMD_COMMANDS_H
#define CONTEST_CMD_COMMANDS_H

#include "cmd/cli.h"

extern const struct command explain_command, lab_command, load_command, serve_command,
	states_command, top_command;

/* All of them, with those that cli.h brings along, ended by NULL, in the order that help shows. */
extern const struct command *const commands[];

#endif
