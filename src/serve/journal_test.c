#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "serve/journal.h"

static char folder[] = "/tmp/journal-test-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct journal *open_at(const char *path, enum journal_form form)
{
	struct journal *journal = NULL;
	struct why why = {""};

	assert_int_equal(journal_open(path, form, &journal, &why), 0);
	return journal;
}

/* The whole file (owned by the caller); the test's folder is short of nothing. */
static char *text_of(const char *name)
{
	char *text = NULL;
	size_t length;

	assert_int_equal(file_read(path_of(name), 1 << 24, &text, &length), 0);
	return text;
}

static struct tcp_endpoint endpoint(const char *address, uint16_t port)
{
	struct tcp_endpoint at = {.port = port};

	assert_int_equal(tcp_address_parse(address, &at.address), 0);
	return at;
}

static uint64_t accept_one(struct journal *journal)
{
	struct tcp_endpoint peer = endpoint("10.0.0.2", 40000), local = endpoint("fd00::1", 80);

	return journal_accepted(journal, &peer, &local);
}

/* The text behind the time, which must look like one, and the blank. */
static const char *behind_time(const char *line)
{
	int date[3], clock[3], us, length = 0;

	assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ %n", &date[0], &date[1],
				&date[2], &clock[0], &clock[1], &clock[2], &us, &length),
			 7);
	assert_int_equal(length, 28);
	return line + length;
}

static void text_lines(void **state)
{
	CLEANUP_FREE char *text = NULL;
	struct journal *journal;
	char *line, *rest;

	(void)state;
	journal = open_at(path_of("text"), JOURNAL_TEXT);
	assert_int_equal(accept_one(journal), 1);
	assert_int_equal(accept_one(journal), 2);
	journal_ended(journal, 1, ENDED_BY_PEER, 5, 26, 0.25, 0);
	journal_ended(journal, 2, ENDED_RESET, 0, 0, 1.0, ECONNRESET);
	journal_said(journal, 2, "hello\n", 6, 77);
	journal_close(journal);

	text = text_of("text");
	rest = text;
	line = strsep(&rest, "\n");
	assert_string_equal(behind_time(line), "#1 accepted 10.0.0.2:40000 at [fd00::1]:80");
	line = strsep(&rest, "\n");
	assert_string_equal(behind_time(line), "#2 accepted 10.0.0.2:40000 at [fd00::1]:80");
	line = strsep(&rest, "\n");
	assert_string_equal(behind_time(line),
			    "#1 ended closed by the peer, 5 bytes in, 26 out, 0.250000 s");
	line = strsep(&rest, "\n");
	assert_string_equal(behind_time(line),
			    "#2 ended reset, 0 bytes in, 0 out, 1.000000 s, ECONNRESET");
	line = strsep(&rest, "\n");
	assert_string_equal(behind_time(line), "#2 said (77 in all) hello\\x0a");
	assert_string_equal(rest, "");
}

/* The next line as JSON (for json_decref()); *rest moves on. */
static json_t *next_json(char **rest)
{
	json_error_t error;
	json_t *object = json_loads(strsep(rest, "\n"), JSON_REJECT_DUPLICATES, &error);

	assert_non_null(object);
	assert_non_null(json_string_value(json_object_get(object, "time")));
	assert_int_equal(json_object_del(object, "time"), 0);
	return object;
}

static void expect_json(char **rest, json_t *wanted)
{
	json_t *line = next_json(rest);

	assert_non_null(wanted);
	assert_true(json_equal(line, wanted));
	json_decref(line);
	json_decref(wanted);
}

