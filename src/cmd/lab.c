/* contest lab: what experiments there are, what one of them is and last said, and a run. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/commands.h"
#include "cmd/lab_folder.h"
#include "cmd/lab_report.h"
#include "cmd/lab_run.h"
#include "lab/experiment.h"
#include "lab/results.h"
#include "render/table.h"

static int print_json(const struct invocation *call, json_t *document)
{
	int r = document ? results_print(document, stdout) : -ENOMEM;

	json_decref(document);
	if (r < 0 && r != -EIO)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(-r));
	return CLI_DONE; /* cli_main() says what became of standard output */
}

/* ---- list */

static json_t *list_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; experiments[i]; i++) {
		const struct experiment *one = experiments[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:f, s:b, s:b}", "id", one->id,
					"claim", one->claim, "section", one->section, "source",
					one->source, "seconds", experiment_seconds(one), "quick",
					(int)experiment_is_quick(one), "alone", (int)one->alone));
	}
	return json_pack("{s:s, s:o}", "schema", "contest.lab-list/1", "experiments", list);
}

/* One table for all, so that its columns are the same in each section. */
static int list_table(const struct screen *screen)
{
	static const char *const titles[] = {"ID", "TAKES", "CLAIM"};
	const char *section = "";
	struct table *table = table_new(titles, ARRAY_SIZE(titles));
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; experiments[i] && r == 0; i++) {
		const struct experiment *one = experiments[i];
		char takes[32];

		if (strcmp(section, one->section) != 0) {
			section = one->section;
			r = table_add_heading(table, section);
		}
		lab_report_length(one, takes, sizeof(takes));
		if (r == 0)
			r = table_add(table, (const char *const[]){one->id, takes, one->claim},
				      NULL);
	}
	if (r == 0)
		table_print(screen, table);
	table_free(table);
	return r;
}

static int lab_list(const struct invocation *call)
{
	struct screen screen;

	if (invocation_flag(call, "json"))
		return print_json(call, list_json());
	screen_init(&screen, stdout, call->color);
	if (list_table(&screen) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	return CLI_DONE;
}

/* ---- show */

/* Where the last result of an experiment was found. */
struct last {
	json_t *document;     /* (owned) or NULL */
	const json_t *result; /* in it, or NULL */
	char *path;	      /* (owned) */
	struct why why;	      /* a file that was passed over, or "" */
};

static void last_done(struct last *last)
{
	json_decref(last->document);
	free(last->path);
}

static int last_find(struct last *last, const char *id, const char *asked)
{
	int r;

	if (!asked) {
		r = lab_folder_find(id, &last->document, &last->result, &last->path, &last->why);
		return r == -ENOENT ? 0 : r;
	}
	r = results_read(asked, &last->document, &last->why);
	if (r < 0)
		return r;
	last->result = results_find(last->document, id);
	last->path = strdup(asked);
	return last->path ? 0 : -ENOMEM;
}

static json_t *arms_json(const struct experiment *experiment)
{
	json_t *arms = json_array();

	for (size_t i = 0; i < experiment->arm_count; i++) {
		const struct arm *arm = &experiment->arms[i];

		json_array_append_new(
			arms, json_pack("{s:s, s:s, s:s, s:f, s:b}", "name", arm->name, "role",
					arm->role == ARM_CONTROL ? "control" : "treatment", "what",
					arm->what, "seconds", arm->seconds, "optional",
					(int)arm->optional));
	}
	return arms;
}

static json_t *show_json(const struct experiment *one, const struct last *last)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:b, s:b, s:o, s:s?, s:O?, s:O?, "
		"s:O?}",
		"schema", "contest.lab-show/1", "id", one->id, "claim", one->claim, "section",
		one->section, "source", one->source, "method", one->method, "why", one->why,
		"seconds", experiment_seconds(one), "quick", (int)experiment_is_quick(one), "alone",
		(int)one->alone, "arms", arms_json(one), "read_from",
		last->result ? last->path : NULL, "kernel",
		last->result ? json_object_get(last->document, "kernel") : NULL, "started",
		last->result ? json_object_get(last->document, "started") : NULL, "result",
		last->result);
}

