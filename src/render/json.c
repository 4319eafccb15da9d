#include "render/json.h"

#include <string.h>

#include "base/cleanup.h"
#include "render/text.h"

/* What one character may become: "\uXXXX". All characters that need it are below U+10000. */
#define ESCAPE_MAX 6
/* A comma, the quotes around a key and a colon. */
#define KEY_EXTRA  4
#define NUMBER_MAX 24

static void flush(struct json_writer *json)
{
	/* Short writes leave the stream's error flag behind, which is where the caller looks. */
	fwrite(json->buffer, 1, json->used, json->out);
	json->used = 0;
}

/* Room for @size bytes, which is less than the buffer. The caller moves @used. */
static char *room(struct json_writer *json, size_t size)
{
	if (size > sizeof(json->buffer) - json->used)
		flush(json);
	return json->buffer + json->used;
}

static void moved_to(struct json_writer *json, const char *at)
{
	json->used = (size_t)(at - json->buffer);
}

static char *put_bytes(char *at, const char *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

/* The comma and the key; room for @extra more is there. */
static char *begin(struct json_writer *json, const char *key, size_t extra)
{
	size_t length = key ? strlen(key) : 0;
	uint64_t bit = UINT64_C(1) << (json->depth & 63);
	char *at;

	if (length > JSON_KEY_MAX)
		length = JSON_KEY_MAX;
	at = room(json, length + KEY_EXTRA + extra);
	if (json->filled & bit)
		*at++ = ',';
	json->filled |= bit;
	if (key) {
		*at++ = '"';
		at = put_bytes(at, key, length);
		*at++ = '"';
		*at++ = ':';
	}
	return at;
}

/* ---- objects and arrays */

static void open_with(struct json_writer *json, const char *key, char bracket)
{
	char *at = begin(json, key, 1);

	*at++ = bracket;
	moved_to(json, at);
	json->depth++;
	json->filled &= ~(UINT64_C(1) << (json->depth & 63));
}

static void close_with(struct json_writer *json, char bracket)
{
	char *at = room(json, 1);

	*at++ = bracket;
	moved_to(json, at);
	if (json->depth)
		json->depth--;
}

void json_open_object(struct json_writer *json, const char *key)
{
	open_with(json, key, '{');
}

void json_open_array(struct json_writer *json, const char *key)
{
	open_with(json, key, '[');
}

void json_close_object(struct json_writer *json)
{
	close_with(json, '}');
}

void json_close_array(struct json_writer *json)
{
	close_with(json, ']');
}

void json_end_line(struct json_writer *json)
{
	*room(json, 1) = '\n';
	json->used++;
	flush(json);
	json->depth = 0;
	json->filled = 0;
}

/* ---- text */

static char *put_code(char *at, uint32_t c)
{
	static const char hex[] = "0123456789abcdef";

	*at++ = '\\';
	*at++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*at++ = hex[c >> shift & 0xf];
	return at;
}

/* The character at *@text, which is not a plain one; moves *@text behind it. */
static char *put_special(char *at, const char **text, const char *end)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *begins = *text, *found;
	uint32_t c;
	size_t size = text_decode(begins, (size_t)(end - begins), &c);

	*text += size ? size : 1;
	if (!size)
		return put_bytes(at, replacement, sizeof(replacement) - 1);
	found = size == 1 && c ? strchr(from, (int)c) : NULL;
	if (found) {
		*at++ = '\\';
		*at++ = to[found - from];
		return at;
	}
	if (text_character_is_harmful(c))
		return put_code(at, c);
	return put_bytes(at, begins, size);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether any of the word's bytes is 0; a byte above one that is may be taken for one, too. */
static uint64_t zero_bytes(uint64_t word)
{
	return (word - EACH(1)) & ~word & EACH(0x80);
}

/* Whether all of the word's bytes are plain. May doubt it where they are, never the reverse. */
static bool all_plain(uint64_t word)
{
	uint64_t high = (word | (word + EACH(1))) & EACH(0x80);	 /* 0x7f and above */
	uint64_t low = (word - EACH(0x20)) & ~word & EACH(0x80); /* below 0x20 */

	return !(high | low | zero_bytes(word ^ EACH('"')) | zero_bytes(word ^ EACH('\\')));
}

/* As many plain bytes as come next, eight at a time where it can be. */
static char *put_plain(char *at, const char **text, const char *end)
{
	const char *from = *text;
	uint64_t word;

	while (end - from >= (ptrdiff_t)sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		if (!all_plain(word))
			break;
		memcpy(at, &word, sizeof(word));
		at += sizeof(word);
		from += sizeof(word);
	}
	while (from < end && is_plain((unsigned char)*from))
		*at++ = *from++;
	*text = from;
	return at;
}

static void put_escaped(struct json_writer *json, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		/* What fits even when nothing of it is plain. */
		size_t most = (size_t)(end - text), fits = JSON_BUFFER / 2 / ESCAPE_MAX;
		const char *until = text + (most < fits ? most : fits);
		char *at = room(json, JSON_BUFFER / 2);

		while (text < until) {
			at = put_plain(at, &text, until);
			if (text < until)
				at = put_special(at, &text, end);
		}
		moved_to(json, at);
	}
}

