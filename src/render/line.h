/* A line put together from left to right: columns, styles, never wider than the screen. */
#ifndef CONTEST_RENDER_LINE_H
#define CONTEST_RENDER_LINE_H

#include "render/screen.h"

struct line {
	const struct screen *screen; /* (borrowed) */
	unsigned column;	     /* printed so far */
	unsigned next;		     /* where the next text begins; blanks at the end never show */
};

#define LINE(of_screen) ((struct line){.screen = (of_screen)})

/* Moves to @column; no way back. */
void line_to(struct line *line, unsigned column);

/* Puts cleaned text, cut with an ellipsis where it takes more than @room columns or the screen. */
void line_put_within(struct line *line, enum screen_style style, const char *text, unsigned room);

/* Puts cleaned text, cut at the screen's edge. */
void line_put(struct line *line, enum screen_style style, const char *text);

/* Cleaned text as lines of its own, all but the first behind @hang blanks. */
void line_wrap(const struct screen *screen, enum screen_style style, const char *text,
	       unsigned hang);

/* Ends the line, ready for the next one. */
void line_end(struct line *line);

#endif
