/* Each request is parsed whole and split at every byte boundary: both must come to the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "serve/http_parse.h"

#define H "Host: a\r\n"

/* What came of a request: outcome, bytes taken, whether a 100 was asked for. */
struct came {
	enum http_outcome outcome;
	size_t taken;
	bool stopped;
	struct http_parse parse;
};

static void feed(struct came *came, const char *bytes, size_t length)
{
	while (length && came->outcome != HTTP_COMPLETE && came->outcome != HTTP_TROUBLED) {
		size_t n = length + 1;

		came->outcome = http_parse(&came->parse, bytes, length, &n);
		assert_true(n <= length);
		came->taken += n;
		bytes += n;
		length -= n;
		if (came->outcome == HTTP_BODY) {
			assert_false(came->stopped);
			came->stopped = true;
		} else if (came->outcome == HTTP_MORE) {
			assert_int_equal(length, 0);
		}
	}
}

static struct came parse_split(const char *text, size_t length, size_t at)
{
	struct came came = {.outcome = HTTP_MORE};
	/* exactly as long, for the sanitizer */
	char *first = malloc(at + 1), *second = malloc(length - at + 1);

	assert_true(first && second);
	memcpy(first, text, at);
	memcpy(second, text + at, length - at);
	feed(&came, first, at);
	feed(&came, second, length - at);
	free(first);
	free(second);
	return came;
}

static struct came parse_all_ways(const char *text, size_t length)
{
	struct came whole = parse_split(text, length, length);

	for (size_t at = 0; at < length; at++) {
		struct came split = parse_split(text, length, at);

		if (split.outcome != whole.outcome || split.taken != whole.taken ||
		    split.stopped != whole.stopped || split.parse.flags != whole.parse.flags ||
		    split.parse.trouble != whole.parse.trouble)
			fail_msg("split at %zu: %s", at, text);
	}
	return whole;
}

struct good {
	const char *text;
	const char *next; /* what follows it and is not its */
	unsigned flags;
	bool keeps;
};

