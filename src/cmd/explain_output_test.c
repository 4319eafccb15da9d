/* What explain prints of made findings: JSON, Zeek's log, problems, the summary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/explain_json.h"
#include "cmd/explain_problems.h"
#include "cmd/explain_summary.h"
#include "cmd/explain_zeek.h"
#include "tcp/state.h"

#define START  INT64_C(1700000000000000000)
#define SECOND INT64_C(1000000000)

/* A connection that was opened, 3 s long; the client's address ends in @host. */
static struct finding opened(uint64_t number, uint8_t host, uint16_t port)
{
	struct finding finding = {
		.number = number,
		.opened = OPENED_CLIENT_SYN,
		.handshake = true,
		.handshake_ns = 1234567,
		.ending = ENDING_OPEN,
		.closed_first = WHO_NONE,
		.time_wait_holder = WHO_NONE,
		.first_ns = START,
		.last_ns = START + 3 * SECOND,
	};

	for (size_t i = 0; i < 2; i++) {
		struct finding_end *end = &finding.end[i];
		uint8_t address[] = {10, 0, (uint8_t)i, i ? 1 : host};

		end->endpoint.address.family = AF_INET;
		memcpy(end->endpoint.address.bytes, address, 4);
		end->endpoint.port = i ? port : 40000;
		end->seen = end->syn_seen = true;
		end->state = TCP_ESTABLISHED;
		end->since_ns = START;
		end->last_ns = finding.last_ns;
		end->packets = 4;
		end->bytes = 100;
	}
	return finding;
}

static void send_fin(struct finding *finding, unsigned which, int64_t at_ns)
{
	struct finding_end *end = &finding->end[which];

	end->fin_seen = true;
	end->fin_count = 1;
	end->fin_ns = START + at_ns;
}

static struct finding graceful(uint64_t number)
{
	struct finding finding = opened(number, 1, 80);

	send_fin(&finding, TRACK_CLIENT, SECOND);
	send_fin(&finding, TRACK_SERVER, 2 * SECOND + SECOND / 2);
	finding.ending = ENDING_GRACEFUL;
	finding.closed_first = finding.time_wait_holder = WHO_CLIENT;
	finding.end[TRACK_CLIENT].time_wait = true;
	finding.end[TRACK_CLIENT].state = TCP_TIME_WAIT;
	finding.end[TRACK_SERVER].state = TCP_STATE_NONE;
	return finding;
}

static struct finding reset(uint64_t number, uint8_t host, unsigned from, enum rst_cause cause)
{
	struct finding finding = opened(number, host, 80);

	finding.ending = ENDING_RESET;
	finding.rst = (struct finding_rst){
		.any = true,
		.from = from,
		.cause = cause,
		.at_ns = finding.last_ns,
		.ends = true,
		.count = 1,
	};
	finding.end[from].rst_count = 1;
	finding.end[0].state = finding.end[1].state = TCP_STATE_NONE;
	return finding;
}

/* ---- JSON */

static const char *a_name(void *context, const struct tcp_endpoint *endpoint)
{
	return endpoint->port == 80 ? context : NULL;
}

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

/* ---- Zeek */

static void check_state(const struct finding *finding, const char *want)
{
	assert_string_equal(explain_zeek_state(finding), want);
}

static void zeek_of_open_and_closed(void **state)
{
	struct finding finding = graceful(1);

	(void)state;
	check_state(&finding, "SF");
	/* Data that met a closed socket, after both FINs. */
	finding.end[0].rst_count = 1;
	check_state(&finding, "SF");
	finding = opened(1, 1, 80);
	check_state(&finding, "S1");
	send_fin(&finding, TRACK_CLIENT, 0);
	check_state(&finding, "S2");
	finding = opened(1, 1, 80);
	send_fin(&finding, TRACK_SERVER, 0);
	check_state(&finding, "S3");
	finding.end[TRACK_SERVER].fin_inferred = true;
	check_state(&finding, "S1");
}

