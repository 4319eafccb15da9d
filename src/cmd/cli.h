/*
 * The command line: one const table says what there is; parsing, usage, help, did-you-mean and
 * shell completion are made from it.
 *
 *	contest [--color=auto|always|never] COMMAND [VERB] [options] [operands]
 *
 * A command is a `struct command`. A verb (`contest lab run`) is one too, listed in its parent's
 * `verbs`. A parent may have a function, options and operands of its own besides (`contest load
 * HOST:PORT`, `contest load merge FILE`): its first operand, where that is a verb's name, is that
 * verb; "./merge" or "-- merge" is not. Options stand behind the verb that they are of. --help and
 *--color are understood everywhere and are not listed. Texts are ASCII, so that they print in every
 *locale. A command file joins parts and reports errors, and looks like this (commands.h declares
 *lab_command, commands.c lists it):
 *
 *	enum { LINK_AUTO, LINK_TUN, LINK_VETH };
 *	static const char *const links[] = {"auto", "tun", "veth", NULL};
 *
 *	static const char *experiment_word(size_t index)
 *	{
 *		return experiments[index] ? experiments[index]->id : NULL;
 *	}
 *
 *	static int lab_run(const struct invocation *call)
 *	{
 *		const char *out = invocation_text(call, "out", "results");
 *		struct runner_options options = {.jobs = invocation_number(call, "jobs", 0)};
 *		struct screen screen;
 *		struct why why;
 *
 *		if (invocation_flag(call, "all") && call->operand_count > 0)
 *			return invocation_fail(call, CLI_USAGE, "--all and an ID exclude each
 *other"); for (size_t i = 0; i < call->operand_count; i++) …experiment_find(call->operands[i])…
 *(not NULL: the parser has checked it) if (invocation_choice(call, "link", LINK_AUTO) == LINK_TUN)
 *			…
 *		screen_init(&screen, invocation_flag(call, "json") ? stderr : stdout, call->color);
 *		if (runner_run(&options, &document, &why) < 0)
 *			return invocation_fail(call, CLI_REFUSED, "%s", why.text);
 *		return all_confirmed ? CLI_DONE : CLI_BAD;
 *	}
 *
 *	static const struct cli_option run_options[] = {
 *		{"all", .help = "every experiment"},
 *		{"json", .help = "print the results as JSON (contest.lab/1)"},
 *		{"out", OPTION_PATH, "DIR", "where evidence goes (default: results)"},
 *		{"jobs", OPTION_NUMBER, "N", "at most N at once", .min = 1, .max = 1024},
 *		{"link", OPTION_CHOICE, "LINK", "how hosts are joined", .choices = links},
 *		{NULL},
 *	};
 *
 *	static const struct command run_verb = {
 *		.name = "run",
 *		.summary = "play experiments and judge their claims",
 *		.operands = "[ID...]",
 *		.operand_noun = "experiment",
 *		.operand_word = experiment_word,
 *		.operand_list = "contest lab list",
 *		.max_operands = OPERANDS_ANY,
 *		.needs = "user namespaces, or root",
 *		.bad = "a claim was not confirmed",
 *		.options = run_options,
 *		.examples = (const struct cli_example[]){
 *			{"contest lab run fin-wait2-timeout", "settle one claim"},
 *			{NULL},
 *		},
 *		.run = lab_run,
 *	};
 *
 *	const struct command lab_command = {
 *		.name = "lab",
 *		.summary = "settle claims about TCP by experiments on this kernel",
 *		.verbs = (const struct command *const[]){&list_verb, &show_verb, &run_verb, NULL},
 *		.examples = …,
 *	};
 */
#ifndef CONTEST_CMD_CLI_H
#define CONTEST_CMD_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/why.h"
#include "render/screen.h"

/* What a command's function returns: the exit status of the program. */
enum cli_exit {
	CLI_DONE = 0,
	CLI_BAD = 1, /* done, and the answer is bad; .bad says what that means */
	CLI_USAGE = 2,
	CLI_REFUSED = 3, /* the system refused: privilege, a missing feature, a full disk */
};

