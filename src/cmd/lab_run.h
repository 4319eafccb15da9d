/* contest lab run, and what it shares with the other verbs. */
#ifndef CONTEST_CMD_LAB_RUN_H
#define CONTEST_CMD_LAB_RUN_H

#include "cmd/cli.h"

extern const struct command lab_run_verb;

/* The ids, as the words an operand may be. */
const char *lab_experiment_word(size_t index);

#endif
