/*
 * One state per place in an answer. `match` is that of a name or word that matters
 * (base/http_text.h).
 *
 * An answer whose end could be understood in two ways is malformed: a length besides chunks, two
 * lengths, chunks of HTTP/1.0 (RFC 9112, 6.1 and 6.3). A bare LF is an end of line (2.2).
 */
#include "load/http_answer.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/http_text.h"
#include "load/tally.h"

enum state {
	VERSION,		   /* eight of them: a byte of "HTTP/1.1" each */
	VERSION_END = VERSION + 8, /* the space */
	STATUS,			   /* a digit each */
	STATUS_2,
	STATUS_3,
	STATUS_END, /* the space before the reason */
	REASON,
	LINE_LF,
	FIELD, /* first byte of a header line */
	NAME,
	VALUE,	    /* of a field that does not matter */
	CONNECTION, /* a list of words */
	LENGTH,	    /* digits, and space around */
	LENGTH_DIGITS,
	LENGTH_END,
	ENCODING, /* a list of words */
	VALUE_LF,
	HEAD_LF,
	BODY,
	BODY_TO_FIN,
	CHUNK, /* first digit of a size */
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_LF,
	CHUNK_DATA,
	CHUNK_END,
	CHUNK_END_LF,
	TRAILER, /* first byte of a trailer line */
	TRAILER_TEXT,
	TRAILER_TEXT_LF,
	TRAILERS_LF,
	COMPLETE,
	MALFORMED,
};
static_assert(MALFORMED < 256, "fits answer_state.bits");

enum flag {
	HTTP_11 = 1 << 0, /* minor version 1 or more */
	CLOSES = 1 << 1,  /* Connection: close */
	KEEPS = 1 << 2,	  /* Connection: keep-alive */
	SIZED = 1 << 3,	  /* Content-Length was there */
	CODED = 1 << 4,	  /* Transfer-Encoding was there */
	CHUNKED = 1 << 5, /* … and the last of it is chunked */
};

/* answer_state while bytes are taken. */
struct parse {
	uint64_t left;
	size_t size;
	uint16_t status;
	uint8_t state, match, flags;
};

/* ---- words (base/http_text.h) */

enum { FOLDABLE = HTTP_NO_MATCH };

enum { FIELD_CONNECTION, FIELD_LENGTH, FIELD_ENCODING };
static const char *const fields[] = {"connection", "content-length", "transfer-encoding", NULL};

enum { WORD_CLOSE, WORD_KEEP };
static const char *const connection_words[] = {"close", "keep-alive", NULL};
static const char *const encoding_words[] = {"chunked", NULL};

/* ---- states; each returns the next */

/* "\n" or "\r\n" of a line: @with_cr waits for the LF, @next is what follows. */
static uint8_t line_end(char byte, uint8_t with_cr, uint8_t next)
{
	if (byte == '\n')
		return next;
	return byte == '\r' ? with_cr : MALFORMED;
}

static uint8_t in_version(struct parse *parse, char byte)
{
	unsigned place = parse->state - VERSION;

	if (place < 7)
		return byte == "HTTP/1."[place] ? parse->state + 1 : MALFORMED;
	if (!http_is_digit(byte))
		return MALFORMED;
	if (byte != '0')
		parse->flags |= HTTP_11;
	return VERSION_END;
}

static uint8_t in_status(struct parse *parse, char byte)
{
	if (!http_is_digit(byte) || (parse->state == STATUS && byte == '0'))
		return MALFORMED;
	parse->status = (uint16_t)(parse->status * 10 + (byte - '0'));
	return parse->state + 1;
}

