#include "cmd/top_draw.h"

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
	{"c d t", "sort by count, change, timer left; 1-4: by a key"},
	{"r", "sort the other way round"},
	{"Space", "pause, go on"},
	{"+ -", "look less often, more often"},
	{"q", "quit (or Ctrl-C)"},
	{"", ""},
	{"", "While typing"},
	{"Enter", "keep it, when it is right"},
	{"Esc", "as it was before"},
	{"^W ^U ^K", "delete a word, to the beginning, to the end"},
	{"", ""},
	{"", "What is shown"},
	{"+/-", "sockets more or less than at the look before"},
	{"Timer", "the least and the most that the timers have left"},
	{"History", "counts of the last looks, each line from 0 to its largest"},
	{"Packets", "beside a followed connection are those its states imply"},
};

void top_draw_help(struct top_model *model, struct top_terminal *terminal)
{
	unsigned rows = top_terminal_rows(terminal), columns = top_terminal_columns(terminal);
	unsigned indent = columns >= 40 ? 11 : 9;
	size_t count = ARRAY_SIZE(help), shown = rows > 2 ? rows - 2 : 0;

	if (model->help_first + shown > count)
		model->help_first = count > shown ? count - shown : 0;
	top_terminal_put(terminal, 0, 0, UINT32_MAX, STYLE_PLAIN, true, "contest top: help");
	for (unsigned i = 0; i < shown && model->help_first + i < count; i++) {
		const char *key = help[model->help_first + i].key;
		const char *what = help[model->help_first + i].what;

		if (!*key) {
			top_terminal_put(terminal, i + 1, 0, UINT32_MAX, STYLE_BOLD, false, what);
			continue;
		}
		top_terminal_put(terminal, i + 1, 1, indent - 2, STYLE_LINK, false, key);
		top_terminal_put(terminal, i + 1, indent, UINT32_MAX, STYLE_PLAIN, false, what);
	}
	top_terminal_put(terminal, rows - 1, 0, UINT32_MAX, STYLE_DIM, false,
			 count > shown ? "Up Down scroll  any other key: back" : "any key: back");
}