void json_put_text(struct json_writer *json, const char *key, const char *text)
{
	char *at;

	if (!text) {
		json_put_null(json, key);
		return;
	}
	at = begin(json, key, 1);
	*at++ = '"';
	moved_to(json, at);
	put_escaped(json, text, strlen(text));
	*room(json, 1) = '"';
	json->used++;
}

/* ---- numbers and constants */

static char *put_decimal(char *at, uint64_t number)
{
	char digits[NUMBER_MAX], *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return put_bytes(at, first, (size_t)(digits + sizeof(digits) - first));
}

/* Of INT64_MIN, too, which has no positive counterpart. */
static uint64_t magnitude(int64_t number)
{
	return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

void json_put_number(struct json_writer *json, const char *key, int64_t number)
{
	char *at = begin(json, key, NUMBER_MAX);

	if (number < 0)
		*at++ = '-';
	moved_to(json, put_decimal(at, magnitude(number)));
}

void json_put_count(struct json_writer *json, const char *key, uint64_t number)
{
	moved_to(json, put_decimal(begin(json, key, NUMBER_MAX), number));
}

static uint64_t power_of_ten(unsigned exponent)
{
	uint64_t power = 1;

	while (exponent--)
		power *= 10;
	return power;
}

/* The first @count decimals, without the zeros at their end. */
static char *put_decimals(char *at, uint64_t fraction, unsigned count)
{
	if (fraction == 0)
		return at;
	while (fraction % 10 == 0) {
		fraction /= 10;
		count--;
	}
	*at = '.';
	for (unsigned i = count; i > 0; i--) {
		at[i] = (char)('0' + fraction % 10);
		fraction /= 10;
	}
	return at + count + 1;
}

void json_put_fixed(struct json_writer *json, const char *key, int64_t value, unsigned digits,
		    unsigned decimals)
{
	uint64_t dropped = power_of_ten(digits - decimals), kept = power_of_ten(decimals);
	/* No overflow: 2^63 and half of 10^18 are less than 2^64. */
	uint64_t rounded = (magnitude(value) + dropped / 2) / dropped;
	char *at = begin(json, key, 2 * NUMBER_MAX);

	if (value < 0 && rounded)
		*at++ = '-';
	at = put_decimal(at, rounded / kept);
	moved_to(json, put_decimals(at, rounded % kept, decimals));
}

void json_put_seconds(struct json_writer *json, const char *key, int64_t ns, unsigned decimals)
{
	json_put_fixed(json, key, ns, 9, decimals);
}

static void put_word(struct json_writer *json, const char *key, const char *word, size_t length)
{
	moved_to(json, put_bytes(begin(json, key, length), word, length));
}

void json_put_bool(struct json_writer *json, const char *key, bool value)
{
	if (value)
		put_word(json, key, "true", 4);
	else
		put_word(json, key, "false", 5);
}

void json_put_null(struct json_writer *json, const char *key)
{
	put_word(json, key, "null", 4);
}
