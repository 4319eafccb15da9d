#include "cmd/explain_summary.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/explain_list.h"
#include "cmd/explain_words.h"
#include "render/table.h"

/* Rows of a table. */
#define TOP 10
/* Tables say little of fewer connections than this, and the list says it all. */
#define TABLES_FROM 6
/* Columns of a full bar. */
#define BAR 24

int explain_model_add(struct explain_model *model, const struct finding *finding)
{
	uint64_t before = model->summary.connections;
	int r = summary_add(&model->summary, finding);

	if (r == 0 && before < EXPLAIN_FEW)
		model->few[before] = *finding;
	return r;
}

void explain_model_done(struct explain_model *model)
{
	summary_done(&model->summary);
}

/* ---- headline */

static void put_headline(const struct screen *screen, const struct explain_model *model)
{
	uint64_t connections = model->summary.connections;
	int64_t first = model->sums.first_ns, last = model->sums.last_ns;
	char head[100], text[400], time[32] = "";
	struct line line = LINE(screen);

	snprintf(head, sizeof(head), "%" PRIu64 " connection%s", connections,
		 connections == 1 ? "" : "s");
	explain_put(&line, STYLE_BOLD, head);
	if (!model->no_times && first != FINDING_TIME_UNKNOWN && last > first)
		snprintf(time, sizeof(time), " in %s",
			 explain_duration(last - first, text, sizeof(text)));
	snprintf(text, sizeof(text), ", %" PRIu64 " packet%s%s%s%s", model->packets,
		 model->packets == 1 ? "" : "s", time, model->from ? ", from " : "",
		 model->from ? model->from : "");
	explain_put(&line, STYLE_PLAIN, text);
	line_end(&line);
}

/* ---- shares */

/* " 86.2 %" of all, and never nothing of something. */
static const char *share(uint64_t part, uint64_t all, char *text, size_t room)
{
	double percent = all ? 100 * (double)part / (double)all : 0;

	if (part && percent < 0.05)
		snprintf(text, room, " <0.1 %%");
	else
		snprintf(text, room, "%5.1f %%", percent);
	return text;
}

/* A bar of eighths of a column; "" where the screen has none. */
static const char *bar(const struct screen *screen, uint64_t part, uint64_t all,
		       char text[static 3 * BAR + 1])
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned size = all ? (unsigned)((double)part / (double)all * BAR * 8 + 0.5) : 0;
	char *at = text;

	if (part && size == 0)
		size = 1;
	*at = '\0';
	if (!screen->utf8 || size > 8 * BAR)
		return text;
	for (unsigned i = 0; i < size / 8; i++)
		at = stpcpy(at, "█");
	stpcpy(at, eighths[size % 8]);
	return text;
}

/* A row of a table of shares. */
struct part {
	const char *name;
	uint64_t count;
	enum screen_style style;
};

static void put_shares(const struct screen *screen, const char *title, const struct part *parts,
		       size_t count, uint64_t all)
{
	const char *const titles[] = {title, "connections", "share", ""};
	struct table *table = table_new(titles, 4);

	for (size_t i = 0; table && i < count; i++) {
		const enum screen_style styles[] = {parts[i].style, STYLE_PLAIN, STYLE_PLAIN,
						    STYLE_DIM};
		char number[24], percent[16], blocks[3 * BAR + 1];

		if (!parts[i].count)
			continue;
		snprintf(number, sizeof(number), "%" PRIu64, parts[i].count);
		table_add(
			table,
			(const char *const[]){parts[i].name, number,
					      share(parts[i].count, all, percent, sizeof(percent)),
					      bar(screen, parts[i].count, all, blocks)},
			styles);
	}
	explain_put_table(screen, table);
}

static void put_endings(const struct screen *screen, const struct summary *summary)
{
	struct part parts[ENDING_COUNT];

	for (int i = 0; i < ENDING_COUNT; i++)
		parts[i] = (struct part){
			.name = finding_ending_name((enum finding_ending)i),
			.count = summary->endings[i],
			.style = explain_ending_style((enum finding_ending)i),
		};
	put_shares(screen, "Ending", parts, ENDING_COUNT, summary->connections);
}

