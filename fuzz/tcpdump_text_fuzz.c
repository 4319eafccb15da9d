/* tcpdump's text, line by line: whatever it is, it ends, and what is said of a segment can be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/tcpdump_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_segment(const struct tcpdump_text *text, const struct segment *segment)
{
	const char *name = tcpdump_text_name(text, &segment->source);

	CHECK(segment->options.sack_count <= 4);
	CHECK(segment->payload_length <= 1u << 24);
	CHECK(!segment->payload && segment->payload_captured == 0);
	CHECK(segment->source.address.family == AF_INET ||
	      segment->source.address.family == AF_INET6);
	CHECK(!name || (strchr(name, ':') && name == tcpdump_text_name(text, &segment->source)));
}

/* How many segments there are; each line exactly as long as it is, for the sanitizer. */
static size_t feed(struct tcpdump_text *text, const char *bytes, size_t size)
{
	size_t count = 0;

	while (size > 0) {
		const char *end = memchr(bytes, '\n', size);
		size_t length = end ? (size_t)(end - bytes) : size;
		char *line = malloc(length ? length : 1);
		struct segment segment;
		int r;

		CHECK(line);
		memcpy(line, bytes, length);
		r = tcpdump_text_line(text, line, length, &segment);
		free(line);
		CHECK(r == 0 || r == 1);
		if (r == 1)
			check_segment(text, &segment);
		count += (size_t)r;
		length += end != NULL;
		bytes += length;
		size -= length;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct tcpdump_text *text = tcpdump_text_new(), *peeked = tcpdump_text_new();
	size_t count;

	CHECK(text && peeked);
	tcpdump_text_recognize(bytes, size);
	tcpdump_text_peek(peeked, bytes, size);
	count = feed(text, bytes, size);
	/* The times may differ, and nothing else. */
	CHECK(feed(peeked, bytes, size) == count);
	CHECK(tcpdump_text_unclear(text) == tcpdump_text_unclear(peeked));
	CHECK(tcpdump_text_has_times(text) == tcpdump_text_has_times(peeked));
	tcpdump_text_free(text);
	tcpdump_text_free(peeked);
	return 0;
}