enum option_kind {
	OPTION_FLAG,	 /* takes no argument */
	OPTION_TEXT,	 /* any text but the empty one */
	OPTION_PATH,	 /* the same; completed as a file name */
	OPTION_NUMBER,	 /* decimal, from .min to .max (both 0: any) */
	OPTION_DURATION, /* "500ms", "1.5s", "2m", "1h"; .min to .max in nanoseconds (both 0: any)
			  */
	OPTION_SIZE,	 /* bytes: "4096", "16k", "1M", "2G" (of 1024); .min to .max likewise */
	OPTION_CHOICE,	 /* one of .choices or .word */
};

struct cli_option {
	const char *name; /* "out" for --out */
	enum option_kind kind;
	const char *argument; /* "DIR"; NULL for a flag */
	const char *help;     /* one line, lower case, no full stop */
	int64_t min, max;
	/*
	 * The words of a choice: a list, or a function that gives NULL behind the last, where
	 * another part's table has them. For other kinds: words that shells complete, among others
	 * that may stand there.
	 */
	const char *const *choices; /* ended by NULL */
	const char *(*word)(size_t index);
	char letter;  /* 'o' for -o, or 0 */
	bool bare;    /* its argument may be left out, and else follows behind "=" only */
	bool repeats; /* each time that it is given counts: invocation_text_at(); takes an argument
		       */
};

struct cli_example {
	const char *line; /* "contest lab run --quick" */
	const char *what; /* "what takes no long kernel timer" */
};

#define OPERANDS_ANY ((size_t)-1)

struct invocation;

struct command {
	const char *name;
	const char *summary;	 /* one line, lower case, no full stop */
	const char *description; /* more, as one paragraph that help wraps; or NULL */
	const char *operands;	 /* for usage: "ID...", "[FILE]"; NULL: none */
	size_t min_operands, max_operands;
	/*
	 * The words an operand may be, NULL behind the last: anything else is refused as "unknown
	 * NOUN 'x'; did you mean 'y'?", and shells complete them. NULL: any text.
	 */
	const char *(*operand_word)(size_t index);
	const char *operand_noun; /* "experiment", "file": names what is missing or unknown */
	const char
		*operand_list; /* what shows the words ("contest lab list"), for errors; or NULL */
	bool operand_files;    /* shells complete file names */
	const char *needs;     /* privilege or features, for help; or NULL */
	const char *bad;       /* what exit status 1 means; NULL: it is not returned */
	const struct cli_option *options;   /* ended by {NULL}; or NULL */
	const struct cli_example *examples; /* ended by {NULL}; or NULL */
	const struct command *const *verbs; /* ended by NULL; then options, operands and run are
					     * either all absent, or its own besides; never
					     * operand_word */
	bool hidden;			    /* not in the short usage; help knows it */
	int (*run)(const struct invocation *call);
};

/* ---- what a command's function is given */

struct cli_value {
	const char *text; /* (borrowed from argv) NULL: not given */
	int64_t number;	  /* number, nanoseconds, bytes, index of the choice */
};

/* One time that an option which repeats was given. */
struct cli_repeat {
	const struct cli_option *option;
	struct cli_value value;
};

struct invocation {
	const struct command *const *commands; /* the whole table */
	const struct command *command;	       /* the command or verb that was called */
	char path[64];			       /* "contest lab run" */
	enum color_choice color;
	bool help, version;	    /* asked for instead of a run */
	struct cli_value *values;   /* (owned) as many as command->options */
	struct cli_repeat *repeats; /* (owned) in the order of the command line */
	size_t repeat_count;
	char **arguments;      /* (owned) argv, options moved to the front */
	char *const *operands; /* in arguments; ended by NULL */
	size_t operand_count;
};

/*
 * Values of options, by long name; an option given twice counts the last time. An option whose
 * argument was left out (.bare) has the text "" and the number 0. A name that is not
 * in the command's table, or of another kind, aborts: that is a mistake in the program.
 */
