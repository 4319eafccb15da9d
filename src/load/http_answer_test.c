/* Each answer is parsed whole, split at every byte boundary, and byte by byte: all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "load/http_answer.h"
#include "load/tally.h"

#define OK11 "HTTP/1.1 200 OK\r\n"
#define OK10 "HTTP/1.0 200 OK\r\n"
#define TE   OK11 "Transfer-Encoding: chunked\r\n\r\n"

/* What came of an answer. */
struct came {
	int outcome; /* the last one */
	size_t taken;
	unsigned status;
	struct answer_state state;
};

static void feed(struct came *came, const char *bytes, size_t length)
{
	/* exactly as long, for the sanitizer */
	char *exact = malloc(length ? length : 1);
	size_t n = length + 1;

	assert_non_null(exact);
	memcpy(exact, bytes, length);
	if (came->outcome == ANSWER_MORE) {
		came->outcome = http_answer_take(&came->state, exact, length, &n);
		if (came->outcome >= 0) {
			assert_true(n <= length);
			assert_true(came->outcome != ANSWER_MORE || n == length);
			came->taken += n;
		} else {
			assert_int_equal(n, length + 1); /* untouched */
		}
		if (came->outcome > ANSWER_MORE)
			came->status = came->state.status;
	}
	free(exact);
}

/* In pieces of @first, then of @step bytes; then the FIN. */
static struct came parse(const char *text, size_t length, size_t first, size_t step, bool fin)
{
	struct came came = {.outcome = ANSWER_MORE};

	for (size_t at = 0; at < length;) {
		size_t n = at ? step : first;

		if (n > length - at)
			n = length - at;
		feed(&came, text + at, n);
		at += n;
	}
	if (fin)
		feed(&came, "", 0);
	return came;
}

static struct came parse_all_ways(const char *text, bool fin)
{
	size_t length = strlen(text);
	struct came whole = parse(text, length, length, length, fin);

	for (size_t at = 0; at < length; at++) {
		struct came split = at ? parse(text, length, at, length, fin)
				       : parse(text, length, 1, 1, fin);

		if (split.outcome != whole.outcome || split.status != whole.status ||
		    (whole.outcome >= 0 && split.taken != whole.taken))
			fail_msg("split at %zu: outcome %d, not %d: %s", at, split.outcome,
				 whole.outcome, text);
	}
	return whole;
}

static void expect(const char *text, bool fin, int outcome, size_t taken, unsigned status)
{
	struct came came = parse_all_ways(text, fin);

	if (came.outcome != outcome || came.status != status ||
	    (outcome >= 0 && came.taken != taken))
		fail_msg("outcome %d, %zu taken, status %u; expected %d, %zu, %u: %s", came.outcome,
			 came.taken, came.status, outcome, taken, status, text);
}

struct good {
	const char *text;
	int outcome;
	unsigned status;
};

