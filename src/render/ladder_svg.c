/*
 * The picture, from left to right:
 *
 *	time | state, its bar on the lifeline | arrows | lifeline with bar, state | note
 *
 * It is drawn from the back to the front: lifelines and the bars of states, breaks in them, arrows,
 * labels. A segment that was under way while others were has one arrow, from the row where it was
 * sent to the row where it arrived. Colours stand in attributes and not in a style sheet, so that a
 * document may hold several such pictures inline.
 */
#include "render/ladder_svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "render/label.h"
#include "render/svg_layout.h"
#include "render/svg_text.h"
#include "render/text.h"
#include "tcp/key.h"
#include "tcp/state.h"

#define MONO "ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace"
#define SANS "system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif"

#define PAPER "#ffffff"
#define INK   "#1f2933"
#define FAINT "#6b7785"
#define LINE  "#c3ccd5"
#define LOST  "#c62828"
#define HELD  "#b26a00"

#define BAR	      8	 /* width of a state's bar */
#define LABEL_COLUMNS 56 /* on an arrow */
#define STATE_COLUMNS 14
#define NAME_COLUMNS  30
#define TITLE_COLUMNS 130
#define MIDDLE	      0.5 /* where an arrow breaks off whose end is not known */

struct picture {
	FILE *out; /* (borrowed) */
	const struct svg_layout *layout;
};

/* --- small shapes --- */

static void put_line(FILE *out, double x1, double y1, double x2, double y2, const char *color,
		     const char *more)
{
	fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" %s/>\n",
		x1, y1, x2, y2, color, more);
}

/* Opens a text; svg_text_put() and "</text>" follow. @anchor: start, middle, end. */
static void open_text(FILE *out, double x, double y, const char *anchor, const char *color,
		      const char *more)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\" %s>", x, y, anchor,
		color, more);
}

static void put_text(FILE *out, double x, double y, const char *anchor, const char *color,
		     const char *more, const char *text, unsigned columns)
{
	open_text(out, x, y, anchor, color, more);
	svg_text_put(out, text, columns);
	fputs("</text>\n", out);
}

/* --- states --- */

static const char *state_color(int state)
{
	switch (state) {
	case TCP_ESTABLISHED:
		return "#2e9e5b";
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		return "#5b8def";
	case TCP_FIN_WAIT1:
		return "#e6bd3f";
	case TCP_FIN_WAIT2:
		return "#c49000";
	case TCP_CLOSING:
		return "#9a6324";
	case TCP_TIME_WAIT:
		return "#e8710a";
	case TCP_CLOSE_WAIT:
		return "#9b5bd1";
	case TCP_LAST_ACK:
		return "#c2459a";
	default:
		return LINE;
	}
}

static int state_of(const struct exchange_row *row, bool right)
{
	return right ? row->right_state : row->left_state;
}

static void put_state_name(const struct picture *picture, int state, double y, bool right)
{
	double x = right ? SVG_RIGHT + BAR + 6 : SVG_LEFT - BAR - 6;
	enum screen_style style;

	put_text(picture->out, x, y + 4, right ? "start" : "end", INK,
		 "font-size=\"11.5\" font-weight=\"600\"", label_state(state, &style),
		 STATE_COLUMNS);
}

/* One state from @from to @to; what is closed or unknown has no bar, only the lifeline. */
static void put_state(const struct picture *picture, int state, double from, double to, bool right)
{
	double x = (right ? SVG_RIGHT : SVG_LEFT) - BAR / 2.0;

	put_state_name(picture, state, from, right);
	if (state > TCP_STATE_NONE && state != TCP_CLOSE)
		fprintf(picture->out,
			"<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"2\" "
			"fill=\"%s\"/>\n",
			x, from, BAR, to > from ? to - from : 0.0, state_color(state));
}

static void put_lifeline(const struct picture *picture, bool right)
{
	const struct svg_layout *layout = picture->layout;
	const struct exchange *exchange = layout->exchange;
	double x = right ? SVG_RIGHT : SVG_LEFT, from;
	int state;

	put_line(picture->out, x, layout->begin, x, layout->end, LINE, "stroke-width=\"2\"");
	if (!exchange->count)
		return;
	from = svg_layout_state(layout, 0, right);
	state = state_of(&exchange->rows[0], right);
	for (size_t i = 1; i < exchange->count; i++) {
		int next = state_of(&exchange->rows[i], right);

		if (next == state)
			continue;
		put_state(picture, state, from, svg_layout_state(layout, i, right), right);
		from = svg_layout_state(layout, i, right);
		state = next;
	}
	put_state(picture, state, from, layout->end, right);
}

