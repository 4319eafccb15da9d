/* What the lab tells people: the verdict table of a run, and all that is known of one experiment.
 */
#ifndef CONTEST_CMD_LAB_REPORT_H
#define CONTEST_CMD_LAB_REPORT_H

#include <jansson.h>

#include "lab/experiment.h"
#include "render/screen.h"

/* The verdicts of a document of the schema contest.lab/1, and a line that counts them. */
void lab_report_table(const struct screen *screen, const json_t *document);

/* "22 experiments in 128.4 s: 15 hold, 4 refuted, 3 changed"; returns @text. */
char *lab_report_counts(const json_t *document, char *text, size_t room);

/* The experiment itself: claim, source, method, why it matters, arms. */
void lab_report_experiment(const struct screen *screen, const struct experiment *experiment);

/* An entry of results[] with its evidence. The text is not trusted: it was read from a file. */
void lab_report_result(const struct screen *screen, const json_t *result);

/* "62 s" or "quick". */
char *lab_report_length(const struct experiment *experiment, char *text, size_t room);

#endif
