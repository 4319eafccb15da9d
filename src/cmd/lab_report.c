#include "cmd/lab_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/lab_progress.h"
#include "lab/exchange_json.h"
#include "lab/judgement.h"
#include "render/ladder.h"
#include "render/line.h"

#define INDENT	     2
#define LABEL_WIDTH  12 /* "Last result " and its like */
#define VERDICT_ROOM 19 /* "not testable here" and a gap */
#define ROWS_SHOWN   40 /* of a socket's timeline */

/* ---- text that may come from a file */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static double number_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* Puts text of any origin on the line, cleaned. */
static void put(struct line *line, enum screen_style style, const char *text)
{
	size_t room = 4 * strlen(text) + 1;
	CLEANUP_FREE char *clean = malloc(room);

	if (clean)
		line_put(line, style, screen_clean(line->screen, text, strlen(text), clean, room));
}

static void __attribute__((format(printf, 3, 4)))
putf(struct line *line, enum screen_style style, const char *format, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		put(line, style, text);
}

/* As many lines as it takes, all of them @indent columns in. */
static void wrap(const struct screen *screen, const char *text, unsigned indent)
{
	if (*text)
		screen_wrap(screen, text, indent, screen->width);
}

/* "Method      text that is wrapped", the text in a column of its own. */
static void labelled(const struct screen *screen, const char *label, const char *text)
{
	size_t room = 4 * strlen(text) + 1;
	CLEANUP_FREE char *clean = malloc(room + LABEL_WIDTH);

	if (!clean || !*text)
		return;
	snprintf(clean, LABEL_WIDTH + 1, "%-*s", LABEL_WIDTH, label);
	screen_clean(screen, text, strlen(text), clean + LABEL_WIDTH, room);
	line_wrap(screen, STYLE_PLAIN, clean, LABEL_WIDTH);
}

/* ---- the verdict table */

static void verdict_row(const struct screen *screen, const json_t *result, unsigned indent)
{
	const char *verdict = text_of(result, "verdict");
	struct line line = LINE(screen);

	put(&line, lab_verdict_style(verdict), verdict);
	line_to(&line, indent > line.next + 2 ? indent : line.next + 2);
	put(&line, STYLE_BOLD, text_of(result, "id"));
	if (json_is_true(json_object_get(result, "falsified")))
		put(&line, STYLE_WARN, "  (in the world where the claim is false)");
	line_end(&line);
	wrap(screen, text_of(result, "claim"), indent);
	if (*text_of(result, "deciding")) {
		line_to(&line, indent);
		put(&line, STYLE_BOLD, text_of(result, "deciding"));
		line_end(&line);
	}
	wrap(screen, text_of(result, "summary"), indent);
}

void lab_report_table(const struct screen *screen, const json_t *document)
{
	const json_t *results = json_object_get(document, "results"), *result;
	unsigned indent = screen->width >= 70 ? VERDICT_ROOM : 2 * INDENT;
	const char *section = "";
	char counts[256];
	size_t i;

	json_array_foreach (results, i, result) {
		struct line line = LINE(screen);

		if (strcmp(section, text_of(result, "section")) != 0) {
			section = text_of(result, "section");
			put(&line, STYLE_LINK, section);
			line_end(&line);
			line_end(&line);
		}
		verdict_row(screen, result, indent);
		line_end(&line);
	}
	wrap(screen, lab_report_counts(document, counts, sizeof(counts)), 0);
}

char *lab_report_counts(const json_t *document, char *text, size_t room)
{
	static const char *const words[] = {
		[VERDICT_HOLDS] = "hold",
		[VERDICT_REFUTED] = "refuted",
		[VERDICT_CHANGED] = "changed",
		[VERDICT_INCONCLUSIVE] = "inconclusive",
		[VERDICT_NOT_TESTABLE] = "not testable here",
		[VERDICT_ERROR] = "failed with an error",
	};
	const json_t *results = json_object_get(document, "results"), *result;
	unsigned counts[VERDICT_COUNT] = {0};
	size_t i, used, all = json_array_size(results);

	json_array_foreach (results, i, result) {
		int verdict = verdict_parse(text_of(result, "verdict"));

		if (verdict >= 0)
			counts[verdict]++;
	}
	used = (size_t)snprintf(text, room, "%zu experiment%s in %.1f s", all, all == 1 ? "" : "s",
				number_of(document, "seconds"));
	for (i = 0; i < VERDICT_COUNT; i++) {
		const char *word = i == VERDICT_HOLDS && counts[i] == 1 ? "holds" : words[i];
		bool first = !memchr(text, ':', used);

		if (counts[i] && used < room)
			used += (size_t)snprintf(text + used, room - used, "%s%u %s",
						 first ? ": " : ", ", counts[i], word);
	}
	return text;
}

