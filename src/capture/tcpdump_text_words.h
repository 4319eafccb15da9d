/* Words by number, in the order they were first met; no more of them than a text may cost. */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_WORDS_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_WORDS_H

#include "capture/tcpdump_text_scan.h"

struct text_words {
	char **words; /* each owned */
	size_t count, capacity;
	uint32_t *slots; /* number + 1 of the word, 0 where free */
	size_t slot_count;
	uint64_t seed; /* nobody shall choose words that all fall on one slot */
};

void text_words_done(struct text_words *words);

/* The word's number, which it gets if it is new; -ENOSPC when that would be @max, or -ENOMEM. */
int64_t text_words_number(struct text_words *words, struct text_slice word, size_t max);

/* (borrowed until text_words_done()), or NULL when there is none. */
const char *text_words_get(const struct text_words *words, size_t number);

#endif
