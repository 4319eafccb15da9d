#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/explain_json.h"
#include "cmd/explain_testing.h"
#include "tcp/state.h"

/* ---- JSON */

static json_t *line_of(const struct finding *finding, const struct explain_names *names)
{
	char *text;
	size_t length;
	struct json_writer json = JSON_WRITER(open_memstream(&text, &length));
	json_t *line;

	explain_json_finding(&json, finding, names);
	fclose(json.out);
	assert_ptr_equal(memchr(text, '\n', length), text + length - 1);
	line = json_loads(text, 0, NULL);
	assert_non_null(line);
	free(text);
	return line;
}

static void check_text(const json_t *line, const char *key, const char *want)
{
	assert_non_null(json_object_get(line, key));
	if (want)
		assert_string_equal(json_string_value(json_object_get(line, key)), want);
	else
		assert_true(json_is_null(json_object_get(line, key)));
}

/* @want below 0: null. */
static void check_number(const json_t *line, const char *key, double want)
{
	assert_non_null(json_object_get(line, key));
	if (want < 0)
		assert_true(json_is_null(json_object_get(line, key)));
	else
		assert_true(json_number_value(json_object_get(line, key)) == want);
}

static void json_of_a_graceful_close(void **state)
{
	struct finding finding = graceful(7);
	json_t *line;

	(void)state;
	finding.end[TRACK_SERVER].fin_count = 3;
	finding.fin_repeater = TRACK_SERVER;
	finding.fin_interval_count = 2;
	finding.fin_interval_ms[0] = 204;
	finding.fin_interval_ms[1] = 408;
	line = line_of(&finding, NULL);
	check_text(line, "schema", "contest.explain/1");
	check_number(line, "number", 7);
	check_text(line, "client", "10.0.0.1:40000");
	check_text(line, "server", "10.0.1.1:80");
	check_text(line, "ending", "graceful");
	check_text(line, "closed_first", "client");
	check_text(line, "client_state", "TIME-WAIT");
	check_text(line, "server_state", "CLOSED");
	check_number(line, "handshake_us", 1234.567);
	check_number(line, "half_closed_s", 1.5);
	check_number(line, "fin_retransmits", 2);
	check_number(line, "client_fin_retransmits", 0);
	check_number(line, "server_fin_retransmits", 2);
	check_text(line, "fin_intervals_of", "server");
	assert_int_equal(json_array_size(json_object_get(line, "fin_intervals_ms")), 2);
	check_number(line, "first", 1700000000);
	check_text(line, "rst", NULL);
	check_number(line, "reuses", -1);
	check_text(line, "reused_held_by", NULL);
	json_decref(line);
}

static void json_of_a_reset(void **state)
{
	struct finding finding = reset(1, 1, TRACK_SERVER, RST_UNREAD_DATA);
	json_t *line, *rst;

	(void)state;
	send_fin(&finding, TRACK_CLIENT, SECOND);
	finding.reuses = 5;
	finding.reused_after_ns = SECOND / 4;
	finding.reused_held_by = WHO_SERVER;
	line = line_of(&finding, NULL);
	rst = json_object_get(line, "rst");
	check_text(rst, "from", "server");
	check_text(rst, "cause", "unread-data");
	check_number(rst, "at", 1700000003);
	check_number(rst, "ttl", -1);
	check_number(line, "half_closed_s", 2);
	check_number(line, "reuses", 5);
	check_number(line, "reused_after_s", 0.25);
	check_text(line, "reused_held_by", "server");
	check_text(line, "problem", "reset-unread");
	json_decref(line);
}

static void json_of_what_is_unknown(void **state)
{
	struct finding finding = graceful(1);
	json_t *line;

	(void)state;
	finding.first_ns = finding.last_ns = FINDING_TIME_UNKNOWN;
	finding.handshake_ns = 0;
	finding.end[0].state = -1;
	finding.end[0].since_ns = FINDING_TIME_UNKNOWN;
	line = line_of(&finding, NULL);
	check_number(line, "first", -1);
	check_number(line, "last", -1);
	check_number(line, "handshake_us", -1);
	check_number(line, "half_closed_s", -1);
	check_text(line, "client_state", "unknown");
	check_number(line, "client_state_since", -1);
	json_decref(line);
}

static void json_has_a_length_only_of_a_half_close(void **state)
{
	struct finding finding = graceful(1);
	json_t *line;

	(void)state;
	finding.ending = ENDING_SIMULTANEOUS;
	line = line_of(&finding, NULL);
	check_number(line, "half_closed_s", -1);
	json_decref(line);
	finding = graceful(1);
	finding.end[1].fin_inferred = true; /* nobody knows when it was sent */
	line = line_of(&finding, NULL);
	check_number(line, "half_closed_s", -1);
	json_decref(line);
	finding = opened(1, 1, 80);
	send_fin(&finding, TRACK_SERVER, SECOND);
	finding.ending = ENDING_HALF_CLOSED;
	line = line_of(&finding, NULL);
	check_number(line, "half_closed_s", 2); /* so far */
	json_decref(line);
}

