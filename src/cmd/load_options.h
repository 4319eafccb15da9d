/* The command line of `contest load`: its table, and what is made of it. */
#ifndef CONTEST_CMD_LOAD_OPTIONS_H
#define CONTEST_CMD_LOAD_OPTIONS_H

#include "cmd/cli.h"
#include "load/plan.h"

struct load_options {
	struct load_plan plan;		/* destinations and http_host: load_targets.h */
	struct load_source *sources;	/* (owned) */
	char *payload;			/* (owned) */
	int family;			/* AF_INET, AF_INET6, or AF_UNSPEC: either */
	int64_t start_at_ns;		/* since the epoch; 0: at once */
	const char *save, *percentiles; /* (borrowed) NULL: none */
	bool json;
};

extern const struct cli_option load_option_table[];

/* Reads the options of @call. CLI_DONE, or another status with the complaint printed; @ret is for
 * load_options_done() in any case. */
int load_options_read(const struct invocation *call, struct load_options *ret);
void load_options_done(struct load_options *options);

#endif
