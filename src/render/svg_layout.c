#include "render/svg_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "render/label.h"
#include "render/text.h"

#define GAP_NS	     NS_PER_S /* a pause that is worth a break */
#define FINE_NS	     (100 * NS_PER_MS)
#define TITLE_HEIGHT 30
#define HEAD_HEIGHT  62
#define ROW_HEIGHT   46
#define ARRIVAL_MIN  30 /* the row has no label */
#define BREAK_HEIGHT 44
#define MARGIN	     22

/* How far an arrow falls by how long it was under way: the eye sees slow from fast. */
static double slant(const struct exchange_row *row)
{
	int64_t way_ns = row->delivered_ns - row->time_ns;
	double fall = 8;

	for (int64_t limit = NS_PER_MS; limit <= NS_PER_S && way_ns >= limit; limit *= 10)
		fall += 3;
	return fall;
}

static bool same_segment(const struct exchange_row *a, const struct exchange_row *b)
{
	return a->from_right == b->from_right && a->seq == b->seq && a->ack == b->ack &&
	       a->has_ack == b->has_ack && a->length == b->length &&
	       a->delivered_ns == b->delivered_ns && a->flags && b->flags &&
	       strcmp(a->flags, b->flags) == 0;
}

/* Joins the row of a segment that was sent to that of its arrival. */
static void find_partner(struct svg_layout *layout, size_t held)
{
	const struct exchange_row *rows = layout->exchange->rows;

	for (size_t i = held + 1; i < layout->exchange->count; i++) {
		if (rows[i].time_ns > rows[held].delivered_ns)
			return;
		if (rows[i].fate != EXCHANGE_ARRIVAL || layout->rows[i].partner != SVG_NONE ||
		    !same_segment(&rows[i], &rows[held]))
			continue;
		layout->rows[held].partner = i;
		layout->rows[i].partner = held;
		return;
	}
}

static double row_height(const struct exchange_row *row)
{
	double least = row->fate == EXCHANGE_ARRIVAL ? ARRIVAL_MIN : ROW_HEIGHT;
	char text[SVG_NOTE_MAX];
	const char *note = svg_layout_note(row, text);
	double height = 8;

	while (*note) {
		text_line(&note, SVG_COLUMNS);
		height += SVG_LINE;
	}
	return height > least ? height : least;
}

/* The break before a row: rows left out, or time that passes. */
static double place_break(struct svg_layout *layout, size_t i, double y)
{
	const struct exchange *exchange = layout->exchange;
	struct svg_row *row = &layout->rows[i];

	row->left_out = exchange->left_out && exchange->left_out_before == i;
	if (i > 0 && exchange->rows[i].time_ns - exchange->rows[i - 1].time_ns >= GAP_NS)
		row->pause_ns = exchange->rows[i].time_ns - exchange->rows[i - 1].time_ns;
	if (!row->left_out && !row->pause_ns)
		return y;
	row->pause = y + BREAK_HEIGHT / 2.0;
	return y + BREAK_HEIGHT;
}

static double place_row(struct svg_layout *layout, size_t i, double y)
{
	const struct exchange_row *row = &layout->exchange->rows[i];
	struct svg_row *place = &layout->rows[i];
	double middle = y + 24; /* the note's first line, and the time, stand here */

	if (row->fate == EXCHANGE_ARRIVAL)
		middle = y + 14;
	place->from = place->to = middle;
	if (row->fate != EXCHANGE_ARRIVAL) {
		place->from -= slant(row) / 2;
		place->to = place->from + slant(row);
	}
	return y + row_height(row);
}

int svg_layout_make(struct svg_layout *layout, const struct exchange *exchange, double top)
{
	struct svg_row *rows = calloc(exchange->count + 1, sizeof(*rows));
	double y = top + MARGIN;

	if (!rows)
		return -ENOMEM;
	*layout = (struct svg_layout){.exchange = exchange, .rows = rows, .top = top};
	if (exchange->count)
		layout->fine = exchange->rows[exchange->count - 1].time_ns < FINE_NS;
	if (exchange->title && *exchange->title)
		y += TITLE_HEIGHT;
	layout->names = y + 14;
	y += HEAD_HEIGHT;
	layout->begin = y - 16;
	for (size_t i = 0; i < exchange->count; i++)
		rows[i].partner = SVG_NONE;
	for (size_t i = 0; i < exchange->count; i++) {
		y = place_row(layout, i, place_break(layout, i, y));
		if (exchange->rows[i].fate == EXCHANGE_HELD)
			find_partner(layout, i);
	}
	if (exchange->left_out && exchange->left_out_before >= exchange->count) {
		layout->left_out_end = y + BREAK_HEIGHT / 2.0;
		y += BREAK_HEIGHT;
	}
	layout->end = y + 10;
	layout->bottom = layout->end + MARGIN;
	return 0;
}

char *svg_layout_note(const struct exchange_row *row, char *text)
{
	const struct screen screen = {.utf8 = true};

	return label_note(&screen, row, text, SVG_NOTE_MAX);
}

void svg_layout_done(struct svg_layout *layout)
{
	free(layout->rows);
	layout->rows = NULL;
}

double svg_layout_state(const struct svg_layout *layout, size_t i, bool right)
{
	const struct exchange_row *row = &layout->exchange->rows[i];

	/* Its sender at the beginning of the arrow, its target at the end of it. */
	return row->from_right == right ? layout->rows[i].from : layout->rows[i].to;
}