/* ---- one experiment */

char *lab_report_length(const struct experiment *experiment, char *text, size_t room)
{
	if (experiment_is_quick(experiment))
		snprintf(text, room, "quick");
	else
		snprintf(text, room, "~%.0f s", experiment_seconds(experiment));
	return text;
}

static void arm_rows(const struct screen *screen, const struct experiment *experiment)
{
	unsigned width = 0;
	struct line line = LINE(screen);

	for (size_t i = 0; i < experiment->arm_count; i++)
		if (strlen(experiment->arms[i].name) > width)
			width = (unsigned)strlen(experiment->arms[i].name);
	put(&line, STYLE_BOLD, "Arms");
	line_end(&line);
	for (size_t i = 0; i < experiment->arm_count; i++) {
		const struct arm *arm = &experiment->arms[i];

		line_to(&line, INDENT);
		put(&line, STYLE_PLAIN, arm->name);
		line_to(&line, INDENT + width + 2);
		put(&line, STYLE_DIM, arm->role == ARM_CONTROL ? "control" : "treatment");
		line_to(&line, INDENT + width + 2 + 11);
		put(&line, STYLE_PLAIN, arm->what);
		line_end(&line);
	}
}

void lab_report_experiment(const struct screen *screen, const struct experiment *experiment)
{
	struct line line = LINE(screen);
	char takes[128];

	put(&line, STYLE_BOLD, experiment->id);
	line_to(&line, line.next + 2);
	put(&line, STYLE_DIM, experiment->section);
	line_end(&line);
	line_end(&line);
	snprintf(takes, sizeof(takes), "about %.0f s%s", experiment_seconds(experiment),
		 experiment->alone ? ", by itself when the others are done" : "");
	labelled(screen, "Claim", experiment->claim);
	labelled(screen, "Said by", experiment->source);
	labelled(screen, "Method", experiment->method);
	labelled(screen, "Why", experiment->why);
	labelled(screen, "Takes", takes);
	line_end(&line);
	arm_rows(screen, experiment);
}

/* ---- a result */

static void put_value(struct line *line, const json_t *value)
{
	if (json_is_string(value))
		put(line, STYLE_PLAIN, json_string_value(value));
	else if (json_is_integer(value))
		putf(line, STYLE_PLAIN, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		putf(line, STYLE_PLAIN, "%.9g", json_real_value(value));
	else if (json_is_boolean(value))
		put(line, STYLE_PLAIN, json_is_true(value) ? "true" : "false");
	else
		put(line, STYLE_DIM, "-");
}

/* Named numbers, the names in a column. */
static void value_rows(const struct screen *screen, const json_t *values, unsigned indent)
{
	struct line line = LINE(screen);
	unsigned width = 0;
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)values, name, value)
		width = screen_columns(name) > width ? screen_columns(name) : width;
	if (width > screen->width / 2)
		width = screen->width / 2;
	json_object_foreach ((json_t *)values, name, value) {
		line_to(&line, indent);
		put(&line, STYLE_PLAIN, name);
		line_to(&line,
			indent + width + 2 > line.next + 2 ? indent + width + 2 : line.next + 2);
		put_value(&line, value);
		line_end(&line);
	}
}

static void counter_rows(const struct screen *screen, const json_t *hosts)
{
	const json_t *counters, *value;
	const char *host, *name;

	json_object_foreach ((json_t *)hosts, host, counters) {
		struct line line = LINE(screen);

		if (json_object_size(counters) == 0)
			continue;
		line_to(&line, INDENT);
		putf(&line, STYLE_DIM, "counters of %s that moved", host);
		line_end(&line);
		json_object_foreach ((json_t *)counters, name, value) {
			line_to(&line, 2 * INDENT);
			putf(&line, STYLE_PLAIN, "%+10.0f  %s", json_number_value(value), name);
			line_end(&line);
		}
	}
}

