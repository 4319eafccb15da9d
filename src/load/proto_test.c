/* What each protocol says, and what it takes for an answer, in pieces of each size. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "load/proto_list.h"
#include "load/tally.h"

#define PAYLOAD "one\ntwo\0\n"

static const struct load_plan plan = {
	.payload = PAYLOAD,
	.payload_length = sizeof(PAYLOAD) - 1,
	.answer_bytes = 5,
	.http_host = "a:80",
};

struct take_case {
	const char *comes;
	size_t length;
	bool fin;
	int outcome;
	size_t taken;
};

/* In pieces of @step bytes, after each of which all must have been taken but for the last. */
static void check_take(const struct load_protocol *protocol, const struct take_case *c, size_t step)
{
	struct answer_state state = {0};
	int outcome = ANSWER_MORE;
	size_t taken = 0;

	for (size_t at = 0; at < c->length && outcome == ANSWER_MORE;) {
		size_t n = step < c->length - at ? step : c->length - at, part = 99;

		outcome = protocol->take(&state, &plan, c->comes + at, n, &part);
		at += n;
		if (outcome < 0)
			break;
		taken += part;
		assert_true(part <= n && (part == n || outcome > ANSWER_MORE));
	}
	if (c->fin && outcome == ANSWER_MORE) {
		size_t part = 0;

		outcome = protocol->take(&state, &plan, NULL, 0, &part);
		assert_int_equal(part, 0);
	}
	if (outcome != c->outcome || (outcome >= 0 && taken != c->taken))
		fail_msg("%s, steps of %zu: outcome %d, %zu taken: %.*s", protocol->name, step,
			 outcome, taken, (int)c->length, c->comes);
	assert_int_equal(state.status, 0);
}

static void check_takes(const struct load_protocol *protocol, const struct take_case *cases,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t step = 1; step < 20; step++)
			check_take(protocol, &cases[i], step);
}

static void test_daytime(void **state)
{
	static char line[4096];
	static const struct take_case cases[] = {
		{"now\r\n", 5, false, ANSWER_LAST, 5},
		{"now\nthen\n", 9, false, ANSWER_LAST, 4},
		{"now", 3, false, ANSWER_MORE, 3},
		{"now", 3, true, ANSWER_LAST, 3},
		{"\n", 1, false, ANSWER_LAST, 1},
		{"", 0, true, -LOAD_FAIL_SHORT, 0},
		{line, sizeof(line), true, ANSWER_LAST, sizeof(line)},
	};
	struct answer_state answer = {0};
	size_t taken;

	(void)state;
	memset(line, 'x', sizeof(line));
	check_takes(&load_protocol_daytime, cases, ARRAY_SIZE(cases));
	/* without an end */
	assert_int_equal(load_protocol_daytime.take(&answer, &plan, line, sizeof(line), &taken),
			 ANSWER_MORE);
	assert_int_equal(load_protocol_daytime.take(&answer, &plan, line, 1, &taken),
			 -LOAD_FAIL_MALFORMED);
}

static void test_echo(void **state)
{
	static const struct take_case cases[] = {
		{PAYLOAD, 9, false, ANSWER_COMPLETE, 9},
		{PAYLOAD PAYLOAD, 18, false, ANSWER_COMPLETE, 9},
		{PAYLOAD, 8, false, ANSWER_MORE, 8},
		{PAYLOAD, 8, true, -LOAD_FAIL_SHORT, 0},
		{"", 0, true, -LOAD_FAIL_SHORT, 0},
		{"one\ntwo\0x", 9, false, -LOAD_FAIL_MALFORMED, 0},
		{"One\ntwo\0\n", 9, false, -LOAD_FAIL_MALFORMED, 0},
		{"one\ntwo\1", 8, false, -LOAD_FAIL_MALFORMED, 0},
	};
	const struct load_plan silent = {.payload = ""};
	char *request = NULL;
	size_t length = 7;

	(void)state;
	check_takes(&load_protocol_echo, cases, ARRAY_SIZE(cases));
	assert_int_equal(load_protocol_echo.request(&silent, false, &request, &length), -EINVAL);
	assert_null(request);
	assert_int_equal(length, 7);
	for (int last = 0; last < 2; last++) {
		assert_int_equal(load_protocol_echo.request(&plan, last, &request, &length), 0);
		assert_int_equal(length, 9);
		assert_memory_equal(request, PAYLOAD, 9);
		free(request);
	}
}