/* --- breaks --- */

static void put_zigzag(const struct picture *picture, double x, double y)
{
	fprintf(picture->out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"20\" height=\"16\" fill=\"" PAPER "\"/>\n"
		"<path d=\"M%.1f %.1fl-6 4l12 4l-12 4l6 4\" fill=\"none\" stroke=\"" FAINT
		"\" stroke-width=\"1.5\"/>\n",
		x - 10, y - 8, x, y - 8);
}

static void put_dots(const struct picture *picture, double x, double y)
{
	fprintf(picture->out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"20\" height=\"20\" fill=\"" PAPER "\"/>\n",
		x - 10, y - 10);
	for (int i = -1; i <= 1; i++)
		fprintf(picture->out,
			"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"1.6\" fill=\"" FAINT "\"/>\n", x,
			y + 6 * i);
}

static void put_break_text(const struct picture *picture, double y, const char *text)
{
	put_text(picture->out, (SVG_LEFT + SVG_RIGHT) / 2.0, y + 4, "middle", FAINT,
		 "font-size=\"12\" font-style=\"italic\" font-family=\"" SANS "\"", text, 60);
}

static void put_left_out(const struct picture *picture, double y)
{
	size_t count = picture->layout->exchange->left_out;
	char text[64];

	put_dots(picture, SVG_LEFT, y);
	put_dots(picture, SVG_RIGHT, y);
	snprintf(text, sizeof(text), "%zu %s left out", count, count == 1 ? "row" : "rows");
	put_break_text(picture, y, text);
}

static void put_pause(const struct picture *picture, double y, int64_t ns)
{
	char text[64];

	put_zigzag(picture, SVG_LEFT, y);
	put_zigzag(picture, SVG_RIGHT, y);
	snprintf(text, sizeof(text), "%.3f s pass", clock_seconds(ns));
	put_break_text(picture, y, text);
}

static void put_breaks(const struct picture *picture)
{
	const struct svg_layout *layout = picture->layout;

	for (size_t i = 0; i < layout->exchange->count; i++) {
		const struct svg_row *row = &layout->rows[i];

		if (row->left_out)
			put_left_out(picture, row->pause);
		else if (row->pause_ns)
			put_pause(picture, row->pause, row->pause_ns);
	}
	if (layout->left_out_end > 0)
		put_left_out(picture, layout->left_out_end);
}

/* --- arrows --- */

struct arrow {
	double x1, y1, x2, y2; /* from lifeline to lifeline, as if it had come all the way */
	const char *color;
};

static const char *flags_color(const struct exchange_row *row)
{
	const char *flags = row->flags ? row->flags : "";

	if (strstr(flags, "RST"))
		return LOST;
	if (strstr(flags, "FIN"))
		return HELD;
	return strstr(flags, "SYN") ? "#2f6fdb" : "#3a4753";
}

static struct arrow make_arrow(const struct svg_layout *layout, size_t i)
{
	const struct exchange_row *row = &layout->exchange->rows[i];
	size_t partner = layout->rows[i].partner;
	double edge = BAR / 2.0 + 1;

	return (struct arrow){
		.x1 = row->from_right ? SVG_RIGHT - edge : SVG_LEFT + edge,
		.y1 = layout->rows[i].from,
		.x2 = row->from_right ? SVG_LEFT + edge : SVG_RIGHT - edge,
		.y2 = layout->rows[partner == SVG_NONE ? i : partner].to,
		.color = flags_color(row),
	};
}

static double degrees(const struct arrow *arrow)
{
	return atan2(arrow->y2 - arrow->y1, arrow->x2 - arrow->x1) * 180 / M_PI;
}

/* The part of the arrow from @from to @to, both between 0 and 1. */
static void put_shaft(FILE *out, const struct arrow *arrow, double from, double to,
		      const char *more)
{
	double dx = arrow->x2 - arrow->x1, dy = arrow->y2 - arrow->y1;

	put_line(out, arrow->x1 + dx * from, arrow->y1 + dy * from, arrow->x1 + dx * to,
		 arrow->y1 + dy * to, arrow->color, more);
}

static void put_head(FILE *out, const struct arrow *arrow)
{
	fprintf(out,
		"<path d=\"M0 0l-11 -4.5v9z\" fill=\"%s\" transform=\"translate(%.1f %.1f) "
		"rotate(%.2f)\"/>\n",
		arrow->color, arrow->x2, arrow->y2, degrees(arrow));
}

