/* For the tests of this folder: what was printed, as text, and checks of its lines. */
#ifndef CONTEST_RENDER_TEST_OUTPUT_H
#define CONTEST_RENDER_TEST_OUTPUT_H

#include <stdlib.h>
#include <string.h>

#include "render/screen.h"

struct output {
	char *text;
	size_t length;
	struct screen screen;
};

static inline void output_begin(struct output *output, unsigned width, bool utf8)
{
	memset(output, 0, sizeof(*output));
	output->screen = (struct screen){.width = width, .utf8 = utf8};
	output->screen.out = open_memstream(&output->text, &output->length);
}

static inline const char *output_end(struct output *output)
{
	fclose(output->screen.out);
	output->screen.out = NULL;
	return output->text;
}

/* The text without the style sequences "ESC [ … m". */
static inline void output_strip_styles(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		if (*at == '\033')
			at = strchr(at, 'm');
		else
			*to++ = *at;
	}
	*to = '\0';
}

/* Fails the test when a line is wider than the screen, ends in blanks or holds a control byte. */
static inline void output_check_lines(const struct output *output)
{
	char *copy = strdup(output->text), *rest = copy;

	while (*rest) {
		char *end = strchr(rest, '\n');

		assert_non_null(end);
		*end = '\0';
		if (screen_columns(rest) > output->screen.width)
			fail_msg("wider than %u: \"%s\"", output->screen.width, rest);
		if (end > rest && end[-1] == ' ')
			fail_msg("blanks at the end: \"%s\"", rest);
		for (const char *at = rest; *at; at++)
			if ((unsigned char)*at < 0x20 || *at == 0x7f ||
			    (!output->screen.utf8 && (unsigned char)*at >= 0x80))
				fail_msg("byte %02x in \"%s\"", (unsigned char)*at, rest);
		rest = end + 1;
	}
	free(copy);
}

#endif