static void put_who(const struct screen *screen, const struct summary *summary)
{
	static const char *const names[] = {
		[WHO_CLIENT] = "client", [WHO_SERVER] = "server",   [WHO_BOTH] = "both at once",
		[WHO_NONE] = "nobody",	 [WHO_UNKNOWN] = "unknown",
	};
	struct part parts[WHO_COUNT];

	for (int i = 0; i < WHO_COUNT; i++)
		parts[i] = (struct part){.name = names[i], .count = summary->closed_first[i]};
	put_shares(screen, "Closed first", parts, WHO_COUNT, summary->connections);
}

/* ---- by port */

/* Endings put together so that a row fits 80 columns. */
static const struct column {
	const char *title;
	enum finding_ending endings[4]; /* 0 behind the last of them */
} columns[] = {
	{"graceful", {ENDING_GRACEFUL, ENDING_SIMULTANEOUS}},
	{"half-closed", {ENDING_HALF_CLOSED}},
	{"reset", {ENDING_RESET}},
	{"failed", {ENDING_REFUSED, ENDING_UNANSWERED, ENDING_ABORTED}},
	{"open", {ENDING_OPEN}},
};

#define PORT_COLUMNS (2 + ARRAY_SIZE(columns) + 2)

static uint64_t column_count(const struct column *column, const uint64_t *endings)
{
	uint64_t count = endings[column->endings[0]];

	/* Index 0 is ENDING_GRACEFUL, which stands first in its column: further on it is "none". */
	for (size_t i = 1; i < ARRAY_SIZE(column->endings) && column->endings[i]; i++)
		count += endings[column->endings[i]];
	return count;
}

/* The numbers of a row, in the order of the table's columns. */
static void port_numbers(uint64_t port, uint64_t connections, const uint64_t *endings,
			 const uint64_t *closed_first, uint64_t ret[static PORT_COLUMNS])
{
	size_t at = 0;

	ret[at++] = port;
	ret[at++] = connections;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		ret[at++] = column_count(&columns[i], endings);
	ret[at++] = closed_first[WHO_CLIENT];
	ret[at] = closed_first[WHO_SERVER];
}

/* Columns that are 0 for all connections are left out: what is there is easier to see. */
static struct table *port_table(const uint64_t all[static PORT_COLUMNS],
				bool ret_shown[static PORT_COLUMNS])
{
	const char *titles[PORT_COLUMNS] = {"Port", "total"}, *shown[PORT_COLUMNS];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		titles[2 + i] = columns[i].title;
	titles[PORT_COLUMNS - 2] = "by client";
	titles[PORT_COLUMNS - 1] = "by server";
	for (size_t i = 0; i < PORT_COLUMNS; i++) {
		ret_shown[i] = i < 2 || all[i];
		if (ret_shown[i])
			shown[count++] = titles[i];
	}
	return table_new(shown, count);
}

static void add_numbers(struct table *table, const uint64_t numbers[static PORT_COLUMNS],
			const bool shown[static PORT_COLUMNS])
{
	char texts[PORT_COLUMNS][24];
	const char *cells[PORT_COLUMNS];
	size_t count = 0;

	for (size_t i = 0; i < PORT_COLUMNS; i++) {
		if (!shown[i])
			continue;
		snprintf(texts[i], sizeof(texts[i]), "%" PRIu64, numbers[i]);
		cells[count++] = texts[i];
	}
	table_add(table, cells, NULL);
}

/* That there are more of them than are shown, and more than are counted one by one. */
static void put_more(const struct screen *screen, size_t count, const char *what,
		     uint64_t connections)
{
	if (connections)
		explain_say(screen, STYLE_DIM, 0,
			    "and %zu more %ss, and still more with %" PRIu64 " connections", count,
			    what, connections);
	else
		explain_say(screen, STYLE_DIM, 0, "and %zu more %s%s", count, what,
			    count == 1 ? "" : "s");
}