/* How the body ends, RFC 9112, 6.3. */
static uint8_t end_head(struct parse *parse)
{
	if (parse->status == 101) /* nobody asked for another protocol */
		return MALFORMED;
	if (parse->status < 200) { /* the size goes on: so they come to an end */
		*parse = (struct parse){.size = parse->size};
		return VERSION;
	}
	parse->size = 0;
	if (parse->status == 204 || parse->status == 304)
		return COMPLETE;
	if (parse->flags & CODED) {
		if (parse->flags & SIZED || !(parse->flags & HTTP_11))
			return MALFORMED;
		return parse->flags & CHUNKED ? CHUNK : BODY_TO_FIN;
	}
	if (!(parse->flags & SIZED))
		return BODY_TO_FIN;
	return parse->left ? BODY : COMPLETE;
}

static uint8_t in_field(struct parse *parse, char byte)
{
	/* A folded line (RFC 9112, 5.2) goes on with a field that does not matter. In one that
	 * does, nobody has folded anything in good faith. */
	if (http_is_space(byte))
		return parse->match == FOLDABLE ? VALUE : MALFORMED;
	if (byte == '\n')
		return end_head(parse);
	if (byte == '\r')
		return HEAD_LF;
	if (!http_is_token(byte))
		return MALFORMED;
	parse->match = 0;
	http_match_byte(&parse->match, fields, http_lower(byte));
	return NAME;
}

static uint8_t in_name(struct parse *parse, char byte)
{
	if (http_is_token(byte)) {
		http_match_byte(&parse->match, fields, http_lower(byte));
		return NAME;
	}
	if (byte != ':')
		return MALFORMED;
	switch (http_match_end(&parse->match, fields)) {
	case FIELD_CONNECTION:
		return CONNECTION;
	case FIELD_LENGTH:
		return LENGTH;
	case FIELD_ENCODING:
		parse->flags |= CODED;
		return ENCODING;
	}
	parse->match = FOLDABLE;
	return VALUE;
}

/* A list of words; true when one of them ends with @byte. */
static bool in_words(struct parse *parse, char byte, const char *const *table)
{
	if (byte == ',' || byte == '\r' || byte == '\n')
		return true;
	if (http_is_space(byte))
		http_match_space(&parse->match, table);
	else
		http_match_byte(&parse->match, table, http_lower(byte));
	return false;
}

/* What is not known is passed over (RFC 9110, 7.6.1). */
static uint8_t in_connection(struct parse *parse, char byte)
{
	if (!in_words(parse, byte, connection_words))
		return http_is_text(byte) ? CONNECTION : MALFORMED;
	switch (http_match_end(&parse->match, connection_words)) {
	case WORD_CLOSE:
		parse->flags |= CLOSES;
		break;
	case WORD_KEEP:
		parse->flags |= KEEPS;
		break;
	}
	return byte == ',' ? CONNECTION : line_end(byte, VALUE_LF, FIELD);
}

/* Only the last coding tells how the body ends; chunked twice is forbidden (RFC 9112, 6.1). */
static uint8_t in_encoding(struct parse *parse, char byte)
{
	bool empty = parse->match == 0, chunked;

	if (!in_words(parse, byte, encoding_words))
		return http_is_text(byte) ? ENCODING : MALFORMED;
	chunked = http_match_end(&parse->match, encoding_words) == 0;
	if (chunked && parse->flags & CHUNKED)
		return MALFORMED;
	if (chunked)
		parse->flags |= CHUNKED;
	else if (!empty)
		parse->flags &= (uint8_t)~CHUNKED;
	return byte == ',' ? ENCODING : line_end(byte, VALUE_LF, FIELD);
}

/* A digit of @n in decimal, @place counted from the first (of 0: there is none); -1 behind it. */
static int digit_at(uint64_t n, unsigned place)
{
	char digits[20];
	unsigned count = 0;

	for (; n; n /= 10)
		digits[count++] = (char)(n % 10);
	return place < count ? digits[count - 1 - place] : -1;
}

