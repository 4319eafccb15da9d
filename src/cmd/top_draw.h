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
void top_draw_help(struct top_model *model, struct top_terminal *terminal);
/* "ESTAB 3  TIME-WAIT 12" from that column on; returns the columns it took. */
unsigned top_draw_states(struct top_terminal *terminal, unsigned row, unsigned column,
			 unsigned width, const uint64_t *states);

/* The style of a state: what asks for attention. */
enum screen_style top_state_style(int state);

#endif
