/* Tables for people: columns as wide as they must be, the last one wrapped to the screen. */
#ifndef CONTEST_RENDER_TABLE_H
#define CONTEST_RENDER_TABLE_H

#include "render/screen.h"

struct table;

/* A table with these column titles (copied); NULL when memory is short. */
struct table *table_new(const char *const *titles, size_t columns);
void table_free(struct table *table);

/* Appends a row of as many cells (copied; NULL is empty). @styles may be NULL. 0 or -ENOMEM. */
int table_add(struct table *table, const char *const *cells, const enum screen_style *styles);

/* Appends a heading (copied) that stands over all columns, after an empty line. 0 or -ENOMEM. */
int table_add_heading(struct table *table, const char *text);

/* Prints it: cells are escaped, over-wide ones wrapped, the whole fits screen->width where it can.
 */
void table_print(const struct screen *screen, const struct table *table);

#endif
