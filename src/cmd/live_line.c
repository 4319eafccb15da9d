#include "cmd/live_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

bool live_line_is_possible(FILE *out)
{
	const char *term = getenv("TERM");

	return isatty(fileno(out)) == 1 && term && *term && strcmp(term, "dumb") != 0;
}

void live_line_init(struct live_line *live, FILE *out, enum color_choice color, bool allowed)
{
	*live = (struct live_line){
		.out = out,
		.color = color,
		.on = allowed && live_line_is_possible(out),
		.counted_ns = clock_now_ns(),
	};
}

double live_line_rate(struct live_line *live, uint64_t count)
{
	int64_t now_ns = clock_now_ns();
	double seconds = clock_seconds(now_ns - live->counted_ns);
	double rate = seconds > 0 ? (double)(count - live->counted) / seconds : 0;

	live->counted_ns = now_ns;
	live->counted = count;
	return rate;
}

void live_line_put(struct line *line, const char *name, const char *value, enum screen_style style)
{
	line_to(line, line->column + 2);
	line_put(line, STYLE_DIM, name);
	line_to(line, line->column + 1);
	line_put(line, style, value);
}

void live_line_put_count(struct line *line, const char *name, uint64_t count,
			 enum screen_style style)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, count);
	live_line_put(line, name, text, style);
}

/* A terminal that has become narrower has broken it in several. */
static void erase(struct live_line *live, FILE *out, unsigned width)
{
	unsigned rows = width > 0 ? (live->columns + width - 1) / width : 1;

	if (live->drawn)
		fprintf(out, "\033[%uA\r\033[J", rows > 0 ? rows : 1);
	live->drawn = false;
}

void live_line_draw(struct live_line *live,
		    void (*put)(struct live_line *live, struct line *line, const void *what),
		    const void *what)
{
	CLEANUP_FREE char *frame = NULL;
	size_t length = 0;
	struct screen screen;
	struct line line = LINE(&screen);
	FILE *memory;

	if (!live->on)
		return;
	memory = open_memstream(&frame, &length);
	if (!memory)
		return;
	screen_init(&screen, live->out, live->color);
	erase(live, memory, screen.width);
	screen.out = memory;
	if (screen.width > 1)
		screen.width--; /* a full line would leave some terminals at the next one */
	put(live, &line, what);
	live->columns = line.column;
	line_end(&line);
	if (fclose(memory) == 0)
		fwrite(frame, 1, length, live->out);
	fflush(live->out);
	live->drawn = true;
}

void live_line_hide(struct live_line *live)
{
	struct screen screen;

	if (!live->drawn)
		return;
	screen_init(&screen, live->out, live->color);
	erase(live, live->out, screen.width);
	fflush(live->out);
}
