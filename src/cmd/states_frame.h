/*
 * Several lines on a terminal that are drawn anew in place. As with live_line.h the cursor stands
 * below them and no mode is changed: however the program ends, there is nothing to restore.
 */
#ifndef CONTEST_CMD_STATES_FRAME_H
#define CONTEST_CMD_STATES_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define STATES_FRAME_LINES 200

struct states_frame {
	FILE *out;    /* (borrowed) */
	bool on;      /* a terminal that can take lines back; else one frame follows the other */
	size_t lines; /* that stand there, … */
	unsigned columns[STATES_FRAME_LINES]; /* … so wide */
};

void states_frame_init(struct states_frame *frame, FILE *out);

/* How many lines there is room for. */
size_t states_frame_room(const struct states_frame *frame);

/* Writes to @to what puts @text, whole lines of it, in place of what stands there. @width: of the
 * terminal now. */
void states_frame_draw(struct states_frame *frame, FILE *to, const char *text, unsigned width);

#endif
