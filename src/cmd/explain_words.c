#include "cmd/explain_words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Two units from minutes on: "5 min 12 s". */
static char *long_duration(uint64_t seconds, char *text, size_t room)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
	size_t i = 0;

	while (seconds < units[i].seconds)
		i++;
	snprintf(text, room, "%" PRIu64 " %s %" PRIu64 " %s", seconds / units[i].seconds,
		 units[i].name, seconds % units[i].seconds / units[i + 1].seconds,
		 units[i + 1].name);
	return text;
}

char *explain_duration(int64_t ns, char *text, size_t room)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	size_t unit = 0;

	if (ns >= 120 * INT64_C(1000000000))
		return long_duration((uint64_t)ns / 1000000000, text, room);
	while (unit + 1 < ARRAY_SIZE(units) && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	snprintf(text, room, "%.3g %s", value, units[unit]);
	return text;
}

enum screen_style explain_ending_style(enum finding_ending ending)
{
	switch (ending) {
	case ENDING_GRACEFUL:
	case ENDING_SIMULTANEOUS:
		return STYLE_GOOD;
	case ENDING_RESET:
	case ENDING_REFUSED:
	case ENDING_UNANSWERED:
		return STYLE_BAD;
	case ENDING_HALF_CLOSED:
	case ENDING_ABORTED:
		return STYLE_WARN;
	default:
		return STYLE_PLAIN;
	}
}

enum screen_style explain_problem_style(enum finding_problem problem)
{
	return problem >= PROBLEM_STUCK_WINDOW ? STYLE_BAD : STYLE_WARN;
}

void explain_put(struct line *line, enum screen_style style, const char *text)
{
	size_t room = 4 * strlen(text) + 1;
	CLEANUP_FREE char *clean = malloc(room);

	if (clean)
		line_put(line, style, screen_clean(line->screen, text, strlen(text), clean, room));
}

static void say_text(const struct screen *screen, enum screen_style style, unsigned hang,
		     const char *text)
{
	size_t room = 4 * strlen(text) + 1;
	CLEANUP_FREE char *clean = malloc(room);

	if (clean)
		line_wrap(screen, style, screen_clean(screen, text, strlen(text), clean, room),
			  hang);
}

void explain_say(const struct screen *screen, enum screen_style style, unsigned hang,
		 const char *format, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		say_text(screen, style, hang, text);
}

void explain_heading(const struct screen *screen, const char *text)
{
	fputc('\n', screen->out);
	say_text(screen, STYLE_BOLD, 0, text);
}

void explain_put_table(const struct screen *screen, struct table *table)
{
	fputc('\n', screen->out);
	if (table)
		table_print(screen, table);
	else
		fputs("(out of memory)\n", screen->out);
	table_free(table);
}
