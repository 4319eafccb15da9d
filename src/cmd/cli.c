/* From main() to the exit status: parse, run, one line for an error, all output really written. */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static void print_error(const char *path, const char *text)
{
	char safe[4 * sizeof(((struct why *)0)->text) + 1];

	screen_escape(text, strlen(text), safe, sizeof(safe));
	/* Output that belongs before the error comes before it where both are one terminal. */
	fflush(stdout);
	fprintf(stderr, "%s: %s\n", path, safe);
}

int invocation_fail(const struct invocation *call, enum cli_exit status, const char *format, ...)
{
	char text[sizeof(((struct why *)0)->text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error(call->path, text);
	return status;
}

/*
 * A descriptor that is closed at the start would be given to the next file that is opened, which
 * would then read or get what was meant for standard input or output. /dev/null the wrong way
 * round keeps the place and still fails.
 */
static void hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

/* Why an earlier write to stdout failed: stdio keeps only that it did. */
static int stdout_error(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && out.revents & POLLERR ? EPIPE : EIO;
}

/* Output that did not arrive is not output: a full disk, a reader that went away. */
static int close_stdout(const char *path, int status)
{
	bool failed = ferror(stdout);
	int error = failed ? stdout_error() : 0;
	char text[128];

	if (fclose(stdout) != 0)
		error = errno;
	if (!error)
		return status;
	snprintf(text, sizeof(text), "cannot write to standard output: %s", strerror(error));
	print_error(path, text);
	return CLI_REFUSED;
}

static int show_help(const struct invocation *call, const char *path, const struct command *command)
{
	struct screen screen;

	screen_init(&screen, stdout, call->color);
	if (command)
		cli_help_command(&screen, path, command);
	else
		cli_help_program(&screen, call->commands);
	return CLI_DONE;
}

/* `contest help lab run`: the same as `contest lab run --help`. */
static int help_run(const struct invocation *call)
{
	char *words[] = {"contest", call->operands[0], call->operands[0] ? call->operands[1] : NULL,
			 "--help", NULL};
	int count = 1 + (int)call->operand_count;
	struct invocation about;
	struct why why;
	int r;

	words[count] = "--help";
	r = cli_parse(call->commands, count + 1, words, &about, &why);
	if (r < 0)
		r = invocation_fail(call, CLI_USAGE, "%s", why.text);
	else
		r = show_help(call, about.path, about.command);
	invocation_done(&about);
	return r;
}

const struct command help_command = {
	.name = "help",
	.summary = "show how a command is used",
	.operands = "[COMMAND [VERB]]",
	.max_operands = 2,
	.examples =
		(const struct cli_example[]){
			{"contest help lab", "the same as contest lab --help"},
			{NULL},
		},
	.run = help_run,
};

static const char *shell_word(size_t index)
{
	static const char *const shells[] = {"bash", "fish", "zsh", NULL};

	return shells[index];
}

static int completion_run(const struct invocation *call)
{
	return cli_complete(stdout, call->commands, call->operands[0]) < 0 ? CLI_REFUSED : CLI_DONE;
}

const struct command completion_command = {
	.name = "completion",
	.summary = "print the completion script for a shell",
	.description = "Prints a script that makes the shell complete the commands, options and "
		       "operands of contest. Packages install it; without one, source it from the "
		       "shell's start file.",
	.operands = "SHELL",
	.operand_noun = "shell",
	.operand_word = shell_word,
	.min_operands = 1,
	.max_operands = 1,
	.hidden = true,
	.examples =
		(const struct cli_example[]){
			{"source <(contest completion bash)", "for this shell only"},
			{"contest completion zsh > ~/.zfunc/_contest", "a folder of zsh's fpath"},
			{"contest completion fish > ~/.config/fish/completions/contest.fish",
			 "fish"},
			{NULL},
		},
	.run = completion_run,
};

static int run(const struct invocation *call)
{
	if (call->version) {
		printf("contest %s\n", CONTEST_VERSION);
		return CLI_DONE;
	}
	if (call->help)
		return show_help(call, call->path, call->command);
	return call->command->run(call);
}

int cli_main(const struct command *const *commands, int argc, char *argv[])
{
	struct invocation call;
	struct why why;
	int status;

	hold_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);

	if (cli_parse(commands, argc, argv, &call, &why) < 0)
		status = invocation_fail(&call, CLI_USAGE, "%s", why.text);
	else
		status = run(&call);
	status = close_stdout(call.path, status);
	invocation_done(&call);
	return status;
}
