/* contest load merge: several results as one. */
#include "cmd/load_merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cmd/load_command.h"
#include "cmd/load_files.h"
#include "cmd/load_json.h"
#include "cmd/load_report.h"

/* A result has some hundred kilobytes; a merged one of long runs more. */
#define FILE_LIMIT (256 << 20)

/* Evidence names files by their last part, as text that JSON takes. */
static const char *short_name(const char *path, char *to, size_t room)
{
	const char *slash = strrchr(path, '/'), *name = slash && slash[1] ? slash + 1 : path;

	return screen_escape(name, strlen(name), to, room);
}

static int add_file(const struct invocation *call, const char *path, struct load_result *all)
{
	CLEANUP_FREE char *text = NULL;
	struct load_result *one;
	char name[1024];
	struct why why;
	size_t length;
	int r;

	if (strcmp(path, "-") == 0)
		r = fd_read(STDIN_FILENO, FILE_LIMIT, &text, &length);
	else
		r = file_read(path, FILE_LIMIT, &text, &length);
	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "cannot read %s: %s", path, strerror(-r));
	r = load_json_read(text, length, &one, &why);
	if (r < 0)
		return invocation_fail(call, r == -ENOMEM ? CLI_REFUSED : CLI_USAGE, "%s: %s", path,
				       why.text);
	r = load_result_merge(all, one, short_name(path, name, sizeof(name)));
	load_result_free(one);
	return r < 0 ? invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM)) : CLI_DONE;
}

static int tell(const struct invocation *call, struct load_result *all, struct load_files *files)
{
	json_t *document;
	int r;

	all->command = load_command_line(call);
	document = all->command ? load_json_make(all) : NULL;
	if (!document)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	load_print(call, all, document, invocation_flag(call, "json"));
	r = load_files_write(call, files, document, all);
	json_decref(document);
	return r;
}

static int merge_run(const struct invocation *call)
{
	struct load_result *all = load_result_new();
	struct load_files files = {0};
	int r = CLI_DONE;

	if (!all)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	for (size_t i = 0; r == CLI_DONE && i < call->operand_count; i++)
		r = add_file(call, call->operands[i], all);
	if (r == CLI_DONE)
		r = load_files_open(call, NULL, invocation_text(call, "percentiles", NULL), &files);
	if (r == CLI_DONE)
		r = tell(call, all, &files);
	load_files_done(&files);
	load_result_free(all);
	return r;
}

static const struct cli_option merge_options[] = {
	{"json", .help = "print the sum as JSON (contest.load/1), which can be merged again"},
	{"percentiles", OPTION_PATH, "FILE",
	 "total latency in HdrHistogram's text form; DIR/: a file for each latency"},
	{NULL},
};

const struct command load_merge_verb = {
	.name = "merge",
	.summary = "add results of several loads up, exactly",
	.description = "Reads files that contest load has written with --save (- is standard "
		       "input) and prints what one load would have told that had done all of it: "
		       "counts are sums, latencies come of the added histograms, time runs from "
		       "the first start to the last end. The order and the grouping of files do "
		       "not matter.",
	.operands = "FILE...",
	.operand_noun = "file",
	.operand_files = true,
	.min_operands = 1,
	.max_operands = OPERANDS_ANY,
	.options = merge_options,
	.examples =
		(const struct cli_example[]){
			{"contest load merge host-a.json host-b.json", "as text"},
			{"contest load merge --json *.json > all.json", "for more of the same"},
			{NULL},
		},
	.run = merge_run,
};
