#include "render/line.h"

#include <string.h>

#include "render/text.h"

void line_to(struct line *line, unsigned column)
{
	if (column > line->next)
		line->next = column;
}

static void put_bytes(struct line *line, enum screen_style style, const char *text, size_t length)
{
	if (length == 0)
		return;
	fprintf(line->screen->out, "%*s", (int)(line->next - line->column), "");
	screen_print(line->screen, style, "%.*s", (int)length, text);
	line->next += text_columns(text, length);
	line->column = line->next;
}

void line_wrap(const struct screen *screen, enum screen_style style, const char *text,
	       unsigned hang)
{
	struct line line = LINE(screen);

	while (*text) {
		const char *at = text;
		size_t blanks = line.next ? 0 : strspn(text, " ");
		size_t length = text_line(&text, screen->width - line.next);

		line_to(&line, line.next + (unsigned)blanks);
		if (length > blanks)
			put_bytes(&line, style, at + blanks, length - blanks);
		line_end(&line);
		line_to(&line, hang);
	}
}

void line_put_within(struct line *line, enum screen_style style, const char *text, unsigned room)
{
	const char *ellipsis = line->screen->utf8 ? "…" : "~";
	unsigned width = line->screen->width;
	unsigned left = width > line->next ? width - line->next : 0;

	if (left < room)
		room = left;
	if (room == 0)
		return;
	/* A string of blanks is a move: it must not show at the end of a line. */
	if (text[strspn(text, " ")] == '\0') {
		line->next += (unsigned)strlen(text) < room ? (unsigned)strlen(text) : room;
		return;
	}
	if (text_columns(text, strlen(text)) <= room) {
		put_bytes(line, style, text, strlen(text));
		return;
	}
	put_bytes(line, style, text, text_fit(text, room - 1));
	put_bytes(line, style, ellipsis, strlen(ellipsis));
}

void line_put(struct line *line, enum screen_style style, const char *text)
{
	line_put_within(line, style, text, line->screen->width);
}

void line_end(struct line *line)
{
	fputc('\n', line->screen->out);
	line->column = 0;
	line->next = 0;
}
