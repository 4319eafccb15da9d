/*
 * Bytes and words of HTTP, as parsers take them: byte by byte, whatever the locale, with a byte of
 * memory for a word.
 *
 * Words that matter stand in sorted tables of lower case, ended by NULL. A match walks one: it
 * holds the entry that fits so far and how much of it (0: a new word); a byte that does not fit
 * moves on to the next entry with the same beginning, or to none.
 */
#ifndef CONTEST_BASE_HTTP_TEXT_H
#define CONTEST_BASE_HTTP_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ---- bytes (RFC 9110, 5.6.2 and 5.5) */

static inline bool http_is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static inline char http_lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* "!#$%&'*+-.^_`|~", digits and letters: a bit for each below 128. */
static inline bool http_is_token(char byte)
{
	static const uint64_t tokens[] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe};
	unsigned char place = (unsigned char)byte;

	return place < 128 && tokens[place / 64] >> place % 64 & 1;
}

static inline bool http_is_text(char byte)
{
	return byte == '\t' || ((unsigned char)byte >= ' ' && byte != 0x7f);
}

static inline bool http_is_space(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* Its value, or -1. */
static inline int http_hex_digit(char byte)
{
	byte = http_lower(byte);
	if (http_is_digit(byte))
		return byte - '0';
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* ---- words; a table has at most 7 of them, each of less than 31 bytes */

#define HTTP_NO_MATCH 0xff

static inline void http_match_byte(uint8_t *match, const char *const *table, char byte)
{
	unsigned entry = *match >> 5, place = *match & 31;

	if (*match == HTTP_NO_MATCH)
		return;
	while (table[entry][place] != byte) {
		if (!table[entry + 1] || strncmp(table[entry], table[entry + 1], place) != 0) {
			*match = HTTP_NO_MATCH;
			return;
		}
		entry++;
	}
	*match = (uint8_t)(entry << 5 | (place + 1));
}

/* Space goes around words, not into them: "chun ked" is none. */
static inline void http_match_space(uint8_t *match, const char *const *table)
{
	unsigned entry = *match >> 5, place = *match & 31;

	if (*match != HTTP_NO_MATCH && place && table[entry][place])
		*match = HTTP_NO_MATCH;
}

/* The entry that was matched to its end, or -1. Begins anew. */
static inline int http_match_end(uint8_t *match, const char *const *table)
{
	unsigned entry = *match >> 5, place = *match & 31;
	bool whole = *match != HTTP_NO_MATCH && table[entry][place] == '\0';

	*match = 0;
	return whole ? (int)entry : -1;
}

#endif