static void test_good(void **state)
{
	static const struct good answers[] = {
		{OK11 "Content-Length: 5\r\n\r\nabcde", ANSWER_COMPLETE, 200},
		{OK11 "Content-Length: 0\r\n\r\n", ANSWER_COMPLETE, 200},
		{"HTTP/1.1 200 OK\nContent-Length: 1\n\na", ANSWER_COMPLETE, 200},
		{"HTTP/1.1 200 \r\ncontent-length:\t 0003 \t\r\n\r\nabc", ANSWER_COMPLETE, 200},
		{"HTTP/1.1 200\r\nCONTENT-LENGTH:3\r\n\r\nabc", ANSWER_COMPLETE, 200},
		{"HTTP/1.9 299 n\303\251 \t!\r\nContent-Length: 0\r\n\r\n", ANSWER_COMPLETE, 299},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", ANSWER_COMPLETE, 404},
		{"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", ANSWER_LAST,
		 503},
		{"HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", ANSWER_COMPLETE, 999},

		/* whether it is kept */
		{OK11 "Connection: close\r\nContent-Length: 1\r\n\r\na", ANSWER_LAST, 200},
		{OK11 "conNection:\tfoo ,CLOSE , upgrade\r\nContent-Length: 1\r\n\r\na",
		 ANSWER_LAST, 200},
		{OK11 "Connection: foo\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
		 ANSWER_LAST, 200},
		{OK11 "Connection: clo se,closed,clos\r\nContent-Length: 1\r\n\r\na",
		 ANSWER_COMPLETE, 200},
		{OK11 "Connection: close, keep-alive\r\nContent-Length: 1\r\n\r\na", ANSWER_LAST,
		 200},
		{OK10 "Content-Length: 1\r\n\r\na", ANSWER_LAST, 200},
		{OK10 "Connection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", ANSWER_COMPLETE, 200},
		{OK10 "Connection: keep-alive, close\r\nContent-Length: 1\r\n\r\na", ANSWER_LAST,
		 200},
		{OK11 "Connection:\r\nContent-Length: 1\r\n\r\na", ANSWER_COMPLETE, 200},

		/* without a body, whatever the fields say */
		{"HTTP/1.1 204 No Content\r\n\r\n", ANSWER_COMPLETE, 204},
		{"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", ANSWER_COMPLETE,
		 204},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", ANSWER_COMPLETE, 304},
		{"HTTP/1.0 304 Not Modified\r\n\r\n", ANSWER_LAST, 304},

		/* interim ones; their fields count for nothing */
		{"HTTP/1.1 100 Continue\r\n\r\n" OK11 "Content-Length: 1\r\n\r\na", ANSWER_COMPLETE,
		 200},
		{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n"
		 "Content-Length: 9\r\n\r\nHTTP/1.1 102 x\n\n" OK11 "Content-Length: 1\r\n\r\na",
		 ANSWER_COMPLETE, 200},
		{"HTTP/1.1 100 Continue\r\n\r\n" OK10 "Content-Length: 1\r\n\r\na", ANSWER_LAST,
		 200},

		/* the same length again */
		{OK11 "Content-Length: 12\r\nContent-Length: 12\r\n\r\nabcdefghijkl",
		 ANSWER_COMPLETE, 200},
		{OK11 "Content-Length: 12, 012 ,12\r\n\r\nabcdefghijkl", ANSWER_COMPLETE, 200},
		{OK11 "Content-Length: 0, 00\r\n\r\n", ANSWER_COMPLETE, 200},

		/* chunks */
		{TE "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", ANSWER_COMPLETE, 200},
		{TE "1\na\n00 \nTrailer: yes\nContent-Length: 7\nB:\n\n", ANSWER_COMPLETE, 200},
		{TE "00000000000000000000000000000002\r\n\r\n\r\n0\r\n\r\n", ANSWER_COMPLETE, 200},
		{OK11 "Transfer-Encoding: \t gzip,, Chunked ,\r\n\r\n0\r\n\r\n", ANSWER_COMPLETE,
		 200},
		{OK11 "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 ANSWER_COMPLETE, 200},
		{OK11 "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 ANSWER_LAST, 200},

		/* names that only look like those that matter */
		{OK11 "Content-Lengths: x\r\nContent-Lengt: x\r\nContent: x\r\nCon: x\r\nX:\r\n"
		      "C: y\r\nEontent-Length: 9\r\nTransfer-Encoding2: chunked\r\n"
		      "Cransfer-Encoding: chunked\r\n"
		      "Content-Length: 1\r\n\r\na",
		 ANSWER_COMPLETE, 200},
		/* folded */
		{OK11 "Server: a\r\n b\r\n\tc: d\r\nContent-Length: 1\r\n\r\na", ANSWER_COMPLETE,
		 200},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct good *good = &answers[i];
		size_t length = strlen(good->text);
		char text[512];

		expect(good->text, false, good->outcome, length, good->status);
		/* what follows is not its */
		snprintf(text, sizeof(text), "%s%s", good->text, OK11);
		expect(text, true, good->outcome, length, good->status);
		/* and it is complete with its last byte, not before */
		snprintf(text, sizeof(text), "%.*s", (int)length - 1, good->text);
		expect(text, false, ANSWER_MORE, length - 1, 0);
		expect(text, true, -LOAD_FAIL_SHORT, 0, 0);
	}
}

static void test_ended_by_fin(void **state)
{
	static const char *const texts[] = {
		OK11 "\r\n",
		OK11 "\r\nHTTP/1.1 200 OK\r\n\r\n",
		OK10 "Connection: keep-alive\r\n\r\nabc",
		OK11 "Server: x\r\n\r\nabc",
		OK11 "Transfer-Encoding: gzip\r\n\r\nabc",
		OK11 "Transfer-Encoding: chunked, gzip\r\n\r\nabc",
		OK11 "Transfer-Encoding: chunke d\r\n\r\nabc",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		expect(texts[i], false, ANSWER_MORE, strlen(texts[i]), 0);
		expect(texts[i], true, ANSWER_LAST, strlen(texts[i]), 200);
	}
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {
		/* the status line */
		"\r\n" OK11,
		"SSH-2.0-OpenSSH\r\n",
		"http/1.1 200 OK\r\n",
		"HTTP/2.0 200 OK\r\n",
		"HTTP/1.x 200 OK\r\n",
		"HTTP/1.11 200 OK\r\n",
		"HTTP/1.1  200 OK\r\n",
		"HTTP/1.1\t200 OK\r\n",
		"HTTP/1.1 20 OK\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 020 OK\r\n",
		"HTTP/1.1 abc OK\r\n",
		"HTTP/1.1 200 O\rK\r\n",
		"HTTP/1.1 200 O\001K\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		/* fields */
		OK11 " Folded: x\r\n",
		OK11 "Content-Length: 1\r\n 2\r\n",
		OK11 "Connection: a\r\n\tclose\r\n",
		OK11 "Server : x\r\n",
		OK11 "(Server: x\r\n",
		OK11 "Server\r\n",
		OK11 ": x\r\n",
		OK11 "Ser\177er: x\r\n",
		OK11 "Server: x\ry\r\n",
		OK11 "Server: \177\r\n",
		OK11 "Connection: \001\r\n",
		OK11 "\rX",
		/* lengths */
		OK11 "Content-Length:\r\n",
		OK11 "Content-Length: \r\n",
		OK11 "Content-Length: x\r\n",
		OK11 "Content-Length: -1\r\n",
		OK11 "Content-Length: +1\r\n",
		OK11 "Content-Length: 1 1\r\n",
		OK11 "Content-Length: 1,\r\n",
		OK11 "Content-Length: 0x1\r\n",
		OK11 "Content-Length: 9223372036854775808\r\n",
		OK11 "Content-Length: 18446744073709551617\r\n",
		OK11 "Content-Length: 1\r\nContent-Length: 2\r\n",
		OK11 "Content-Length: 12\r\nContent-Length: 1\r\n",
		OK11 "Content-Length: 1\r\nContent-Length: 12\r\n",
		OK11 "Content-Length: 12\r\nContent-Length: 120\r\n",
		OK11 "Content-Length: 0\r\nContent-Length: 1\r\n",
		OK11 "Content-Length: 1\r\nContent-Length: 0\r\n",
		OK11 "Content-Length: 1, 2\r\n",
		OK11 "Content-Length: 1, \r\n",
		/* both, and codings */
		OK11 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		OK11 "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		OK11 "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
		OK11 "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\n",
		OK11 "Transfer-Encoding: chunked, chunked\r\n",
		OK11 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		OK11 "Transfer-Encoding: chu\001nked\r\n",
		OK10 "Transfer-Encoding: chunked\r\n\r\n",
		/* chunks */
		TE "\r\n",
		TE "g\r\n",
		TE "-1\r\n",
		TE ";x\r\n",
		TE "1\r\nab\r\n",
		TE "1\r\na\rb",
		TE "1\rx",
		TE "1;\001\r\n",
		TE "1 \rx",
		TE "ffffffffffffffff\r\n",
		TE "10000000000000000\r\n",
		TE "0\r\n: x\r\n",
		TE "0\r\nX: \001\r\n",
		TE "0\r\nX: y\rz",
		TE "0\r\n\rx",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		expect(texts[i], false, -LOAD_FAIL_MALFORMED, 0, 0);
}

/* Each byte in the middle of a name, of one that matters (so far) and of one that does not. */
static void test_name_bytes(void **state)
{
	static const char letters[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"!#$%&'*+-.^_`|~:";
	char texts[][32] = {OK11 "Con?: x\r\n", OK11 "Xyz?: x\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t length = strlen(texts[i]);
		char *place = strchr(texts[i], '?');

		for (int byte = 0; byte < 256; byte++) {
			bool good = byte && byte < 128 && strchr(letters, byte);

			*place = (char)byte;
			for (size_t step = 1; step <= length; step += length - 1)
				assert_int_equal(parse(texts[i], length, step, step, false).outcome,
						 good ? ANSWER_MORE : -LOAD_FAIL_MALFORMED);
		}
	}
}

static void test_large_body(void **state)
{
	static const char head[] = OK11 "Content-Length: 9223372036854775807\r\n\r\n";
	static char body[70000];
	struct came came = {.outcome = ANSWER_MORE};

	(void)state;
	feed(&came, head, strlen(head));
	for (int i = 0; i < 100; i++)
		feed(&came, body, sizeof(body));
	assert_int_equal(came.outcome, ANSWER_MORE);
	assert_true(came.state.left == INT64_MAX - 100 * sizeof(body));
	feed(&came, "", 0);
	assert_int_equal(came.outcome, -LOAD_FAIL_SHORT);
}

/* @before, then @repeated until @length bytes are there, then @after. */
static struct came parse_long(const char *before, const char *repeated, size_t length,
			      const char *after, size_t step)
{
	size_t at = strlen(before), size = at + length + strlen(after);
	char *text = malloc(size + 1);
	struct came came;

	assert_non_null(text);
	strcpy(text, before);
	for (size_t i = 0; i < length; i++)
		text[at + i] = repeated[i % strlen(repeated)];
	strcpy(text + at + length, after);
	came = parse(text, size, step, step, false);
	free(text);
	return came;
}

static void test_bounds(void **state)
{
	static const struct {
		const char *before, *repeated, *after;
		size_t uncounted; /* of @before, and the end of line behind the last */
	} cases[] = {
		{"HTTP/1.1 200 ", "x", "\r\nContent-Length: 0\r\n\r\n", 0},
		{OK11 "A: ", "x", "\r\nContent-Length: 0\r\n\r\n", 0},
		{OK11, "x", ":\r\nContent-Length: 0\r\n\r\n", 0},
		{OK11, "X: 1\r\n", "Content-Length: 0\r\n\r\n", 0},
		{OK11 "Connection: ", "x,", "\r\nContent-Length: 0\r\n\r\n", 0},
		{OK11 "Content-Length: ", "0", "\r\n\r\n", 0},
		{"", "HTTP/1.1 100\r\n\r\n", OK11 "Content-Length: 0\r\n\r\n", 0},
		{TE "1;", "x", "\r\na\r\n0\r\n\r\n", sizeof(TE) - 1},
		{TE "", "0", "1\r\na\r\n0\r\n\r\n", sizeof(TE) - 1},
		{TE "0\r\n", "X: 1\r\n", "\r\n", sizeof(TE) - 1 + 3},
	};
	static const size_t steps[] = {1, 7, 4096, 1 << 20};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* whole repetitions; well below, then beyond the bound */
		size_t unit = strlen(cases[i].repeated), below = 65000 / unit * unit;
		size_t above = (HTTP_ANSWER_HEAD_MAX / unit + 1) * unit + cases[i].uncounted;

		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			struct came came = parse_long(cases[i].before, cases[i].repeated, below,
						      cases[i].after, steps[k]);

			if (came.outcome != ANSWER_COMPLETE)
				fail_msg("case %zu, below: %d", i, came.outcome);
			came = parse_long(cases[i].before, cases[i].repeated, above, "", steps[k]);
			if (came.outcome != -LOAD_FAIL_MALFORMED)
				fail_msg("case %zu, beyond: %d", i, came.outcome);
		}
	}
}

/* Exactly the bound, to the byte. */
static void test_bound(void **state)
{
	static const char before[] = OK11 "A: ", after[] = "\r\nContent-Length: 0\r\n\r\n";
	size_t room = HTTP_ANSWER_HEAD_MAX - strlen(before) - strlen(after);

	(void)state;
	/* the last LF is what ends the head: it may be one beyond */
	for (size_t step = 1; step < 3; step++) {
		assert_int_equal(parse_long(before, "x", room + 1, after, step).outcome,
				 ANSWER_COMPLETE);
		assert_int_equal(parse_long(before, "x", room + 2, after, step).outcome,
				 -LOAD_FAIL_MALFORMED);
	}
}

/* Chunks, each with an extension: their lines are bounded each, not together. */
static void test_many_chunks(void **state)
{
	static const char chunk[] = "1;name=\"value and more of it\"\r\na\r\n";
	struct came came = {.outcome = ANSWER_MORE};

	(void)state;
	feed(&came, TE, strlen(TE));
	for (int i = 0; i < 3000; i++)
		feed(&came, chunk, strlen(chunk));
	assert_int_equal(came.outcome, ANSWER_MORE);
	feed(&came, "0\r\n\r\n", 5);
	assert_int_equal(came.outcome, ANSWER_COMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	    cmocka_unit_test(test_ended_by_fin),
		cmocka_unit_test(test_malformed),   cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_bounds),	    cmocka_unit_test(test_bound),
		cmocka_unit_test(test_many_chunks), cmocka_unit_test(test_name_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