static const char *document_text(const struct last *last, const char *name)
{
	const char *text = json_string_value(json_object_get(last->document, name));

	return text ? text : "?";
}

static void show_last(const struct screen *screen, const struct experiment *experiment,
		      const struct last *last)
{
	char *text = NULL;

	fputc('\n', screen->out);
	if (last->why.text[0])
		screen_wrap(screen, last->why.text, 0, screen->width);
	if (last->result) {
		if (asprintf(&text, "Last result, of %s: %s on Linux %s", last->path,
			     document_text(last, "started"), document_text(last, "kernel")) < 0)
			return;
		screen_wrap(screen, text, 0, screen->width);
		fputc('\n', screen->out);
		lab_report_result(screen, last->result);
	} else if (last->path) {
		if (asprintf(&text, "No result of it in %s.", last->path) < 0)
			return;
		screen_wrap(screen, text, 0, screen->width);
	} else {
		if (asprintf(&text, "No result yet: contest lab run %s", experiment->id) < 0)
			return;
		screen_wrap(screen, text, 0, screen->width);
	}
	free(text);
}

static int lab_show(const struct invocation *call)
{
	const struct experiment *experiment = experiment_find(call->operands[0]);
	const char *asked = invocation_text(call, "results", NULL);
	struct last last CLEANUP(last_done) = {0};
	struct screen screen;
	int r;

	r = last_find(&last, experiment->id, asked);
	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "%s",
				       last.why.text[0] ? last.why.text : strerror(-r));
	if (invocation_flag(call, "json"))
		return print_json(call, show_json(experiment, &last));
	screen_init(&screen, stdout, call->color);
	lab_report_experiment(&screen, experiment);
	show_last(&screen, experiment, &last);
	return CLI_DONE;
}

/* ---- the command */

static const struct command list_verb = {
	.name = "list",
	.summary = "list the experiments and their claims",
	.options =
		(const struct cli_option[]){
			{"json", .help = "print them as JSON (contest.lab-list/1)"},
			{NULL},
		},
	.examples =
		(const struct cli_example[]){
			{"contest lab list", "what can be settled, and how long each takes"},
			{NULL},
		},
	.run = lab_list,
};

static const struct command show_verb = {
	.name = "show",
	.summary = "show an experiment, its last result and the evidence",
	.description =
		"Shows the claim, who says it, how it is settled and why it matters; then the "
		"last result with its numbers, ladders and socket timelines. The result is "
		"the latest below ./results unless --results names a file.",
	.operands = "ID",
	.operand_noun = "experiment",
	.operand_word = lab_experiment_word,
	.min_operands = 1,
	.max_operands = 1,
	.options =
		(const struct cli_option[]){
			{"results", OPTION_PATH, "FILE", "read the result from this results.json"},
			{"json", .help = "print it as JSON (contest.lab-show/1)"},
			{NULL},
		},
	.examples =
		(const struct cli_example[]){
			{"contest lab show active-close", "the claim, and what was last measured"},
			{"contest lab show active-close --results old/results.json", "another run"},
			{NULL},
		},
	.run = lab_show,
};

const struct command lab_command = {
	.name = "lab",
	.summary = "settle claims about TCP by experiments on this kernel",
	.description = "Each experiment states a claim about how TCP connections end, plays it in "
		       "network namespaces of its own, and judges what was measured. Nothing "
		       "outside these is touched.",
	.verbs = (const struct command *const[]){&list_verb, &show_verb, &lab_run_verb, NULL},
	.examples =
		(const struct cli_example[]){
			{"contest lab run --quick", "what takes no long kernel timer"},
			{"contest lab run --all", "everything, in the time of its longest timer"},
			{"contest lab show active-close", "one claim and its evidence"},
			{NULL},
		},
};
