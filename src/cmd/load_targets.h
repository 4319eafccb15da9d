/* The destinations of `contest load`: names to addresses, and the guard before public ones. */
#ifndef CONTEST_CMD_LOAD_TARGETS_H
#define CONTEST_CMD_LOAD_TARGETS_H

#include "cmd/load_options.h"

#define LOAD_PORT 5000 /* where an operand names none; that of contest serve */

struct load_targets {
	struct tcp_endpoint *at; /* (owned) */
	size_t count;
	char *http_host; /* (owned) of the first, for Host */
	bool are_here;	 /* all are addresses of this network namespace */
};

/* Resolves the operands of @call and makes them the plan's. CLI_DONE, or another status with the
 * complaint printed; @ret is for load_targets_done() in any case. */
int load_targets_find(const struct invocation *call, struct load_options *options,
		      struct load_targets *ret);
void load_targets_done(struct load_targets *targets);

#endif