bool invocation_flag(const struct invocation *call, const char *name);
bool invocation_given(const struct invocation *call, const char *name);
const char *invocation_text(const struct invocation *call, const char *name, const char *otherwise);
int64_t invocation_number(const struct invocation *call, const char *name, int64_t otherwise);
int64_t invocation_duration_ns(const struct invocation *call, const char *name, int64_t otherwise);
int64_t invocation_size(const struct invocation *call, const char *name, int64_t otherwise);
/* Index into .choices. */
int invocation_choice(const struct invocation *call, const char *name, int otherwise);
/* The value of the @index-th time that an option which repeats was given; NULL behind the last. */
const char *invocation_text_at(const struct invocation *call, const char *name, size_t index);

/* All operands with a blank between them (owned by the caller); NULL when memory is short. */
char *invocation_operands(const struct invocation *call);

/* The verb of this command that was most likely meant by an operand that is none, or NULL: for the
 * error of a command that has both and can do nothing with that operand. */
const char *invocation_near_verb(const struct invocation *call, const char *word);

/*
 * Prints one line on stderr, "contest lab run: " and the text, escaped as a whole (newlines too),
 * and returns @status: `return invocation_fail(call, CLI_REFUSED, "%s", why.text);`.
 */
int invocation_fail(const struct invocation *call, enum cli_exit status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- parts of the machine, for main(), tests and fuzzing */

/*
 * Parses argv against @commands (ended by NULL) and fills *ret, to be given to invocation_done().
 * Prints nothing and does not exit. 0; -EINVAL with the complaint in *why, then *ret is filled as
 * far as path and color, which is enough for invocation_fail(); or -ENOMEM likewise.
 * Uses getopt_long(3), so not from two threads at once.
 */
int cli_parse(const struct command *const *commands, int argc, char *const argv[],
	      struct invocation *ret, struct why *why);
void invocation_done(struct invocation *call);

/*
 * The program: parses, runs, prints errors, sees to it that all output was written. Returns the
 * exit status. SIGPIPE is ignored from here on (a child that wants it back must say so), so that
 * a broken pipe is an error like a full disk.
 */
int cli_main(const struct command *const *commands, int argc, char *argv[]);

/* `contest help …` and `contest completion SHELL`, for the table. */
extern const struct command help_command, completion_command;

/* Strict parsers: all of @text or -EINVAL; -ERANGE when it fits no int64_t. */
int cli_parse_number(const char *text, int64_t *ret);
int cli_parse_duration(const char *text, int64_t *ret_ns);
/* Seconds where no unit says otherwise: "2", "0.5", "500ms", "5m". */
int cli_parse_seconds(const char *text, int64_t *ret_ns);
int cli_parse_size(const char *text, int64_t *ret_bytes);

/* The entry of a table (ended by NULL) with that name, or NULL. */
const struct command *cli_find(const struct command *const *table, const char *name);

/* The options that are understood everywhere; the last, --version, by the program alone. */
#define CLI_COMMON_OPTIONS 3
extern const struct cli_option cli_common_options[CLI_COMMON_OPTIONS];

/* The words that an option may be or is completed to; NULL behind the last. */
const char *cli_option_word(const struct cli_option *option, size_t index);

/* Options in a table that is ended by {NULL}; 0 for NULL. */
size_t cli_option_count(const struct cli_option *options);

/* The n-th option understood at @command (NULL: the program), its own first; NULL behind the last.
 */
const struct cli_option *cli_option_at(const struct command *command, size_t index);

/*
 * The word among candidate(context, 0…) (NULL behind the last) that a person who typed @word most
 * likely meant, or NULL: nearest by Damerau–Levenshtein distance, within a third of its length,
 * else the only one that begins so.
 */
const char *cli_nearest(const char *word,
			const char *(*candidate)(const void *context, size_t index),
			const void *context);

/* Help for the command or verb at @path ("contest lab run"), and for the program as a whole. */
void cli_help_command(const struct screen *screen, const char *path, const struct command *command);
void cli_help_program(const struct screen *screen, const struct command *const *commands);

/* The completion script for a shell: "bash", "zsh" or "fish". 0, or -EINVAL for another one. */
int cli_complete(FILE *out, const struct command *const *commands, const char *shell);

#endif
