#include "render/screen.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "render/text.h"

#define WIDTH_PIPED    100
#define WIDTH_TERMINAL 80 /* of a terminal that does not tell */
#define WIDTH_MIN      20
#define WIDTH_MAX      1000

static unsigned bound_width(unsigned long width)
{
	return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : (unsigned)width;
}

/* COLUMNS comes first, as in man(1) and ps(1): shells do not export it, so a person did. */
static unsigned find_width(FILE *out, bool terminal)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns) {
		char *end;
		unsigned long width = strtoul(columns, &end, 10);

		if (end != columns && *end == '\0' && width > 0 && columns[0] != '-')
			return bound_width(width);
	}
	if (!terminal)
		return WIDTH_PIPED;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return WIDTH_TERMINAL;
	return bound_width(size.ws_col);
}

static bool find_color(bool terminal, enum color_choice color)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (color != COLOR_AUTO)
		return color == COLOR_ALWAYS;
	if (!terminal || (no_color && *no_color))
		return false;
	return term && *term && strcmp(term, "dumb") != 0;
}

void screen_init(struct screen *screen, FILE *out, enum color_choice color)
{
	/* A stream over memory has no descriptor: fileno() is -1, and that is no terminal. */
	bool terminal = isatty(fileno(out)) == 1;

	*screen = (struct screen){
		.out = out,
		.width = find_width(out, terminal),
		.color = find_color(terminal, color),
		.utf8 = strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.terminal = terminal,
	};
}

void screen_print(const struct screen *screen, enum screen_style style, const char *format, ...)
{
	static const char *const codes[] = {
		[STYLE_PLAIN] = NULL,	   [STYLE_BOLD] = "\033[1m",   [STYLE_DIM] = "\033[2m",
		[STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[1;31m", [STYLE_WARN] = "\033[33m",
		[STYLE_LINK] = "\033[4m",
	};
	const char *code = screen->color && style < ARRAY_SIZE(codes) ? codes[style] : NULL;
	va_list args;

	if (code)
		fputs(code, screen->out);
	va_start(args, format);
	vfprintf(screen->out, format, args);
	va_end(args);
	if (code)
		fputs("\033[0m", screen->out);
}

/* What comes nearest in ASCII, or NULL. Nothing here is longer than the UTF-8 it stands for + 1. */
static const char *nearest_ascii(uint32_t c)
{
	static const struct {
		uint32_t character;
		char text[4];
	} nearest[] = {
		{0x00a0, " "},	 {0x00b1, "+-"},  {0x00b5, "u"}, {0x00b7, "*"},	 {0x00d7, "x"},
		{0x03bc, "u"},	 {0x2010, "-"},	  {0x2011, "-"}, {0x2012, "-"},	 {0x2013, "-"},
		{0x2014, "--"},	 {0x2018, "'"},	  {0x2019, "'"}, {0x201c, "\""}, {0x201d, "\""},
		{0x2022, "*"},	 {0x2026, "..."}, {0x202f, " "}, {0x2190, "<-"}, {0x2192, "->"},
		{0x2194, "<->"}, {0x2212, "-"},	  {0x2248, "~"}, {0x2260, "!="}, {0x2264, "<="},
		{0x2265, ">="},	 {0x2713, "ok"},  {0x2717, "x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(nearest); i++)
		if (nearest[i].character == c)
			return nearest[i].text;
	return NULL;
}

/* Writes what stands for the character (or bad byte) at @at into @piece; returns its bytes. */
static size_t clean_one(const char *at, size_t length, bool utf8, char piece[static 20])
{
	uint32_t c;
	size_t size = text_decode(at, length, &c);
	const char *near = NULL;

	if (size > 1 && !utf8)
		near = nearest_ascii(c);
	if (near) {
		snprintf(piece, 20, "%s", near);
	} else if (size > 0 && !text_character_is_harmful(c) && (size == 1 || utf8)) {
		memcpy(piece, at, size);
		piece[size] = '\0';
	} else {
		size = size ? size : 1;
		for (size_t i = 0; i < size; i++)
			snprintf(piece + 4 * i, 5, "\\x%02x", (uint8_t)at[i]);
	}
	return size;
}

static char *clean(const char *text, size_t length, bool utf8, char *to, size_t room)
{
	size_t used = 0;

	if (room == 0)
		return to;
	for (size_t at = 0; at < length;) {
		char piece[20];
		size_t size;

		at += clean_one(text + at, length - at, utf8, piece);
		size = strlen(piece);
		if (size >= room - used)
			break;
		memcpy(to + used, piece, size);
		used += size;
	}
	to[used] = '\0';
	return to;
}

char *screen_escape(const char *text, size_t length, char *to, size_t room)
{
	return clean(text, length, true, to, room);
}

char *screen_clean(const struct screen *screen, const char *text, size_t length, char *to,
		   size_t room)
{
	return clean(text, length, screen->utf8, to, room);
}

unsigned screen_columns(const char *text)
{
	return text_columns(text, strlen(text));
}

static void wrap_paragraph(const struct screen *screen, const char *text, unsigned indent,
			   unsigned room)
{
	do {
		const char *line = text;
		size_t length = text_line(&text, room);

		if (length)
			fprintf(screen->out, "%*s", (int)indent, "");
		fwrite(line, 1, length, screen->out);
		fputc('\n', screen->out);
	} while (*text);
}

void screen_wrap(const struct screen *screen, const char *text, unsigned indent, unsigned width)
{
	size_t room = 4 * strlen(text) + 1;
	CLEANUP_FREE char *cleaned = malloc(room);

	if (!cleaned) {
		fputs("(out of memory)\n", screen->out);
		return;
	}
	while (*text) {
		size_t length = strcspn(text, "\n");

		screen_clean(screen, text, length, cleaned, room);
		wrap_paragraph(screen, cleaned, indent, width > indent ? width - indent : 1);
		text += length;
		text += *text == '\n';
	}
}