static void put_fate(FILE *out, const struct arrow *arrow, const char *text, const char *color)
{
	double x = arrow->x1 + (arrow->x2 - arrow->x1) * MIDDLE;
	double y = arrow->y1 + (arrow->y2 - arrow->y1) * MIDDLE;
	bool right = arrow->x2 > arrow->x1;

	put_text(out, right ? x + 14 : x - 14, y + 4, right ? "start" : "end", color,
		 "font-size=\"11.5\" font-weight=\"600\"", text, 10);
}

static void put_cross(FILE *out, const struct arrow *arrow)
{
	double x = arrow->x1 + (arrow->x2 - arrow->x1) * MIDDLE;
	double y = arrow->y1 + (arrow->y2 - arrow->y1) * MIDDLE;

	fprintf(out,
		"<path d=\"M%.1f %.1fl12 12m0 -12l-12 12\" stroke=\"" LOST
		"\" stroke-width=\"2.5\" stroke-linecap=\"round\"/>\n",
		x - 6, y - 6);
}

#define SOLID "stroke-width=\"1.6\""
#define FADE  "stroke-width=\"1.6\" stroke-dasharray=\"3 4\""

static void put_arrow(const struct picture *picture, size_t i)
{
	enum exchange_fate fate = picture->layout->exchange->rows[i].fate;
	bool whole = picture->layout->rows[i].partner != SVG_NONE || fate == EXCHANGE_DELIVERED;
	struct arrow arrow = make_arrow(picture->layout, i);
	FILE *out = picture->out;

	if (whole) {
		if (fate == EXCHANGE_ARRIVAL)
			return; /* drawn from where it was sent */
		put_shaft(out, &arrow, 0, 1, SOLID);
		put_head(out, &arrow);
	} else if (fate == EXCHANGE_ARRIVAL) {
		put_shaft(out, &arrow, MIDDLE, 0.65, FADE);
		put_shaft(out, &arrow, 0.65, 1, SOLID);
		put_head(out, &arrow);
	} else if (fate == EXCHANGE_DROPPED) {
		put_shaft(out, &arrow, 0, MIDDLE, SOLID);
		put_cross(out, &arrow);
		put_fate(out, &arrow, "lost", LOST);
	} else {
		put_shaft(out, &arrow, 0, 0.35, SOLID);
		put_shaft(out, &arrow, 0.35, MIDDLE, FADE);
		if (fate == EXCHANGE_STUCK)
			put_fate(out, &arrow, "held", HELD);
	}
}

/* --- labels --- */

/* Text that arrows may cross has a rim in the colour of the paper. */
#define RIM                                                                                        \
	"stroke=\"" PAPER "\" stroke-width=\"4\" paint-order=\"stroke\" stroke-linejoin=\"round\""

/* Along the arrow, from the lifeline at @left on. */
static void open_label(const struct picture *picture, const struct arrow *arrow, bool left)
{
	bool right = arrow->x2 > arrow->x1;
	double turn = right ? degrees(arrow) : degrees(arrow) - 180;

	fprintf(picture->out, "<g transform=\"translate(%.1f %.1f) rotate(%.2f)\">\n",
		left == right ? arrow->x1 : arrow->x2, left == right ? arrow->y1 : arrow->y2, turn);
}

static void put_label(const struct picture *picture, size_t i)
{
	const struct exchange_row *row = &picture->layout->exchange->rows[i];
	struct arrow arrow = make_arrow(picture->layout, i);
	/* Near its sender; of an arrow that has only an end, near that. */
	bool left = row->from_right == (row->fate == EXCHANGE_ARRIVAL);
	const struct screen screen = {.utf8 = true};
	const char *anchor = left ? "start" : "end";
	double x = left ? 14 : -14;
	struct label label;

	if (row->fate == EXCHANGE_ARRIVAL && picture->layout->rows[i].partner != SVG_NONE)
		return;
	label_make(&screen, row, LABEL_COLUMNS, &label);
	open_label(picture, &arrow, left);
	open_text(picture->out, x, -6, anchor, INK, "font-size=\"12\" xml:space=\"preserve\" " RIM);
	fprintf(picture->out, "<tspan font-weight=\"700\" fill=\"%s\">", arrow.color);
	svg_text_put(picture->out, label.flags, LABEL_COLUMNS);
	fputs("</tspan>", picture->out);
	svg_text_put(picture->out, label.rest, LABEL_COLUMNS);
	fputs("</text>\n", picture->out);
	if (*label.over)
		put_text(picture->out, x, 14, anchor, FAINT, "font-size=\"11\" " RIM, label.over,
			 LABEL_COLUMNS + 6);
	fputs("</g>\n", picture->out);
}