/* A detail of a change, two columns behind the last one. */
static void __attribute__((format(printf, 2, 3))) detail(struct line *line, const char *format, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		put(line, STYLE_PLAIN, text);
	line_to(line, line->next + 2);
}

static void change_row(const struct screen *screen, const json_t *change)
{
	const char *state = text_of(change, "state"), *timer = text_of(change, "timer");
	struct line line = LINE(screen);

	line_to(&line, 2 * INDENT);
	putf(&line, STYLE_DIM, "%10.3f s", number_of(change, "t_s"));
	line_to(&line, 2 * INDENT + 14);
	put(&line, STYLE_PLAIN, state);
	line_to(&line, 2 * INDENT + 14 + 13);
	if (*timer && strcmp(timer, "off") != 0)
		detail(&line, "timer %s %.3f s", timer, number_of(change, "timer_left_s"));
	if (number_of(change, "retransmits") > 0)
		detail(&line, "repeated %.0f", number_of(change, "retransmits"));
	/* In both queues the kernel counts a FIN as one byte. */
	if (number_of(change, "receive_queue") > 0)
		detail(&line, "unread %.0f", number_of(change, "receive_queue"));
	if (number_of(change, "send_queue") > 0)
		detail(&line, "unacknowledged %.0f", number_of(change, "send_queue"));
	if (json_is_integer(json_object_get(change, "inode")) && number_of(change, "inode") == 0 &&
	    strcmp(state, "CLOSED") != 0)
		detail(&line, "no process");
	line_end(&line);
}

static void socket_rows(const struct screen *screen, const json_t *sockets)
{
	const json_t *socket, *change;
	size_t i, k;

	json_array_foreach (sockets, i, socket) {
		const json_t *changes = json_object_get(socket, "changes");
		struct line line = LINE(screen);

		line_to(&line, INDENT);
		putf(&line, STYLE_DIM, "socket of %s, %s to %s", text_of(socket, "host"),
		     text_of(socket, "local"), text_of(socket, "remote"));
		line_end(&line);
		json_array_foreach (changes, k, change) {
			if (k == ROWS_SHOWN)
				break;
			change_row(screen, change);
		}
		if (json_array_size(changes) > ROWS_SHOWN) {
			line_to(&line, 2 * INDENT);
			putf(&line, STYLE_DIM, "and %zu changes more, in the file",
			     json_array_size(changes) - ROWS_SHOWN);
			line_end(&line);
		}
	}
}

static void ladders(const struct screen *screen, const json_t *exchanges)
{
	const json_t *json;
	size_t i;

	json_array_foreach (exchanges, i, json) {
		struct exchange *exchange;

		if (exchange_from_json(json, &exchange) < 0) {
			screen_print(screen, STYLE_WARN, "  (an exchange that cannot be read)\n");
			continue;
		}
		fputc('\n', screen->out);
		ladder_draw(screen, exchange);
		exchange_free(exchange);
	}
}

static void arm_result(const struct screen *screen, const json_t *arm)
{
	const char *outcome = text_of(arm, "outcome");
	struct line line = LINE(screen);

	line_end(&line);
	put(&line, STYLE_BOLD, text_of(arm, "name"));
	putf(&line, STYLE_DIM, "  (%s, %s, %.1f s)", text_of(arm, "role"), text_of(arm, "link"),
	     number_of(arm, "seconds"));
	line_end(&line);
	wrap(screen, text_of(arm, "what"), INDENT);
	if (strcmp(outcome, "done") != 0) {
		line_to(&line, INDENT);
		putf(&line, STYLE_BAD, "%s", outcome);
		line_end(&line);
		wrap(screen, text_of(arm, "reason"), INDENT);
	}
	value_rows(screen, json_object_get(arm, "measured"), INDENT);
	ladders(screen, json_object_get(arm, "exchanges"));
	socket_rows(screen, json_object_get(arm, "sockets"));
	counter_rows(screen, json_object_get(arm, "counters"));
}

void lab_report_result(const struct screen *screen, const json_t *result)
{
	const json_t *arms = json_object_get(result, "arms"), *arm;
	size_t i;

	verdict_row(screen, result, screen->width >= 70 ? VERDICT_ROOM : 2 * INDENT);
	fputc('\n', screen->out);
	value_rows(screen, json_object_get(result, "measured"), INDENT);
	json_array_foreach (arms, i, arm)
		arm_result(screen, arm);
}