static void zeek_of_resets(void **state)
{
	struct finding finding = reset(1, 1, TRACK_CLIENT, RST_ABORT);

	(void)state;
	check_state(&finding, "RSTO");
	send_fin(&finding, TRACK_CLIENT, 0);
	check_state(&finding, "RSTO");
	finding = reset(1, 1, TRACK_SERVER, RST_ABORT);
	check_state(&finding, "RSTR");
	finding.end[TRACK_CLIENT].syn_seen = false;
	check_state(&finding, "RSTRH");
	/* Refused: the server never sent a SYN. */
	finding = reset(1, 1, TRACK_SERVER, RST_REFUSED);
	finding.end[TRACK_SERVER].syn_seen = false;
	check_state(&finding, "REJ");
}

static void zeek_of_what_never_opened(void **state)
{
	struct finding finding = opened(1, 1, 80);
	struct finding_end *client = &finding.end[TRACK_CLIENT];
	struct finding_end *server = &finding.end[TRACK_SERVER];

	(void)state;
	server->seen = server->syn_seen = false;
	client->bytes = 0;
	check_state(&finding, "S0");
	send_fin(&finding, TRACK_CLIENT, 0);
	check_state(&finding, "SH");
	client->fin_seen = false;
	client->rst_count = 1;
	check_state(&finding, "RSTOS0");
	client->bytes = 1;
	check_state(&finding, "OTH");
	/* Only the server is in the capture. */
	finding = opened(1, 1, 80);
	finding.end[TRACK_CLIENT].seen = finding.end[TRACK_CLIENT].syn_seen = false;
	check_state(&finding, "OTH");
	send_fin(&finding, TRACK_SERVER, 0);
	check_state(&finding, "SHR");
	/* Begun before the capture. */
	finding = opened(1, 1, 80);
	finding.end[0].syn_seen = finding.end[1].syn_seen = false;
	check_state(&finding, "OTH");
}

static void zeek_lines(void **state)
{
	char hostile[] = "w\tw:ht\x7ftp";
	struct explain_names names = {.name = a_name, .context = hostile};
	struct finding finding = graceful(3);
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	explain_zeek_finding(out, &finding, "ShAFaf", NULL);
	finding.last_ns = finding.first_ns;
	explain_zeek_finding(out, &finding, "", &names);
	finding.end[0].endpoint.address.family = AF_INET6;
	memset(finding.end[0].endpoint.address.bytes, 0xfd, 16);
	finding.first_ns = -1;
	explain_zeek_finding(out, &finding, NULL, &names);
	fclose(out);
	assert_string_equal(
		text,
		"1700000000.000000\tC3\t10.0.0.1\t40000\t10.0.1.1\t80\ttcp\t3.000000\t100\t100\tSF\t"
		"ShAFaf\t4\t4\n"
		"1700000000.000000\tC3\t10.0.0.1\t40000\tw\\x09w\tht\\x7ftp\ttcp\t-\t-\t-\tSF\t-\t4\t"
		"4\n"
		"-0.000001\tC3\tfdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd\t40000\tw\\x09w\tht\\x7ftp\t"
		"tcp\t1700000000.000000\t100\t100\tSF\t-\t4\t4\n");
	free(text);
}

/* ---- problems */

static char *problems_text(const struct explain_problems *problems, unsigned width)
{
	struct screen screen = {.width = width};
	char *text;
	size_t length;

	screen.out = open_memstream(&text, &length);
	explain_problems_print(&screen, problems, NULL, "contest explain a.pcap");
	fclose(screen.out);
	return text;
}

static void add_problem(struct explain_problems *problems, const struct finding *finding)
{
	assert_int_equal(explain_problems_add(problems, finding), 0);
}

/* That the texts stand in it, one behind the other. */
static void check_order(const char *text, const char *const *want, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *at = strstr(text, want[i]);

		if (!at)
			fail_msg("no \"%s\" in \"%s\"", want[i], text);
		else
			text = at + strlen(want[i]);
	}
}

