#include "cmd/states_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/signal_watch.h"
#include "cmd/states_births.h"
#include "cmd/states_frame.h"
#include "cmd/states_history.h"
#include "cmd/states_json.h"
#include "cmd/states_look.h"
#include "cmd/states_out.h"
#include "cmd/states_text.h"
#include "cmd/states_words.h"
#include "render/line.h"

#define GAP	 2
#define KEY_WIDE 46 /* more of a key is cut: a name may be long, an address is not */

struct watching {
	const struct invocation *call;
	const struct states_options *options;
	struct states_look looks[2]; /* in turn */
	unsigned taken;		     /* looks so far */
	struct states_births *births;
	struct states_history *history;
	struct states_frame frame;
	struct signal_watch signals;
	unsigned torn; /* looks that were */
	bool ended;    /* by a signal, while nobody read */
	bool told_doubts;
};

static struct states_look *look_now(struct watching *w)
{
	return &w->looks[w->taken % 2];
}

static struct states_look *look_before(struct watching *w)
{
	return w->taken ? &w->looks[(w->taken + 1) % 2] : NULL;
}

/* ---- for people */

/* What stands in a line. */
struct cells {
	char key[GROUP_KEYS_MAX][4 * STATES_KEY_MAX + 1];
	char number[3][32]; /* sockets, born and gone per second */
};

struct widths {
	unsigned key[GROUP_KEYS_MAX], number[3];
};

static void widen(unsigned *width, const char *text)
{
	unsigned columns = screen_columns(text);

	if (columns > *width)
		*width = columns;
}

static void put_rate(uint64_t count, double seconds, char sign, char *to, size_t room)
{
	double rate = seconds > 0 ? (double)count / seconds : 0;

	if (count == 0)
		snprintf(to, room, "0");
	else
		snprintf(to, room, rate < 9.95 ? "%c%.1f" : "%c%.0f", sign, rate);
}

static void fill(struct watching *w, const struct screen *screen, const struct socket_group *group,
		 double seconds, struct cells *cells)
{
	const struct states_options *options = w->options;
	char text[STATES_KEY_MAX];

	for (size_t k = 0; k < options->by.count; k++) {
		states_key_text(group, options->by.at[k], states_look_net_name, look_now(w), text);
		screen_clean(screen, text, strlen(text), cells->key[k], sizeof(cells->key[k]));
	}
	snprintf(cells->number[0], sizeof(cells->number[0]), "%" PRIu64, group->count);
	strcpy(cells->number[1], "-");
	strcpy(cells->number[2], "-");
	if (seconds > 0) {
		put_rate(group->born, seconds, '+', cells->number[1], sizeof(cells->number[1]));
		put_rate(group->gone, seconds, '-', cells->number[2], sizeof(cells->number[2]));
	}
}

static void head(const struct watching *w, struct cells *cells)
{
	static const char *const titles[] = {"Sockets", "born/s", "gone/s"};

	for (size_t k = 0; k < w->options->by.count; k++)
		strcpy(cells->key[k], states_key_title(w->options->by.at[k]));
	for (size_t n = 0; n < ARRAY_SIZE(titles); n++)
		strcpy(cells->number[n], titles[n]);
}

/* How far a line has come. */
struct place {
	struct line line;
	unsigned at;
	enum screen_style style;
};

static void put_keys(const struct watching *w, const struct widths *widths,
		     const struct cells *cells, struct place *place)
{
	for (size_t k = 0; k < w->options->by.count; k++) {
		line_to(&place->line, place->at);
		line_put_within(&place->line, place->style, cells->key[k], widths->key[k]);
		place->at += widths->key[k] + GAP;
	}
}

static void put_number(const struct widths *widths, const struct cells *cells, size_t n,
		       struct place *place)
{
	const char *text = cells->number[n];

	line_to(&place->line, place->at + widths->number[n] - screen_columns(text));
	line_put(&place->line, n == 0 ? STYLE_BOLD : place->style, text);
	place->at += widths->number[n] + GAP;
}

/* Where there is no room for both, the count comes first: what is cut is a name. */
static bool count_is_first(const struct watching *w, const struct screen *screen,
			   const struct widths *widths)
{
	unsigned columns = widths->number[0];

	for (size_t k = 0; k < w->options->by.count; k++)
		columns += widths->key[k] + GAP;
	return columns > screen->width;
}

