/*
 * argv against the table. getopt_long(3) does the splitting (abbreviations, "--opt=value", "--",
 * operands between options), fed from the table, once per level: the program, then each command
 * with verbs, stop at the first operand, which names the next level ("+"); the last level takes
 * the rest. A command with verbs and a run of its own is read as the one, and, where its first
 * operand is no verb, again as the other. getopt_long prints nothing (opterr = 0); what it
 * complains about is found again in the table and put into words here.
 */
#include "cmd/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const color_choices[] = {
	[COLOR_AUTO] = "auto",
	[COLOR_ALWAYS] = "always",
	[COLOR_NEVER] = "never",
	NULL,
};

enum { COMMON_COLOR, COMMON_HELP, COMMON_VERSION };

const struct cli_option cli_common_options[CLI_COMMON_OPTIONS] = {
	[COMMON_COLOR] = {"color", OPTION_CHOICE, "WHEN", "colours in what people read",
			  .choices = color_choices},
	[COMMON_HELP] = {"help", .help = "examples, usage and options", .letter = 'h'},
	[COMMON_VERSION] = {"version", .help = "print the version"},
};

/* What getopt_long returns for the n-th option; below are the letters. */
#define OPTION_VALUE_BASE 256

/* One level's options: the command's own, then the common ones. */
struct level {
	const struct cli_option **options; /* (owned) */
	struct option *longs;		   /* (owned) ended by a zeroed one */
	char *letters;			   /* (owned) getopt's optstring */
	size_t count, own;
};

static void level_done(struct level *level)
{
	free(level->options);
	free(level->longs);
	free(level->letters);
}

static void level_add(struct level *level, const struct cli_option *option)
{
	int has_arg = option->kind == OPTION_FLAG ? no_argument
		      : option->bare		  ? optional_argument
						  : required_argument;
	char letter[4] = {option->letter, has_arg == no_argument ? '\0' : ':',
			  has_arg == optional_argument ? ':' : '\0'};

	level->longs[level->count] = (struct option){
		.name = option->name,
		.has_arg = has_arg,
		.val = OPTION_VALUE_BASE + (int)level->count,
	};
	level->options[level->count++] = option;
	strcat(level->letters, letter);
}

/* @command: NULL for the program itself. @last: all operands are its own, wherever they stand. */
static int level_init(struct level *level, const struct command *command, bool last)
{
	const struct cli_option *option;
	size_t count = 0;

	while (cli_option_at(command, count))
		count++;
	*level = (struct level){
		.options = calloc(count + 1, sizeof(*level->options)),
		.longs = calloc(count + 1, sizeof(*level->longs)),
		.letters = calloc(count + 2, 3),
		.own = command ? cli_option_count(command->options) : 0,
	};
	if (!level->options || !level->longs || !level->letters)
		return -ENOMEM;

	strcpy(level->letters, last ? ":" : "+:");
	for (size_t i = 0; (option = cli_option_at(command, i)); i++)
		level_add(level, option);
	return 0;
}

static const char *level_word(const void *context, size_t index)
{
	const struct level *level = context;

	return index < level->count ? level->options[index]->name : NULL;
}

static const char *table_word(const void *context, size_t index)
{
	const struct command *const *table = context;

	return table[index] ? table[index]->name : NULL;
}

static const char *text_word(const void *context, size_t index)
{
	return ((const char *const *)context)[index];
}

static const char *option_word(const void *context, size_t index)
{
	return cli_option_word(context, index);
}

static const char *operand_word(const void *context, size_t index)
{
	return ((const struct command *)context)->operand_word(index);
}

const char *invocation_near_verb(const struct invocation *call, const char *word)
{
	return call->command->verbs ? cli_nearest(word, table_word, call->command->verbs) : NULL;
}

const struct command *cli_find(const struct command *const *table, const char *name)
{
	for (; *table; table++)
		if (strcmp((*table)->name, name) == 0)
			return *table;
	return NULL;
}

/* "a, b or c" */
static const char *join_words(const char *(*word)(const void *context, size_t index),
			      const void *context, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; word(context, i) && used < room; i++) {
		const char *glue = i == 0 ? "" : word(context, i + 1) ? ", " : " or ";

		used += (size_t)snprintf(to + used, room - used, "%s%s", glue, word(context, i));
	}
	return to;
}

/* ---- values */

/* A duration as it may be typed: in the largest unit that it is a whole number of. */
static const char *say_duration(int64_t ns, char *to, size_t room)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000},
		     {"ms", 1000000},	   {"us", 1000},       {"ns", 1}};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && (ns == 0 || ns % units[i].ns != 0))
		i++;
	snprintf(to, room, "%lld%s", (long long)(ns / units[i].ns), units[i].name);
	return to;
}