static void put_ports(const struct screen *screen, const struct summary *summary)
{
	struct summary_port ports[TOP];
	size_t count = summary_ports(summary, ports, TOP);
	uint64_t numbers[PORT_COLUMNS];
	bool shown[PORT_COLUMNS];
	struct table *table;

	port_numbers(0, summary->connections, summary->endings, summary->closed_first, numbers);
	table = port_table(numbers, shown);
	for (size_t i = 0; table && i < count && i < TOP; i++) {
		port_numbers(ports[i].port, ports[i].connections, ports[i].endings,
			     ports[i].closed_first, numbers);
		add_numbers(table, numbers, shown);
	}
	explain_heading(screen, "By server port (failed: refused, unanswered, given up; by client, "
				"by server: who closed first)");
	if (table)
		table_print(screen, table);
	table_free(table);
	if (count > TOP)
		put_more(screen, count - TOP, "port", summary->other_ports);
}

/* ---- active closers */

static void put_closers(const struct screen *screen, const struct summary *summary)
{
	static const char *const titles[] = {"Active closer", "closed first",
					     "left with TIME-WAIT"};
	struct summary_closer closers[TOP];
	size_t count = summary_closers(summary, closers, TOP);
	struct table *table;

	if (!count)
		return;
	table = table_new(titles, 3);
	for (size_t i = 0; table && i < count && i < TOP; i++) {
		char host[TCP_ENDPOINT_TEXT_MAX], closed[24], left[24];

		snprintf(closed, sizeof(closed), "%" PRIu64, closers[i].closed_first);
		snprintf(left, sizeof(left), "%" PRIu64, closers[i].time_wait);
		table_add(table,
			  (const char *const[]){tcp_address_format(&closers[i].host, host), closed,
						left},
			  NULL);
	}
	explain_put_table(screen, table);
	if (count > TOP)
		put_more(screen, count - TOP, "host", summary->other_closers);
}

/* ---- RSTs and problems */

static void put_resets(const struct screen *screen, const struct summary *summary)
{
	static const char *const titles[] = {"RST", "connections", "which means"};
	struct table *table = NULL;

	for (int i = RST_NONE + 1; i < RST_CAUSE_COUNT; i++) {
		const char *text = rst_cause_text((enum rst_cause)i);
		char count[24];

		if (!summary->rst_causes[i])
			continue;
		if (!table)
			table = table_new(titles, 3);
		if (!table)
			return;
		if (strncmp(text, "RST", 3) == 0)
			text += 3;
		text += strspn(text, ": ");
		snprintf(count, sizeof(count), "%" PRIu64, summary->rst_causes[i]);
		table_add(table,
			  (const char *const[]){rst_cause_name((enum rst_cause)i), count, text},
			  NULL);
	}
	if (table)
		explain_put_table(screen, table);
}

static void put_problems(const struct screen *screen, const struct summary *summary)
{
	uint64_t wrong = summary->connections - summary->problems[PROBLEM_NONE];
	const char *glue = ": ";
	char text[1000];
	size_t used;

	fputc('\n', screen->out);
	if (!wrong) {
		explain_say(screen, STYLE_GOOD, 0, "Nothing deserves a look.");
		return;
	}
	used = (size_t)snprintf(text, sizeof(text), "%" PRIu64 " connection%s deserve%s a look",
				wrong, wrong == 1 ? "" : "s", wrong == 1 ? "s" : "");
	for (int i = PROBLEM_COUNT - 1; i > PROBLEM_NONE && used < sizeof(text); i--) {
		if (!summary->problems[i])
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %" PRIu64, glue,
					 finding_problem_name((enum finding_problem)i),
					 summary->problems[i]);
		glue = ", ";
	}
	explain_say(screen, STYLE_WARN, 2, "%s.", text);
	explain_say(screen, STYLE_PLAIN, 2, "--problems tells what is wrong, and what to do.");
}

void explain_summary_print(const struct screen *screen, const struct explain_model *model)
{
	const struct summary *summary = &model->summary;

	put_headline(screen, model);
	if (summary->connections && summary->connections <= EXPLAIN_FEW)
		explain_list_print(screen, model->few, summary->connections, model->names);
	if (summary->connections >= TABLES_FROM) {
		put_endings(screen, summary);
		put_who(screen, summary);
		put_ports(screen, summary);
		put_closers(screen, summary);
		put_resets(screen, summary);
	}
	if (summary->connections)
		put_problems(screen, summary);
	explain_summary_notes(screen, model);
}