static void test_good(void **state)
{
	static const struct good requests[] = {
		{"GET / HTTP/1.0\r\n\r\n", "G", 0, false},
		{"GET / HTTP/1.0\n\n", "G", 0, false},
		{"\r\n\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "G", HTTP_11 | HTTP_HOST, true},
		{"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "",
		 HTTP_11 | HTTP_HOST | HTTP_CLOSE, false},
		{"GET / HTTP/1.1\r\n" H "cOnNection:\tfoo ,CLOSE , upgrade\r\n\r\n", "",
		 HTTP_11 | HTTP_HOST | HTTP_CLOSE, false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", HTTP_KEEP, true},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "",
		 HTTP_KEEP | HTTP_CLOSE, false},
		{"GET / HTTP/1.1\r\n" H "Connection: clo se,closed,clos\r\n\r\n", "",
		 HTTP_11 | HTTP_HOST, true},
		{"HEAD /x?y HTTP/1.1\r\n" H "\r\n", "HEAD", HTTP_11 | HTTP_HOST | HTTP_HEAD, true},
		{"HEADS / HTTP/1.0\r\n\r\n", "", 0, false},
		{"HEA / HTTP/1.0\r\n\r\n", "", 0, false},
		{"CON / HTTP/1.0\r\n\r\n", "", 0, false},
		{"GET / HTTP/1.9\r\n" H "\r\n", "", HTTP_11 | HTTP_HOST, true},
		{"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde", "GET",
		 HTTP_11 | HTTP_HOST | HTTP_LENGTH, true},
		{"POST / HTTP/1.1\r\n" H "Content-Length:  0005 \t\r\n\r\nabcde", "GET",
		 HTTP_11 | HTTP_HOST | HTTP_LENGTH, true},
		{"POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", "GET",
		 HTTP_11 | HTTP_HOST | HTTP_LENGTH, true},
		{"POST / HTTP/1.1\r\n" H "Content-Lengths: x\r\nContent-Lengt: x\r\nContent: x\r\n"
		 "Con: x\r\nHosts: b\r\nHo: \r\nEost: b\r\nX:\r\n\r\n",
		 "GET", HTTP_11 | HTTP_HOST, true},
		{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
		 "GET", HTTP_11 | HTTP_HOST | HTTP_CHUNKED, true},
		{"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \t Chunked \r\n\r\n"
		 "1\na\n00 \nTrailer: yes\nB: c\r\n\n",
		 "GET", HTTP_11 | HTTP_HOST | HTTP_CHUNKED, true},
		{"PUT / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nab", "P",
		 HTTP_11 | HTTP_HOST | HTTP_CONTINUE | HTTP_LENGTH, true},
		{"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
		 "0\r\n\r\n",
		 "P", HTTP_11 | HTTP_HOST | HTTP_CONTINUE | HTTP_CHUNKED, true},
		/* nothing to continue with, or an old client */
		{"PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", "P", HTTP_11 | HTTP_HOST,
		 true},
		{"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "P",
		 HTTP_LENGTH, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct good *good = &requests[i];
		char text[512];
		struct came came;

		strcpy(text, good->text);
		strcat(text, good->next);
		came = parse_all_ways(text, strlen(text));
		if (came.outcome != HTTP_COMPLETE || came.taken != strlen(good->text) ||
		    came.parse.flags != good->flags || http_keeps(&came.parse) != good->keeps)
			fail_msg("outcome %d, %zu taken, flags %x: %s", came.outcome, came.taken,
				 came.parse.flags, text);
		assert_int_equal(came.stopped, !!(good->flags & HTTP_CONTINUE));
		assert_string_equal(http_status(came.parse.trouble), "200 OK");
	}
}

static void test_unfinished(void **state)
{
	static const char *const texts[] = {
		"",
		"\r\n\r\n",
		"G",
		"GET / HTTP/1.",
		"GET / HTTP/1.1\r\n" H,
		"GET / HTTP/1.0\r\n\r",
		"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n1",
		"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(parse_all_ways(texts[i], strlen(texts[i])).outcome, HTTP_MORE);
}

static void check_trouble(const char *text, size_t length, const char *status)
{
	struct came came = parse_all_ways(text, length);

	if (came.outcome != HTTP_TROUBLED ||
	    strncmp(http_status(came.parse.trouble), status, 3) != 0)
		fail_msg("%s, expected %s: %s", http_status(came.parse.trouble), status, text);
	assert_false(http_keeps(&came.parse));
}

static void test_bad(void **state)
{
	static const struct {
		const char *status, *text;
	} requests[] = {
		{"400", " GET / HTTP/1.1\r\n"},
		{"400", "GET  HTTP/1.1\r\n"},
		{"400", "GET /\r\n"},
		{"400", "GET / HTTP/1.1 \r\n"},
		{"400", "GET / http/1.1\r\n"},
		{"400", "GET / HTTP/1.x\r\n"},
		{"400", "GET / HTTP/1.10\r\n"},
		{"400", "GET / HTTP/x.1\r\n"},
		{"400", "G@T / HTTP/1.1\r\n"},
		{"400", "GET /\x01 HTTP/1.1\r\n"},
		{"400", "GET / HTTP/1.1\rX"},
		{"400", "\rX"},
		{"505", "GET / HTTP/2.0\r\n"},
		{"505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"505", "GET / HTTP/0.9\r\n"},
		{"501", "CONNECT a:1 HTTP/1.1\r\n"},
		{"400", "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
		{"400", "GET / HTTP/1.1\r\n" H H "\r\n"},
		{"400", "GET / HTTP/1.0\r\n folded\r\n"},
		{"400", "GET / HTTP/1.0\r\nA: b\r\n folded\r\n"},
		{"400", "GET / HTTP/1.0\r\nA : b\r\n"},
		{"400", "GET / HTTP/1.0\r\n: b\r\n"},
		{"400", "GET / HTTP/1.0\r\nA\r\n"},
		{"400", "GET / HTTP/1.0\r\nA: b\rc\r\n"},
		{"400", "GET / HTTP/1.0\r\nA: b\x7f\r\n"},
		{"400", "GET / HTTP/1.0\r\nConnection: \x01\r\n"},
		{"400", "GET / HTTP/1.0\r\n\rX"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: \r\n"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: -1\r\n"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: +1\r\n"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: 1 2\r\n"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: 1,1\r\n"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: 0x1\r\n"},
		{"400", "GET / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n"},
		{"413", "GET / HTTP/1.0\r\nContent-Length: 1073741825\r\n\r\n"},
		{"413", "GET / HTTP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n"},
		{"501", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n"},
		{"501", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n"},
		{"501", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n"},
		{"501", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chun ked\r\n"},
		{"501", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked x\r\n"},
		{"501", "GET / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n"},
		{"400", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chun\vked\r\n"},
		{"400", "GET / HTTP/1.1\r\n" H
			"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
		{"400", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"400",
		 "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"417", "GET / HTTP/1.1\r\n" H "Expect: the-unexpected\r\n"},
#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
		{"400", CHUNKED "\r\n"},
		{"400", CHUNKED "x\r\n"},
		{"400", CHUNKED "-1\r\n"},
		{"400", CHUNKED "1\r\nab\r\n"},
		{"400", CHUNKED "1\r\na\rb"},
		{"400", CHUNKED "1\rX"},
		{"400", CHUNKED "1;\x01\r\n"},
		{"413", CHUNKED "40000001\r\n"},
		{"413", CHUNKED "ffffffffffffffffffffffff\r\n"},
		{"400", CHUNKED "0\r\n folded\r\n"},
		{"400", CHUNKED "0\r\nA: \x01\r\n"},
		{"400", CHUNKED "0\r\nA: b\rc"},
		{"400", CHUNKED "0\r\n\rX"},
	};
	static const char zero[] = "GET / HTTP/1.0\r\nA: \0\r\n\r\n";
	static const char zero_name[] = "GET / HTTP/1.0\r\nHost\0: a\r\n\r\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		check_trouble(requests[i].text, strlen(requests[i].text), requests[i].status);
	check_trouble(zero, sizeof(zero) - 1, "400");
	check_trouble(zero_name, sizeof(zero_name) - 1, "400");
	assert_string_equal(http_status(255), "400 Bad Request");
}

/* @before, then @fill without end: the parser gives up, at @most bytes, with @status. */
static void check_bound(const char *before, char fill, uint64_t most, const char *status)
{
	struct came came = {.outcome = HTTP_MORE};
	char block[4096];

	memset(block, fill, sizeof(block));
	feed(&came, before, strlen(before));
	while (came.outcome == HTTP_MORE) {
		assert_true(came.taken <= most + strlen(before));
		feed(&came, block, sizeof(block));
	}
	assert_int_equal(came.outcome, HTTP_TROUBLED);
	assert_memory_equal(http_status(came.parse.trouble), status, 3);
	assert_true(came.taken > most / 2);
}

static void test_bounds(void **state)
{
	(void)state;
	check_bound("", '\n', HTTP_LINE_MAX + 1, "414");
	check_bound("", 'G', HTTP_LINE_MAX + 1, "414");
	check_bound("GET ", '/', HTTP_LINE_MAX + 1, "414");
	check_bound("GET / HTTP/1.0\r\n", 'a', HTTP_HEADER_MAX + 1, "431");
	check_bound("GET / HTTP/1.0\r\nA:", ' ', HTTP_HEADER_MAX + 1, "431");
	check_bound("GET / HTTP/1.0\r\nConnection:", ',', HTTP_HEADER_MAX + 1, "431");
	check_bound("GET / HTTP/1.0\r\nContent-Length:", '0', HTTP_HEADER_MAX + 1, "431");
	check_bound(CHUNKED "0\r\n", 'T', HTTP_HEADER_MAX + 1, "431");
}

/* Line and header are bounded each for itself, whatever ends the line. */
static void test_bounds_apart(void **state)
{
	static const char *const ends[] = {" HTTP/1.0\r\n", " HTTP/1.0\n"};
	static char target[HTTP_LINE_MAX - 16], value[HTTP_HEADER_MAX - 16];

	(void)state;
	memset(target, 't', sizeof(target));
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct came came = {.outcome = HTTP_MORE};

		feed(&came, "GET ", 4);
		feed(&came, target, sizeof(target));
		feed(&came, ends[i], strlen(ends[i]));
		feed(&came, "V:", 2);
		feed(&came, value, sizeof(value));
		feed(&came, "\r\n\r\n", 4);
		assert_int_equal(came.outcome, HTTP_COMPLETE);
	}
}

/* A header of many short lines is bounded as one long line is, and chunks as one body. */
static void test_bounds_of_many(void **state)
{
	struct came came = {.outcome = HTTP_MORE};
	char *chunk = malloc(HTTP_BODY_MAX / 64 + 64);
	size_t n;

	(void)state;
	assert_non_null(chunk);
	feed(&came, "GET / HTTP/1.0\r\n", 16);
	while (came.outcome == HTTP_MORE && came.taken < HTTP_HEADER_MAX * 2)
		feed(&came, "A: b\r\n", 6);
	assert_int_equal(came.outcome, HTTP_TROUBLED);
	assert_memory_equal(http_status(came.parse.trouble), "431", 3);

	came = (struct came){.outcome = HTTP_MORE};
	feed(&came, CHUNKED, strlen(CHUNKED));
	memcpy(chunk, "1000000\r\n", 9);
	memset(chunk + 9, 'x', HTTP_BODY_MAX / 64);
	n = 9 + HTTP_BODY_MAX / 64;
	memcpy(chunk + n, "\r\n", 2);
	for (int i = 0; i < 64; i++)
		feed(&came, chunk, n + 2);
	assert_int_equal(came.outcome, HTTP_TROUBLED);
	assert_memory_equal(http_status(came.parse.trouble), "413", 3);
	free(chunk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	     cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_bad),	     cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_bounds_apart), cmocka_unit_test(test_bounds_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
