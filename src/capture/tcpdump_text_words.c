#include "capture/tcpdump_text_words.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

#define FIRST_SLOTS 64

void text_words_done(struct text_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->words[i]);
	free(words->words);
	free(words->slots);
	*words = (struct text_words){0};
}

static uint64_t hash(uint64_t seed, const char *at, size_t length)
{
	uint64_t x = seed;

	for (size_t i = 0; i < length; i++) {
		x = (x ^ (unsigned char)at[i]) * 0x9e3779b97f4a7c15u;
		x ^= x >> 29;
	}
	return x ^ x >> 32;
}

/* The word's slot, or the free one where it belongs; there is always a free one. */
static uint32_t *find(const struct text_words *words, struct text_slice word)
{
	size_t at = hash(words->seed, word.at, slice_length(word)) & (words->slot_count - 1);

	while (words->slots[at] && !slice_is(word, words->words[words->slots[at] - 1]))
		at = (at + 1) & (words->slot_count - 1);
	return &words->slots[at];
}

/* Keeps half of the slots free. */
static int reserve_slot(struct text_words *words)
{
	size_t wanted = words->slot_count ? 2 * words->slot_count : FIRST_SLOTS;
	struct text_words grown = *words;

	if (2 * (words->count + 1) <= words->slot_count)
		return 0;
	grown.slots = calloc(wanted, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	grown.slot_count = wanted;
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->words[i];

		*find(&grown, (struct text_slice){word, word + strlen(word)}) = (uint32_t)i + 1;
	}
	free(words->slots);
	words->slots = grown.slots;
	words->slot_count = wanted;
	return 0;
}

int64_t text_words_number(struct text_words *words, struct text_slice word, size_t max)
{
	uint32_t *slot;
	char *copy;

	if (reserve_slot(words) < 0 || ARRAY_ROOM(words->words, words->capacity, words->count) < 0)
		return -ENOMEM;
	slot = find(words, word);
	if (*slot)
		return *slot - 1;
	if (words->count >= max)
		return -ENOSPC;
	copy = strndup(word.at, slice_length(word));
	if (!copy)
		return -ENOMEM;
	words->words[words->count++] = copy;
	*slot = (uint32_t)words->count;
	return (int64_t)words->count - 1;
}

const char *text_words_get(const struct text_words *words, size_t number)
{
	return number < words->count ? words->words[number] : NULL;
}
