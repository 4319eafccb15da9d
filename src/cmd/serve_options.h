/* The command line of `contest serve`: its table, and what is made of it. */
#ifndef CONTEST_CMD_SERVE_OPTIONS_H
#define CONTEST_CMD_SERVE_OPTIONS_H

#include "cmd/cli.h"
#include "serve/journal.h"
#include "serve/listen.h"
#include "serve/plan.h"

struct serve_options {
	struct serve_plan plan;
	struct listen_options listen;
	uint16_t port;
	unsigned processes;	       /* 0: as many as the descriptor limit demands */
	int64_t drain_ns, duration_ns; /* duration 0: until a signal ends it */
	const char *log;	       /* (borrowed) NULL: none; "-": standard output */
	enum journal_form log_form;
	bool json;
};

extern const struct cli_option serve_option_table[];

/* Reads the options of @call. CLI_DONE, or CLI_USAGE with the complaint printed. */
int serve_options_read(const struct invocation *call, struct serve_options *ret);

#endif
