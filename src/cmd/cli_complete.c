/*
 * Shell completion, from the table. Each script has the same two parts: a function that finds out
 * which command the words so far lead to ("contest lab run"), and the table, written out as that
 * shell's case or rule list. Names and words are [A-Za-z0-9._-] (cli_test.c holds the table to
 * it), so that none needs quoting; help texts do.
 */
#include "cmd/cli.h"

#include <errno.h>
#include <string.h>

typedef void (*writer)(FILE *out, const char *path, const struct command *command,
		       const struct command *const *table);

/* Calls @write for the program (command NULL), then for each command and verb. */
static void walk(FILE *out, const char *path, const struct command *command,
		 const struct command *const *table, writer write)
{
	write(out, path, command, table);
	for (size_t i = 0; table && table[i]; i++) {
		char longer[64];

		snprintf(longer, sizeof(longer), "%s %s", path, table[i]->name);
		walk(out, longer, table[i], table[i]->verbs, write);
	}
}

/* Words that may stand as operands: names of the next level, or those the command lists (never
 * both: cli_test.c). Shells go on to a verb wherever it stands, as if it were the first operand. */
static const char *word_at(const struct command *command, const struct command *const *table,
			   size_t index)
{
	if (table)
		return table[index] ? table[index]->name : NULL;
	return command && command->operand_word ? command->operand_word(index) : NULL;
}

/* In single quotes for bash and zsh; fish reads \' and \\ in them instead of '\''. */
static void put_quoted(FILE *out, const char *text, bool fish)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs(fish ? "\\'" : "'\\''", out);
		else if (*text == '\\' && fish)
			fputs("\\\\", out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

static void put_choices(FILE *out, const struct cli_option *option)
{
	const char *word;

	for (size_t i = 0; (word = cli_option_word(option, i)); i++)
		fprintf(out, "%s%s", i ? " " : "", word);
}

/* Whether the next word is its argument: not where it has none, or only behind "=". */
static bool takes_word(const struct cli_option *option)
{
	return option->kind != OPTION_FLAG && !option->bare;
}

/* ---- bash and zsh: one case per path, filling shell variables */

/* What the word behind an option may be: one case per option that takes an argument. */
static void posix_values(FILE *out, const struct command *command)
{
	const struct cli_option *option;

	for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
		if (!takes_word(option))
			continue;
		fputs("\t\t\t", out);
		if (option->letter)
			fprintf(out, "-%c | ", option->letter);
		fprintf(out, "--%s) kind=", option->name);
		if (cli_option_word(option, 0)) {
			fputs("words choices='", out);
			put_choices(out, option);
			fputc('\'', out);
		} else {
			fputs(option->kind == OPTION_PATH ? "files" : "text", out);
		}
		fputs(" ;;\n", out);
	}
}

static void posix_case(FILE *out, const char *path, const struct command *command,
		       const struct command *const *table)
{
	const struct cli_option *option;
	const char *word;

	fprintf(out, "\t'%s')\n\t\tverbs=%d files=%d\n\t\toperands='", path, table ? 1 : 0,
		command && command->operand_files);
	for (size_t i = 0; (word = word_at(command, table, i)); i++)
		fprintf(out, "%s%s", i ? " " : "", word);
	fputs("'\n\t\topts='", out);
	for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
		fprintf(out, "%s--%s%s", i ? " " : "", option->name, takes_word(option) ? "=" : "");
		if (option->letter)
			fprintf(out, " -%c", option->letter);
	}
	fputs("'\n\t\tcase $2 in\n", out);
	posix_values(out, command);
	fputs("\t\tesac\n\t\t;;\n", out);
}

/* _contest_at PATH [OPTION] sets verbs, files, operands, opts, and kind and choices of OPTION.
 * "words", "options" and "path" mean something to zsh. */
static void posix_table(FILE *out, const struct command *const *commands)
{
	fputs("_contest_at()\n{\n\tverbs=0 files=0 operands= opts= kind=flag choices=\n"
	      "\tcase $1 in\n",
	      out);
	walk(out, "contest", NULL, commands, posix_case);
	fputs("\tesac\n}\n\n", out);
}

static void complete_bash(FILE *out, const struct command *const *commands)
{
	fputs("# bash completion for contest, made by: contest completion bash\n\n", out);
	posix_table(out, commands);
	fputs("_contest()\n"
	      "{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} path=contest option= word i\n"
	      "\tlocal verbs files operands opts kind choices\n"
	      "\n"
	      "\t_contest_at \"$path\"\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tword=${COMP_WORDS[i]}\n"
	      "\t\tif [[ $word == = ]]; then\n"
	      "\t\t\tcontinue\n"
	      "\t\telif [[ -n $option ]]; then\n"
	      "\t\t\toption=\n"
	      "\t\telif [[ $word == -* ]]; then\n"
	      "\t\t\t_contest_at \"$path\" \"$word\"\n"
	      "\t\t\t[[ $kind == flag ]] || option=$word\n"
	      "\t\telif ((verbs)) && [[ \" $operands \" == *\" $word \"* ]]; then\n"
	      "\t\t\tpath+=\" $word\"\n"
	      "\t\t\t_contest_at \"$path\"\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\t[[ $cur == = ]] && cur=\n"
	      "\n"
	      "\t_contest_at \"$path\" \"$option\"\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [[ $kind == words ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$choices\" -- \"$cur\")\n"
	      "\telif [[ $kind == files ]]; then\n"
	      "\t\tcompopt -o filenames\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	      "\telif [[ $kind == text ]]; then\n"
	      "\t\t:\n"
	      "\telif [[ $cur == -* ]]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$opts\" -- \"$cur\")\n"
	      "\t\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
	      "\telse\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W \"$operands\" -- \"$cur\")\n"
	      "\t\tif ((files)); then\n"
	      "\t\t\tcompopt -o filenames\n"
	      "\t\t\tmapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$cur\")\n"
	      "\t\tfi\n"
	      "\tfi\n"
	      "}\n"
	      "\n"
	      "complete -F _contest contest\n",
	      out);
}

