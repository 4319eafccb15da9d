#include "cmd/commands.h"

const struct command *const commands[] = {
	&lab_command,	 &serve_command,      &load_command,
	&states_command, &top_command,	      &explain_command,
	&help_command,	 &completion_command, NULL,
};