/* The first value is counted in `left`, any other must be the same: `match` digits of it are. */
static bool add_digit(struct parse *parse, int digit)
{
	if (!(parse->flags & SIZED)) {
		if (parse->left > INT64_MAX / 10)
			return false;
		parse->left = parse->left * 10 + (unsigned)digit;
		return parse->left <= INT64_MAX;
	}
	if (parse->match == 0 && digit == 0)
		return true;
	return digit_at(parse->left, parse->match++) == digit;
}

static uint8_t in_length(struct parse *parse, char byte)
{
	if (http_is_digit(byte) && parse->state != LENGTH_END)
		return add_digit(parse, byte - '0') ? LENGTH_DIGITS : MALFORMED;
	if (http_is_space(byte))
		return parse->state == LENGTH ? LENGTH : LENGTH_END;
	if (parse->state == LENGTH)
		return MALFORMED;
	if (parse->flags & SIZED && digit_at(parse->left, parse->match) >= 0)
		return MALFORMED;
	parse->flags |= SIZED;
	parse->match = 0;
	return byte == ',' ? LENGTH : line_end(byte, VALUE_LF, FIELD);
}

/* ---- chunks (RFC 9112, 7.1) */

static uint8_t end_chunk_line(struct parse *parse)
{
	parse->size = 0; /* from here on it counts the trailers, or the next such line */
	return parse->left ? CHUNK_DATA : TRAILER;
}

static uint8_t in_chunk_size(struct parse *parse, char byte)
{
	int digit = http_hex_digit(byte);

	if (digit >= 0) {
		if (parse->left > (INT64_MAX >> 4))
			return MALFORMED;
		parse->left = parse->left << 4 | (unsigned)digit;
		return CHUNK_SIZE;
	}
	if (parse->state == CHUNK)
		return MALFORMED;
	if (byte == ';' || http_is_space(byte))
		return CHUNK_EXTENSION;
	return byte == '\n' ? end_chunk_line(parse) : line_end(byte, CHUNK_LF, MALFORMED);
}

static uint8_t in_chunk_extension(struct parse *parse, char byte)
{
	if (http_is_text(byte))
		return CHUNK_EXTENSION;
	return byte == '\n' ? end_chunk_line(parse) : line_end(byte, CHUNK_LF, MALFORMED);
}

static uint8_t in_trailer(struct parse *parse, char byte)
{
	if (parse->state == TRAILER_TEXT && http_is_text(byte))
		return TRAILER_TEXT;
	if (parse->state == TRAILER_TEXT)
		return line_end(byte, TRAILER_TEXT_LF, TRAILER);
	return http_is_token(byte) ? TRAILER_TEXT : line_end(byte, TRAILERS_LF, COMPLETE);
}

/* ---- */

static uint8_t after_cr(struct parse *parse, char byte)
{
	if (byte != '\n')
		return MALFORMED;
	switch (parse->state) {
	case LINE_LF:
	case VALUE_LF:
		return FIELD;
	case HEAD_LF:
		return end_head(parse);
	case CHUNK_LF:
		return end_chunk_line(parse);
	case CHUNK_END_LF:
		return CHUNK;
	case TRAILER_TEXT_LF:
		return TRAILER;
	}
	return COMPLETE; /* TRAILERS_LF */
}

static uint8_t next_state(struct parse *parse, char byte)
{
	switch ((enum state)parse->state) {
	case VERSION_END:
		return byte == ' ' ? STATUS : MALFORMED;
	case STATUS:
	case STATUS_2:
	case STATUS_3:
		return in_status(parse, byte);
	case STATUS_END: /* without a reason, the space may be missing, too */
		return byte == ' ' ? REASON : line_end(byte, LINE_LF, FIELD);
	case REASON:
		return http_is_text(byte) ? REASON : line_end(byte, LINE_LF, FIELD);
	case FIELD:
		return in_field(parse, byte);
	case NAME:
		return in_name(parse, byte);
	case VALUE:
		return http_is_text(byte) ? VALUE : line_end(byte, VALUE_LF, FIELD);
	case CONNECTION:
		return in_connection(parse, byte);
	case LENGTH:
	case LENGTH_DIGITS:
	case LENGTH_END:
		return in_length(parse, byte);
	case ENCODING:
		return in_encoding(parse, byte);
	case CHUNK:
	case CHUNK_SIZE:
		return in_chunk_size(parse, byte);
	case CHUNK_EXTENSION:
		return in_chunk_extension(parse, byte);
	case CHUNK_END:
		return line_end(byte, CHUNK_END_LF, CHUNK);
	case TRAILER:
	case TRAILER_TEXT:
		return in_trailer(parse, byte);
	case LINE_LF:
	case VALUE_LF:
	case HEAD_LF:
	case CHUNK_LF:
	case CHUNK_END_LF:
	case TRAILER_TEXT_LF:
	case TRAILERS_LF:
		return after_cr(parse, byte);
	default:
		return in_version(parse, byte);
	}
}

