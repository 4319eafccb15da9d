#include "render/text.h"

#include <string.h>
#include <wchar.h>

#include "base/cleanup.h"

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* For characters that the locale does not know: the blocks that matter, not every exception. */
static unsigned guess_columns(uint32_t c)
{
	static const struct range nothing[] = {
		{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f},
		{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
		{0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef},
	};
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0x33ff},   {0x3400, 0x4dbf},
		{0x4e00, 0x9fff},   {0xa000, 0xa4cf},	{0xa960, 0xa97f},   {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},	{0xff00, 0xff60},   {0xffe0, 0xffe6},
		{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
	};

	if (in_ranges(c, nothing, ARRAY_SIZE(nothing)))
		return 0;
	return in_ranges(c, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

unsigned text_character_columns(uint32_t character)
{
	int columns;

	if (character < 0x20 || (character >= 0x7f && character < 0xa0))
		return 0;
	if (character < 0x7f)
		return 1;
	/* wcwidth() answers -1 for what LC_CTYPE does not know: nearly all in the C locale. */
	columns = wcwidth((wchar_t)character);
	return columns >= 0 ? (unsigned)columns : guess_columns(character);
}

bool text_character_is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

size_t text_decode(const char *at, size_t length, uint32_t *ret_character)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *bytes = (const uint8_t *)at;
	size_t size;
	uint32_t c;

	if (length == 0)
		return 0;
	if (bytes[0] < 0x80) {
		*ret_character = bytes[0];
		return 1;
	}
	size = (bytes[0] & 0xe0) == 0xc0   ? 2
	       : (bytes[0] & 0xf0) == 0xe0 ? 3
	       : (bytes[0] & 0xf8) == 0xf0 ? 4
					   : 0;
	if (size == 0 || size > length)
		return 0;
	c = bytes[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (bytes[i] & 0x3f);
	}
	if (c < smallest[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_character = c;
	return size;
}

/* The bytes and columns of what stands at @at, be it UTF-8 or not. */
static size_t step(const char *at, size_t length, unsigned *ret_columns)
{
	uint32_t c;
	size_t size = text_decode(at, length, &c);

	*ret_columns = size ? text_character_columns(c) : 1;
	return size ? size : 1;
}

unsigned text_columns(const char *text, size_t length)
{
	unsigned columns = 0;

	for (size_t at = 0; at < length;) {
		unsigned one;

		at += step(text + at, length - at, &one);
		columns += one;
	}
	return columns;
}

size_t text_fit(const char *text, unsigned width)
{
	size_t length = strlen(text), at = 0;
	unsigned columns = 0;

	while (at < length) {
		unsigned one;
		size_t size = step(text + at, length - at, &one);

		if (columns + one > width)
			break;
		columns += one;
		at += size;
	}
	return at;
}

/* The last place at or before @fit where a blank ends a word; 0 when there is none. */
static size_t last_break(const char *text, size_t fit)
{
	for (size_t at = fit; at > 0; at--)
		if (text[at] == ' ' && text[at - 1] != ' ')
			return at;
	return 0;
}

size_t text_line(const char **text, unsigned width)
{
	const char *begin = *text;
	size_t fit = text_fit(begin, width);
	size_t at;
	unsigned columns;

	if (begin[fit] == '\0') {
		*text = begin + fit;
		return fit;
	}
	at = last_break(begin, fit);
	if (at == 0) {
		at = fit ? fit : step(begin, strlen(begin), &columns);
		*text = begin + at;
		return at;
	}
	*text = begin + at + strspn(begin + at, " ");
	return at;
}