static void problems_worst_first_and_together(void **state)
{
	static const char *const want[] = {
		"6 of 7 connections deserve a look\n",
		"\nreset-unread: 4 connections\n  2 to 10.0.1.1:80, such as number 2\n",
		"  1 to 10.0.1.1:443, number 5\n    Number 2: ",
		"Look at it: contest explain a.pcap --connection 2 --ladder\n",
		"  1 to 10.0.1.1:80, number 6\n    Number 6: ", /* it was the client there */
		"\nhalf-closed: 2 connections\n",
		"such as number 3\n",
	};
	struct explain_problems *problems = explain_problems_new();
	struct finding finding = opened(1, 1, 80);
	char *text;

	(void)state;
	add_problem(problems, &finding);
	finding = reset(2, 1, TRACK_SERVER, RST_UNREAD_DATA);
	finding.end[TRACK_SERVER].data_unanswered = true;
	add_problem(problems, &finding);
	finding.number = 4;
	add_problem(problems, &finding);
	finding.number = 5;
	finding.end[TRACK_SERVER].endpoint.port = 443;
	add_problem(problems, &finding);
	finding = reset(6, 1, TRACK_CLIENT, RST_UNREAD_DATA);
	add_problem(problems, &finding);
	for (uint64_t number = 3; number < 9; number += 5) {
		finding = opened(number, 1, 80);
		send_fin(&finding, TRACK_CLIENT, SECOND + (int64_t)number);
		finding.end[TRACK_CLIENT].fin_acked = true;
		finding.end[TRACK_CLIENT].fin_acked_ns = START + SECOND;
		finding.end[TRACK_CLIENT].state = TCP_FIN_WAIT2;
		finding.end[TRACK_SERVER].state = TCP_CLOSE_WAIT;
		finding.ending = ENDING_HALF_CLOSED;
		finding.closed_first = WHO_CLIENT;
		add_problem(problems, &finding);
	}
	assert_int_equal(explain_problems_count(problems), 6);
	text = problems_text(problems, 100);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	free(text);
	explain_problems_free(problems);
}

static void problems_bounded(void **state)
{
	static const char *const want[] = {
		"reset-unread: 2000 connections\n",
		"  1 to 10.0.1.1:1, number 1\n",
		"  502 to 502 other servers\n",
		"  1488 to servers for which there was no room here\n",
	};
	struct explain_problems *problems = explain_problems_new();
	char *text;

	(void)state;
	for (uint64_t i = 1; i <= 2000; i++) {
		struct finding finding = reset(i, 1, TRACK_SERVER, RST_UNREAD_DATA);

		finding.end[TRACK_SERVER].endpoint.port = (uint16_t)i;
		add_problem(problems, &finding);
	}
	text = problems_text(problems, 80);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	free(text);
	explain_problems_free(problems);
}

static void no_problems(void **state)
{
	struct explain_problems *problems = explain_problems_new();
	struct finding finding = opened(1, 1, 80);
	char *text = problems_text(problems, 80);

	(void)state;
	assert_string_equal(text, "No connections\n");
	free(text);
	add_problem(problems, &finding);
	text = problems_text(problems, 80);
	assert_string_equal(text, "Nothing deserves a look (1 connection)\n");
	free(text);
	explain_problems_free(problems);
}

/* ---- the summary */

static char *summary_text(const struct explain_model *model, unsigned width, bool utf8)
{
	struct screen screen = {.width = width, .utf8 = utf8};
	char *text;
	size_t length;

	screen.out = open_memstream(&text, &length);
	explain_summary_print(&screen, model);
	fclose(screen.out);
	return text;
}

/* Nothing is wider than the screen, or ends in blanks, or is no plain text. */
static void check_lines(const char *text, unsigned width, bool utf8)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		char *line = strndup(text, length);

		assert_int_equal(text[length], '\n');
		if (screen_columns(line) > width || (length && line[length - 1] == ' '))
			fail_msg("at %u: \"%s\"", width, line);
		for (const char *at = line; *at; at++)
			assert_true((unsigned char)*at >= 0x20 &&
				    (utf8 || (unsigned char)*at < 0x7f));
		free(line);
		text += length + 1;
	}
}

static void check_widths(const struct explain_model *model)
{
	for (unsigned width = 40; width <= 120; width++) {
		char *text = summary_text(model, width, width % 2);

		check_lines(text, width, width % 2);
		free(text);
	}
}

