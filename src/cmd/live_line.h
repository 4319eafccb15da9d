/*
 * One line on a terminal that tells, in place, what goes on. The cursor always stands below it, at
 * the start of a line, and no mode of the terminal is changed: however the program ends, there is
 * nothing to restore.
 */
#ifndef CONTEST_CMD_LIVE_LINE_H
#define CONTEST_CMD_LIVE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "render/line.h"
#include "render/screen.h"

struct live_line {
	FILE *out; /* (borrowed) */
	enum color_choice color;
	bool on;	  /* a terminal that can take lines back */
	bool drawn;	  /* the line stands above the cursor, */
	unsigned columns; /* so wide */
	int64_t counted_ns;
	uint64_t counted; /* at that time, for live_line_rate() */
};

/* Whether lines can be taken back there: a terminal, and one that knows how. */
bool live_line_is_possible(FILE *out);

/* @allowed: false where something else is to have the terminal. */
void live_line_init(struct live_line *live, FILE *out, enum color_choice color, bool allowed);

/* Draws it anew, as @put puts it together from @what. Nothing happens when it is not on. */
void live_line_draw(struct live_line *live,
		    void (*put)(struct live_line *live, struct line *line, const void *what),
		    const void *what);
/* Takes it away, so that something else can be printed. */
void live_line_hide(struct live_line *live);

/* For @put: by how much @count has grown per second since the last call. */
double live_line_rate(struct live_line *live, uint64_t count);
/* For @put: a name and a value, two columns behind what stands there. */
void live_line_put(struct line *line, const char *name, const char *value, enum screen_style style);
void live_line_put_count(struct line *line, const char *name, uint64_t count,
			 enum screen_style style);

#endif
