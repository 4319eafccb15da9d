/* What `contest load` and its verb share. */
#ifndef CONTEST_CMD_LOAD_COMMAND_H
#define CONTEST_CMD_LOAD_COMMAND_H

#include <jansson.h>

#include "cmd/cli.h"
#include "cmd/load_result.h"

/* The command line as it was understood (owned, free()); NULL when memory is short. */
char *load_command_line(const struct invocation *call);

/* Prints the result on standard output, as text, or @document as JSON. */
void load_print(const struct invocation *call, const struct load_result *result,
		const json_t *document, bool json);

#endif
