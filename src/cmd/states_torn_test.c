/*
 * What `contest states` tells of lists that were interrupted, and how it ends: the whole command,
 * over a source that says what the test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/commands.h"
#include "cmd/source_option.h"
#include "tcp/state.h"

#define TORN                                                                                       \
	"contest states: the kernel's list was interrupted each time, it changes too fast: "       \
	"sockets may be missing, or be there twice\n"

/* ---- the source */

/* A letter is a socket in ESTABLISHED, at a port of its own; "!" begins anew; "?" at the end: that
 * was interrupted, too. One text for each look; the last one stays. */
static const char *const *scripts;

static int fake_probe(struct why *why)
{
	(void)why;
	return 0;
}

static int fake_open(int netns_fd, void **ret, struct why *why)
{
	static int opened;

	(void)netns_fd;
	(void)why;
	*ret = &opened;
	return 0;
}

static struct socket_status at_port(uint16_t port)
{
	struct socket_status status = {.state = TCP_ESTABLISHED, .inode = port};

	status.key.local.address.family = status.key.remote.address.family = AF_INET;
	status.key.local.port = port;
	status.key.remote.port = 80;
	return status;
}

/* After the last script: whoever watches has seen enough. */
static const char *next_script(void)
{
	const char *script = scripts[0];

	if (scripts[1])
		scripts++;
	else
		kill(getpid(), SIGTERM);
	return script;
}

static int fake_walk(void *source, const struct socket_filter *filter, sockdiag_visit visit,
		     void (*again)(void *context), void *context, struct socket_walk *ret,
		     struct why *why)
{
	struct socket_walk walk = {0};
	int r = 0;

	(void)source;
	(void)why;
	if (filter) { /* listeners */
		*ret = walk;
		return 0;
	}
	for (const char *at = next_script(); *at && r == 0; at++) {
		struct socket_status status = at_port((uint16_t)*at);

		if (*at == '!') {
			walk.repeated++;
			walk.seen = 0;
			again(context);
		} else if (*at == '?') {
			walk.torn = true;
		} else {
			walk.seen++;
			r = visit(&status, context);
		}
	}
	*ret = walk;
	return r;
}

static void fake_close(void *source)
{
	(void)source;
}

static const struct socket_source fake = {
	.name = "fake",
	.probe = fake_probe,
	.open = fake_open,
	.walk = fake_walk,
	.close = fake_close,
};

int __wrap_source_option_read(const struct invocation *call, struct source_choice *ret);

int __wrap_source_option_read(const struct invocation *call, struct source_choice *ret)
{
	(void)call;
	*ret = (struct source_choice){.source = &fake, .named = true};
	return CLI_DONE;
}

/* ---- a run */

static char out[4096], err[4096];

static void read_back(int fd, char *to, size_t room)
{
	ssize_t n = pread(fd, to, room - 1, 0);

	assert_true(n >= 0);
	to[n] = '\0';
	close(fd);
}

static int run_here(char **words)
{
	static const struct command *const table[] = {&states_command, NULL};
	int count = 0;

	while (words[count])
		count++;
	/* Watching ends by the source's signal, anything else before it is sent or in spite of it.
	 */
	if (count < 3 || strncmp(words[2], "--watch", 7) != 0)
		signal(SIGTERM, SIG_IGN);
	return cli_main(table, count, words);
}

