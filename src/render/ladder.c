/*
 * The picture, from left to right:
 *
 *	time | left end's state | lifeline | arrow | lifeline | right end's state | note
 *
 * A state is printed when it changes. What has no room on the arrow, and the note where there is
 * no column for it, follow below the arrow, between the lifelines.
 */
#include "render/ladder.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "render/label.h"
#include "render/line.h"
#include "render/text.h"

#define WIDTH_LIST  60	/* a list below this */
#define WIDTH_TIGHT 80	/* blanks are saved below this */
#define WIDTH_NOTES 110 /* notes at the right from here on */
#define NOTE_MIN    24
#define ARROW_LEAST 20 /* a list where not even this much is left */
#define ARROW_MIN   34 /* looks poor if shorter, though much room is left */
#define ARROW_MAX   64
#define NOTE_MAX    1024
#define GAP_NS	    NS_PER_S /* a pause that is worth a line */

struct marks {
	const char *bar, *gap;		  /* the lifeline, and where time passes */
	const char *tee_left, *tee_right; /* where an arrow begins */
	const char *shaft, *fade, *to_right, *to_left, *lost;
	const char *ellipsis;
};

static const struct marks marks_utf8 = {"│", "┊", "├", "┤", "─", "┄", "▶", "◀", "✕", "…"};
static const struct marks marks_ascii = {"|", ":", "|", "|", "-", ".", ">", "<", "X", "..."};

