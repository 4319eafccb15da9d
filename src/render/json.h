/*
 * JSON written as it is made, for results of which there are too many to be built in memory first
 * (jansson builds; this only writes). Values and keys in the order in which they are put; commas
 * and quotes are its business. Text is taken as UTF-8; what is not becomes U+FFFD. Quotes and
 * controls are escaped (RFC 8259 7), and so is what a terminal would take for a command
 * (render/text.h), which a reader of JSON does not notice.
 */
#ifndef CONTEST_RENDER_JSON_H
#define CONTEST_RENDER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_BUFFER    8192
#define JSON_KEY_MAX   64
#define JSON_DEPTH_MAX 63

struct json_writer {
	FILE *out; /* (borrowed); its error flag is the caller's to look at */
	unsigned depth;
	uint64_t filled; /* a bit per depth: something stands there already */
	size_t used;
	char buffer[JSON_BUFFER]; /* written to @out when full, and at the end of a line */
};

#define JSON_WRITER(stream) ((struct json_writer){.out = (stream)})

/*
 * @key NULL: an element of an array, or the whole document. Keys are constants of the program: up
 * to JSON_KEY_MAX bytes of ASCII in which nothing needs to be escaped. At most JSON_DEPTH_MAX deep.
 */
void json_open_object(struct json_writer *json, const char *key);
void json_open_array(struct json_writer *json, const char *key);
void json_close_object(struct json_writer *json);
void json_close_array(struct json_writer *json);
void json_put_text(struct json_writer *json, const char *key, const char *text); /* NULL: null */
void json_put_number(struct json_writer *json, const char *key, int64_t number);
void json_put_count(struct json_writer *json, const char *key, uint64_t number);
void json_put_bool(struct json_writer *json, const char *key, bool value);
void json_put_null(struct json_writer *json, const char *key);
/*
 * @value divided by 10 to the power of @digits (0 to 18), with the decimals that it needs, at most
 * @decimals (0 to @digits; beyond them it is rounded, halves away from zero). Exact, no floats.
 */
void json_put_fixed(struct json_writer *json, const char *key, int64_t value, unsigned digits,
		    unsigned decimals);
/* @ns as seconds, likewise. */
void json_put_seconds(struct json_writer *json, const char *key, int64_t ns, unsigned decimals);
/* Ends a line of JSON lines and hands it to @out; the next document begins. A document is not all
 * in @out before. Give an @out that takes many of them a large buffer (setvbuf(3)). */
void json_end_line(struct json_writer *json);

#endif
