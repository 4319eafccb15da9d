#include "lab/results.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static char directory[] = "/tmp/contest-results-XXXXXX";
static char path[sizeof(directory) + 32];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/results.json", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void put(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_refused(const char *text, const char *reason)
{
	json_t *document = NULL;
	struct why why = {0};
	char expected[512];

	put(text);
	assert_int_equal(results_read(path, &document, &why), -EPROTO);
	assert_null(document);
	snprintf(expected, sizeof(expected), "%s: %s", path, reason);
	assert_string_equal(why.text, expected);
}

static void a_document_comes_back_as_it_was(void **state)
{
	json_t *document = results_new("tun"), *back = NULL;
	struct why why = {0};

	(void)state;
	json_array_append_new(json_object_get(document, "results"),
			      json_pack("{s:s, s:f}", "id", "active-close", "seconds", 30.4));
	assert_int_equal(results_write(document, directory, &why), 0);
	assert_int_equal(results_read(path, &back, &why), 0);
	assert_true(json_equal(document, back));
	assert_non_null(results_find(back, "active-close"));
	assert_null(results_find(back, "half-close"));
	json_decref(document);
	json_decref(back);
}

static void numbers_are_short(void **state)
{
	json_t *document = results_new("tun");
	char *text;

	(void)state;
	json_object_set_new(document, "seconds", json_real(30.4));
	assert_int_equal(results_write(document, directory, NULL), 0);
	assert_int_equal(file_read(path, 1 << 20, &text, NULL), 0);
	assert_non_null(strstr(text, "\"seconds\": 30.4,"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
	json_decref(document);
}

static void started_is_utc(void **state)
{
	json_t *document = results_new("tun");
	const char *started = json_string_value(json_object_get(document, "started"));

	(void)state;
	assert_int_equal(strlen(started), strlen("2026-11-22T16:34:05Z"));
	assert_int_equal(started[10], 'T');
	assert_int_equal(started[19], 'Z');
	json_decref(document);
}

static void what_cannot_be_read_says_why(void **state)
{
	json_t *document = NULL;
	struct why why = {0};

	(void)state;
	unlink(path);
	assert_int_equal(results_read(path, &document, &why), -ENOENT);
	assert_non_null(strstr(why.text, "results.json: No such file or directory"));
	assert_refused("{\n \"schema\": contest }\n",
		       "damaged at line 2, column 18: invalid token near 'contest'");
	assert_refused("{\"schema\": \"contest.lab/2\", \"results\": []}",
		       "schema contest.lab/2 was written by a newer contest; this one reads "
		       "contest.lab/1");
	assert_refused("{\"schema\": \"contest.load/1\"}",
		       "its schema is 'contest.load/1'; this command reads contest.lab/1");
	assert_refused("{\"schema\": \"contest.lab/1x\"}",
		       "its schema is 'contest.lab/1x'; this command reads contest.lab/1");
	assert_refused("{}", "these are no results of contest lab: no schema");
	assert_refused("[]", "these are no results of contest lab: no schema");
	assert_refused("{\"schema\": \"contest.lab/1\"}", "damaged: it has no results[]");
	/* What could move a cursor does not get as far as the message. */
	assert_refused("{\"schema\": \"\\u001b[2J\"}",
		       "its schema is '?[2J'; this command reads contest.lab/1");
}

static void entries_of_another_form_are_passed_over(void **state)
{
	json_t *document = NULL;

	(void)state;
	put("{\"schema\": \"contest.lab/1\", \"results\": [1, null, {}, {\"id\": 5}, {\"id\": \"x\"}]}");
	assert_int_equal(results_read(path, &document, NULL), 0);
	assert_non_null(results_find(document, "x"));
	assert_null(results_find(document, "5"));
	json_decref(document);
}

static void a_failed_write_leaves_the_older_one(void **state)
{
	json_t *document = results_new("tun");
	struct why why = {0};
	char nowhere[sizeof(directory) + 16];

	(void)state;
	snprintf(nowhere, sizeof(nowhere), "%s/none", directory);
	assert_int_equal(results_write(document, nowhere, &why), -ENOENT);
	assert_non_null(strstr(why.text, "cannot write"));
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_comes_back_as_it_was),
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(started_is_utc),
		cmocka_unit_test(what_cannot_be_read_says_why),
		cmocka_unit_test(entries_of_another_form_are_passed_over),
		cmocka_unit_test(a_failed_write_leaves_the_older_one),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