static int out_of_range(const struct cli_option *option, const char *text, struct why *why)
{
	char min[32], max[32];

	if (option->kind == OPTION_DURATION)
		return why_say(why, -EINVAL, "option '--%s': %.100s is not between %s and %s",
			       option->name, text, say_duration(option->min, min, sizeof(min)),
			       say_duration(option->max, max, sizeof(max)));
	return why_say(why, -EINVAL, "option '--%s': %.100s is not between %lld and %lld",
		       option->name, text, (long long)option->min, (long long)option->max);
}

static int parse_quantity(const struct cli_option *option, const char *text, int64_t *ret,
			  struct why *why)
{
	static const struct {
		int (*parse)(const char *text, int64_t *ret);
		const char *what;
	} kinds[] = {
		[OPTION_NUMBER] = {cli_parse_number, "whole number"},
		[OPTION_DURATION] = {cli_parse_duration, "duration such as 500ms, 10s or 2m"},
		[OPTION_SIZE] = {cli_parse_size, "size such as 4096, 16k or 1M"},
	};
	bool bounded = option->min || option->max;
	int64_t number = 0;
	int r;

	assert(kinds[option->kind].parse);
	r = kinds[option->kind].parse(text, &number);
	if (r == -EINVAL)
		return why_say(why, r, "option '--%s': '%.100s' is not a %s", option->name, text,
			       kinds[option->kind].what);
	if (bounded && (r < 0 || number < option->min || number > option->max))
		return out_of_range(option, text, why);
	if (r < 0)
		return why_say(why, -EINVAL, "option '--%s': %.100s is too large", option->name,
			       text);
	*ret = number;
	return 0;
}

static int parse_choice(const struct cli_option *option, const char *text, int64_t *ret,
			struct why *why)
{
	const char *nearest = cli_nearest(text, option_word, option), *word;
	char all[256];

	for (size_t i = 0; (word = cli_option_word(option, i)); i++)
		if (strcmp(word, text) == 0) {
			*ret = (int64_t)i;
			return 0;
		}
	join_words(option_word, option, all, sizeof(all));
	if (nearest)
		return why_say(why, -EINVAL,
			       "option '--%s': '%.100s' is not %s; did you mean '%s'?",
			       option->name, text, all, nearest);
	return why_say(why, -EINVAL, "option '--%s': '%.100s' is not %s", option->name, text, all);
}

static int parse_value(const struct cli_option *option, const char *text, struct cli_value *ret,
		       struct why *why)
{
	int64_t number = 0;
	int r = 0;

	if (option->kind != OPTION_FLAG && !*text)
		return why_say(why, -EINVAL, "option '--%s': its %s is empty", option->name,
			       option->argument);

	switch (option->kind) {
	case OPTION_FLAG:
	case OPTION_TEXT:
	case OPTION_PATH:
		break;
	case OPTION_NUMBER:
	case OPTION_DURATION:
	case OPTION_SIZE:
		r = parse_quantity(option, text, &number, why);
		break;
	case OPTION_CHOICE:
		r = parse_choice(option, text, &number, why);
		break;
	}
	if (r < 0)
		return r;
	*ret = (struct cli_value){.text = text, .number = number};
	return 0;
}

/* ---- what getopt_long did not like */

static int ambiguous(const struct level *level, const char *name, size_t length, struct why *why)
{
	const char *fits[8];
	size_t count = 0;
	char all[256];

	for (size_t i = 0; i < level->count && count + 1 < ARRAY_SIZE(fits); i++)
		if (strncmp(level->options[i]->name, name, length) == 0)
			fits[count++] = level->options[i]->name;
	fits[count] = NULL;
	if (count < 2)
		return 0;
	return why_say(why, -EINVAL, "option '--%.*s' is short for several: %s", (int)length, name,
		       join_words(text_word, fits, all, sizeof(all)));
}

static int unknown_long(const struct level *level, const char *name, struct why *why)
{
	size_t length = strcspn(name, "=");
	const char *nearest;
	char bare[64];
	int r;

	if (length > sizeof(bare) - 1)
		length = sizeof(bare) - 1;
	memcpy(bare, name, length);
	bare[length] = '\0';

	r = ambiguous(level, bare, length, why);
	if (r < 0)
		return r;
	nearest = cli_nearest(bare, level_word, level);
	if (nearest)
		return why_say(why, -EINVAL, "unknown option '--%s'; did you mean '--%s'?", bare,
			       nearest);
	return why_say(why, -EINVAL, "unknown option '--%s'", bare);
}

