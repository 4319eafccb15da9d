/*
 * As with the lab's lines (lab_progress.c) the cursor always stands below, at the start of a line,
 * and no mode of the terminal is changed: however the program ends, there is nothing to restore.
 */
#include "cmd/serve_live.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "render/line.h"

void serve_live_init(struct serve_live *live, FILE *out, enum color_choice color, bool allowed)
{
	const char *term = getenv("TERM");

	*live = (struct serve_live){
		.out = out,
		.color = color,
		.on = allowed && isatty(fileno(out)) == 1 && term && *term &&
		      strcmp(term, "dumb") != 0,
		.counted_ns = clock_now_ns(),
	};
}

/* Connections per second since the last look. */
static double rate(struct serve_live *live, uint64_t accepted)
{
	int64_t now_ns = clock_now_ns();
	double seconds = clock_seconds(now_ns - live->counted_ns);
	double result = seconds > 0 ? (double)(accepted - live->counted) / seconds : 0;

	live->counted_ns = now_ns;
	live->counted = accepted;
	return result;
}

static void put_number(struct line *line, const char *name, uint64_t number,
		       enum screen_style style)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	line_to(line, line->column + 2);
	line_put(line, STYLE_DIM, name);
	line_to(line, line->column + 1);
	line_put(line, style, text);
}

/* Takes the line away; a terminal that has become narrower has broken it in several. */
static void erase(struct serve_live *live, FILE *out, unsigned width)
{
	unsigned rows = width > 0 ? (live->columns + width - 1) / width : 1;

	if (live->drawn)
		fprintf(out, "\033[%uA\r\033[J", rows > 0 ? rows : 1);
	live->drawn = false;
}

static void put_line(struct serve_live *live, const struct screen *screen,
		     const struct tally_sum *sum, bool draining)
{
	struct line line = LINE(screen);
	char text[48];

	snprintf(text, sizeof(text), draining ? "draining" : "%.0f/s", rate(live, sum->accepted));
	line_put(&line, STYLE_BOLD, text);
	put_number(&line, "open", sum->open, STYLE_BOLD);
	put_number(&line, "tasks", sum->tasks, STYLE_PLAIN);
	put_number(&line, "closed by us", sum->closed_by_us, STYLE_PLAIN);
	put_number(&line, "by peer", sum->closed_by_peer, STYLE_PLAIN);
	put_number(&line, "reset", sum->reset, sum->reset ? STYLE_WARN : STYLE_PLAIN);
	put_number(&line, "accepted", sum->accepted, STYLE_PLAIN);
	live->columns = line.column;
	line_end(&line);
}

void serve_live_draw(struct serve_live *live, const struct tally_sum *sum, bool draining)
{
	CLEANUP_FREE char *frame = NULL;
	size_t length = 0;
	struct screen screen;
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
	put_line(live, &screen, sum, draining);
	if (fclose(memory) == 0)
		fwrite(frame, 1, length, live->out);
	fflush(live->out);
	live->drawn = true;
}

void serve_live_hide(struct serve_live *live)
{
	struct screen screen;

	if (!live->drawn)
		return;
	screen_init(&screen, live->out, live->color);
	erase(live, live->out, screen.width);
	fflush(live->out);
}