/* The exit status of `contest states …`; what it wrote is in out and err. */
static int run(const char *const *looks, const char *options)
{
	char line[128], *words[16] = {(char *)"contest", (char *)"states"}, *rest = line;
	int outs = memfd_create("out", 0), errs = memfd_create("err", 0), status;
	size_t count = 2;
	pid_t child;

	assert_true(outs >= 0 && errs >= 0);
	snprintf(line, sizeof(line), "%s", options);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			words[count++] = word;
	scripts = looks;
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(outs, STDOUT_FILENO);
		dup2(errs, STDERR_FILENO);
		exit(run_here(words));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	read_back(outs, out, sizeof(out));
	read_back(errs, err, sizeof(err));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(script, options) run((const char *const[]){script, NULL}, options)

/* The ports in what --list printed, as letters. */
static const char *letters(void)
{
	static char found[64];
	size_t count = 0;

	for (const char *at = out; (at = strstr(at, "0.0.0.0:"));) {
		int port = atoi(at += strlen("0.0.0.0:"));

		if (port != 80)
			found[count++] = (char)port;
	}
	found[count] = '\0';
	return found;
}

/* A number of the JSON on the first or only line. */
static json_int_t number(const char *key)
{
	json_t *whole = json_loads(out, JSON_DISABLE_EOF_CHECK, NULL), *value;
	json_int_t found;

	assert_non_null(whole);
	value = json_object_get(whole, key);
	assert_true(json_is_integer(value) || json_is_boolean(value));
	found = json_is_integer(value) ? json_integer_value(value) : json_is_true(value);
	json_decref(whole);
	return found;
}

static size_t listed(void)
{
	json_t *whole = json_loads(out, 0, NULL);
	size_t count = json_array_size(json_object_get(whole, "sockets"));

	json_decref(whole);
	return count;
}

/* ---- the tests */

static void of_one_piece(void **state)
{
	(void)state;
	assert_int_equal(RUN("ABC", ""), 0);
	assert_string_equal(err, "");
	assert_non_null(strstr(out, "3 TCP sockets"));
	assert_int_equal(RUN("ABC", "--list"), 0);
	assert_string_equal(err, "");
	assert_string_equal(letters(), "ABC");
	assert_int_equal(RUN("ABC", "--list --json"), 0);
	assert_int_equal(number("sockets_void"), 0);
	assert_int_equal(number("torn"), 0);
	assert_int_equal(number("repeated"), 0);
}

static void read_again(void **state)
{
	static const char *const kinds[] = {"", "--by state", "--list --sort local-port"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(RUN("AB!C", kinds[i]), 0);
		assert_string_equal(err,
				    "contest states: the kernel's list was interrupted, and read "
				    "again (1 time)\n");
		assert_int_equal(RUN("AB!A!C", kinds[i]), 0);
		assert_non_null(strstr(err, "(2 times)\n"));
	}
	assert_string_equal(letters(), "C");
	assert_int_equal(RUN("AB!C", "--json"), 0);
	assert_int_equal(number("total"), 1);
	assert_int_equal(number("repeated"), 1);
	assert_int_equal(number("torn"), 0);
}

static void torn(void **state)
{
	static const char *const kinds[] = {"", "--by state", "--list", "--list --sort state"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(RUN("ABC?", kinds[i]), 1);
		assert_string_equal(err, TORN);
	}
	assert_int_equal(RUN("AB!A!AB!CDE?", "--json"), 1);
	assert_string_equal(err, TORN);
	assert_int_equal(number("total"), 3);
	assert_int_equal(number("repeated"), 3);
	assert_int_equal(number("torn"), 1);
	assert_int_equal(RUN("AB?", "--list --json"), 1);
	assert_string_equal(err, TORN);
	assert_int_equal(number("torn"), 1);
	assert_int_equal(number("sockets_void"), 0);
}

/* What is printed cannot be taken back. */
static void rows_that_are_void(void **state)
{
	(void)state;
	assert_int_equal(RUN("AB!CDE", "--list"), 0);
	assert_string_equal(letters(), "ABCDE");
	assert_non_null(strstr(err, "contest states: the first 2 rows are of a list that was "
				    "interrupted: they do not count\n"));
	assert_non_null(strstr(err, "and read again (1 time)\n"));
	assert_int_equal(RUN("A!CDE", "--list"), 0);
	assert_non_null(strstr(err, "contest states: the first row is of a list that was "
				    "interrupted: it does not count\n"));
	assert_int_equal(RUN("AB!C!DE?", "--list"), 1);
	assert_string_equal(letters(), "ABCDE");
	assert_non_null(strstr(err, "the first 3 rows are"));
	assert_non_null(strstr(err, TORN));
	/* An interruption before the first is none of theirs. */
	assert_int_equal(RUN("!AB", "--list"), 0);
	assert_null(strstr(err, "rows"));
}

static void rows_that_are_void_in_json(void **state)
{
	(void)state;
	assert_int_equal(RUN("AB!C!DEF", "--list --json"), 0);
	assert_int_equal(listed(), 6);
	assert_int_equal(number("sockets_void"), 3);
	assert_int_equal(number("total"), 3);
	assert_null(strstr(err, "rows"));
	assert_int_equal(RUN("AB!C?", "--list --json"), 1);
	assert_int_equal(listed(), 3);
	assert_int_equal(number("sockets_void"), 2);
	assert_int_equal(number("torn"), 1);
	assert_string_equal(err, TORN);
}

/* So many that count. */
static void first_rows(void **state)
{
	(void)state;
	assert_int_equal(RUN("A!BCD", "--list --top 2"), 0);
	assert_string_equal(letters(), "ABC");
	assert_int_equal(RUN("AB!C!A!DEFG", "--list --top 3"), 0);
	assert_string_equal(letters(), "ABCADEF");
	assert_int_equal(RUN("AB!C!A!DEFG", "--list --json --top 3"), 0);
	assert_int_equal(listed(), 7);
	assert_int_equal(number("sockets_void"), 4);
	assert_int_equal(number("total"), 4);
	assert_int_equal(RUN("AB!C!A!DEFG", "--list --top 3 --sort local-port"), 0);
	assert_string_equal(letters(), "DEF");
}

/* Of several looks one is enough for the exit status. */
static void watched(void **state)
{
	static const char *const whole[] = {"ABC", "AB", NULL};
	static const char *const mended[] = {"A!ABC", "AB", NULL};
	static const char *const first[] = {"ABC?", "AB", NULL};
	static const char *const second[] = {"ABC", "AB?", "AB", NULL};

	(void)state;
	assert_int_equal(run(whole, "--watch=0.01 --json"), 0);
	assert_string_equal(err, "");
	assert_int_equal(run(mended, "--watch=0.01 --json"), 0);
	assert_int_equal(number("repeated"), 1);
	assert_non_null(strstr(err, "and read again (1 time)\n"));
	assert_int_equal(run(first, "--watch=0.01 --json"), 1);
	assert_int_equal(number("torn"), 1);
	assert_non_null(strstr(err, TORN));
	assert_non_null(strstr(err, "interrupted each time in 1 of 2 looks"));
	assert_int_equal(run(second, "--watch=0.01 --json"), 1);
	assert_int_equal(number("torn"), 0);
	assert_non_null(strstr(out, "\"torn\":true"));
	assert_null(strstr(err, TORN));
	assert_non_null(strstr(err, "interrupted each time in 1 of 3 looks"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_piece),
		cmocka_unit_test(read_again),
		cmocka_unit_test(torn),
		cmocka_unit_test(rows_that_are_void),
		cmocka_unit_test(rows_that_are_void_in_json),
		cmocka_unit_test(first_rows),
		cmocka_unit_test(watched),
	};

	return cmocka_run_group_tests_name("contest states, torn", tests, NULL, NULL);
}