/* @word: the argument that getopt stands in, when it is "-word" with the letter in front. */
static int unknown_letter(const struct level *level, int letter, const char *word, struct why *why)
{
	const char *nearest = NULL;

	if (word && word[0] == '-' && word[1] == (char)letter)
		nearest = cli_nearest(word + 1, level_word, level);
	if (nearest)
		return why_say(why, -EINVAL, "unknown option '%.64s'; did you mean '--%s'?", word,
			       nearest);
	return why_say(why, -EINVAL, "unknown option '-%c'", letter);
}

/* The n-th option for what getopt_long returned or left in optopt: a value or a letter; -1. */
static int level_index(const struct level *level, int value)
{
	if (value >= OPTION_VALUE_BASE)
		return value - OPTION_VALUE_BASE;
	for (size_t i = 0; i < level->count; i++)
		if (level->options[i]->letter && level->options[i]->letter == value)
			return (int)i;
	return -1;
}

static int complain(const struct level *level, int result, int argc, char *const argv[],
		    struct why *why)
{
	int index = level_index(level, optopt);
	const struct cli_option *option = index >= 0 ? level->options[index] : NULL;

	if (option && result == ':')
		return why_say(why, -EINVAL, "option '--%s' lacks its %s", option->name,
			       option->argument);
	if (option)
		return why_say(why, -EINVAL, "option '--%s' takes no argument", option->name);
	if (optopt == 0)
		return unknown_long(level, argv[optind - 1] + 2, why);
	return unknown_letter(level, optopt, optind < argc ? argv[optind] : NULL, why);
}

/* ---- levels */

static int take_option(const struct level *level, size_t index, struct invocation *call,
		       struct why *why)
{
	const struct cli_option *option = level->options[index];
	struct cli_value value = {0};
	int r;

	if (option->bare && !optarg)
		value.text = "";
	else if ((r = parse_value(option, optarg ? optarg : option->name, &value, why)) < 0)
		return r;
	if (option->repeats)
		call->repeats[call->repeat_count++] = (struct cli_repeat){option, value};
	if (index < level->own)
		call->values[index] = value;
	else if (option == &cli_common_options[COMMON_COLOR])
		call->color = (enum color_choice)value.number;
	else if (option == &cli_common_options[COMMON_HELP])
		call->help = true;
	else
		call->version = true;
	return 0;
}

/*
 * Options of one level; argv[0] is its name. Returns the index of the first operand, options
 * having been moved before it.
 */
static int parse_level(struct invocation *call, bool last, int argc, char *argv[], struct why *why)
{
	CLEANUP(level_done) struct level level;
	int r = level_init(&level, call->command, last);

	if (r < 0)
		return why_set(why, r, "cannot read the command line");

	opterr = 0;
	optind = 0; /* glibc: begin anew, also with another "+" (getopt(3), NOTES) */
	while ((r = getopt_long(argc, argv, level.letters, level.longs, NULL)) != -1) {
		int index;

		if (r == '?' || r == ':')
			return complain(&level, r, argc, argv, why);
		index = level_index(&level, r);
		if (index < 0)
			abort();
		r = take_option(&level, (size_t)index, call, why);
		if (r < 0)
			return r;
	}
	return optind;
}

static int find_next(const struct command *const *table, const char *what, const char *word,
		     const struct command **ret, struct why *why)
{
	const char *nearest;
	char all[256];

	join_words(table_word, table, all, sizeof(all));
	if (!word)
		return why_say(why, -EINVAL, "which %s? It is %s", what, all);
	*ret = cli_find(table, word);
	if (*ret)
		return 0;
	nearest = cli_nearest(word, table_word, table);
	if (nearest)
		return why_say(why, -EINVAL, "unknown %s '%.100s'; did you mean '%s'?", what, word,
			       nearest);
	return why_say(why, -EINVAL, "unknown %s '%.100s'; it is %s", what, word, all);
}

static int check_word(const struct command *command, const char *word, struct why *why)
{
	const char *noun = command->operand_noun ? command->operand_noun : "operand", *nearest;
	char all[256];

	for (size_t i = 0; command->operand_word(i); i++)
		if (strcmp(command->operand_word(i), word) == 0)
			return 0;
	nearest = cli_nearest(word, operand_word, command);
	if (nearest)
		return why_say(why, -EINVAL, "unknown %s '%.100s'; did you mean '%s'?", noun, word,
			       nearest);
	if (command->operand_list)
		return why_say(why, -EINVAL, "unknown %s '%.100s'; '%s' shows them", noun, word,
			       command->operand_list);
	return why_say(why, -EINVAL, "unknown %s '%.100s'; it is %s", noun, word,
		       join_words(operand_word, command, all, sizeof(all)));
}

