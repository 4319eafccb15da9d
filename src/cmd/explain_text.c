#include "cmd/explain_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A line that is longer is no line of tcpdump; what follows in it is passed over. */
#define ROOM (256 * 1024)

struct explain_text {
	int fd;			      /* (owned) */
	struct tcpdump_text *meaning; /* (borrowed) */
	size_t at, filled;	      /* of @bytes: what was not yet used */
	bool ended;
	bool passing; /* the rest of too long a line */
	char bytes[ROOM];
};

struct explain_text *explain_text_new(int fd, struct tcpdump_text *meaning)
{
	struct explain_text *text = malloc(sizeof(*text));

	if (!text)
		return NULL;
	text->fd = fd;
	text->meaning = meaning;
	text->at = text->filled = 0;
	text->ended = text->passing = false;
	return text;
}

void explain_text_free(struct explain_text *text)
{
	if (!text)
		return;
	close(text->fd);
	free(text);
}

/* 0, or -errno. */
static int fill(struct explain_text *text)
{
	ssize_t n;

	text->filled -= text->at;
	memmove(text->bytes, text->bytes + text->at, text->filled);
	text->at = 0;
	do
		n = read(text->fd, text->bytes + text->filled, ROOM - text->filled);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	text->ended = n == 0;
	text->filled += (size_t)n;
	return 0;
}

/* The next line, without its newline: 1, 0 at the end, -errno. Good until the next call. */
static int next_line(struct explain_text *text, const char **ret, size_t *ret_length)
{
	for (;;) {
		const char *from = text->bytes + text->at;
		size_t there = text->filled - text->at, length;
		const char *end = memchr(from, '\n', there);
		bool rest = text->passing;
		int r;

		if (!end && there < ROOM && !text->ended) {
			r = fill(text);
			if (r < 0)
				return r;
			continue;
		}
		if (!end && there == 0)
			return 0;
		length = end ? (size_t)(end - from) : there;
		text->at += length + (end ? 1 : 0);
		text->passing = !end;
		if (rest)
			continue;
		*ret = from;
		*ret_length = length;
		return 1;
	}
}

int explain_text_next(struct explain_text *text, struct segment *ret)
{
	const char *line;
	size_t length;
	int r;

	do {
		r = next_line(text, &line, &length);
		if (r <= 0)
			return r;
		r = tcpdump_text_line(text->meaning, line, length, ret);
	} while (r == 0);
	return r;
}
