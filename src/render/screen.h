/* What the output can show: width, colour, character set. Chosen once by a command. */
#ifndef CONTEST_RENDER_SCREEN_H
#define CONTEST_RENDER_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct screen {
	FILE *out;	/* (borrowed) */
	unsigned width; /* columns: COLUMNS where it is set, else the terminal's, else 100 */
	bool color;
	bool utf8; /* nl_langinfo(CODESET) says UTF-8 */
	bool terminal;
};

/*
 * Looks at @out and the environment: COLUMNS, the locale set by main(), and for COLOR_AUTO, which
 * means colour on a terminal only, NO_COLOR (when not empty) and TERM=dumb.
 */
void screen_init(struct screen *screen, FILE *out, enum color_choice color);

enum screen_style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GOOD,
	STYLE_BAD,
	STYLE_WARN,
	STYLE_LINK
};

/* printf in a style; the style ends with the text. Nothing but the text without colour. */
void screen_print(const struct screen *screen, enum screen_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Makes text from outside (the network, a file, a command line) safe to print: control bytes and
 * invalid UTF-8 become \xNN, and so do the Unicode characters that break lines or turn the
 * direction of writing. Returns @to (of @room bytes, always terminated; cut between characters).
 * Done twice it is the same as done once. 4 * length + 1 bytes hold every answer.
 */
char *screen_escape(const char *text, size_t length, char *to, size_t room);

/*
 * The same for this screen: where it has no UTF-8, characters beyond ASCII become what is nearest
 * ("->", "...") or else \xNN, since 8-bit terminals take 0x80 to 0x9f for controls.
 */
char *screen_clean(const struct screen *screen, const char *text, size_t length, char *to,
		   size_t room);

/* Columns that UTF-8 text takes on a terminal. */
unsigned screen_columns(const char *text);

/*
 * Prints @text broken at blanks to lines of at most @width columns, @indent of them blank at the
 * beginning of each. A newline in @text begins a new line, anything else is cleaned.
 */
void screen_wrap(const struct screen *screen, const char *text, unsigned indent, unsigned width);

#endif
