/*
 * As with the lines of serve and the lab the cursor always stands below, at the start of a line,
 * and no mode of the terminal is changed: however the program ends, there is nothing to restore.
 */
#include "cmd/load_live.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/load_report.h"
#include "render/line.h"

void load_live_init(struct load_live *live, FILE *out, enum color_choice color)
{
	const char *term = getenv("TERM");

	*live = (struct load_live){
		.out = out,
		.color = color,
		.on = isatty(fileno(out)) == 1 && term && *term && strcmp(term, "dumb") != 0,
		.counted_ns = clock_now_ns(),
	};
}

/* Connections per second since the last look. */
static double rate(struct load_live *live, uint64_t connected)
{
	int64_t now_ns = clock_now_ns();
	double seconds = clock_seconds(now_ns - live->counted_ns);
	double result = seconds > 0 ? (double)(connected - live->counted) / seconds : 0;

	live->counted_ns = now_ns;
	live->counted = connected;
	return result;
}

static void put(struct line *line, const char *name, const char *value, enum screen_style style)
{
	line_to(line, line->column + 2);
	line_put(line, STYLE_DIM, name);
	line_to(line, line->column + 1);
	line_put(line, style, value);
}

static void put_count(struct line *line, const char *name, uint64_t count, enum screen_style style)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, count);
	put(line, name, text, style);
}

/* Takes the line away; a terminal that has become narrower has broken it in several. */
static void erase(struct load_live *live, FILE *out, unsigned width)
{
	unsigned rows = width > 0 ? (live->columns + width - 1) / width : 1;

	if (live->drawn)
		fprintf(out, "\033[%uA\r\033[J", rows > 0 ? rows : 1);
	live->drawn = false;
}

static void put_line(struct load_live *live, const struct screen *screen,
		     const struct load_moment *moment)
{
	const struct load_sum *sum = moment->sum;
	struct line line = LINE(screen);
	double per_second = rate(live, sum->connected);
	char text[48];

	live->due_ns = live->counted_ns + LOAD_LIVE_NS;
	snprintf(text, sizeof(text), "%.0f s", moment->seconds);
	line_put(&line, STYLE_DIM, text);
	line_to(&line, line.column + 2);
	snprintf(text, sizeof(text), "%.0f/s", per_second);
	line_put(&line, STYLE_BOLD, moment->ending ? moment->ending : text);
	put_count(&line, "in flight", sum->in_flight, STYLE_PLAIN);
	put_count(&line, "failed", sum->failed_all, sum->failed_all ? STYLE_BAD : STYLE_PLAIN);
	put(&line, "p99", load_report_time(moment->p99_ns, text, sizeof(text)), STYLE_PLAIN);
	if (moment->ports_left >= 0)
		put_count(&line, "ports left", (uint64_t)moment->ports_left,
			  moment->ports_left ? STYLE_PLAIN : STYLE_WARN);
	live->columns = line.column;
	line_end(&line);
}

void load_live_draw(struct load_live *live, const struct load_moment *moment)
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
	put_line(live, &screen, moment);
	if (fclose(memory) == 0)
		fwrite(frame, 1, length, live->out);
	fflush(live->out);
	live->drawn = true;
}

void load_live_hide(struct load_live *live)
{
	struct screen screen;

	if (!live->drawn)
		return;
	screen_init(&screen, live->out, live->color);
	erase(live, live->out, screen.width);
	fflush(live->out);
}
