/*
 * JSON written as it is made, for results of which there are too many to be built in memory first
 * (jansson builds; this only writes). Values and keys in the order in which they are put; commas
 * and quotes are its business. Text is taken as UTF-8; what is not becomes U+FFFD, controls are
 * escaped (RFC 8259 7).
 */
#ifndef CONTEST_RENDER_JSON_H
#define CONTEST_RENDER_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_writer {
	FILE *out; /* (borrowed); its error flag is the caller's to look at */
	unsigned depth;
	uint64_t filled; /* a bit per depth: something stands there already */
};

#define JSON_WRITER(stream) ((struct json_writer){.out = (stream)})

/* @key NULL: an element of an array, or the whole document. At most 63 deep. */
void json_open_object(struct json_writer *json, const char *key);
void json_open_array(struct json_writer *json, const char *key);
void json_close_object(struct json_writer *json);
void json_close_array(struct json_writer *json);
void json_put_text(struct json_writer *json, const char *key, const char *text); /* NULL: null */
void json_put_number(struct json_writer *json, const char *key, int64_t number);
void json_put_count(struct json_writer *json, const char *key, uint64_t number);
void json_put_bool(struct json_writer *json, const char *key, bool value);
void json_put_null(struct json_writer *json, const char *key);
/* @ns as seconds with the decimals that it needs, at most @decimals (0 to 9); exact, no floats. */
void json_put_seconds(struct json_writer *json, const char *key, int64_t ns, unsigned decimals);
/* Ends a line of JSON lines; the next document begins. */
void json_end_line(struct json_writer *json);

#endif
