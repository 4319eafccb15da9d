/* A line that is typed: characters in, a cursor among them. */
#ifndef CONTEST_CMD_TOP_EDIT_H
#define CONTEST_CMD_TOP_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOP_EDIT_MAX 1024 /* bytes, with the NUL */

struct top_edit {
	char text[TOP_EDIT_MAX]; /* UTF-8, no controls */
	size_t length, cursor;	 /* bytes; the cursor never stands within a character */
};

enum top_edit_move { EDIT_LEFT, EDIT_RIGHT, EDIT_HOME, EDIT_END };
enum top_edit_cut { EDIT_BEFORE, EDIT_AFTER, EDIT_WORD, EDIT_TO_HOME, EDIT_TO_END };

/* Begins with @text, the cursor behind it; what does not fit or is harmful is left out. */
void top_edit_set(struct top_edit *edit, const char *text);
/* False: it does not fit, or would be harmful on a terminal. */
bool top_edit_insert(struct top_edit *edit, uint32_t character);
void top_edit_move(struct top_edit *edit, enum top_edit_move where);
/* False: there is nothing. */
bool top_edit_cut(struct top_edit *edit, enum top_edit_cut what);

#endif
