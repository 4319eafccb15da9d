/* A piece of text and what is read off its front. Nothing here reads beyond the end. */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_SCAN_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text_slice {
	const char *at, *end;
};

static inline size_t slice_length(struct text_slice slice)
{
	return (size_t)(slice.end - slice.at);
}

static inline bool slice_empty(struct text_slice slice)
{
	return slice.at >= slice.end;
}

static inline bool text_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool slice_is(struct text_slice slice, const char *word)
{
	return slice_length(slice) == strlen(word) && !memcmp(slice.at, word, strlen(word));
}

static inline bool slice_begins(struct text_slice slice, const char *word)
{
	return slice_length(slice) >= strlen(word) && !memcmp(slice.at, word, strlen(word));
}

/* Where @word first stands in the slice, or NULL. */
static inline const char *slice_find(struct text_slice slice, const char *word)
{
	return slice_empty(slice) ? NULL
				  : memmem(slice.at, slice_length(slice), word, strlen(word));
}

static inline void slice_skip_blanks(struct text_slice *slice)
{
	while (!slice_empty(*slice) && *slice->at == ' ')
		slice->at++;
}

/* Takes @word off the front, if it is there. */
static inline bool slice_take(struct text_slice *slice, const char *word)
{
	if (!slice_begins(*slice, word))
		return false;
	slice->at += strlen(word);
	return true;
}

/* What stands before the next blank, off the front; blanks before it are skipped. */
static inline struct text_slice slice_word(struct text_slice *slice)
{
	struct text_slice word;

	slice_skip_blanks(slice);
	word = *slice;
	while (!slice_empty(*slice) && *slice->at != ' ')
		slice->at++;
	word.end = slice->at;
	return word;
}

/*
 * A decimal number off the front. Without one, or above @max, false, and the slice stands where it
 * stood.
 */
static inline bool slice_number(struct text_slice *slice, uint64_t max, uint64_t *ret)
{
	const char *at = slice->at;
	uint64_t value = 0;

	for (; at < slice->end && text_digit(*at); at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (at == slice->at)
		return false;
	slice->at = at;
	*ret = value;
	return true;
}

#endif
