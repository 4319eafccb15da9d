/* Lines out of a descriptor that gives them in pieces: how the processes of the lab report. */
#ifndef CONTEST_LAB_LINE_READER_H
#define CONTEST_LAB_LINE_READER_H

#include <stddef.h>

/* A line longer than this is damage, not news: an arm's evidence is some 100 kB. */
#define LINE_READER_MAX (64u * 1024 * 1024)

struct line_reader {
	char *text; /* (owned) */
	size_t used, capacity;
	size_t searched; /* bytes at the beginning that hold no newline */
};

void line_reader_done(struct line_reader *reader);

/*
 * Reads once from @fd and calls @line for each line that is whole, without its newline. Returns
 * what read(2) returned: 0 at the end, or -errno (-EMSGSIZE for a line without end). A last line
 * without newline is dropped: its writer did not finish it.
 */
ptrdiff_t line_reader_feed(struct line_reader *reader, int fd,
			   void (*line)(const char *text, size_t length, void *context),
			   void *context);

#endif
