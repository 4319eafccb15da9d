/*
 * Live lines: a block at the bottom, one line per running experiment and one that counts. What is
 * finished is printed above it once and scrolls away. A frame takes the last block away and
 * draws a new one, in one write.
 *
 * The cursor always stands below the block, at the start of a line, and no mode of the terminal is
 * changed: however the program ends, kill -9 included, there is nothing to restore.
 */
#include "cmd/lab_progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/live_line.h"
#include "lab/judgement.h"
#include "render/line.h"

#define FRAME_NS     (250 * NS_PER_MS)
#define HEIGHT_USUAL 24
#define LIST_MIN     1 /* lines of experiments in the smallest terminal */
#define TIME_WIDTH   7 /* "  123 s" */

struct lab_progress {
	FILE *out; /* (borrowed) */
	enum color_choice color;
	bool live;
	int64_t drawn_ns;
	unsigned drawn_width; /* of the screen that the block was drawn for */
	unsigned *columns;    /* of each line of the block (owned), so that a narrower screen, which
			       * breaks them, is counted right */
	size_t drawn, room;
	size_t *unsaid; /* finished, and not yet said (owned) */
	size_t unsaid_count;
};

struct lab_progress *lab_progress_new(FILE *out, enum color_choice color, size_t count)
{
	struct lab_progress *progress = calloc(1, sizeof(*progress));

	if (!progress)
		return NULL;
	*progress = (struct lab_progress){.out = out, .color = color, .room = count + 2};
	progress->live = live_line_is_possible(out);
	progress->columns = calloc(progress->room, sizeof(*progress->columns));
	progress->unsaid = calloc(count + 1, sizeof(*progress->unsaid));
	if (!progress->columns || !progress->unsaid) {
		lab_progress_free(progress);
		return NULL;
	}
	return progress;
}

enum screen_style lab_verdict_style(const char *verdict)
{
	static const enum screen_style styles[] = {
		[VERDICT_HOLDS] = STYLE_GOOD,	    [VERDICT_REFUTED] = STYLE_BAD,
		[VERDICT_CHANGED] = STYLE_WARN,	    [VERDICT_INCONCLUSIVE] = STYLE_WARN,
		[VERDICT_NOT_TESTABLE] = STYLE_DIM, [VERDICT_ERROR] = STYLE_BAD,
	};
	int known = verdict ? verdict_parse(verdict) : -1;

	return known >= 0 ? styles[known] : STYLE_PLAIN;
}

static const char *result_text(const struct runner_progress *one, const char *name)
{
	const char *text = json_string_value(json_object_get(one->result, name));

	return text ? text : "";
}

/* ---- plain lines */

static void say_plain(struct lab_progress *progress, enum runner_news news,
		      const struct runner_progress *one)
{
	if (news == RUNNER_STARTED)
		fprintf(progress->out, "start %s\n", one->experiment->id);
	else if (news == RUNNER_FINISHED)
		fprintf(progress->out, "done %s %s (%.1f s)\n", one->experiment->id,
			result_text(one, "verdict"), one->seconds);
	fflush(progress->out);
}

/* ---- live lines */

static double seconds_left(const struct runner_progress *one)
{
	double left = one->left_s;

	if (left < 0)
		left = experiment_seconds(one->experiment) - one->seconds;
	return left > 0 ? left : 0;
}

static unsigned id_width(const struct runner_progress *all, size_t count)
{
	unsigned width = 0;

	for (size_t i = 0; i < count; i++)
		if (strlen(all[i].experiment->id) > width)
			width = (unsigned)strlen(all[i].experiment->id);
	return width;
}

static void put_clean(struct line *line, enum screen_style style, const char *text, unsigned room)
{
	size_t size = 4 * strlen(text) + 1;
	CLEANUP_FREE char *clean = malloc(size);

	if (clean)
		line_put_within(line, style,
				screen_clean(line->screen, text, strlen(text), clean, size), room);
}

static void end_block_line(struct lab_progress *progress, struct line *line)
{
	if (progress->drawn < progress->room)
		progress->columns[progress->drawn++] = line->column;
	line_end(line);
}

static void draw_finished(const struct screen *screen, const struct runner_progress *one,
			  unsigned width)
{
	const char *verdict = result_text(one, "verdict");
	struct line line = LINE(screen);
	char time[32];

	snprintf(time, sizeof(time), "%.1f s", one->seconds);
	line_put(&line, STYLE_BOLD, one->experiment->id);
	line_to(&line, width + 2);
	put_clean(&line, lab_verdict_style(verdict), verdict, 20);
	line_to(&line, width + 2 + 18);
	line_put(&line, STYLE_DIM, time);
	line_to(&line, width + 2 + 18 + 9);
	put_clean(&line, STYLE_PLAIN,
		  result_text(one, result_text(one, "deciding")[0] ? "deciding" : "summary"),
		  screen->width);
	line_end(&line);
}

static void draw_running(struct lab_progress *progress, const struct screen *screen,
			 const struct runner_progress *one, unsigned width)
{
	struct line line = LINE(screen);
	char time[32];

	snprintf(time, sizeof(time), "%*.0f s", TIME_WIDTH - 2, seconds_left(one));
	line_put(&line, STYLE_BOLD, one->experiment->id);
	line_to(&line, width);
	line_put(&line, STYLE_PLAIN, time);
	line_to(&line, width + TIME_WIDTH + 2);
	put_clean(&line, STYLE_DIM, one->state, screen->width);
	end_block_line(progress, &line);
}

