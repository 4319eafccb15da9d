/* What the texts of explain have in common: lines, styles, lengths of time. */
#ifndef CONTEST_CMD_EXPLAIN_WORDS_H
#define CONTEST_CMD_EXPLAIN_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "explain/finding.h"
#include "render/line.h"
#include "render/screen.h"
#include "render/table.h"

/* "17.2 us", "1.25 s", "5 min 12 s", "2 d 3 h". Returns @text. */
char *explain_duration(int64_t ns, char *text, size_t room);

/* Good, bad, or what one may want to look at. */
enum screen_style explain_ending_style(enum finding_ending ending);
enum screen_style explain_problem_style(enum finding_problem problem);

/* Puts text of any origin on the line, cleaned. */
void explain_put(struct line *line, enum screen_style style, const char *text);

/* Text of any origin as lines of its own, all but the first behind @hang blanks. */
void explain_say(const struct screen *screen, enum screen_style style, unsigned hang,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An empty line, and a heading of as many lines as it takes. */
void explain_heading(const struct screen *screen, const char *text);

/* An empty line and the table, which is freed. NULL says that memory was short. */
void explain_put_table(const struct screen *screen, struct table *table);

#endif