static void test_raw(void **state)
{
	static const struct take_case cases[] = {
		{"abcde", 5, false, ANSWER_COMPLETE, 5}, {"abcdef", 6, false, ANSWER_COMPLETE, 5},
		{"abcd", 4, false, ANSWER_MORE, 4},	 {"abcd", 4, true, -LOAD_FAIL_SHORT, 0},
		{"", 0, true, -LOAD_FAIL_SHORT, 0},
	};
	const struct load_plan silent = {.payload = NULL};
	char *request = NULL;
	size_t length = 7;

	(void)state;
	check_takes(&load_protocol_raw, cases, ARRAY_SIZE(cases));
	assert_true(load_protocol_raw.awaits(&plan));
	assert_false(load_protocol_raw.awaits(&silent));
	assert_int_equal(load_protocol_raw.request(&plan, true, &request, &length), 0);
	assert_int_equal(length, 9);
	assert_memory_equal(request, PAYLOAD, 9);
	free(request);
	assert_int_equal(load_protocol_raw.request(&silent, true, &request, &length), 0);
	assert_null(request);
	assert_int_equal(length, 0);
}

static void check_http(const struct load_plan *http, bool last, const char *expected)
{
	char *request = NULL;
	size_t length = 0;

	assert_int_equal(load_protocol_http.request(http, last, &request, &length), 0);
	assert_string_equal(request, expected);
	assert_int_equal(length, strlen(expected));
	free(request);
}

/* The server is asked to close only where it is to be the first to do so. */
static void test_http(void **state)
{
	static const char *const bad[] = {"", "/a b", "/\r\nX: y", "/\177", "/\t"};
	struct load_plan http = {.http_host = "[::1]:8080"};
	char *request = NULL;
	size_t length, taken;
	struct answer_state answer = {0};

	(void)state;
	for (int closing = 0; closing < LOAD_CLOSING_COUNT; closing++) {
		http.closing = (enum load_closing)closing;
		http.http_target = NULL;
		check_http(&http, false,
			   "GET / HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: contest\r\n\r\n");
		http.http_target = "/x?y=%20";
		check_http(&http, true,
			   closing == LOAD_CLOSE_PASSIVE
				   ? "GET /x?y=%20 HTTP/1.1\r\nHost: [::1]:8080\r\n"
				     "User-Agent: contest\r\nConnection: close\r\n\r\n"
				   : "GET /x?y=%20 HTTP/1.1\r\nHost: [::1]:8080\r\n"
				     "User-Agent: contest\r\n\r\n");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		http = (struct load_plan){.http_host = "a", .http_target = bad[i]};
		assert_int_equal(load_protocol_http.request(&http, false, &request, &length),
				 -EINVAL);
		http = (struct load_plan){.http_host = bad[i]};
		if (*bad[i]) /* a Host may be empty (RFC 9110, 7.2) */
			assert_int_equal(
				load_protocol_http.request(&http, false, &request, &length),
				-EINVAL);
	}
	http = (struct load_plan){.http_target = "/"};
	assert_int_equal(load_protocol_http.request(&http, false, &request, &length), -EINVAL);
	assert_null(request);
	assert_int_equal(load_protocol_http.take(&answer, &http, "HTTP/1.0 404\n\n", 14, &taken),
			 ANSWER_MORE);
	assert_int_equal(load_protocol_http.take(&answer, &http, NULL, 0, &taken), ANSWER_LAST);
	assert_int_equal(answer.status, 404);
}

static void test_list(void **state)
{
	static const char *const names[] = {"daytime", "echo", "http", "raw", "connect"};
	size_t i = 0;

	(void)state;
	for (; load_protocols[i]; i++) {
		const struct load_protocol *protocol = load_protocols[i];

		assert_true(i < ARRAY_SIZE(names));
		assert_string_equal(protocol->name, names[i]);
		assert_ptr_equal(load_protocol_find(names[i]), protocol);
		assert_true(strlen(protocol->summary) > 10);
		assert_int_equal(protocol->has_request, protocol->request != NULL);
		assert_int_equal(protocol->has_answer, protocol->take != NULL);
		assert_int_equal(protocol->usual_closing, strcmp(names[i], "daytime") == 0
								  ? LOAD_CLOSE_PASSIVE
								  : LOAD_CLOSE_ACTIVE);
	}
	assert_int_equal(i, ARRAY_SIZE(names));
	assert_null(load_protocol_find("echoo"));
	assert_null(load_protocol_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_daytime), cmocka_unit_test(test_echo),
		cmocka_unit_test(test_raw),	cmocka_unit_test(test_http),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
