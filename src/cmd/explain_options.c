#include "cmd/explain_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* At 200 bytes each no more than 200 MB; what is forgotten is over, most of the time. */
#define MAX_CONNECTIONS 1000000
#define ROWS		100

static const char *const formats[] = {
	[EXPLAIN_TEXT] = "text",
	[EXPLAIN_JSON] = "json",
	[EXPLAIN_ZEEK] = "zeek",
	NULL,
};

const struct cli_option explain_option_table[] = {
	{"interface", OPTION_TEXT, "IFACE",
	 "live, from an interface (any: all of them), until Ctrl-C", .letter = 'i'},
	{"read", OPTION_PATH, "FILE", "a capture, as an operand is", .letter = 'r',
	 .repeats = true},
	{"connection", OPTION_TEXT, "WHICH",
	 "only these: a number of --list, or an end as ADDR:PORT; draws them", .repeats = true},
	{"ladder", .help = "draw connections, with both ends' states"},
	{"svg", OPTION_PATH, "FILE", "the same as a picture, into a file"},
	{"rows", OPTION_NUMBER, "N", "of a ladder, the middle is left out; 0: all (default: 100)",
	 .max = 1000000},
	{"list", .help = "every connection, with a sentence on it"},
	{"problems", .help = "only what deserves a look, worst first"},
	{"limit", OPTION_NUMBER, "N",
	 "list or draw the first N (default: all in lists, 10 ladders)", .min = 1,
	 .max = 1000000000},
	{"json", .help = "a line of JSON for each connection (contest.explain/1)"},
	{"format", OPTION_CHOICE, "FORMAT",
	 "json: as --json; zeek: conn_state and history in Zeek's letters", .choices = formats},
	{"max-connections", OPTION_NUMBER, "N",
	 "known at once; then the longest idle is told and forgotten (default: 1000000)", .min = 1,
	 .max = 1000000000},
	{"duration", OPTION_DURATION, "TIME", "live: end by itself after TIME", .min = NS_PER_MS,
	 .max = 365 * 24 * 3600 * NS_PER_S},
	{NULL},
};

/* ---- operands */

/* What can be read; a directory cannot, and may well be called "src" or "port". */
static bool is_file(const char *operand)
{
	struct stat status;

	return strcmp(operand, "-") == 0 ||
	       (stat(operand, &status) == 0 && !S_ISDIR(status.st_mode));
}