static void json_lines(void **state)
{
	/* NOLINTNEXTLINE(misc-misleading-bidirectional): it must be escaped */
	static const char said[] = "say \"\\\" \xc3\xa9\xff\x1b\xe2\x80\xae.";
	CLEANUP_FREE char *text = NULL;
	struct journal *journal;
	char *rest;

	(void)state;
	journal = open_at(path_of("json"), JOURNAL_JSON);
	accept_one(journal);
	journal_ended(journal, 1, ENDED_BY_US, 5, 26, 0.25, 0);
	journal_ended(journal, 1, ENDED_IDLE, 0, 0, 0, EPIPE);
	journal_said(journal, 1, said, sizeof(said) - 1, 77);
	journal_close(journal);

	text = text_of("json");
	rest = text;
	expect_json(&rest, json_pack("{s:i,s:s,s:s,s:s}", "id", 1, "event", "accepted", "peer",
				     "10.0.0.2:40000", "local", "[fd00::1]:80"));
	expect_json(&rest, json_pack("{s:i,s:s,s:s,s:i,s:i,s:f}", "id", 1, "event", "ended", "by",
				     "us", "bytes_in", 5, "bytes_out", 26, "seconds", 0.25));
	expect_json(&rest, json_pack("{s:i,s:s,s:s,s:i,s:i,s:f,s:s}", "id", 1, "event", "ended",
				     "by", "idle", "bytes_in", 0, "bytes_out", 0, "seconds", 0.0,
				     "error", "EPIPE"));
	expect_json(&rest, json_pack("{s:i,s:s,s:i,s:s}", "id", 1, "event", "said", "total", 77,
				     "text", "say \"\\\" \xc3\xa9\\xff\\x1b\\xe2\\x80\\xae."));
	assert_string_equal(rest, "");
}

static void long_text_is_cut(void **state)
{
	CLEANUP_FREE char *said = malloc(100000), *text = NULL;
	static const enum journal_form forms[] = {JOURNAL_TEXT, JOURNAL_JSON};

	(void)state;
	assert_non_null(said);
	for (size_t i = 0; i < 4; i++) {
		struct journal *journal = open_at(path_of("long"), forms[i % 2]);

		memset(said, i < 2 ? '\x01' : '"', 100000);
		journal_said(journal, 1, said, 100000, 1);
		journal_close(journal);
		free(text);
		text = text_of("long");
		unlink(path_of("long"));
		assert_in_range(strlen(text), 1024, 1536);
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		assert_non_null(strstr(text, "..."));
		if (forms[i % 2] == JOURNAL_JSON) {
			char *rest = text;

			json_decref(next_json(&rest));
		}
	}
}

/* ---- many tasks */

#define TASKS 4
#define LINES 250

static void *write_lines(void *context)
{
	for (int i = 0; i < LINES; i++)
		journal_ended(context, accept_one(context), ENDED_BY_US, 1, 2, 3, 0);
	return NULL;
}

/* Two threads. */
static void write_in_process(struct journal *journal)
{
	pthread_t other;

	if (pthread_create(&other, NULL, write_lines, journal) != 0)
		_exit(1);
	write_lines(journal);
	pthread_join(other, NULL);
}

static void check_numbers(char *text)
{
	char *rest = text, *line;
	unsigned char seen[2 * TASKS * LINES + 1] = {0};

	while ((line = strsep(&rest, "\n")) && *line) {
		char what[16];
		unsigned id;

		assert_int_equal(sscanf(behind_time(line), "#%u %15s ", &id, what), 2);
		assert_in_range(id, 1, 2 * TASKS * LINES);
		if (strcmp(what, "accepted") == 0) {
			assert_int_equal(seen[id]++, 0);
			assert_int_equal(strcmp(strstr(line, " at "), " at [fd00::1]:80"), 0);
		} else {
			assert_int_equal(strcmp(strstr(line, " out, "), " out, 3.000000 s"), 0);
		}
	}
	for (size_t i = 1; i < ARRAY_SIZE(seen); i++)
		assert_int_equal(seen[i], 1);
}