static void put_line(const struct watching *w, const struct screen *screen,
		     const struct widths *widths, const struct cells *cells,
		     const struct socket_group *group)
{
	struct place place = {.line = LINE(screen), .style = group ? STYLE_PLAIN : STYLE_BOLD};
	bool count_first = count_is_first(w, screen, widths);
	char bars[STATES_SPARKLINE_MAX];

	if (count_first)
		put_number(widths, cells, 0, &place);
	put_keys(w, widths, cells, &place);
	if (!count_first)
		put_number(widths, cells, 0, &place);
	put_number(widths, cells, 1, &place);
	put_number(widths, cells, 2, &place);
	if (group && place.at < screen->width) {
		line_to(&place.line, place.at);
		line_put(&place.line, STYLE_PLAIN,
			 states_history_line(w->history, group, screen->width - place.at,
					     screen->utf8, bars));
	}
	line_end(&place.line);
}

static void put_title(struct watching *w, const struct screen *screen, size_t left)
{
	const struct states_look *look = look_now(w);
	char clock[16] = "", text[512], cleaned[4 * sizeof(text) + 1];
	time_t now = time(NULL);
	struct line line = LINE(screen);
	struct tm local;

	if (localtime_r(&now, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	snprintf(text, sizeof(text), "%s  %" PRIu64 " TCP socket%s, every %g s%s", clock,
		 look->total, look->total == 1 ? "" : "s", clock_seconds(w->options->every_ns),
		 look->torn ? ", list interrupted" : "");
	line_put(&line, STYLE_DIM, text);
	if (left) {
		snprintf(text, sizeof(text), ", %zu more group%s", left, left == 1 ? "" : "s");
		line_put(&line, STYLE_DIM, text);
	}
	if (w->options->filter) {
		snprintf(text, sizeof(text), ": %s", w->options->text);
		line_put(&line, STYLE_DIM,
			 screen_clean(screen, text, strlen(text), cleaned, sizeof(cleaned)));
	}
	line_end(&line);
}

static int put_frame(struct watching *w, const struct screen *screen,
		     const struct socket_group *groups, size_t count, double seconds)
{
	size_t room = states_frame_room(&w->frame), all = socket_groups_count(look_now(w)->groups);
	size_t shown = count + 2 > room ? (room > 2 ? room - 2 : 0) : count;
	CLEANUP_FREE struct cells *cells = calloc(shown + 1, sizeof(*cells));
	struct widths widths = {0};

	if (!cells)
		return -ENOMEM;
	head(w, &cells[0]);
	for (size_t i = 0; i < shown; i++)
		fill(w, screen, &groups[i], seconds, &cells[i + 1]);
	for (size_t i = 0; i <= shown; i++) {
		for (size_t k = 0; k < w->options->by.count; k++)
			widen(&widths.key[k], cells[i].key[k]);
		for (size_t n = 0; n < 3; n++)
			widen(&widths.number[n], cells[i].number[n]);
	}
	for (size_t k = 0; k < w->options->by.count; k++)
		widths.key[k] = widths.key[k] > KEY_WIDE ? KEY_WIDE : widths.key[k];
	put_title(w, screen, all - shown);
	for (size_t i = 0; i <= shown && room > 1; i++)
		put_line(w, screen, &widths, &cells[i], i ? &groups[i - 1] : NULL);
	if (!w->frame.on)
		fputc('\n', screen->out);
	return 0;
}

static int draw(struct watching *w, FILE *to, const struct socket_group *groups, size_t count,
		double seconds)
{
	CLEANUP_FREE char *frame = NULL;
	size_t length = 0;
	struct screen screen;
	FILE *memory = open_memstream(&frame, &length);
	int r;

	if (!memory)
		return -ENOMEM;
	screen_init(&screen, stdout, w->call->color);
	screen.out = memory;
	if (w->frame.on && screen.width > 1)
		screen.width--; /* a full line would leave some terminals at the next one */
	/* Of what no frame has room for, none is kept. */
	r = states_history_add(w->history, groups,
			       count < STATES_FRAME_LINES ? count : STATES_FRAME_LINES);
	if (r == 0)
		r = put_frame(w, &screen, groups, count, seconds);
	if (fclose(memory) < 0)
		return -ENOMEM;
	if (r == 0)
		states_frame_draw(&w->frame, to, frame, screen.width + w->frame.on);
	return r;
}

/* ---- a look */

/* Builds what is told of the look. */
static int compose(struct watching *w, FILE *to)
{
	struct states_look *now = look_now(w), *before = look_before(w);
	double seconds = before ? clock_seconds(now->at_ns - before->at_ns) : 0;
	CLEANUP_FREE struct socket_group *groups = NULL;
	size_t count;

	groups = states_births_groups(w->births, now, before, &count);
	if (!groups)
		return -ENOMEM;
	return w->options->json ? states_json_watch(to, now, seconds, groups, count)
				: draw(w, to, groups, count, seconds);
}

static int tell(struct watching *w, struct why *why)
{
	CLEANUP_FREE char *text = NULL;
	size_t length = 0;
	FILE *memory = open_memstream(&text, &length);
	int r;

	if (!memory)
		return why_set(why, -ENOMEM, "cannot watch");
	r = compose(w, memory);
	if (fclose(memory) < 0 || r < 0)
		return why_set(why, -ENOMEM, "cannot watch");
	r = states_out_write(&w->signals, text, length, why);
	w->ended = r > 0;
	return r < 0 ? r : 0;
}

static int look(struct watching *w)
{
	struct states_sink sink = states_births_sink(w->births);
	struct why why;
	int r;

	states_births_turn(w->births, look_before(w) ? clock_now_ns() - look_before(w)->at_ns : 0);
	r = states_look_take(look_now(w), &sink, &why);
	if (r < 0)
		return invocation_fail(w->call, CLI_REFUSED, "%s", why.text);
	w->torn += look_now(w)->torn;
	/* Once, and before the first frame. */
	if (!w->told_doubts)
		states_text_doubts(w->call, look_now(w));
	w->told_doubts = true;
	if (tell(w, &why) < 0)
		return invocation_fail(w->call, CLI_REFUSED, "%s", why.text);
	w->taken++;
	return CLI_DONE;
}

/* Waits for the next look; false: there is to be none. */
static bool wait_until(const struct watching *w, int64_t due_ns)
{
	struct pollfd fds[] = {
		{.fd = w->signals.fd, .events = POLLIN},
		{.fd = STDOUT_FILENO}, /* the reader went away */
	};

	for (;;) {
		int64_t left_ns = due_ns - clock_now_ns();
		int n = poll(fds, ARRAY_SIZE(fds),
			     left_ns > 0 ? (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS) : 0);

		if (n > 0 && fds[0].revents)
			return false;
		if (n > 0 && fds[1].revents & (POLLERR | POLLNVAL))
			return false;
		if (clock_now_ns() >= due_ns)
			return true;
	}
}

static int follow(struct watching *w)
{
	int64_t due_ns = clock_now_ns();
	int r;

	do {
		r = look(w);
		due_ns += w->options->every_ns;
		/* Looks that take longer than that follow each other. */
		if (due_ns < clock_now_ns())
			due_ns = clock_now_ns();
	} while (r == CLI_DONE && !w->ended && wait_until(w, due_ns));
	if (r != CLI_DONE || w->torn == 0)
		return r;
	/* Not between the frames. */
	return invocation_fail(w->call, CLI_BAD,
			       "the kernel's list was interrupted each time in %u of %u look%s: "
			       "sockets may be missing there, or be there twice",
			       w->torn, w->taken, w->taken == 1 ? "" : "s");
}

int states_watch_run(const struct invocation *call, const struct states_options *options)
{
	struct watching w = {.call = call, .options = options, .signals = SIGNAL_WATCH_NONE};
	int r;

	states_frame_init(&w.frame, stdout);
	w.births = states_births_new(options);
	w.history = states_history_new(options);
	r = states_look_init(&w.looks[0], options);
	if (states_look_init(&w.looks[1], options) < 0 || r < 0 || !w.births || !w.history)
		r = invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	else if (signal_watch_open(&w.signals, NULL, 0) < 0)
		r = invocation_fail(call, CLI_REFUSED, "cannot take signals");
	else
		r = follow(&w);
	states_look_done(&w.looks[0]);
	states_look_done(&w.looks[1]);
	states_births_free(w.births);
	states_history_free(w.history);
	signal_watch_close(&w.signals);
	return r;
}
