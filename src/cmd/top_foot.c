/* The lowest rows: which keys there are, or what is being typed and what is wrong with it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/top_draw.h"
#include "render/text.h"

/* Keys and what they do. Whole ones, as many as there is room for. */
static void draw_keys(struct top_terminal *terminal, unsigned row, unsigned column,
		      const char *const (*keys)[2])
{
	for (; (*keys)[0]; keys++) {
		const char *key = (*keys)[0], *what = (*keys)[1];
		unsigned takes = screen_columns(key) + 1 + screen_columns(what);

		if (column + takes > top_terminal_columns(terminal))
			continue;
		top_terminal_put(terminal, row, column, UINT32_MAX, STYLE_BOLD, false, key);
		top_terminal_put(terminal, row, column + screen_columns(key) + 1, UINT32_MAX,
				 STYLE_DIM, false, what);
		column += takes + 2;
	}
}

static void draw_hints(const struct top_model *model, struct top_terminal *terminal, unsigned row)
{
	static const char *const keys[][10][2] = {
		[VIEW_GROUPS] = {{"?", "help"},
				 {"/", "filter"},
				 {"Tab b", "by"},
				 {"< > r", "sort"},
				 {"Enter", "detail"},
				 {"Space", "pause"},
				 {"q", "quit"}},
		[VIEW_GROUP] = {{"?", "help"},
				{"Enter", "follow a connection"},
				{"Esc", "back"},
				{"/", "filter"},
				{"q", "quit"}},
		[VIEW_CONNECTION] = {{"?", "help"}, {"Esc", "back"}, {"q", "quit"}},
	};
	const struct top_look *look = model->look;
	unsigned column = 0;
	char text[256];

	if (model->error[0]) {
		top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_BAD, true, model->error);
		return;
	}
	if (look && look->groups > look->row_count && model->view == VIEW_GROUPS) {
		snprintf(text, sizeof(text), "the %zu largest of %" PRIu64 " groups",
			 look->row_count, look->groups);
		column = 2 + top_terminal_put(terminal, row, 0, UINT32_MAX, STYLE_DIM, false, text);
	}
	draw_keys(terminal, row, column, keys[model->view]);
}

/* Where the typed line is on the screen. */
struct typed {
	const char *prompt, *from; /* what is seen of the text begins there */
	unsigned begin, hidden;	   /* columns: of the prompt, of the text that is not seen */
	unsigned cursor, caret;	   /* columns of the screen; the caret's where it is wrong */
};

/* Scrolled so that the cursor is seen, with a column behind the last character for it. */
static struct typed place_typed(const struct top_model *model, unsigned columns)
{
	const struct top_edit *edit = &model->edit;
	size_t at = model->complaint_at < edit->length ? model->complaint_at : edit->length;
	unsigned cursor = text_columns(edit->text, edit->cursor);
	unsigned wrong = text_columns(edit->text, at);
	struct typed typed = {
		.prompt = model->typing == TYPING_FILTER ? "filter: " : "by: ",
		.from = edit->text,
	};

	typed.begin = screen_columns(typed.prompt);
	if (typed.begin + 8 > columns)
		typed.begin = 0;
	while (cursor - typed.hidden + 1 > columns - typed.begin && *typed.from) {
		typed.from += text_fit(typed.from, 1) ? text_fit(typed.from, 1)
						      : text_fit(typed.from, 2);
		typed.hidden = text_columns(edit->text, (size_t)(typed.from - edit->text));
	}
	typed.cursor = typed.begin + cursor - typed.hidden;
	typed.caret = typed.begin + (wrong > typed.hidden ? wrong - typed.hidden : 0);
	if (typed.caret >= columns)
		typed.caret = columns - 1;
	return typed;
}

#define COMPLAINT_LINES 3

/* Lines that a complaint takes below the caret's; 0: it stands beside the caret. */
static unsigned complaint_lines(const struct top_model *model, unsigned columns)
{
	unsigned caret = place_typed(model, columns).caret, lines = 0;
	const char *rest = model->complaint;

	if (caret + 2 + screen_columns(model->complaint) <= columns)
		return 0;
	while (*rest && lines < COMPLAINT_LINES) {
		text_line(&rest, columns);
		lines++;
	}
	return lines;
}

unsigned top_foot_rows(const struct top_model *model, unsigned columns)
{
	if (!model->typing)
		return 1;
	return 2 + (model->complaint[0] ? complaint_lines(model, columns) : 0);
}

static void draw_complaint(const struct top_model *model, struct top_terminal *terminal,
			   unsigned row, unsigned caret)
{
	unsigned columns = top_terminal_columns(terminal);
	unsigned lines = complaint_lines(model, columns);
	const char *rest = model->complaint;
	char text[sizeof(model->complaint)];

	top_terminal_put(terminal, row, caret, 1, STYLE_BAD, false, "^");
	if (!lines)
		top_terminal_put(terminal, row, caret + 2, UINT32_MAX, STYLE_BAD, false, rest);
	for (unsigned i = 1; i <= lines; i++) {
		const char *from = rest;
		size_t length = text_line(&rest, columns);

		snprintf(text, sizeof(text), "%.*s", (int)length, from);
		top_terminal_put(terminal, row + i, 0, UINT32_MAX, STYLE_BAD, false, text);
	}
}

/* The character that is wrong, where it is seen. */
static void draw_wrong(const struct top_model *model, struct top_terminal *terminal, unsigned row,
		       const struct typed *typed)
{
	const char *at = model->edit.text + model->complaint_at;
	size_t size;
	char text[8];

	if (model->complaint_at >= model->edit.length || at < typed->from)
		return;
	size = text_fit(at, 1) ? text_fit(at, 1) : text_fit(at, 2);
	snprintf(text, sizeof(text), "%.*s", (int)size, at);
	top_terminal_put(terminal, row, typed->caret, screen_columns(text), STYLE_BAD, true, text);
}

static void draw_typing(const struct top_model *model, struct top_terminal *terminal, unsigned row)
{
	static const char *const keys[][2] = {
		{"Enter", "keep it"}, {"Esc", "as it was"}, {NULL, NULL}};
	struct typed typed = place_typed(model, top_terminal_columns(terminal));

	if (typed.begin)
		top_terminal_put(terminal, row, 0, typed.begin, STYLE_BOLD, false, typed.prompt);
	top_terminal_put(terminal, row, typed.begin, UINT32_MAX, STYLE_PLAIN, false, typed.from);
	if (model->complaint[0]) {
		draw_wrong(model, terminal, row, &typed);
		draw_complaint(model, terminal, row + 1, typed.caret);
	} else {
		top_terminal_put(terminal, row + 1, 0, UINT32_MAX, STYLE_GOOD, false, "in force");
		draw_keys(terminal, row + 1, 10, keys);
	}
	top_terminal_cursor(terminal, row, typed.cursor);
}

void top_draw_foot(const struct top_model *model, struct top_terminal *terminal, unsigned row)
{
	if (model->typing) {
		draw_typing(model, terminal, row);
	} else {
		draw_hints(model, terminal, row);
		top_terminal_no_cursor(terminal);
	}
}
