#include "cmd/top_draw.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "render/text.h"

/* A key and what it does; without a key a heading; without both an empty line. */
static const struct {
	const char *key, *what;
} help[] = {
	{"", "Groups"},
	{"Up Down", "choose a group (or k, j; PgUp, PgDn, Home, End)"},
	{"Enter", "look into it: its connections; there: follow one"},
	{"Esc", "back (or Left, Backspace)"},
	{"Tab", "group by the next: peer, destination, process, ..."},
	{"b", "type what to group by: state,peer,timer"},
	{"/", "type a filter, as of ss: state time-wait and dport = :443"},
	{"< >", "sort by the column to the left, to the right"},
	{"c d t r", "sort by count, change, timer left (1-4: by a key); turn round"},
	{"Space", "pause, go on"},
	{"+ -", "look less often, more often"},
	{"q", "quit (or Ctrl-C)"},
	{"", ""},
	{"", "While typing"},
	{"Enter Esc", "keep it, when it is right; as it was before"},
	{"^W ^U ^K", "delete a word, to the beginning, to the end"},
	{"", ""},
	{"", "What is shown"},
	{"+/-", "sockets more or less than at the look before"},
	{"Timer", "the least and the most that the timers have left"},
	{"History", "counts of the last looks, each line from 0 to its largest"},
	{"Packets", "beside a followed connection are those its states imply"},
};

/* The lines of the help, of which @first to below @end are shown. */
struct page {
	struct top_terminal *terminal;
	size_t line, first, end;
};

static void put_line(struct page *page, unsigned column, enum screen_style style, const char *text,
		     size_t length)
{
	char line[128];

	if (page->line < page->first || page->line >= page->end)
		return;
	snprintf(line, sizeof(line), "%.*s", (int)length, text);
	top_terminal_put(page->terminal, 1 + (unsigned)(page->line - page->first), column,
			 UINT32_MAX, style, false, line);
}

/* All of it; what is too long goes on below. */
static void draw_page(struct page *page)
{
	unsigned columns = top_terminal_columns(page->terminal);
	bool beside = columns >= 40;
	unsigned indent = beside ? 11 : columns >= 12 ? 3 : 0;

	page->line = 0;
	for (size_t i = 0; i < ARRAY_SIZE(help); i++) {
		const char *key = help[i].key, *what = help[i].what;
		unsigned from = *key ? indent : 0;

		put_line(page, 1, STYLE_LINK, key, strlen(key));
		page->line += *key && !beside;
		do {
			const char *begin = what;
			size_t length = text_line(&what, columns > from ? columns - from : 1);

			put_line(page, from, *key ? STYLE_PLAIN : STYLE_BOLD, begin, length);
			page->line++;
		} while (*what);
	}
}

void top_draw_help(struct top_model *model, struct top_terminal *terminal)
{
	unsigned rows = top_terminal_rows(terminal);
	size_t shown = rows > 2 ? rows - 2 : 0;
	struct page page = {.terminal = terminal};

	top_terminal_put(terminal, 0, 0, UINT32_MAX, STYLE_PLAIN, true, "contest top: help");
	draw_page(&page);
	if (model->help_first + shown > page.line)
		model->help_first = page.line > shown ? page.line - shown : 0;
	page.first = model->help_first;
	page.end = page.first + shown;
	draw_page(&page);
	top_terminal_put(terminal, rows - 1, 0, UINT32_MAX, STYLE_DIM, false,
			 page.line > shown ? "Up Down scroll  any other key: back"
					   : "any key: back");
}