static bool is_folder(const char *operand)
{
	struct stat status;

	return stat(operand, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The words joined by blanks (owned), NULL when memory is short. */
static char *join(char *const *words)
{
	size_t length = 1;
	char *text;

	for (size_t i = 0; words[i]; i++)
		length += strlen(words[i]) + 1;
	text = calloc(1, length);
	for (size_t i = 0; text && words[i]; i++) {
		strcat(text, i ? " " : "");
		strcat(text, words[i]);
	}
	return text;
}

/* libpcap's words alone: capture_filter_new() begins with 'filter "EXPRESSION": '. */
static const char *words_of(const char *why, const char *expression)
{
	size_t length = strlen(expression);
	const char *at = strstr(why, expression);

	return at && strncmp(at + length, "\": ", 3) == 0 ? at + length + 3 : why;
}

/* An expression that is none may be a file that is not there. */
static int wrong_filter(const struct invocation *call, const struct explain_options *options,
			const char *first, const struct why *why)
{
	if (options->interface)
		return is_file(first)
			       ? invocation_fail(call, CLI_USAGE,
						 "a file (%s) and --interface exclude each other",
						 first)
			       : invocation_fail(call, CLI_USAGE, "%s", why->text);
	/* Alone, it will have been meant as one. */
	return invocation_fail(
		call, options->path_count == 0 && !strchr(first, ' ') ? CLI_REFUSED : CLI_USAGE,
		"%s: %s, and not a filter: %s", first,
		is_folder(first) ? "a directory" : "no such file",
		words_of(why->text, options->expression));
}

/*
 * No filter can be read here: a library is missing. What was not found to be a file may have been
 * meant as one, unless it follows files and is of several words.
 */
static int no_filter(const struct invocation *call, const struct explain_options *options,
		     char *const *words, const struct why *why)
{
	bool several = words[1] || strchr(words[0], ' ');

	if (options->interface || (several && options->path_count > 0))
		return invocation_fail(call, CLI_REFUSED, "%s", why->text);
	return invocation_fail(call, CLI_REFUSED, "%s: %s, nor can it be a filter: %s", words[0],
			       is_folder(words[0]) ? "a directory" : "no such file", why->text);
}

static int read_filter(const struct invocation *call, struct explain_options *options,
		       char *const *words)
{
	struct why why;
	int r;

	if (!words[0])
		return CLI_DONE;
	options->expression = join(words);
	if (!options->expression)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	r = capture_filter_new(options->expression, &options->filter, &why);
	if (r == -EINVAL)
		return wrong_filter(call, options, words[0], &why);
	return r < 0 ? no_filter(call, options, words, &why) : CLI_DONE;
}

static int read_paths(const struct invocation *call, struct explain_options *options,
		      size_t operands)
{
	while (invocation_text_at(call, "read", options->path_count))
		options->path_count++;
	options->paths = calloc(options->path_count + operands + 1, sizeof(*options->paths));
	if (!options->paths)
		return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	for (size_t i = 0; i < options->path_count; i++)
		options->paths[i] = invocation_text_at(call, "read", i);
	for (size_t i = 0; i < operands; i++)
		options->paths[options->path_count++] = call->operands[i];
	return CLI_DONE;
}

/* Standard input, where nothing is named and somebody sends something there. */
static int read_input(const struct invocation *call, struct explain_options *options)
{
	if (options->path_count > 0)
		return CLI_DONE;
	if (isatty(STDIN_FILENO))
		return invocation_fail(call, CLI_USAGE,
				       "which capture? Usage: %s [options] [FILE...] [FILTER], or "
				       "-i IFACE for a live one",
				       call->path);
	options->paths[options->path_count++] = "-";
	return CLI_DONE;
}

static int read_operands(const struct invocation *call, struct explain_options *options)
{
	size_t files = 0;
	int r;

	while (!options->interface && call->operands[files] && is_file(call->operands[files]))
		files++;
	r = read_paths(call, options, files);
	if (r == CLI_DONE && options->interface && options->path_count > 0)
		return invocation_fail(call, CLI_USAGE,
				       "--interface and --read exclude each other");
	if (r == CLI_DONE)
		r = read_filter(call, options, call->operands + files);
	return r == CLI_DONE && !options->interface ? read_input(call, options) : r;
}

/* ---- options */

static int read_choice(const struct invocation *call, struct explain_options *options)
{
	const char *text;

	for (size_t i = 0; (text = invocation_text_at(call, "connection", i)); i++) {
		int r = explain_choice_add(&options->choice, text);

		if (r == -EINVAL)
			return invocation_fail(call, CLI_USAGE,
					       "option '--connection': '%s' is neither a number of "
					       "--list nor ADDR:PORT",
					       text);
		if (r < 0)
			return invocation_fail(call, CLI_REFUSED, "%s", strerror(ENOMEM));
	}
	return CLI_DONE;
}

static int read_format(const struct invocation *call, struct explain_options *options)
{
	bool json = invocation_flag(call, "json"), given = invocation_given(call, "format");

	options->format = (enum explain_format)invocation_choice(call, "format", EXPLAIN_TEXT);
	if (json && given && options->format != EXPLAIN_JSON)
		return invocation_fail(call, CLI_USAGE, "--json and --format=%s exclude each other",
				       formats[options->format]);
	if (json)
		options->format = EXPLAIN_JSON;
	return CLI_DONE;
}

/* What does not go together, or says nothing. */
static int check(const struct invocation *call, const struct explain_options *options)
{
	if (options->ladder && options->format != EXPLAIN_TEXT)
		return invocation_fail(call, CLI_USAGE,
				       "--ladder and --format=%s exclude each other",
				       formats[options->format]);
	if (options->list && options->problems)
		return invocation_fail(call, CLI_USAGE, "--list and --problems exclude each other");
	if (options->duration_ns && !options->interface)
		return invocation_fail(call, CLI_USAGE, "--duration is for --interface");
	if (options->svg && is_folder(options->svg))
		return invocation_fail(call, CLI_REFUSED, "cannot write %s: %s", options->svg,
				       strerror(EISDIR));
	return CLI_DONE;
}

int explain_options_read(const struct invocation *call, struct explain_options *ret)
{
	int r;

	*ret = (struct explain_options){
		.interface = invocation_text(call, "interface", NULL),
		.list = invocation_flag(call, "list"),
		.problems = invocation_flag(call, "problems"),
		.ladder = invocation_flag(call, "ladder"),
		.svg = invocation_text(call, "svg", NULL),
		.limit = (size_t)invocation_number(call, "limit", 0),
		.rows = (size_t)invocation_number(call, "rows", ROWS),
		.max_connections = (size_t)invocation_number(call, "max-connections",
							     MAX_CONNECTIONS),
		.duration_ns = invocation_duration_ns(call, "duration", 0),
	};
	r = read_choice(call, ret);
	if (r == CLI_DONE)
		r = read_format(call, ret);
	/* Chosen connections are drawn, where nothing else is asked for. */
	if (ret->choice.count > 0 && ret->format == EXPLAIN_TEXT && !ret->list && !ret->problems)
		ret->ladder = true;
	if (r == CLI_DONE)
		r = check(call, ret);
	return r == CLI_DONE ? read_operands(call, ret) : r;
}

void explain_options_done(struct explain_options *options)
{
	free(TAKE_PTR(options->paths));
	free(TAKE_PTR(options->expression));
	capture_filter_free(TAKE_PTR(options->filter));
	explain_choice_done(&options->choice);
}
