#include "cmd/top_edit.h"

#include <string.h>

#include "render/text.h"

/* RFC 3629 section 3. Returns the bytes. */
static size_t encode(uint32_t character, char *to)
{
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

	if (size == 1) {
		to[0] = (char)character;
		return 1;
	}
	for (size_t i = size - 1; i > 0; i--, character >>= 6)
		to[i] = (char)(0x80 | (character & 0x3f));
	to[0] = (char)(first[size] | character);
	return size;
}

bool top_edit_insert(struct top_edit *edit, uint32_t character)
{
	char bytes[4];
	size_t size;
	uint32_t back;

	if (character > 0x10ffff || text_character_is_harmful(character))
		return false;
	size = encode(character, bytes);
	if (!text_decode(bytes, size, &back) || edit->length + size >= sizeof(edit->text))
		return false;
	memmove(edit->text + edit->cursor + size, edit->text + edit->cursor,
		edit->length - edit->cursor + 1);
	memcpy(edit->text + edit->cursor, bytes, size);
	edit->cursor += size;
	edit->length += size;
	return true;
}

void top_edit_set(struct top_edit *edit, const char *text)
{
	size_t left = strlen(text);

	*edit = (struct top_edit){.length = 0};
	while (left) {
		uint32_t character;
		size_t size = text_decode(text, left, &character);

		if (size)
			top_edit_insert(edit, character);
		else
			size = 1;
		text += size;
		left -= size;
	}
}

static bool is_within(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t before(const struct top_edit *edit)
{
	size_t at = edit->cursor;

	while (at > 0 && is_within(edit->text[--at]))
		;
	return at;
}

static size_t after(const struct top_edit *edit)
{
	size_t at = edit->cursor;

	if (at < edit->length)
		at++;
	while (is_within(edit->text[at]))
		at++;
	return at;
}

static size_t word_before(const struct top_edit *edit)
{
	size_t at = edit->cursor;

	while (at > 0 && edit->text[at - 1] == ' ')
		at--;
	while (at > 0 && edit->text[at - 1] != ' ')
		at--;
	return at;
}

void top_edit_move(struct top_edit *edit, enum top_edit_move where)
{
	switch (where) {
	case EDIT_LEFT:
		edit->cursor = before(edit);
		break;
	case EDIT_RIGHT:
		edit->cursor = after(edit);
		break;
	case EDIT_HOME:
		edit->cursor = 0;
		break;
	case EDIT_END:
		edit->cursor = edit->length;
		break;
	}
}

static bool cut(struct top_edit *edit, size_t from, size_t to)
{
	memmove(edit->text + from, edit->text + to, edit->length - to + 1);
	edit->length -= to - from;
	edit->cursor = from;
	return from < to;
}

bool top_edit_cut(struct top_edit *edit, enum top_edit_cut what)
{
	switch (what) {
	case EDIT_BEFORE:
		return cut(edit, before(edit), edit->cursor);
	case EDIT_AFTER:
		return cut(edit, edit->cursor, after(edit));
	case EDIT_WORD:
		return cut(edit, word_before(edit), edit->cursor);
	case EDIT_TO_HOME:
		return cut(edit, 0, edit->cursor);
	case EDIT_TO_END:
		return cut(edit, edit->cursor, edit->length);
	}
	return false;
}
