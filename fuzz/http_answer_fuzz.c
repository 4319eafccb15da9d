/*
 * The parser of HTTP answers, and courses around it. The first byte says where the rest is split
 * into reads, and how the connection is to be closed; split or not, the same must come of it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "load/course.h"
#include "load/http_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* Exactly as long, for the sanitizer. */
static char *copy(const char *bytes, size_t length)
{
	char *exact = malloc(length ? length : 1);

	CHECK(exact);
	if (length)
		memcpy(exact, bytes, length);
	return exact;
}

/* ---- the parser: answers one after the other, @step bytes at a time, then the FIN */

struct came {
	unsigned answers, statuses, lasts;
	int failure;
	size_t taken; /* by whole answers */
};

struct parsing {
	struct answer_state state;
	size_t taken; /* by this answer */
	struct came came;
};

/* Returns how many bytes were taken. */
static size_t take(struct parsing *parsing, const char *bytes, size_t length)
{
	struct came *came = &parsing->came;
	size_t n = length + 1;
	int r = http_answer_take(&parsing->state, bytes, length, &n);

	CHECK(r == ANSWER_MORE || r == ANSWER_COMPLETE || r == ANSWER_LAST ||
	      r == -LOAD_FAIL_SHORT || r == -LOAD_FAIL_MALFORMED);
	if (r < 0) {
		CHECK(n == length + 1);
		CHECK((r == -LOAD_FAIL_SHORT) == (length == 0));
		came->failure = r;
		return 0;
	}
	CHECK(n <= length && (n > 0 || length == 0) && (r != ANSWER_MORE || n == length));
	parsing->taken += n;
	if (r == ANSWER_MORE)
		return n;
	CHECK(parsing->state.status >= 200 && parsing->state.status <= 999);
	came->answers++;
	came->statuses = came->statuses * 31 + parsing->state.status;
	came->lasts += r == ANSWER_LAST;
	came->taken += parsing->taken;
	parsing->taken = 0;
	parsing->state = (struct answer_state){0};
	return n;
}

static struct came parse_all(const char *bytes, size_t length, size_t step)
{
	struct parsing parsing = {0};

	for (size_t at = 0; at < length && !parsing.came.failure;) {
		size_t n = step < length - at ? step : length - at;
		char *exact = copy(bytes + at, n);

		for (size_t i = 0; i < n && !parsing.came.failure;)
			i += take(&parsing, exact + i, n - i);
		free(exact);
		at += n;
	}
	if (!parsing.came.failure)
		take(&parsing, NULL, 0);
	return parsing.came;
}

/* ---- a course: it comes to an end, and what it counts as answers are answers */

struct got {
	unsigned requests, failure;
	bool kept;
};

static struct got run(const char *bytes, size_t length, size_t step, enum load_closing closing,
		      unsigned requests)
{
	const struct load_plan plan = {
		.protocol = load_protocol_find("http"),
		.closing = closing,
		.requests = requests,
		.http_host = "a",
	};
	struct course_plan course_plan;
	struct course_step next = {0};
	struct course course;
	enum course_verb verb;
	size_t at = 0, steps = 0;

	CHECK(course_plan_init(&course_plan, &plan) == 0);
	course_begin(&course, &course_plan);
	while ((verb = course_next(&course, &course_plan, &next)) < COURSE_CLOSE) {
		CHECK(steps++ < 3 * (length + 10));
		if (verb == COURSE_READ) {
			size_t n = step < length - at ? step : length - at;
			char *exact = copy(bytes + at, n);

			course_received(&course, &course_plan, exact, (ssize_t)n);
			free(exact);
			at += n;
		} else if (verb == COURSE_SEND) {
			course_sent(&course, &course_plan, (ssize_t)next.length);
		} else {
			CHECK(verb == COURSE_SHUT);
			course_shut(&course);
		}
	}
	course_plan_done(&course_plan);
	CHECK(course_answered(&course) == (course.requests == requests));
	CHECK(course_answered(&course) || next.failure);
	return (struct got){course.requests, next.failure, verb == COURSE_KEEP};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct came whole, split;
	struct got once, parts;
	enum load_closing closing;
	const char *bytes;
	size_t step;

	if (size < 1 || size > 100000)
		return 0;
	step = data[0] % 32 + 1;
	closing = (enum load_closing)(data[0] / 32 % LOAD_CLOSING_COUNT);
	bytes = (const char *)data + 1;
	size--;
	whole = parse_all(bytes, size, size + 1);
	split = parse_all(bytes, size, step);
	CHECK(whole.answers == split.answers && whole.statuses == split.statuses &&
	      whole.lasts == split.lasts && whole.failure == split.failure &&
	      whole.taken == split.taken);

	once = run(bytes, size, size + 1, closing, 1);
	parts = run(bytes, size, step, closing, 1);
	CHECK(once.requests == parts.requests && once.failure == parts.failure &&
	      once.kept == parts.kept);
	CHECK(once.requests == (whole.answers ? 1 : 0));
	/* Whether a second answer comes too early depends on the pieces. */
	parts = run(bytes, size, step, closing, 3);
	CHECK(parts.requests <= whole.answers);
	return 0;
}
