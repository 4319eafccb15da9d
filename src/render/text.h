/* UTF-8 text as a terminal sees it: characters, the columns they take, where lines may break. */
#ifndef CONTEST_RENDER_TEXT_H
#define CONTEST_RENDER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the character that begins the @length bytes at @at. Returns the bytes it takes, or 0
 * when they are not UTF-8: overlong, cut off, a surrogate, beyond U+10FFFF (RFC 3629 section 3).
 */
size_t text_decode(const char *at, size_t length, uint32_t *ret_character);

/* Controls, and what terminals or readers may take for a line's end or a turn of direction. */
bool text_character_is_harmful(uint32_t character);

/* Columns of one character: 0 for controls and combining marks, 2 for wide ones. */
unsigned text_character_columns(uint32_t character);

/* Columns of the first @length bytes of @text. A byte that is not UTF-8 counts as one. */
unsigned text_columns(const char *text, size_t length);

/* Bytes of the longest beginning of @text that takes at most @width columns. */
size_t text_fit(const char *text, unsigned width);

/*
 * Takes the next line of at most @width columns from *@text: returns its bytes and moves *@text
 * to where the next one begins. Breaks at blanks, inside a word only where it is wider than a
 * line, and takes at least one character, so that a loop over it ends.
 */
size_t text_line(const char **text, unsigned width);

#endif
