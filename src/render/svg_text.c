#include "render/svg_text.h"

#include <string.h>

#include "render/screen.h"
#include "render/text.h"

#define TEXT_MAX 2048

static void put_character(FILE *out, const char *at, size_t length, uint32_t character)
{
	switch (character) {
	case '&':
		fputs("&amp;", out);
		break;
	case '<':
		fputs("&lt;", out);
		break;
	case '>':
		fputs("&gt;", out);
		break;
	case '"':
		fputs("&quot;", out);
		break;
	case '\'':
		fputs("&#39;", out);
		break;
	case 0xfffe:
	case 0xffff:
		fputs("\xef\xbf\xbd", out);
		break;
	default:
		fwrite(at, 1, length, out);
		break;
	}
}

void svg_text_put(FILE *out, const char *text, unsigned columns)
{
	char clean[TEXT_MAX];
	size_t end, length;
	uint32_t character;

	if (!text)
		return;
	screen_escape(text, strnlen(text, TEXT_MAX), clean, sizeof(clean));
	end = strlen(clean);
	if (screen_columns(clean) > columns)
		end = text_fit(clean, columns - 1);
	for (size_t at = 0; at < end; at += length) {
		length = text_decode(clean + at, end - at, &character);
		if (!length)
			break; /* never: it was made clean above */
		put_character(out, clean + at, length, character);
	}
	if (clean[end])
		fputs("\xe2\x80\xa6", out);
}
