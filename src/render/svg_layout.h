/* Where everything of a ladder stands in its picture. Units are those of the SVG. Private to
 * render. */
#ifndef CONTEST_RENDER_SVG_LAYOUT_H
#define CONTEST_RENDER_SVG_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/exchange.h"

#define SVG_WIDTH    1160
#define SVG_TIME     88	 /* right edge of the times */
#define SVG_LEFT     236 /* the lifelines */
#define SVG_RIGHT    716
#define SVG_NOTE     858 /* left edge of the notes */
#define SVG_COLUMNS  46	 /* of a note's line, before it is broken */
#define SVG_LINE     15	 /* height of a note's line */
#define SVG_NOTE_MAX 1024
#define SVG_NONE     SIZE_MAX

struct svg_row {
	double from, to; /* y where the arrow begins and ends, on its two lifelines */
	double pause;	 /* y of the break before it; 0: none */
	size_t partner;	 /* the other row of a segment that was under way; SVG_NONE */
	bool left_out;	 /* the break is for rows that were left out */
	int64_t pause_ns;
};

struct svg_layout {
	const struct exchange *exchange; /* (borrowed) */
	struct svg_row *rows;		 /* (owned) as many as the exchange's */
	double top;			 /* y of its beginning in the document */
	double names;			 /* baseline of the ends' names */
	double begin, end;		 /* y of the lifelines */
	double left_out_end;		 /* y of a break behind the last row; 0: none */
	double bottom;			 /* y behind all of it */
	bool fine;			 /* times in milliseconds */
};

/* Lays it out from @top on. 0 or -ENOMEM; svg_layout_done() frees. */
int svg_layout_make(struct svg_layout *layout, const struct exchange *exchange, double top);
void svg_layout_done(struct svg_layout *layout);

/* What stands beside a row, cleaned. Returns @text, of SVG_NOTE_MAX bytes. */
char *svg_layout_note(const struct exchange_row *row, char *text);

/* y at which the row's state is that of the left or the right end. */
double svg_layout_state(const struct svg_layout *layout, size_t row, bool right);

#endif
