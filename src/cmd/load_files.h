/* The files that `contest load` leaves: opened before the run, so that a place that cannot be
 * written to is told at once; whole or not there afterwards. */
#ifndef CONTEST_CMD_LOAD_FILES_H
#define CONTEST_CMD_LOAD_FILES_H

#include <jansson.h>

#include "base/file.h"
#include "cmd/cli.h"
#include "cmd/load_result.h"

struct load_files {
	const char *save_path, *percentiles_path; /* (borrowed) */
	struct new_file *save;			  /* (owned) */
	/* (owned) by latency; LATENCY_TOTAL alone where the path is no folder */
	struct new_file *percentiles[LATENCIES];
};

/* Paths may be NULL. CLI_DONE, or CLI_REFUSED with the complaint printed; @ret is for
 * load_files_done() in any case. */
int load_files_open(const struct invocation *call, const char *save, const char *percentiles,
		    struct load_files *ret);
/* Writes what was opened, @document being that of @result. CLI_DONE or CLI_REFUSED likewise. */
int load_files_write(const struct invocation *call, struct load_files *files,
		     const json_t *document, const struct load_result *result);
void load_files_done(struct load_files *files);

#endif
