/* `contest states --watch`: look after look, and what has changed between them. */
#ifndef CONTEST_CMD_STATES_WATCH_H
#define CONTEST_CMD_STATES_WATCH_H

#include "cmd/cli.h"
#include "cmd/states_options.h"

/* Until a signal ends it or nobody reads on. An exit status, with complaints printed. */
int states_watch_run(const struct invocation *call, const struct states_options *options);

#endif
