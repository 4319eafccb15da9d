/* What `contest explain` is asked for. */
#ifndef CONTEST_CMD_EXPLAIN_OPTIONS_H
#define CONTEST_CMD_EXPLAIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/filter.h"
#include "cmd/cli.h"
#include "cmd/explain_choice.h"

enum explain_format { EXPLAIN_TEXT, EXPLAIN_JSON, EXPLAIN_ZEEK };

struct explain_options {
	const char *interface; /* NULL: files are read */
	const char **paths;    /* (owned; what they point to is borrowed) */
	size_t path_count;
	char *expression;	       /* (owned) of the filter; NULL: none */
	struct capture_filter *filter; /* (owned) the same, compiled; NULL for an interface, whose
					* link type decides */
	enum explain_format format;
	bool list, problems, ladder;
	const char *svg; /* where to; or NULL */
	struct explain_choice choice;
	size_t limit; /* of what is listed or drawn; 0: none was given */
	size_t rows;  /* of a ladder; 0: all */
	size_t max_connections;
	int64_t duration_ns; /* 0: until a signal */
};

extern const struct cli_option explain_option_table[];

/*
 * Reads options and operands; to be given to explain_options_done() in every case. Operands that
 * name files (or are "-") are files, up to the first that does not; all from there on, joined by
 * blanks, is the filter. With an interface all of them are the filter. CLI_DONE, or the error was
 * told.
 */
int explain_options_read(const struct invocation *call, struct explain_options *ret);
void explain_options_done(struct explain_options *options);

#endif
