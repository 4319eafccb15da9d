/*
 * The HTTP request parser, and the protocol on a talk around it. The first byte says where the
 * rest is split into reads; split or not, the same must come of it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/http_parse.h"
#include "serve/protocol.h"
#include "serve/talk.h"

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

/* ---- the parser: requests one after the other, a read of @step bytes at a time (0: all) */

struct came {
	unsigned requests, continues;
	uint8_t flags, trouble;
	size_t taken;
};

static void parse_read(struct http_parse *parse, struct came *came, const char *bytes,
		       size_t length)
{
	size_t n = length + 1;

	while (length && !came->trouble) {
		enum http_outcome outcome = http_parse(parse, bytes, length, &n);

		CHECK(n <= length && (n > 0 || outcome == HTTP_TROUBLED));
		CHECK(outcome != HTTP_MORE || n == length);
		CHECK(parse->length >= 0);
		came->taken += n;
		came->flags = parse->flags;
		came->continues += outcome == HTTP_BODY;
		CHECK((outcome == HTTP_TROUBLED) == (parse->trouble != 0));
		came->trouble = parse->trouble;
		if (outcome == HTTP_COMPLETE) {
			came->requests++;
			*parse = (struct http_parse){0};
		}
		bytes += n;
		length -= n;
	}
	CHECK(strlen(http_status(parse->trouble)) > 4);
}

static struct came parse_all(const char *bytes, size_t length, size_t step)
{
	struct http_parse parse = {0};
	struct came came = {0};

	for (size_t at = 0; at < length && !came.trouble;) {
		size_t n = step && step < length - at ? step : length - at;
		char *exact = copy(bytes + at, n);

		parse_read(&parse, &came, exact, n);
		free(exact);
		at += n;
	}
	return came;
}

/* ---- the talk: how much it answers, and that it comes to an end */

struct got {
	uint64_t sum; /* of the bytes sent, in their order */
	size_t length;
	unsigned answers;
	enum tally_ending ending;
};

static void count(struct got *got, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		got->sum = got->sum * 31 + (uint8_t)bytes[i];
	got->length += length;
}

static struct got talk_all(const char *bytes, size_t length, size_t step, size_t room)
{
	const struct serve_plan plan = {
		.protocol = protocol_find("http"),
		.closing = SERVE_CLOSE_PASSIVE,
		.http_body = 5,
	};
	struct talk_step next = {0};
	struct got got = {0};
	char buffer[4096], *exact;
	struct talk talk;
	size_t at = 0, n;

	talk_begin(&talk, &plan, 1);
	for (size_t steps = 0;; steps++) {
		CHECK(steps < 100 * (length + 10));
		got.answers += talk_answers(&talk);
		switch (talk_next(&talk, &plan, 1, buffer, room, &next)) {
		case TALK_WRITE:
			CHECK(next.length > 0 && next.length <= room);
			count(&got, buffer, next.length);
			talk_sent(&talk, &plan, (ssize_t)next.length);
			break;
		case TALK_READ:
			n = step && step < length - at ? step : length - at;
			exact = copy(bytes + at, n);
			talk_received(&talk, &plan, exact, (ssize_t)n);
			free(exact);
			at += n;
			break;
		case TALK_LOOK:
			talk_received(&talk, &plan, NULL, -EAGAIN);
			break;
		case TALK_CLOSE:
			got.ending = next.ending;
			talk_done(&talk);
			return got;
		default:
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct came whole, split;
	struct got answer, parts;
	const char *bytes;
	size_t step;

	if (size < 1 || size > 100000)
		return 0;
	step = data[0] % 64 + 1;
	bytes = (const char *)data + 1;
	size--;
	whole = parse_all(bytes, size, 0);
	split = parse_all(bytes, size, step);
	CHECK(whole.requests == split.requests && whole.continues == split.continues &&
	      whole.flags == split.flags && whole.trouble == split.trouble &&
	      whole.taken == split.taken);

	answer = talk_all(bytes, size, 0, 4096);
	parts = talk_all(bytes, size, step, step);
	CHECK(answer.sum == parts.sum && answer.length == parts.length &&
	      answer.answers == parts.answers && answer.ending == parts.ending);
	CHECK(answer.answers <= whole.requests + 1);
	return 0;
}
