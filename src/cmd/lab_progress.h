/* What a run of the lab shows while it runs: live lines on a terminal, plain lines elsewhere. */
#ifndef CONTEST_CMD_LAB_PROGRESS_H
#define CONTEST_CMD_LAB_PROGRESS_H

#include "lab/runner.h"
#include "render/screen.h"

struct lab_progress;

/*
 * Progress of @count experiments on @out; on a terminal in place, redrawn at most four times a
 * second. NULL when memory is short; the functions below then do nothing.
 */
struct lab_progress *lab_progress_new(FILE *out, enum color_choice color, size_t count);

/* The runner's listener; @context is the struct lab_progress. */
void lab_progress_listen(enum runner_news news, const struct runner_progress *all, size_t count,
			 size_t which, void *context);

/* Takes the live lines away and frees. Call it when the run has ended, before the report. */
void lab_progress_free(struct lab_progress *progress);

/* The style a verdict is printed in; by its name, which may be unknown. */
enum screen_style lab_verdict_style(const char *verdict);

#endif
