/* What `contest load` says before it begins: what it is about to do, and the forecast. */
#ifndef CONTEST_CMD_LOAD_HEAD_H
#define CONTEST_CMD_LOAD_HEAD_H

#include "cmd/cli.h"
#include "load/generator.h"
#include "load/watch.h"

/* On standard output, flushed. */
void load_head_print(const struct invocation *call, const struct load_plan *plan,
		     const struct watch_host *host, const struct generator *generator);

#endif