static void draw_counts(struct lab_progress *progress, const struct screen *screen,
			const struct runner_progress *all, size_t count, size_t hidden)
{
	size_t finished = 0, running = 0;
	struct line line = LINE(screen);
	double left = 0;
	char text[160], more[32] = "";

	for (size_t i = 0; i < count; i++) {
		finished += all[i].finished;
		running += all[i].running;
		if (all[i].running && seconds_left(&all[i]) > left)
			left = seconds_left(&all[i]);
	}
	if (hidden)
		snprintf(more, sizeof(more), "+%zu more. ", hidden);
	snprintf(text, sizeof(text),
		 "%s%zu of %zu done, %zu running, about %.0f s left. Ctrl-C ends them and keeps "
		 "what is done.",
		 more, finished, count, running, left);
	line_put(&line, STYLE_PLAIN, text);
	end_block_line(progress, &line);
}

/* Lines that the block may take: all but one, so that what is finished is seen to scroll. */
static size_t block_room(const struct lab_progress *progress)
{
	struct winsize size;
	unsigned rows = HEIGHT_USUAL;

	if (ioctl(fileno(progress->out), TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		rows = size.ws_row;
	return rows > LIST_MIN + 3 ? rows - 3 : LIST_MIN;
}

static bool ends_before(const struct runner_progress *all, size_t a, size_t b)
{
	double left_a = seconds_left(&all[a]), left_b = seconds_left(&all[b]);

	return left_a < left_b || (left_a == left_b && a < b);
}

/* How many of the running ones end before @which. */
static size_t rank(const struct runner_progress *all, size_t count, size_t which)
{
	size_t before = 0;

	for (size_t i = 0; i < count; i++)
		before += all[i].running && i != which && ends_before(all, i, which);
	return before;
}

static void draw_block(struct lab_progress *progress, const struct screen *screen,
		       const struct runner_progress *all, size_t count)
{
	unsigned width = id_width(all, count);
	size_t room = block_room(progress), hidden = 0;

	for (size_t i = 0; i < count; i++) {
		if (!all[i].running)
			continue;
		if (rank(all, count, i) < room)
			draw_running(progress, screen, &all[i], width);
		else
			hidden++;
	}
	draw_counts(progress, screen, all, count, hidden);
	progress->drawn_width = screen->width;
}

/* Takes the last block away. A terminal that has become narrower has broken its lines. */
static void erase_block(struct lab_progress *progress, FILE *out, unsigned width)
{
	size_t rows = 0;

	for (size_t i = 0; i < progress->drawn; i++) {
		unsigned columns = progress->columns[i] ? progress->columns[i] : 1;

		rows += width < progress->drawn_width ? (columns + width - 1) / width : 1;
	}
	if (rows > 0)
		fprintf(out, "\033[%zuA\r\033[J", rows);
	progress->drawn = 0;
}

/* One write: the old block away, what is finished, and the new @block. */
static void draw_frame(struct lab_progress *progress, const struct runner_progress *all,
		       size_t count, bool block)
{
	CLEANUP_FREE char *frame = NULL;
	size_t length = 0;
	struct screen screen;
	FILE *memory = open_memstream(&frame, &length);

	if (!memory)
		return;
	screen_init(&screen, progress->out, progress->color);
	screen.out = memory;
	if (screen.width > 1)
		screen.width--; /* a full line would leave some terminals at the next one */
	erase_block(progress, memory, screen.width + 1);
	for (size_t i = 0; i < progress->unsaid_count; i++)
		draw_finished(&screen, &all[progress->unsaid[i]], id_width(all, count));
	progress->unsaid_count = 0;
	if (block)
		draw_block(progress, &screen, all, count);
	progress->drawn_ns = clock_now_ns();
	if (fclose(memory) == 0)
		fwrite(frame, 1, length, progress->out);
	fflush(progress->out);
}

void lab_progress_listen(enum runner_news news, const struct runner_progress *all, size_t count,
			 size_t which, void *context)
{
	struct lab_progress *progress = context;
	size_t finished = 0;

	if (!progress)
		return;
	if (!progress->live) {
		if (which < count)
			say_plain(progress, news, &all[which]);
		return;
	}
	if (news == RUNNER_FINISHED)
		progress->unsaid[progress->unsaid_count++] = which;
	for (size_t i = 0; i < count; i++)
		finished += all[i].finished;
	/* The last one must be said now: nothing may come after it. */
	if (finished == count)
		draw_frame(progress, all, count, false);
	else if (clock_now_ns() - progress->drawn_ns >= FRAME_NS)
		draw_frame(progress, all, count, true);
}

void lab_progress_free(struct lab_progress *progress)
{
	if (!progress)
		return;
	if (progress->drawn > 0) {
		struct screen screen;

		screen_init(&screen, progress->out, progress->color);
		erase_block(progress, progress->out, screen.width);
		fflush(progress->out);
	}
	free(progress->columns);
	free(progress->unsaid);
	free(progress);
}