static void json_of_names(void **state)
{
	char hostile[] = "www\"\x1b[31m\xff:http";
	struct explain_names names = {.name = a_name, .context = hostile};
	struct finding finding = opened(1, 1, 80);
	json_t *line = line_of(&finding, &names);

	(void)state;
	check_text(line, "client", "10.0.0.1:40000");
	check_text(line, "server", "www\"\x1b[31m\xef\xbf\xbd:http");
	json_decref(line);
}

/* ---- the schema */

static json_t *schema_at(json_t *schema, const char *const *path, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		schema = json_is_array(schema) ? json_array_get(schema, (size_t)atoi(path[i]))
					       : json_object_get(schema, path[i]);
		if (!schema)
			fail_msg("no %s in the schema", path[i]);
	}
	return schema;
}

#define AT(schema, ...)                                                                            \
	schema_at(schema, (const char *const[]){__VA_ARGS__},                                      \
		  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The list is @count names and, with @null, null. */
static void check_enum(const json_t *list, const char *(*name)(int), int first, int count,
		       bool null)
{
	size_t known = 0;

	for (int i = first; i < count; i++) {
		const json_t *value;
		bool found = false;
		size_t at;

		json_array_foreach (list, at, value)
			found = found || (json_is_string(value) &&
					  strcmp(json_string_value(value), name(i)) == 0);
		if (!found)
			fail_msg("\"%s\" is not in the schema", name(i));
		known++;
	}
	assert_int_equal(json_array_size(list), known + null);
}

static const char *opened_name(int i)
{
	return finding_opened_name((enum finding_opened)i);
}

static const char *ending_name(int i)
{
	return finding_ending_name((enum finding_ending)i);
}

static const char *who_name(int i)
{
	return finding_who_name((enum finding_who)i);
}

static const char *confidence_name(int i)
{
	return finding_confidence_name((enum finding_confidence)i);
}

static const char *option_name(int i)
{
	return finding_option_name((enum finding_option)i);
}

static const char *problem_name(int i)
{
	return finding_problem_name((enum finding_problem)i);
}

static const char *cause_name(int i)
{
	return rst_cause_name((enum rst_cause)i);
}

/* -1 is unknown, TCP_STATE_NONE and TCP_CLOSE are both CLOSED. */
static const char *state_name(int i)
{
	return finding_state_name(i == TCP_CLOSE ? -1 : i);
}

static void schema_knows_all_names(void **state)
{
	json_t *schema = json_load_file(EXPLAIN_SCHEMA, 0, NULL);
	json_t *keys = AT(schema, "properties"), *rst = AT(keys, "rst", "anyOf", "1", "properties");

	(void)state;
	check_enum(AT(keys, "opened", "enum"), opened_name, 0, OPENED_COUNT, false);
	check_enum(AT(keys, "ending", "enum"), ending_name, 0, ENDING_COUNT, false);
	check_enum(AT(keys, "closed_first", "enum"), who_name, 0, WHO_COUNT, false);
	check_enum(AT(keys, "time_wait_holder", "enum"), who_name, 0, WHO_COUNT, false);
	check_enum(AT(keys, "reused_held_by", "enum"), who_name, 0, WHO_COUNT, true);
	check_enum(AT(keys, "problem", "enum"), problem_name, PROBLEM_NONE + 1, PROBLEM_COUNT,
		   true);
	check_enum(AT(rst, "cause", "enum"), cause_name, RST_NONE + 1, RST_CAUSE_COUNT, false);
	check_enum(AT(rst, "confidence", "enum"), confidence_name, 0, CONFIDENCE_COUNT, false);
	check_enum(AT(schema, "$defs", "option", "enum"), option_name, 0, OPTION_AGREEMENT_COUNT,
		   false);
	check_enum(AT(schema, "$defs", "state", "enum"), state_name, 0, TCP_CLOSING + 1, false);
	json_decref(schema);
}

/* All keys are required, and there are no others. */
static void check_keys(json_t *object, const json_t *schema)
{
	const json_t *required = json_object_get(schema, "required"), *key;
	size_t i;

	json_array_foreach (required, i, key)
		if (!json_object_get(object, json_string_value(key)))
			fail_msg("no \"%s\"", json_string_value(key));
	assert_int_equal(json_object_size(object), json_array_size(required));
	assert_int_equal(json_object_size(json_object_get(schema, "properties")),
			 json_array_size(required));
}

static void schema_knows_all_keys(void **state)
{
	json_t *schema = json_load_file(EXPLAIN_SCHEMA, 0, NULL);
	struct finding finding = reset(1, 1, TRACK_CLIENT, RST_ABORT);
	json_t *line = line_of(&finding, NULL);

	(void)state;
	check_keys(line, schema);
	check_keys(json_object_get(line, "rst"), AT(schema, "properties", "rst", "anyOf", "1"));
	check_keys(json_object_get(line, "mss"), AT(schema, "properties", "mss"));
	check_keys(json_object_get(line, "window_shift"), AT(schema, "properties", "window_shift"));
	json_decref(line);
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_of_a_graceful_close),
		cmocka_unit_test(json_of_a_reset),
		cmocka_unit_test(json_of_what_is_unknown),
		cmocka_unit_test(json_has_a_length_only_of_a_half_close),
		cmocka_unit_test(json_of_names),
		cmocka_unit_test(schema_knows_all_names),
		cmocka_unit_test(schema_knows_all_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
