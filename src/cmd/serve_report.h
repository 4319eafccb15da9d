/* What `contest serve` has counted, as text and as JSON (contest.serve/1). */
#ifndef CONTEST_CMD_SERVE_REPORT_H
#define CONTEST_CMD_SERVE_REPORT_H

#include <stdio.h>

#include "cmd/serve_options.h"
#include "serve/tally.h"
#include "tcp/key.h"

struct serve_report {
	const struct serve_options *options; /* (borrowed) */
	const struct tcp_endpoint *at;	     /* (borrowed) where it listened */
	size_t at_count;
	struct tally_sum sum;
	double seconds;	    /* since it began to listen */
	unsigned processes; /* workers that were started, */
	unsigned died;	    /* and those of them that died */
	uint64_t log_lost;  /* lines that could not be written, */
	int log_error;	    /* and why the last of them could not */
};

void serve_report_text(const struct serve_report *report, FILE *out);
/* 0 or -ENOMEM. */
int serve_report_json(const struct serve_report *report, FILE *out);

#endif
