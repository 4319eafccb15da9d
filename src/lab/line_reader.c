#include "lab/line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE 65536

void line_reader_done(struct line_reader *reader)
{
	free(reader->text);
	*reader = (struct line_reader){0};
}

static int make_room(struct line_reader *reader)
{
	size_t want = reader->capacity ? reader->capacity * 2 : 2 * READ_AT_ONCE;
	char *bigger;

	if (reader->capacity - reader->used >= READ_AT_ONCE)
		return 0;
	if (want > LINE_READER_MAX)
		return -EMSGSIZE;
	bigger = realloc(reader->text, want);
	if (!bigger)
		return -ENOMEM;
	reader->text = bigger;
	reader->capacity = want;
	return 0;
}

ptrdiff_t line_reader_feed(struct line_reader *reader, int fd,
			   void (*line)(const char *text, size_t length, void *context),
			   void *context)
{
	char *start, *search, *end;
	ssize_t n;
	int r = make_room(reader);

	if (r < 0)
		return r;
	do
		n = read(fd, reader->text + reader->used, READ_AT_ONCE);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	reader->used += (size_t)n;

	start = reader->text;
	search = start + reader->searched;
	while ((end = memchr(search, '\n', reader->used - (size_t)(search - reader->text)))) {
		*end = '\0';
		line(start, (size_t)(end - start), context);
		search = start = end + 1;
	}
	reader->used -= (size_t)(start - reader->text);
	memmove(reader->text, start, reader->used);
	reader->searched = reader->used;
	return n;
}