struct ladder {
	const struct screen *screen;	 /* (borrowed) */
	const struct exchange *exchange; /* (borrowed) */
	const struct marks *marks;
	bool fine; /* times in milliseconds */
	unsigned time_width;
	unsigned left_bar, right_bar; /* columns of the lifelines */
	unsigned note;		      /* column of the notes; 0: they go below */
	int left_state, right_state;  /* as last printed */
	bool begun;		      /* a row is printed, so the states are */
};

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned most(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static char *format_time(const struct ladder *ladder, int64_t ns, char text[static 32])
{
	double seconds = clock_seconds(ns);

	snprintf(text, 32, "%.3f%s%s", ladder->fine ? seconds * 1000 : seconds,
		 ladder->screen->width < WIDTH_TIGHT ? "" : " ", ladder->fine ? "ms" : "s");
	return text;
}

/* What the arrow has besides its label, at least: "── ", " ", shaft and head, and their like. */
static unsigned arrow_overhead(enum exchange_fate fate)
{
	switch (fate) {
	case EXCHANGE_DROPPED: /* "──  ─✕ lost" */
		return 11;
	case EXCHANGE_HELD: /* "──  ─┄┄ " */
		return 8;
	case EXCHANGE_ARRIVAL: /* " ┄┄─  ──▶" */
		return 9;
	case EXCHANGE_STUCK: /* "──  ─┄┄ held" */
		return 12;
	default:
		return 6;
	}
}

static void measure(struct ladder *ladder, unsigned *ret_left, unsigned *ret_right,
		    unsigned *ret_arrow, bool *ret_notes)
{
	const struct exchange *exchange = ladder->exchange;

	for (size_t i = 0; i < exchange->count; i++) {
		const struct exchange_row *row = &exchange->rows[i];
		enum screen_style style;
		struct label label;
		char time[32];

		format_time(ladder, row->time_ns, time);
		ladder->time_width = most(ladder->time_width, screen_columns(time));
		*ret_left = most(*ret_left, screen_columns(label_state(row->left_state, &style)));
		*ret_right = most(*ret_right,
				  screen_columns(label_state(row->right_state, &style)));
		label_make(ladder->screen, row, LABEL_MAX, &label);
		*ret_arrow = most(*ret_arrow, label.columns + arrow_overhead(row->fate) + 4);
		*ret_notes = *ret_notes || row->note || row->fate != EXCHANGE_DELIVERED;
	}
}

/* Where everything stands; false when there is no room for a ladder. */
static bool lay_out(struct ladder *ladder)
{
	const struct exchange *exchange = ladder->exchange;
	unsigned width = ladder->screen->width;
	unsigned left = 1, right = 1, arrow = ARROW_MIN, room;
	bool notes = false;

	/* On a fast path a row's time says little unless its microseconds are told. */
	if (exchange->count)
		ladder->fine = exchange->rows[exchange->count - 1].time_ns < 100 * NS_PER_MS;
	measure(ladder, &left, &right, &arrow, &notes);
	ladder->left_bar = ladder->time_width + (width < WIDTH_TIGHT ? 1 : 2) + left + 1;
	if (width < WIDTH_LIST || width < ladder->left_bar + 1 + ARROW_LEAST + 2 + right)
		return false;

	room = width - ladder->left_bar - 1 - (2 + right);
	if (!notes) {
		arrow = least(least(arrow, ARROW_MAX), room);
	} else if (width >= WIDTH_NOTES && room >= ARROW_MIN + 2 + NOTE_MIN) {
		arrow = least(least(arrow, ARROW_MAX), room - 2 - NOTE_MIN);
		ladder->note = ladder->left_bar + 1 + arrow + 2 + right + 2;
	} else {
		/* Notes go below the arrows: the longer these, the fewer lines. */
		arrow = least(ARROW_MAX, room);
	}
	ladder->right_bar = ladder->left_bar + 1 + arrow;
	return true;
}

static void put_state(const struct ladder *ladder, struct line *line, int state, bool left)
{
	enum screen_style style;
	const char *name = label_state(state, &style);

	if (left)
		line_to(line, ladder->left_bar - 1 - screen_columns(name));
	else
		line_to(line, ladder->right_bar + 2);
	line_put(line, style, name);
}

/* The part left of the lifelines: the time and the state, if it is another one. */
static void put_left_side(struct ladder *ladder, struct line *line, const struct exchange_row *row)
{
	char time[32];

	format_time(ladder, row->time_ns, time);
	line_to(line, ladder->time_width - screen_columns(time));
	line_put(line, STYLE_DIM, time);
	if (!ladder->begun || row->left_state != ladder->left_state)
		put_state(ladder, line, row->left_state, true);
	ladder->left_state = row->left_state;
	line_to(line, ladder->left_bar);
}

/* The next line of the note, where there is a column for it. */
static void put_right_side(const struct ladder *ladder, struct line *line, const char **note)
{
	char piece[NOTE_MAX];
	const char *text = *note;
	size_t length;

	if (ladder->note && *text) {
		length = text_line(note, ladder->screen->width - ladder->note);
		snprintf(piece, sizeof(piece), "%.*s", (int)length, text);
		line_to(line, ladder->note);
		line_put(line, STYLE_PLAIN, piece);
	}
	line_end(line);
}

/* One piece of an arrow: a text, or a mark so many times; a label where there is none. */
struct piece {
	const char *text;
	unsigned times;
	enum screen_style style;
};

static void put_piece(struct line *line, const struct piece *piece, const struct label *label)
{
	if (!piece->text) {
		line_put(line, label->style == STYLE_PLAIN ? STYLE_BOLD : label->style,
			 label->flags);
		line_put(line, STYLE_PLAIN, label->rest);
		return;
	}
	for (unsigned i = 0; i < piece->times;) {
		char run[128] = "";
		size_t used = 0, size = strlen(piece->text);

		while (i < piece->times && used + size < sizeof(run)) {
			memcpy(run + used, piece->text, size);
			used += size;
			i++;
		}
		line_put(line, piece->style, run);
	}
}

/* An arrow that breaks off does so in the middle, if its label leaves room: the two halves of a
 * segment that was under way are drawn so that they would meet. */
static unsigned shaft_to_middle(enum exchange_fate fate, unsigned columns, unsigned room)
{
	unsigned used = columns + (fate == EXCHANGE_ARRIVAL ? 8 : fate == EXCHANGE_DROPPED ? 6 : 7);
	unsigned middle = fate == EXCHANGE_ARRIVAL ? room - room / 2 : room / 2;

	return middle > used ? middle - used : 0;
}

/* The pieces from the label's end on, which is where the arrow touches a lifeline. */
static size_t make_arrow(const struct ladder *ladder, const struct exchange_row *row,
			 const struct label *label, unsigned room, struct piece pieces[static 10])
{
	const struct marks *marks = ladder->marks;
	const char *head = row->from_right ? marks->to_left : marks->to_right;
	unsigned used = label->columns + arrow_overhead(row->fate);
	unsigned rest = room > used ? room - used : 0;
	unsigned half = least(rest, shaft_to_middle(row->fate, label->columns, room));
	enum screen_style style = label->style;
	size_t n = 0;

	if (row->fate == EXCHANGE_ARRIVAL)
		pieces[n++] = (struct piece){head, 1, style};
	pieces[n++] = (struct piece){marks->shaft, 2, style};
	pieces[n++] = (struct piece){" ", 1, STYLE_PLAIN};
	pieces[n++] = (struct piece){NULL, 1, STYLE_PLAIN};
	pieces[n++] = (struct piece){" ", 1, STYLE_PLAIN};
	if (row->fate == EXCHANGE_DELIVERED) {
		pieces[n++] = (struct piece){marks->shaft, 1 + rest, style};
		pieces[n++] = (struct piece){head, 1, style};
		return n;
	}
	pieces[n++] = (struct piece){marks->shaft, 1 + half, style};
	if (row->fate == EXCHANGE_DROPPED)
		pieces[n++] = (struct piece){marks->lost, 1, STYLE_BAD};
	else
		pieces[n++] = (struct piece){marks->fade, 2, style};
	pieces[n++] = (struct piece){" ", 1, STYLE_PLAIN};
	if (row->fate == EXCHANGE_DROPPED)
		pieces[n++] = (struct piece){"lost", 1, STYLE_BAD};
	else if (row->fate == EXCHANGE_STUCK)
		pieces[n++] = (struct piece){"held", 1, STYLE_WARN};
	pieces[n++] = (struct piece){" ", rest - half, STYLE_PLAIN};
	return n;
}

static void put_arrow(const struct ladder *ladder, struct line *line,
		      const struct exchange_row *row, const struct label *label)
{
	const struct marks *marks = ladder->marks;
	bool arrival = row->fate == EXCHANGE_ARRIVAL;
	bool label_right = row->from_right != arrival;
	struct piece pieces[10];
	size_t n = make_arrow(ladder, row, label, ladder->right_bar - ladder->left_bar - 1, pieces);

	line_put(line, STYLE_PLAIN, row->from_right || arrival ? marks->bar : marks->tee_left);
	for (size_t i = 0; i < n; i++)
		put_piece(line, &pieces[label_right ? n - 1 - i : i], label);
	line_to(line, ladder->right_bar);
	line_put(line, STYLE_PLAIN, row->from_right && !arrival ? marks->tee_right : marks->bar);
}

/* Lines with nothing but lifelines around the text, and the note's next lines. */
static void put_between(const struct ladder *ladder, const char *bar, const char *text,
			unsigned indent, const char **note)
{
	struct line line = LINE(ladder->screen);
	unsigned begin = ladder->left_bar + 1 + indent;

	do {
		char piece[NOTE_MAX];
		const char *at = text;
		size_t length = text_line(&text, ladder->right_bar - 1 - begin);

		snprintf(piece, sizeof(piece), "%.*s", (int)length, at);
		line_to(&line, ladder->left_bar);
		line_put(&line, STYLE_PLAIN, bar);
		line_to(&line, begin);
		line_put(&line, STYLE_DIM, piece);
		line_to(&line, ladder->right_bar);
		line_put(&line, STYLE_PLAIN, bar);
		put_right_side(ladder, &line, note);
	} while (*text || (ladder->note && **note));
}

/* The same in the middle: what no segment tells. */
static void put_middle(const struct ladder *ladder, const char *bar, const char *text)
{
	unsigned room = ladder->right_bar - ladder->left_bar - 1;
	unsigned columns = screen_columns(text);
	const char *none = "";

	put_between(ladder, bar, text, columns + 2 < room ? (room - columns) / 2 : 1, &none);
}

static void put_row(struct ladder *ladder, const struct exchange_row *row)
{
	unsigned room = ladder->right_bar - ladder->left_bar - 1 - arrow_overhead(row->fate);
	struct line line = LINE(ladder->screen);
	char note_text[NOTE_MAX], below[NOTE_MAX + LABEL_MAX + 4];
	const char *note = note_text;
	struct label label;

	label_make(ladder->screen, row, room, &label);
	label_note(ladder->screen, row, note_text, sizeof(note_text));
	snprintf(below, sizeof(below), "%s%s%s", label.over,
		 *label.over && *note && !ladder->note ? "; " : "", ladder->note ? "" : note);

	put_left_side(ladder, &line, row);
	put_arrow(ladder, &line, row, &label);
	if (!ladder->begun || row->right_state != ladder->right_state)
		put_state(ladder, &line, row->right_state, false);
	ladder->right_state = row->right_state;
	ladder->begun = true;
	put_right_side(ladder, &line, &note);
	if (*below || (ladder->note && *note))
		put_between(ladder, ladder->marks->bar, below, 3, &note);
}

static char *format_left_out(const struct ladder *ladder, char text[static 64])
{
	snprintf(text, 64, "%s %zu %s left out %s", ladder->marks->ellipsis,
		 ladder->exchange->left_out, ladder->exchange->left_out == 1 ? "row" : "rows",
		 ladder->marks->ellipsis);
	return text;
}

static void put_left_out(const struct ladder *ladder)
{
	char text[64];

	put_middle(ladder, ladder->marks->gap, format_left_out(ladder, text));
}

static void put_gap(const struct ladder *ladder, int64_t ns)
{
	char text[64];

	snprintf(text, sizeof(text), "%.3f s pass", clock_seconds(ns));
	put_middle(ladder, ladder->marks->gap, text);
}

static void clean_name(const struct screen *screen, const char *text, char to[static LABEL_MAX])
{
	screen_clean(screen, text ? text : "", text ? strlen(text) : 0, to, LABEL_MAX);
}

/* Two texts, each in the middle of its lifeline as far as both fit; else one below the other. */
static void put_heads(const struct ladder *ladder, enum screen_style style, const char *left,
		      const char *right)
{
	struct line line = LINE(ladder->screen);
	unsigned width = ladder->screen->width;
	unsigned left_columns = screen_columns(left), right_columns = screen_columns(right);
	unsigned left_half = left_columns / 2, right_half = right_columns / 2;
	unsigned begin;

	if (!left_columns && !right_columns)
		return;
	line_to(&line, ladder->left_bar > left_half ? ladder->left_bar - left_half : 0);
	line_put(&line, style, left);
	begin = ladder->right_bar > right_half ? ladder->right_bar - right_half : 0;
	if (begin + right_columns > width)
		begin = width > right_columns ? width - right_columns : 0;
	if (line.next && line.next + 2 > begin)
		line_end(&line);
	line_to(&line, begin);
	line_put(&line, style, right);
	line_end(&line);
}

static void put_title(const struct screen *screen, const char *title)
{
	char text[NOTE_MAX];

	screen_clean(screen, title, strlen(title), text, sizeof(text));
	line_wrap(screen, STYLE_BOLD, text, 0);
}

static void draw_ladder(struct ladder *ladder)
{
	const struct exchange *exchange = ladder->exchange;
	char left[LABEL_MAX], right[LABEL_MAX];

	clean_name(ladder->screen, exchange->left, left);
	clean_name(ladder->screen, exchange->right, right);
	put_heads(ladder, STYLE_BOLD, left, right);
	clean_name(ladder->screen, exchange->left_address, left);
	clean_name(ladder->screen, exchange->right_address, right);
	put_heads(ladder, STYLE_DIM, left, right);
	put_middle(ladder, ladder->marks->bar, "");

	for (size_t i = 0; i < exchange->count; i++) {
		const struct exchange_row *row = &exchange->rows[i];

		if (exchange->left_out && i == exchange->left_out_before)
			put_left_out(ladder);
		else if (i > 0 && row->time_ns - row[-1].time_ns >= GAP_NS)
			put_gap(ladder, row->time_ns - row[-1].time_ns);
		put_row(ladder, row);
	}
	if (exchange->left_out && exchange->left_out_before >= exchange->count)
		put_left_out(ladder);
}

static const char *fate_text(enum exchange_fate fate)
{
	switch (fate) {
	case EXCHANGE_DROPPED:
		return " (lost)";
	case EXCHANGE_HELD:
		return " (under way)";
	case EXCHANGE_ARRIVAL:
		return " (arrives)";
	case EXCHANGE_STUCK:
		return " (held)";
	default:
		return "";
	}
}

/* Fewer columns than a ladder needs: each row as a few lines of text. */
static void list_row(struct ladder *ladder, const struct exchange_row *row, const char *left,
		     const char *right)
{
	char text[NOTE_MAX + 4 * LABEL_MAX], time[32];
	enum screen_style style;
	struct label label;

	label_make(ladder->screen, row, LABEL_MAX, &label);
	snprintf(text, sizeof(text), "%s %s: %s%s%s", format_time(ladder, row->time_ns, time),
		 row->from_right ? right : left, label.flags, label.rest, fate_text(row->fate));
	line_wrap(ladder->screen, label.style, text, 4);
	if (*label_note(ladder->screen, row, text + 4, NOTE_MAX)) {
		memset(text, ' ', 4);
		line_wrap(ladder->screen, STYLE_DIM, text, 4);
	}
	if (ladder->begun && row->left_state == ladder->left_state &&
	    row->right_state == ladder->right_state)
		return;
	snprintf(text, sizeof(text), "    %s %s, %s %s", left, label_state(row->left_state, &style),
		 right, label_state(row->right_state, &style));
	line_wrap(ladder->screen, STYLE_PLAIN, text, 4);
	ladder->left_state = row->left_state;
	ladder->right_state = row->right_state;
	ladder->begun = true;
}

static void list_end(const struct ladder *ladder, const char *name, const char *address)
{
	char cleaned[LABEL_MAX], text[2 * LABEL_MAX + 4];

	clean_name(ladder->screen, address, cleaned);
	snprintf(text, sizeof(text), "%s %s", name, cleaned);
	line_wrap(ladder->screen, STYLE_BOLD, text, 4);
}

static void draw_list(struct ladder *ladder)
{
	const struct exchange *exchange = ladder->exchange;
	char left[LABEL_MAX], right[LABEL_MAX], text[LABEL_MAX];

	clean_name(ladder->screen, exchange->left, left);
	clean_name(ladder->screen, exchange->right, right);
	list_end(ladder, left, exchange->left_address);
	list_end(ladder, right, exchange->right_address);
	for (size_t i = 0; i < exchange->count; i++) {
		if (exchange->left_out && i == exchange->left_out_before)
			line_wrap(ladder->screen, STYLE_DIM, format_left_out(ladder, text), 4);
		list_row(ladder, &exchange->rows[i], left, right);
	}
	if (exchange->left_out && exchange->left_out_before >= exchange->count)
		line_wrap(ladder->screen, STYLE_DIM, format_left_out(ladder, text), 4);
}

void ladder_draw(const struct screen *screen, const struct exchange *exchange)
{
	struct ladder ladder = {
		.screen = screen,
		.exchange = exchange,
		.marks = screen->utf8 ? &marks_utf8 : &marks_ascii,
	};

	if (exchange->title && *exchange->title)
		put_title(screen, exchange->title);
	if (lay_out(&ladder))
		draw_ladder(&ladder);
	else
		draw_list(&ladder);
}