static void put_time(const struct picture *picture, size_t i)
{
	double seconds = clock_seconds(picture->layout->exchange->rows[i].time_ns);
	double y = (picture->layout->rows[i].from + picture->layout->rows[i].to) / 2;
	char text[32];

	snprintf(text, sizeof(text), "%.3f %s", picture->layout->fine ? seconds * 1000 : seconds,
		 picture->layout->fine ? "ms" : "s");
	put_text(picture->out, SVG_TIME, y + 4, "end", FAINT, "font-size=\"11.5\"", text, 24);
}

static void put_note(const struct picture *picture, size_t i)
{
	double y = (picture->layout->rows[i].from + picture->layout->rows[i].to) / 2 + 4;
	char text[SVG_NOTE_MAX], line[SVG_NOTE_MAX];
	const char *note = svg_layout_note(&picture->layout->exchange->rows[i], text);

	while (*note) {
		const char *at = note;
		size_t length = text_line(&note, SVG_COLUMNS);

		snprintf(line, sizeof(line), "%.*s", (int)length, at);
		put_text(picture->out, SVG_NOTE, y, "start", FAINT,
			 "font-size=\"12\" font-family=\"" SANS "\"", line, SVG_COLUMNS);
		y += SVG_LINE;
	}
}

static void put_name(const struct picture *picture, double x, const char *name, const char *address)
{
	double y = picture->layout->names;

	put_text(picture->out, x, y, "middle", INK, "font-size=\"14\" font-weight=\"700\"", name,
		 NAME_COLUMNS);
	put_text(picture->out, x, y + 17, "middle", FAINT, "font-size=\"11.5\"", address,
		 TCP_ENDPOINT_TEXT_MAX);
}

static void put_heads(const struct picture *picture)
{
	const struct svg_layout *layout = picture->layout;
	const struct exchange *exchange = layout->exchange;

	if (exchange->title && *exchange->title)
		put_text(picture->out, 24, layout->top + 34, "start", INK,
			 "font-size=\"15\" font-weight=\"700\" font-family=\"" SANS "\"",
			 exchange->title, TITLE_COLUMNS);
	put_name(picture, SVG_LEFT, exchange->left, exchange->left_address);
	put_name(picture, SVG_RIGHT, exchange->right, exchange->right_address);
}

static void put_ladder(const struct picture *picture)
{
	size_t count = picture->layout->exchange->count;

	fputs("<g>\n", picture->out);
	put_heads(picture);
	put_lifeline(picture, false);
	put_lifeline(picture, true);
	put_breaks(picture);
	for (size_t i = 0; i < count; i++)
		put_arrow(picture, i);
	for (size_t i = 0; i < count; i++) {
		put_time(picture, i);
		put_label(picture, i);
		put_note(picture, i);
	}
	fputs("</g>\n", picture->out);
}

/* --- the document --- */

static void put_begin(FILE *out, double height)
{
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
		"height=\"%.0f\" role=\"img\" font-family=\"" MONO "\">\n"
		"<title>TCP segments between two ends, and the states of both</title>\n"
		"<rect width=\"%d\" height=\"%.0f\" rx=\"8\" fill=\"" PAPER "\"/>\n",
		SVG_WIDTH, height, SVG_WIDTH, height, SVG_WIDTH, height);
}

int ladder_svg_write(FILE *out, const struct exchange *const *exchanges, size_t count)
{
	struct svg_layout *layouts = calloc(count + 1, sizeof(*layouts));
	double bottom = 0;
	int r = layouts ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = svg_layout_make(&layouts[i], exchanges[i], bottom);
		bottom = layouts[i].bottom;
	}
	if (r == 0) {
		put_begin(out, bottom > 0 ? bottom : 40);
		for (size_t i = 0; i < count; i++)
			put_ladder(&(struct picture){.out = out, .layout = &layouts[i]});
		fputs("</svg>\n", out);
		r = ferror(out) || fflush(out) ? -EIO : 0;
	}
	for (size_t i = 0; layouts && i < count; i++)
		svg_layout_done(&layouts[i]);
	free(layouts);
	return r;
}