static void summary_of_few(void **state)
{
	static const char *const want[] = {
		"2 connections, 17 packets in 3 s, from a.pcap\n",
		"\n  1 10.0.0.1:40000 → w\\x1bw:http  graceful\n",
		"    client closed first; at the end client TIME-WAIT, server CLOSED;",
		"\n  2 10.0.0.1:40000 → w\\x1bw:http  reset\n",
		"\n    reset-unread: ",
		"\n1 connection deserves a look: reset-unread 1.\n",
		"\nNotes\n  - cut off\n",
		"  - 1 packet: not TCP\n",
	};
	static const char *const notes[] = {"cut off"};
	char hostile[] = "w\x1bw:http";
	struct explain_names names = {.name = a_name, .context = hostile};
	struct explain_model model = {
		.from = "a.pcap",
		.packets = 17,
		.sums = {.first_ns = START, .last_ns = START + 3 * SECOND},
		.decoded = {[DECODE_NOT_TCP] = 1},
		.notes = notes,
		.note_count = 1,
		.names = &names,
	};
	struct finding finding = graceful(1);
	char *text;

	(void)state;
	assert_int_equal(explain_model_add(&model, &finding), 0);
	finding = reset(2, 1, TRACK_SERVER, RST_UNREAD_DATA);
	assert_int_equal(explain_model_add(&model, &finding), 0);
	text = summary_text(&model, 100, true);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	assert_null(strstr(text, "Ending"));
	free(text);
	check_widths(&model);
	explain_model_done(&model);
}

static void summary_of_many(void **state)
{
	static const char *const want[] = {
		"4000 connections, 0 packets\n",
		"\nEnding    connections  share\n",
		"graceful         3999  100.0 %\n",
		"reset               1   <0.1 %\n",
		"\nClosed first  connections  share\n",
		"client               3999  100.0 %\n",
		"nobody                  1   <0.1 %\n",
		"Port  total  graceful  reset  by client\n",
		"  80   4000      3999      1       3999\n",
		"\nActive closer  closed first  left with TIME-WAIT\n",
		"10.0.0.1                 20                   20\n",
		"10.0.0.10                20                   20\n",
		"and 190 more hosts\n",
		"unread-data            1  close()",
		"1 connection deserves a look: reset-unread 1.\n",
	};
	struct explain_model model = {
		.sums = {.first_ns = FINDING_TIME_UNKNOWN, .last_ns = FINDING_TIME_UNKNOWN},
	};
	char *text;

	(void)state;
	for (uint64_t i = 1; i < 4000; i++) {
		struct finding finding = graceful(i);

		finding.end[0].endpoint.address.bytes[3] = (uint8_t)(i % 200);
		assert_int_equal(explain_model_add(&model, &finding), 0);
	}
	{
		struct finding finding = reset(4000, 1, TRACK_CLIENT, RST_UNREAD_DATA);

		assert_int_equal(explain_model_add(&model, &finding), 0);
	}
	text = summary_text(&model, 80, false);
	check_order(text, want, sizeof(want) / sizeof(want[0]));
	assert_null(strstr(text, "Notes"));
	assert_null(strstr(text, "10.0.0.1:40000"));
	free(text);
	text = summary_text(&model, 80, true);
	assert_non_null(strstr(text, "3999  100.0 %  ████████████████████████\n"));
	assert_non_null(strstr(text, "   1   <0.1 %  ▏\n"));
	free(text);
	check_widths(&model);
	explain_model_done(&model);
}

static void summary_of_nothing(void **state)
{
	struct explain_model model = {.no_times = true};
	char *text = summary_text(&model, 80, false);

	(void)state;
	assert_string_equal(text, "0 connections, 0 packets\n\nNotes\n  - the text has no times: "
				  "nothing is said of how long anything took\n");
	free(text);
	explain_model_done(&model);
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
		cmocka_unit_test(zeek_of_open_and_closed),
		cmocka_unit_test(zeek_of_resets),
		cmocka_unit_test(zeek_of_what_never_opened),
		cmocka_unit_test(zeek_lines),
		cmocka_unit_test(problems_worst_first_and_together),
		cmocka_unit_test(problems_bounded),
		cmocka_unit_test(no_problems),
		cmocka_unit_test(summary_of_few),
		cmocka_unit_test(summary_of_many),
		cmocka_unit_test(summary_of_nothing),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
