#include "cmd/lab_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/lab_folder.h"
#include "cmd/lab_progress.h"
#include "cmd/lab_report.h"
#include "lab/experiment.h"
#include "lab/results.h"
#include "lab/runner.h"

static const char *const links[] = {"auto", "tun", "veth", NULL};
static const enum world_link link_values[] = {WORLD_LINK_WIRE, WORLD_LINK_WIRE_TUN,
					      WORLD_LINK_WIRE_VETH};

const char *lab_experiment_word(size_t index)
{
	return experiments[index] ? experiments[index]->id : NULL;
}

/* ---- which experiments */

static size_t count_all(void)
{
	size_t count = 0;

	while (experiments[count])
		count++;
	return count;
}

/* By id, in the order that was asked, each once. */
static size_t choose_named(const struct invocation *call, const struct experiment **chosen)
{
	size_t count = 0;

	for (size_t i = 0; i < call->operand_count; i++) {
		const struct experiment *one = experiment_find(call->operands[i]);
		size_t k = 0;

		while (k < count && chosen[k] != one)
			k++;
		if (k == count)
			chosen[count++] = one;
	}
	return count;
}

static size_t choose(const struct invocation *call, const struct experiment **chosen)
{
	bool quick = invocation_flag(call, "quick");
	size_t count = 0;

	if (call->operand_count > 0)
		return choose_named(call, chosen);
	for (size_t i = 0; experiments[i]; i++)
		if (!quick || experiment_is_quick(experiments[i]))
			chosen[count++] = experiments[i];
	return count;
}

static int check_choice(const struct invocation *call)
{
	int ways = invocation_flag(call, "all") + invocation_flag(call, "quick") +
		   (call->operand_count > 0);

	if (ways == 0)
		return invocation_fail(call, CLI_USAGE,
				       "say what to run: --quick (a few seconds), --all, or the "
				       "IDs that `contest lab list` shows");
	if (ways > 1)
		return invocation_fail(call, CLI_USAGE,
				       "--all, --quick and IDs exclude each other");
	return CLI_DONE;
}

/* ---- what the system must have */

static int check_system(const struct invocation *call, enum world_link link)
{
	CLEANUP_CLOSE int tun = -1;
	struct why why = {0};

	if (world_probe(&why) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	if (link != WORLD_LINK_WIRE_TUN)
		return CLI_DONE;
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun < 0)
		return invocation_fail(call, CLI_REFUSED,
				       "cannot open /dev/net/tun: %s; --link veth needs none",
				       strerror(errno));
	return CLI_DONE;
}

/* ---- the run */

/*
 * Between the end of the experiments and the end of the writing a Ctrl-C has nothing to stop, but
 * would cost the results. The runner takes these signals from a descriptor.
 */
static void block_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, before);
}

struct outcome {
	json_t *document; /* (owned) */
	int written;	  /* 0 or -errno */
	struct why why;
};

static int run_and_write(const struct runner_options *options, const char *folder,
			 struct outcome *ret)
{
	sigset_t before;
	int r;

