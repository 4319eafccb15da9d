/* What becomes of the connections that are told: a summary, a list, lines for programs, ladders. */
#ifndef CONTEST_CMD_EXPLAIN_OUTPUT_H
#define CONTEST_CMD_EXPLAIN_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/explain_ladder.h"
#include "cmd/explain_options.h"
#include "cmd/explain_problems.h"
#include "cmd/explain_summary.h"
#include "explain/flows.h"
#include "render/json.h"

struct explain_form;

struct explain_output {
	struct explain_options *options; /* (borrowed) */
	const struct explain_form *form;
	struct screen screen; /* standard output */
	struct json_writer json;
	struct explain_model model;
	struct explain_problems *problems; /* (owned) for --problems */
	struct explain_ladders *ladders;   /* (owned) for --ladder and --svg */
	const struct flows *flows;	   /* (borrowed) who tells */
	bool timeless;			   /* nothing that was read so far has a time */
	uint64_t told;			   /* listed, or found to be beyond --limit */
	uint64_t troubled;		   /* connections with a problem */
};

/* @names (borrowed) may be NULL. 0 or -ENOMEM; to be given to explain_output_done() anyway. */
int explain_output_init(struct explain_output *output, struct explain_options *options,
			enum color_choice color, const struct explain_names *names);
void explain_output_done(struct explain_output *output);

/* What stands before the first connection. */
void explain_output_begin(struct explain_output *output);
/* A flows_tell, with the output as its context. */
int explain_output_tell(void *context, const struct finding *finding);
/* What stands behind the last one. The model is filled by then. @command: how the same is looked at
 * again, or NULL. */
void explain_output_end(struct explain_output *output, const char *command);

/* Whether people read what is printed. */
bool explain_output_is_text(const struct explain_output *output);

#endif