static int check_operands(const struct invocation *call, struct why *why)
{
	const struct command *command = call->command;

	if (call->operand_count < command->min_operands)
		return why_say(why, -EINVAL, "which %s? Usage: %s [options] %s",
			       command->operand_noun ? command->operand_noun : "operand",
			       call->path, command->operands);
	if (call->operand_count > command->max_operands)
		return why_say(why, -EINVAL, "'%.100s' is one operand too many",
			       call->operands[command->max_operands]);
	for (size_t i = 0; command->operand_word && i < call->operand_count; i++) {
		int r = check_word(command, call->operands[i], why);

		if (r < 0)
			return r;
	}
	return 0;
}

static void path_append(struct invocation *call, const char *name)
{
	size_t used = strlen(call->path);

	snprintf(call->path + used, sizeof(call->path) - used, " %s", name);
}

static int make_room(struct invocation *call, int argc, struct why *why)
{
	call->values = calloc(cli_option_count(call->command->options) + 1, sizeof(*call->values));
	call->repeats = calloc((size_t)argc + 1, sizeof(*call->repeats));
	return call->values && call->repeats
		       ? 0
		       : why_set(why, -ENOMEM, "cannot read the command line");
}

static void forget(struct invocation *call)
{
	free(TAKE_PTR(call->values));
	free(TAKE_PTR(call->repeats));
	call->repeat_count = 0;
}

/* Options and operands of the command that was found; argv[0] is its name. */
static int parse_last(struct invocation *call, int argc, char *argv[], struct why *why)
{
	int r = make_room(call, argc, why);

	if (r == 0)
		r = parse_level(call, true, argc, argv, why);
	if (r < 0)
		return r;
	call->operands = argv + r;
	call->operand_count = (size_t)(argc - r);
	return call->help ? 0 : check_operands(call, why);
}

/* Options of the parent in front of a verb: it would not know them. */
static int check_place(const struct invocation *call, const struct command *verb, struct why *why)
{
	for (size_t i = 0; i < cli_option_count(call->command->options); i++)
		if (call->values[i].text)
			return why_say(why, -EINVAL,
				       "option '--%s' is of '%s', not of '%s %s', whose options "
				       "stand behind it",
				       call->command->options[i].name, call->path, call->path,
				       verb->name);
	return 0;
}

/*
 * A command with verbs that has a run of its own: the index of the verb that its first operand
 * names, with *ret, or 0 where that is none (behind "--" it never is).
 */
static int find_verb(struct invocation *call, int argc, char *argv[], const struct command **ret,
		     struct why *why)
{
	const struct command *verb = NULL;
	int r = make_room(call, argc, why), at;

	if (r == 0)
		r = parse_level(call, false, argc, argv, why);
	if (r < 0)
		return r;
	at = r;
	if (at < argc && strcmp(argv[at - 1], "--") != 0)
		verb = cli_find(call->command->verbs, argv[at]);
	r = verb ? check_place(call, verb, why) : 0;
	forget(call);
	if (r < 0 || !verb)
		return r;
	*ret = verb;
	return at;
}

/* What the operand behind this level names: the index in argv, 0 where all is the command's own. */
static int find_level(struct invocation *call, int argc, char *argv[], const struct command **ret,
		      struct why *why)
{
	bool top = !call->command;
	int r;

	if (!top && call->command->run)
		return find_verb(call, argc, argv, ret, why);
	r = parse_level(call, false, argc, argv, why);
	if (r < 0 || call->help || call->version)
		return r;
	if (find_next(top ? call->commands : call->command->verbs, top ? "command" : "verb",
		      r < argc ? argv[r] : NULL, ret, why) < 0)
		return -EINVAL;
	return r;
}

static int parse(struct invocation *call, int argc, char *argv[], struct why *why)
{
	while (!call->command || call->command->verbs) {
		const struct command *next = NULL;
		int r = find_level(call, argc, argv, &next, why);

		if (r < 0)
			return r;
		if (call->help || call->version)
			return 0;
		if (!next)
			break;
		call->command = next;
		path_append(call, next->name);
		argc -= r;
		argv += r;
	}
	return parse_last(call, argc, argv, why);
}

int cli_parse(const struct command *const *commands, int argc, char *const argv[],
	      struct invocation *ret, struct why *why)
{
	*ret = (struct invocation){.commands = commands, .path = "contest", .color = COLOR_AUTO};

	/* Room for a name and the end, should argv be empty (execve(2) allows that). */
	ret->arguments = calloc((size_t)argc + 2, sizeof(*ret->arguments));
	if (!ret->arguments)
		return why_set(why, -ENOMEM, "cannot read the command line");
	memcpy(ret->arguments, argv, (size_t)argc * sizeof(*argv));
	return parse(ret, argc, ret->arguments, why);
}

void invocation_done(struct invocation *call)
{
	free(call->values);
	free(call->repeats);
	free(call->arguments);
	*call = (struct invocation){0};
}
