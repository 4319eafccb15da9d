/* Did you mean: the nearest word by Damerau–Levenshtein distance. */
#include "cmd/cli.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 63

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * Edits that turn @a into @b, where exchanging two neighbours is one edit (the restricted form:
 * no letter is edited twice). Three rows of the table are enough for that.
 */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];
	size_t a_length = strlen(a), b_length = strlen(b);

	for (size_t j = 0; j <= b_length; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[b_length];
}

/* How many letters may be wrong before a suggestion is a guess. */
static size_t tolerance(const char *word)
{
	size_t length = strlen(word);

	return length < 3 ? 1 : length / 3;
}

/* The only candidate that begins with @word, which may be a handy part of a long one. */
static const char *only_longer(const char *word,
			       const char *(*candidate)(const void *context, size_t index),
			       const void *context)
{
	const char *found = NULL, *other;

	for (size_t i = 0; (other = candidate(context, i)); i++) {
		if (strncmp(other, word, strlen(word)) != 0)
			continue;
		if (found)
			return NULL;
		found = other;
	}
	return found;
}

const char *cli_nearest(const char *word,
			const char *(*candidate)(const void *context, size_t index),
			const void *context)
{
	const char *nearest = NULL, *other;
	size_t least = tolerance(word) + 1;

	if (!*word || strlen(word) > WORD_MAX)
		return NULL;

	for (size_t i = 0; (other = candidate(context, i)); i++) {
		size_t edits;

		if (strlen(other) > WORD_MAX)
			continue;
		edits = distance(word, other);
		/* A word of which every letter is wrong is not near, however short. */
		if (edits < least && edits < strlen(other)) {
			least = edits;
			nearest = other;
		}
	}
	return nearest ? nearest : only_longer(word, candidate, context);
}
