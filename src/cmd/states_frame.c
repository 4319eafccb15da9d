#include "cmd/states_frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cmd/live_line.h"
#include "render/text.h"

#define ROWS 24 /* of a terminal that does not tell */

void states_frame_init(struct states_frame *frame, FILE *out)
{
	*frame = (struct states_frame){.out = out, .on = live_line_is_possible(out)};
}

size_t states_frame_room(const struct states_frame *frame)
{
	struct winsize size;
	size_t rows = ROWS;

	if (!frame->on)
		return STATES_FRAME_LINES;
	if (ioctl(fileno(frame->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		rows = size.ws_row;
	if (rows > 1)
		rows--; /* the cursor's */
	return rows < STATES_FRAME_LINES ? rows : STATES_FRAME_LINES;
}

/* A terminal that has become narrower has broken lines in several. */
static unsigned rows_of(const struct states_frame *frame, unsigned width)
{
	unsigned rows = 0;

	for (size_t i = 0; i < frame->lines; i++)
		rows += frame->columns[i] > width && width ? (frame->columns[i] + width - 1) / width
							   : 1;
	return rows;
}

/* What a style adds takes no columns. */
static unsigned columns_of(const char *line, size_t length)
{
	unsigned columns = 0;

	for (size_t i = 0; i < length;) {
		size_t piece = 0;

		if (line[i] == '\033') {
			while (i < length && line[i] != 'm')
				i++;
			i++;
			continue;
		}
		while (i + piece < length && line[i + piece] != '\033')
			piece++;
		columns += text_columns(line + i, piece);
		i += piece;
	}
	return columns;
}

void states_frame_draw(struct states_frame *frame, FILE *to, const char *text, unsigned width)
{
	if (frame->on && frame->lines)
		fprintf(to, "\033[%uA\r\033[J", rows_of(frame, width));
	frame->lines = 0;
	for (const char *line = text; *line && frame->lines < STATES_FRAME_LINES;) {
		size_t length = strcspn(line, "\n");

		frame->columns[frame->lines++] = columns_of(line, length);
		line += length + (line[length] == '\n');
	}
	fputs(text, to);
}
