/* Draws what the model says; nothing is kept but how many rows a page has. */
#ifndef CONTEST_CMD_TOP_DRAW_H
#define CONTEST_CMD_TOP_DRAW_H

#include "cmd/top_model.h"
#include "cmd/top_terminal.h"

void top_draw(struct top_model *model, struct top_terminal *terminal);

/* ---- its parts */

/* Rows from @from to below @to. */
void top_draw_group(struct top_model *model, struct top_terminal *terminal, unsigned from,
		    unsigned to);
void top_draw_connection(const struct top_model *model, struct top_terminal *terminal,
			 unsigned from, unsigned to);
/* The rows below: one, or what typing takes, which depends on @columns. */
unsigned top_foot_rows(const struct top_model *model, unsigned columns);
void top_draw_foot(const struct top_model *model, struct top_terminal *terminal, unsigned row);
void top_draw_help(struct top_model *model, struct top_terminal *terminal);
/* "ESTAB 3  TIME-WAIT 12" in the first @width columns of the row; returns how many it took. */
unsigned top_draw_states(struct top_terminal *terminal, unsigned row, unsigned width,
			 const uint64_t *states);
/* One cell of a table; @right: numbers stand below each other. What is cut says so. Returns the
 * column of the next one; of no width, the same. */
unsigned top_draw_cell(struct top_terminal *terminal, unsigned row, unsigned column, unsigned width,
		       enum screen_style style, bool reverse, bool right, const char *text);
/* "1-20 of 37" at the row's end, if it has room behind @used columns, when the @room rows that are
 * shown are not all; with @more there are others beyond the @count, which are not in the list. */
void top_draw_range(struct top_terminal *terminal, unsigned row, unsigned used,
		    const struct top_list *list, size_t room, size_t count, bool more);
/* "a 1, b 2": as many parts as there is room for, since half a number is a wrong one. The others
 * are cut off @text. */
void top_draw_parts(struct top_terminal *terminal, unsigned row, bool reverse, char *text);
/* The style of a state: what asks for attention. */
enum screen_style top_state_style(int state);

#endif
