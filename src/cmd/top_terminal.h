/*
 * The terminal as a full screen: ncurses, and that it is left as it was found, however the program
 * ends – by a signal that kills, too, whatever thread that comes to.
 */
#ifndef CONTEST_CMD_TOP_TERMINAL_H
#define CONTEST_CMD_TOP_TERMINAL_H

#include <stdbool.h>

#include "base/why.h"
#include "render/screen.h"

struct top_terminal;

/* Keys that are no characters. */
enum top_key {
	TOP_KEY_NONE = 0,
	TOP_KEY_UP = 0x200000, /* beyond Unicode */
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
	TOP_KEY_DELETE,
	TOP_KEY_TAB,
	TOP_KEY_BACK_TAB,
	TOP_KEY_HELP,
	TOP_KEY_OTHER,
};

/* Takes standard input and output. 0; or -errno with @why, and nothing has changed. One at a time.
 */
int top_terminal_open(enum color_choice color, struct top_terminal **ret, struct why *why);
/* Gives them back; NULL is allowed. */
void top_terminal_close(struct top_terminal *terminal);

/* Stops the process as Ctrl-Z does, the terminal given back meanwhile. */
void top_terminal_suspend(struct top_terminal *terminal);
/* After SIGCONT: it was stopped without having been asked (SIGSTOP). */
void top_terminal_resume(struct top_terminal *terminal);
/* After SIGWINCH. */
void top_terminal_resize(struct top_terminal *terminal);
/* The next key that was typed, a character or enum top_key, without waiting. */
unsigned top_terminal_key(struct top_terminal *terminal);

/* ---- drawing: nothing is seen before top_terminal_show() */

unsigned top_terminal_rows(const struct top_terminal *terminal);
unsigned top_terminal_columns(const struct top_terminal *terminal);
bool top_terminal_utf8(const struct top_terminal *terminal);

void top_terminal_erase(struct top_terminal *terminal);
/*
 * Text at that place, cut at @width columns or the screen's edge; what would harm is escaped. With
 * @reverse the rest of @width is filled with blanks, too. Returns the columns it took.
 */
unsigned top_terminal_put(struct top_terminal *terminal, unsigned row, unsigned column,
			  unsigned width, enum screen_style style, bool reverse, const char *text);
/* Where the cursor is to be seen; or nowhere. */
void top_terminal_cursor(struct top_terminal *terminal, unsigned row, unsigned column);
void top_terminal_no_cursor(struct top_terminal *terminal);
void top_terminal_show(struct top_terminal *terminal);
/* Draws all of it anew at the next show: something else has written there. */
void top_terminal_redraw(struct top_terminal *terminal);

#endif
