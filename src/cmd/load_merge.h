/* The verb of `contest load` that adds results of several runs up. */
#ifndef CONTEST_CMD_LOAD_MERGE_H
#define CONTEST_CMD_LOAD_MERGE_H

#include "cmd/cli.h"

extern const struct command load_merge_verb;

#endif