static void complete_zsh(FILE *out, const struct command *const *commands)
{
	fputs("#compdef contest\n# zsh completion for contest, made by: contest completion zsh\n\n",
	      out);
	posix_table(out, commands);
	fputs("_contest()\n"
	      "{\n"
	      "\tlocal here=contest option= word i\n"
	      "\tlocal verbs files operands opts kind choices given=(\"${words[@]}\")\n"
	      "\n"
	      "\t_contest_at \"$here\"\n"
	      "\tfor ((i = 2; i < CURRENT; i++)); do\n"
	      "\t\tword=${given[i]}\n"
	      "\t\tif [[ -n $option ]]; then\n"
	      "\t\t\toption=\n"
	      "\t\telif [[ $word == -*=* ]]; then\n"
	      "\t\t\tcontinue\n"
	      "\t\telif [[ $word == -* ]]; then\n"
	      "\t\t\t_contest_at \"$here\" \"$word\"\n"
	      "\t\t\t[[ $kind == flag ]] || option=$word\n"
	      "\t\telif ((verbs)) && [[ \" $operands \" == *\" $word \"* ]]; then\n"
	      "\t\t\there+=\" $word\"\n"
	      "\t\t\t_contest_at \"$here\"\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\n"
	      "\tif [[ -z $option && $PREFIX == --*=* ]]; then\n"
	      "\t\toption=${PREFIX%%=*}\n"
	      "\t\tcompset -P '*='\n"
	      "\tfi\n"
	      "\t_contest_at \"$here\" \"$option\"\n"
	      "\tif [[ $kind == words ]]; then\n"
	      "\t\tcompadd -- ${=choices}\n"
	      "\telif [[ $kind == files ]]; then\n"
	      "\t\t_files\n"
	      "\telif [[ $kind == text ]]; then\n"
	      "\t\treturn 1\n"
	      "\telif [[ $PREFIX == -* ]]; then\n"
	      "\t\tcompadd -S '' -- ${(M)${=opts}:#*=}\n"
	      "\t\tcompadd -- ${${=opts}:#*=}\n"
	      "\telse\n"
	      "\t\tcompadd -- ${=operands}\n"
	      "\t\t((files)) && _files\n"
	      "\tfi\n"
	      "}\n"
	      "\n"
	      "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
	      "\t_contest \"$@\"\n"
	      "else\n"
	      "\tcompdef _contest contest\n"
	      "fi\n",
	      out);
}

/* ---- fish: one rule per word and option */

static void fish_rule(FILE *out, const char *path)
{
	fprintf(out, "complete -c contest -n '__contest_at \"%s\"'", path);
}

static void fish_option(FILE *out, const char *path, const struct cli_option *option)
{
	fish_rule(out, path);
	fprintf(out, " -l %s", option->name);
	if (option->letter)
		fprintf(out, " -s %c", option->letter);
	if (cli_option_word(option, 0)) {
		fputs(" -x -a '", out);
		put_choices(out, option);
		fputc('\'', out);
	} else if (takes_word(option)) {
		fputs(option->kind == OPTION_PATH ? " -r -F" : " -x", out);
	}
	fputs(" -d ", out);
	put_quoted(out, option->help, true);
	fputc('\n', out);
}

static void fish_rules(FILE *out, const char *path, const struct command *command,
		       const struct command *const *table)
{
	const struct cli_option *option;
	const char *word;

	for (size_t i = 0; (word = word_at(command, table, i)); i++) {
		fish_rule(out, path);
		fprintf(out, " -a %s", word);
		if (table) {
			fputs(" -d ", out);
			put_quoted(out, table[i]->summary, true);
		}
		fputc('\n', out);
	}
	if (command && command->operand_files) {
		fish_rule(out, path);
		fputs(" -F\n", out);
	}
	for (size_t i = 0; (option = cli_option_at(command, i)); i++)
		fish_option(out, path, option);
}

/* The paths that exist, for __contest_at to follow. */
static void fish_path(FILE *out, const char *path, const struct command *command,
		      const struct command *const *table)
{
	(void)command;
	(void)table;
	fprintf(out, " '%s'", path);
}

static void complete_fish(FILE *out, const struct command *const *commands)
{
	fputs("# fish completion for contest, made by: contest completion fish\n\n"
	      "function __contest_at\n"
	      "\tset -l paths",
	      out);
	walk(out, "contest", NULL, commands, fish_path);
	fputs("\n"
	      "\tset -l at contest\n"
	      "\tfor word in (commandline -opc)[2..-1]\n"
	      "\t\tcontains -- \"$at $word\" $paths; and set at \"$at $word\"\n"
	      "\tend\n"
	      "\ttest \"$at\" = \"$argv[1]\"\n"
	      "end\n\n"
	      "complete -c contest -f\n",
	      out);
	walk(out, "contest", NULL, commands, fish_rules);
}

int cli_complete(FILE *out, const struct command *const *commands, const char *shell)
{
	static const struct {
		const char *name;
		void (*write)(FILE *out, const struct command *const *commands);
	} shells[] = {{"bash", complete_bash}, {"fish", complete_fish}, {"zsh", complete_zsh}};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (strcmp(shells[i].name, shell) == 0) {
			shells[i].write(out, commands);
			return 0;
		}
	return -EINVAL;
}