/* As much of a body or chunk as is there. */
static size_t pass_body(struct parse *parse, size_t there)
{
	size_t n = parse->left < there ? (size_t)parse->left : there;

	parse->left -= n;
	if (parse->left == 0)
		parse->state = parse->state == BODY ? COMPLETE : CHUNK_END;
	return n;
}

/* Most of a head is what nobody reads, names and values: the rest of one, as far as it is there. */
static size_t pass_unread(struct parse *parse, const char *bytes, size_t there)
{
	size_t n = 0;

	if (parse->state == VALUE)
		while (n < there && http_is_text(bytes[n]))
			n++;
	else if (parse->state == NAME && parse->match == HTTP_NO_MATCH)
		while (n < there && http_is_token(bytes[n]))
			n++;
	parse->size += n;
	return n;
}

/* Returns how many bytes were taken; all of them unless it is COMPLETE or MALFORMED. */
static size_t parse_bytes(struct parse *parse, const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length && parse->state < COMPLETE) {
		if (parse->state == BODY || parse->state == CHUNK_DATA) {
			i += pass_body(parse, length - i);
			continue;
		}
		if (parse->state == BODY_TO_FIN)
			return length;
		i += pass_unread(parse, bytes + i, length - i);
		if (i < length) {
			parse->size++;
			parse->state = next_state(parse, bytes[i++]);
		}
		if (parse->size > HTTP_ANSWER_HEAD_MAX)
			parse->state = MALFORMED;
	}
	return i;
}

/* RFC 9112, 9.3 */
static bool is_kept(const struct parse *parse)
{
	return !(parse->flags & CLOSES) && parse->flags & (HTTP_11 | KEEPS);
}

static struct parse load(const struct answer_state *state)
{
	return (struct parse){
		.left = state->left,
		.size = state->size,
		.status = state->status,
		.state = (uint8_t)state->bits,
		.match = (uint8_t)(state->bits >> 8),
		.flags = (uint8_t)(state->bits >> 16),
	};
}

static void store(struct answer_state *state, const struct parse *parse)
{
	*state = (struct answer_state){
		.left = parse->left,
		.bits = (uint32_t)parse->state | (uint32_t)parse->match << 8 |
			(uint32_t)parse->flags << 16,
		.size = (uint16_t)parse->size,
		.status = parse->status,
	};
}

int http_answer_take(struct answer_state *state, const char *bytes, size_t length,
		     size_t *ret_taken)
{
	struct parse parse = load(state);
	size_t taken;

	if (length == 0) {
		if (parse.state != BODY_TO_FIN)
			return -LOAD_FAIL_SHORT;
		*ret_taken = 0;
		return ANSWER_LAST;
	}
	taken = parse_bytes(&parse, bytes, length);
	if (parse.state == MALFORMED)
		return -LOAD_FAIL_MALFORMED;
	store(state, &parse);
	*ret_taken = taken;
	if (parse.state != COMPLETE)
		return ANSWER_MORE;
	return is_kept(&parse) ? ANSWER_COMPLETE : ANSWER_LAST;
}
