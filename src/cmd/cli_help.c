/* Help, from the table: examples first, then usage, options, and what the exit status means. */
#include "cmd/cli.h"

#include <string.h>

#include "base/cleanup.h"

#define INDENT 2
#define GAP    2

static void heading(const struct screen *screen, const char *text)
{
	fputc('\n', screen->out);
	screen_print(screen, STYLE_BOLD, "%s:", text);
	fputc('\n', screen->out);
}

/* A paragraph, after an empty line. */
static void paragraph(const struct screen *screen, const char *text)
{
	fputc('\n', screen->out);
	screen_wrap(screen, text, 0, screen->width);
}

/* "  left   right", or right below left where the line is too short for both. */
static void pair(const struct screen *screen, const char *left, const char *right, unsigned column)
{
	unsigned used = INDENT + screen_columns(left);

	fprintf(screen->out, "%*s", INDENT, "");
	screen_print(screen, STYLE_BOLD, "%s", left);
	if (used + GAP <= column && column + screen_columns(right) <= screen->width) {
		fprintf(screen->out, "%*s%s\n", (int)(column - used), "", right);
		return;
	}
	fputc('\n', screen->out);
	screen_wrap(screen, right, 3 * INDENT, screen->width);
}

static unsigned wider(unsigned column, const char *left)
{
	unsigned needs = INDENT + screen_columns(left) + GAP;

	return needs > column ? needs : column;
}

static void examples(const struct screen *screen, const struct cli_example *list)
{
	unsigned column = 0;

	if (!list || !list->line)
		return;
	heading(screen, "Examples");
	for (const struct cli_example *e = list; e->line; e++)
		column = wider(column, e->line);
	for (const struct cli_example *e = list; e->line; e++)
		pair(screen, e->line, e->what, column);
}

static const char *option_left(const struct cli_option *option, char *to, size_t room)
{
	char letter[5] = "";

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	if (!option->argument)
		snprintf(to, room, "%s--%s", letter, option->name);
	else
		snprintf(to, room, option->bare ? "%s--%s[=%s]" : "%s--%s %s", letter, option->name,
			 option->argument);
	return to;
}

static const char *option_right(const struct cli_option *option, char *to, size_t room)
{
	size_t used = (size_t)snprintf(to, room, "%s%s", option->help,
				       option->repeats ? " (repeatable)" : "");
	const char *word;

	for (size_t i = 0; option->kind == OPTION_CHOICE && used < room; i++) {
		word = cli_option_word(option, i);
		if (!word)
			break;
		used += (size_t)snprintf(to + used, room - used, "%s%s",
					 i == 0				  ? ": "
					 : cli_option_word(option, i + 1) ? ", "
									  : " or ",
					 word);
	}
	return to;
}

/* @command: NULL for the program. */
static void options(const struct screen *screen, const struct command *command)
{
	const struct cli_option *option;
	char left[96], right[320];
	unsigned column = 0;

	heading(screen, "Options");
	for (size_t i = 0; (option = cli_option_at(command, i)); i++)
		column = wider(column, option_left(option, left, sizeof(left)));
	for (size_t i = 0; (option = cli_option_at(command, i)); i++)
		pair(screen, option_left(option, left, sizeof(left)),
		     option_right(option, right, sizeof(right)), column);
}

static void table(const struct screen *screen, const char *title,
		  const struct command *const *commands)
{
	unsigned column = 0;

	heading(screen, title);
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			column = wider(column, commands[i]->name);
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			pair(screen, commands[i]->name, commands[i]->summary, column);
}

static void usage(const struct screen *screen, const char *path, const struct command *command)
{
	fputc('\n', screen->out);
	screen_print(screen, STYLE_BOLD, "Usage:");
	if (command->run)
		fprintf(screen->out, " %s [options]%s%s\n", path, command->operands ? " " : "",
			command->operands ? command->operands : "");
	if (command->verbs)
		fprintf(screen->out, "%s %s VERB [options] [operands]\n",
			command->run ? "      " : "", path);
}

static void exit_status(const struct screen *screen, const struct command *command)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "Exit status: 0 done; %s%s%s2 wrong usage; 3 the system refused.",
		 command->bad ? "1 " : "", command->bad ? command->bad : "",
		 command->bad ? "; " : "");
	paragraph(screen, text);
}

void cli_help_command(const struct screen *screen, const char *path, const struct command *command)
{
	screen_print(screen, STYLE_BOLD, "%s", path);
	fprintf(screen->out, ": %s\n", command->summary);
	examples(screen, command->examples);
	usage(screen, path, command);
	if (command->description)
		paragraph(screen, command->description);
	if (command->verbs)
		table(screen, "Verbs", command->verbs);
	options(screen, command);
	if (command->needs) {
		char text[256];

		snprintf(text, sizeof(text), "Needs: %s.", command->needs);
		paragraph(screen, text);
	}
	if (command->run)
		exit_status(screen, command);
}

/* The first example of each command that is not hidden: how a newcomer begins. */
static void first_examples(const struct screen *screen, const struct command *const *commands)
{
	unsigned column = 0;

	heading(screen, "Examples");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden && commands[i]->examples)
			column = wider(column, commands[i]->examples->line);
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden && commands[i]->examples)
			pair(screen, commands[i]->examples->line, commands[i]->examples->what,
			     column);
}

void cli_help_program(const struct screen *screen, const struct command *const *commands)
{
	screen_print(screen, STYLE_BOLD, "contest");
	fprintf(screen->out, ": the TCP connection tester\n");
	first_examples(screen, commands);
	fputc('\n', screen->out);
	screen_print(screen, STYLE_BOLD, "Usage:");
	fprintf(screen->out, " contest [--color=WHEN] COMMAND [options] [operands]\n");
	table(screen, "Commands", commands);
	options(screen, NULL);
	paragraph(screen, "'contest COMMAND --help' tells more about a command; so do the manual "
			  "pages contest(1) and contest-COMMAND(1).");
}