	block_signals(&before);
	r = runner_run(options, &ret->document, &ret->why);
	if (r == 0)
		ret->written = results_write(ret->document, folder, &ret->why);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

static bool is_interrupted(const json_t *document)
{
	return json_is_true(json_object_get(document, "interrupted"));
}

static void report(const struct invocation *call, const struct outcome *outcome, const char *folder,
		   size_t asked)
{
	bool json = invocation_flag(call, "json");
	size_t finished = json_array_size(json_object_get(outcome->document, "results"));
	struct screen screen;
	char text[256];

	if (json)
		results_print(outcome->document, stdout); /* cli_main() sees a failure */
	screen_init(&screen, json ? stderr : stdout, call->color);
	if (json)
		screen_wrap(&screen, lab_report_counts(outcome->document, text, sizeof(text)), 0,
			    screen.width);
	else
		lab_report_table(&screen, outcome->document);
	if (is_interrupted(outcome->document))
		screen_print(&screen, STYLE_WARN, "Interrupted: %zu of %zu finished.\n", finished,
			     asked);
	if (outcome->written == 0)
		screen_print(&screen, STYLE_PLAIN, "Results and captures: %s\n", folder);
}

/* 1: something is not settled that could be. A refuted claim is an answer like another. */
static bool is_bad(const json_t *document)
{
	const json_t *result;
	size_t i;

	json_array_foreach (json_object_get(document, "results"), i, result) {
		const char *verdict = json_string_value(json_object_get(result, "verdict"));
		int known = verdict ? verdict_parse(verdict) : -EINVAL;

		if (known == VERDICT_ERROR || known == VERDICT_INCONCLUSIVE)
			return true;
	}
	return is_interrupted(document);
}

static int finish(const struct invocation *call, const struct outcome *outcome, const char *folder,
		  size_t asked)
{
	bool standard = !invocation_given(call, "out") && !invocation_flag(call, "falsify");

	report(call, outcome, folder, asked);
	if (outcome->written < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", outcome->why.text);
	if (standard)
		lab_folder_latest(folder);
	return is_bad(outcome->document) ? CLI_BAD : CLI_DONE;
}

static int run_in(const struct invocation *call, struct runner_options *options, const char *folder)
{
	struct outcome outcome = {0};
	struct lab_progress *progress;
	int r;

	progress = lab_progress_new(stderr, call->color, options->count);
	options->play.directory = folder;
	options->listen = lab_progress_listen;
	options->context = progress;
	r = run_and_write(options, folder, &outcome);
	lab_progress_free(progress);
	if (r < 0)
		r = invocation_fail(call, CLI_REFUSED, "%s", outcome.why.text);
	else
		r = finish(call, &outcome, folder, options->count);
	json_decref(outcome.document);
	return r;
}

static int lab_run(const struct invocation *call)
{
	CLEANUP_FREE const struct experiment **chosen = calloc(count_all() + 1, sizeof(*chosen));
	CLEANUP_FREE char *folder = NULL;
	struct runner_options options = {
		.experiments = chosen,
		.jobs = (unsigned)invocation_number(call, "jobs", 0),
		.play.link = link_values[invocation_choice(call, "link", 0)],
		.play.falsify = invocation_flag(call, "falsify"),
	};
	struct why why;
	int r = check_choice(call);

	if (r != CLI_DONE)
		return r;
	if (!chosen)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	options.count = choose(call, chosen);
	r = check_system(call, options.play.link);
	if (r != CLI_DONE)
		return r;
	if (lab_folder_make(invocation_text(call, "out", NULL), &folder, &why) < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	return run_in(call, &options, folder);
}

const struct command lab_run_verb = {
	.name = "run",
	.summary = "run experiments and judge their claims",
	.description =
		"Runs the experiments at once, each in a process of its own, and prints what "
		"came of each claim. The results (results.json) and the packets (ID.pcapng) "
		"are left in a folder. Ctrl-C ends the run and keeps what is finished.",
	.operands = "[ID...]",
	.operand_noun = "experiment",
	.operand_word = lab_experiment_word,
	.max_operands = OPERANDS_ANY,
	.needs = "user namespaces, or root",
	.bad = "an experiment ended in an error or came to no verdict, or the run was interrupted; a "
	       "claim that is refuted is no failure",
	.options =
		(const struct cli_option[]){
			{"all", .help = "every experiment"},
			{"quick", .help = "those that need no long kernel timer"},
			{"out", OPTION_PATH, "DIR",
			 "where the results go (default: results/TIME, and the link "
			 "results/latest)"},
			{"json", .help = "print the results as JSON (contest.lab/1)"},
			{"jobs", OPTION_NUMBER, "N", "at most so many at once (default: all)",
			 .min = 1, .max = 1024},
			{"link", OPTION_CHOICE, "LINK",
			 "the wire between the hosts (default: auto: tun, else veth)",
			 .choices = links},
			{"falsify",
			 .help = "in worlds where the claims are false: every verdict must "
				 "change"},
			{NULL},
		},
	.examples =
		(const struct cli_example[]){
			{"contest lab run --quick", "what takes no long kernel timer"},
			{"contest lab run --all --out /tmp/lab", "everything; results in /tmp/lab"},
			{"contest lab run active-close half-close", "these two"},
			{"contest lab run --all --json | jq '.results[] | {id, verdict}'",
			 "for a program"},
			{NULL},
		},
	.run = lab_run,
};