static void tasks_do_not_mix(void **state)
{
	struct journal *journal = open_at(path_of("tasks"), JOURNAL_TEXT);
	CLEANUP_FREE char *text = NULL;
	int status;

	(void)state;
	for (int i = 0; i < TASKS; i++)
		if (fork() == 0) {
			write_in_process(journal);
			journal_close(journal);
			_exit(0);
		}
	for (int i = 0; i < TASKS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	journal_close(journal);
	text = text_of("tasks");
	check_numbers(text);
}

/* ---- another file */

static size_t lines_of(const char *name)
{
	CLEANUP_FREE char *text = text_of(name);
	size_t count = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		count++;
	return count;
}

static void rotate(const char *from, const char *to)
{
	char old[128];

	snprintf(old, sizeof(old), "%s", path_of(from));
	assert_int_equal(rename(old, path_of(to)), 0);
}

static void all_processes_reopen(void **state)
{
	struct journal *journal = open_at(path_of("rotated"), JOURNAL_TEXT);
	int begun[2], go[2], status;
	struct why why;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(begun), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		accept_one(journal);
		if (write(begun[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		accept_one(journal);
		journal_close(journal);
		_exit(0);
	}
	assert_int_equal(read(begun[0], &byte, 1), 1);
	rotate("rotated", "rotated.1");
	assert_int_equal(journal_reopen(journal, &why), 0);
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	accept_one(journal);
	assert_int_equal(lines_of("rotated.1"), 1);
	assert_int_equal(lines_of("rotated"), 2);
	journal_close(journal);
	for (int i = 0; i < 2; i++) {
		close(begun[i]);
		close(go[i]);
	}
}

static void the_old_file_stays(void **state)
{
	char path[128];
	struct journal *journal;
	struct why why = {""};

	(void)state;
	assert_int_equal(mkdir(path_of("sub"), 0700), 0);
	journal = open_at(path_of("sub/log"), JOURNAL_TEXT);
	snprintf(path, sizeof(path), "%s", path_of("sub"));
	assert_int_equal(rename(path, path_of("gone")), 0);
	assert_int_equal(journal_reopen(journal, &why), -ENOENT);
	assert_non_null(strstr(why.text, "sub/log anew"));
	accept_one(journal);
	assert_int_equal(lines_of("gone/log"), 1);
	journal_close(journal);
}

/* ---- trouble */

static void no_such_folder(void **state)
{
	struct journal *journal = NULL;
	struct why why = {""};

	(void)state;
	assert_int_equal(journal_open(path_of("none/log"), JOURNAL_TEXT, &journal, &why), -ENOENT);
	assert_null(journal);
	assert_non_null(strstr(why.text, "none/log: No such file"));
}

static void what_is_lost_is_counted(void **state)
{
	struct journal *journal = open_at("/dev/full", JOURNAL_TEXT);
	int error = 0;

	(void)state;
	assert_int_equal(journal_lost(journal, &error), 0);
	accept_one(journal);
	journal_said(journal, 1, "x", 1, 1);
	assert_int_equal(journal_lost(journal, &error), 2);
	assert_int_equal(error, ENOSPC);
	journal_close(journal);
}

static void no_journal(void **state)
{
	int error = 5;

	(void)state;
	assert_int_equal(accept_one(NULL), 0);
	journal_ended(NULL, 1, ENDED_BY_US, 0, 0, 0, 0);
	journal_said(NULL, 1, "x", 1, 1);
	assert_int_equal(journal_reopen(NULL, NULL), 0);
	assert_int_equal(journal_lost(NULL, &error), 0);
	assert_int_equal(journal_fd(NULL), -1);
	journal_close(NULL);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"text",	 "json",     "tasks", "rotated",
					    "rotated.1", "gone/log", "gone"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		remove(path_of(names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_lines),		cmocka_unit_test(json_lines),
		cmocka_unit_test(long_text_is_cut),	cmocka_unit_test(tasks_do_not_mix),
		cmocka_unit_test(all_processes_reopen), cmocka_unit_test(the_old_file_stays),
		cmocka_unit_test(no_such_folder),	cmocka_unit_test(what_is_lost_is_counted),
		cmocka_unit_test(no_journal),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
