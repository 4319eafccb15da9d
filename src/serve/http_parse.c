/*
 * One state per place in a request. `match` is that of a name or word that matters
 * (base/http_text.h).
 *
 * What is ambiguous is refused rather than guessed, because proxies may guess differently (request
 * smuggling, RFC 9112, 11.2): both lengths, a length twice, spaces before a colon, folded lines,
 * a bare CR. A bare LF is an end of line (RFC 9112, 2.2).
 */
#include "serve/http_parse.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/http_text.h"

enum state {
	START, /* before the request line: empty lines are skipped (RFC 9112, 2.2) */
	START_LF,
	METHOD,
	TARGET,
	VERSION, /* eight of them: a byte of "HTTP/1.1" each */
	VERSION_END = VERSION + 8,
	LINE_LF,
	FIELD, /* first byte of a header line */
	NAME,
	VALUE,	    /* of a field that does not matter */
	CONNECTION, /* a list of words */
	LENGTH,	    /* digits, and space around */
	LENGTH_DIGITS,
	LENGTH_END,
	ENCODING, /* one word */
	EXPECT,
	VALUE_LF,
	HEADERS_LF,
	BODY,
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
	TROUBLED,
};
static_assert(TROUBLED < 256, "fits http_parse.state");

enum trouble {
	OK,
	BAD_REQUEST,
	TOO_LARGE,
	URI_TOO_LONG,
	EXPECTATION_FAILED,
	HEADERS_TOO_LARGE,
	NOT_IMPLEMENTED,
	VERSION_UNKNOWN,
};

static const char *const statuses[] = {
	[OK] = "200 OK",
	[BAD_REQUEST] = "400 Bad Request",
	[TOO_LARGE] = "413 Content Too Large",
	[URI_TOO_LONG] = "414 URI Too Long",
	[EXPECTATION_FAILED] = "417 Expectation Failed",
	[HEADERS_TOO_LARGE] = "431 Request Header Fields Too Large",
	[NOT_IMPLEMENTED] = "501 Not Implemented",
	[VERSION_UNKNOWN] = "505 HTTP Version Not Supported",
};
static_assert(ARRAY_SIZE(statuses) == VERSION_UNKNOWN + 1, "a status for each trouble");

const char *http_status(uint8_t trouble)
{
	return trouble < ARRAY_SIZE(statuses) ? statuses[trouble] : statuses[BAD_REQUEST];
}

/* ---- words (base/http_text.h) */

enum { METHOD_CONNECT, METHOD_HEAD };
static const char *const methods[] = {"CONNECT", "HEAD", NULL};

enum { FIELD_CONNECTION, FIELD_LENGTH, FIELD_EXPECT, FIELD_HOST, FIELD_ENCODING };
static const char *const fields[] = {"connection", "content-length",	"expect",
				     "host",	   "transfer-encoding", NULL};

enum { WORD_CLOSE, WORD_KEEP };
static const char *const connection_words[] = {"close", "keep-alive", NULL};
static const char *const encoding_words[] = {"chunked", NULL};
static const char *const expect_words[] = {"100-continue", NULL};

/* ---- states; each returns the next */

static uint8_t trouble(struct http_parse *parse, enum trouble trouble)
{
	parse->trouble = (uint8_t)trouble;
	return TROUBLED;
}

static uint8_t bad(struct http_parse *parse)
{
	return trouble(parse, BAD_REQUEST);
}

/* "\n" or "\r\n" of a line: @with_cr waits for the LF, @next is what follows. */
static uint8_t line_end(struct http_parse *parse, char byte, uint8_t with_cr, uint8_t next)
{
	if (byte == '\n')
		return next;
	return byte == '\r' ? with_cr : bad(parse);
}

static uint8_t in_method(struct http_parse *parse, char byte)
{
	int known;

	if (http_is_token(byte)) {
		http_match_byte(&parse->match, methods, byte);
		return METHOD;
	}
	if (byte != ' ')
		return bad(parse);
	known = http_match_end(&parse->match, methods);
	if (known == METHOD_CONNECT) /* its 200 would open a tunnel (RFC 9110, 9.3.6) */
		return trouble(parse, NOT_IMPLEMENTED);
	if (known == METHOD_HEAD)
		parse->flags |= HTTP_HEAD;
	return TARGET;
}

/* parse->match: whether the target has a byte. */
static uint8_t in_target(struct http_parse *parse, char byte)
{
	if (byte == ' ' && parse->match) {
		parse->match = 0;
		return VERSION;
	}
	if ((unsigned char)byte <= ' ' || byte == 0x7f)
		return bad(parse);
	parse->match = 1;
	return TARGET;
}

static uint8_t in_version(struct http_parse *parse, char byte)
{
	unsigned place = parse->state - VERSION;
	bool digit = byte >= '0' && byte <= '9';

	switch (place) {
	case 5:
		if (digit && byte != '1')
			return trouble(parse, VERSION_UNKNOWN);
		break;
	case 7:
		if (digit && byte != '0')
			parse->flags |= HTTP_11;
		return digit ? VERSION_END : bad(parse);
	}
	return byte == "HTTP/1."[place] ? parse->state + 1 : bad(parse);
}

/* What the headers say together (RFC 9112, 3.2, 6.1, 6.3). */
static uint8_t end_headers(struct http_parse *parse)
{
	unsigned flags = parse->flags;
	bool body = flags & HTTP_CHUNKED || parse->length > 0;

	if (flags & HTTP_11 && !(flags & HTTP_HOST))
		return bad(parse);
	if (flags & HTTP_CHUNKED && (flags & HTTP_LENGTH || !(flags & HTTP_11)))
		return bad(parse);
	if (parse->length > HTTP_BODY_MAX)
		return trouble(parse, TOO_LARGE);
	if (!body || !(flags & HTTP_11)) /* RFC 9110, 10.1.1: not from 1.0 */
		parse->flags &= ~HTTP_CONTINUE;
	parse->size = 0;
	if (!body)
		return COMPLETE;
	return flags & HTTP_CHUNKED ? CHUNK : BODY;
}

static uint8_t in_field(struct http_parse *parse, char byte)
{
	if (byte == '\n')
		return end_headers(parse);
	if (byte == '\r')
		return HEADERS_LF;
	if (!http_is_token(byte)) /* a folded line among them */
		return bad(parse);
	parse->match = 0;
	http_match_byte(&parse->match, fields, http_lower(byte));
	return NAME;
}

static uint8_t in_name(struct http_parse *parse, char byte)
{
	if (http_is_token(byte)) {
		http_match_byte(&parse->match, fields, http_lower(byte));
		return NAME;
	}
	if (byte != ':')
		return bad(parse);
	switch (http_match_end(&parse->match, fields)) {
	case FIELD_CONNECTION:
		return CONNECTION;
	case FIELD_LENGTH:
		if (parse->flags & HTTP_LENGTH)
			return bad(parse);
		parse->flags |= HTTP_LENGTH;
		return LENGTH;
	case FIELD_EXPECT:
		return EXPECT;
	case FIELD_HOST:
		if (parse->flags & HTTP_HOST)
			return bad(parse);
		parse->flags |= HTTP_HOST;
		return VALUE;
	case FIELD_ENCODING:
		if (parse->flags & HTTP_CHUNKED)
			return bad(parse);
		return ENCODING;
	}
	return VALUE;
}

static uint8_t in_value(struct http_parse *parse, char byte)
{
	return http_is_text(byte) ? VALUE : line_end(parse, byte, VALUE_LF, FIELD);
}

/* A list of words; what is not known is passed over (RFC 9110, 7.6.1). */
static uint8_t in_connection(struct http_parse *parse, char byte)
{
	if (byte != ',' && byte != '\r' && byte != '\n') {
		if (!http_is_text(byte))
			return bad(parse);
		if (http_is_space(byte))
			http_match_space(&parse->match, connection_words);
		else
			http_match_byte(&parse->match, connection_words, http_lower(byte));
		return CONNECTION;
	}
	switch (http_match_end(&parse->match, connection_words)) {
	case WORD_CLOSE:
		parse->flags |= HTTP_CLOSE;
		break;
	case WORD_KEEP:
		parse->flags |= HTTP_KEEP;
		break;
	}
	return byte == ',' ? CONNECTION : line_end(parse, byte, VALUE_LF, FIELD);
}

static uint8_t in_length(struct http_parse *parse, char byte)
{
	bool digit = byte >= '0' && byte <= '9';

	if (digit && parse->state != LENGTH_END) {
		if (parse->length <= HTTP_BODY_MAX) /* beyond it stays what it is: too large */
			parse->length = parse->length * 10 + (byte - '0');
		return LENGTH_DIGITS;
	}
	if (http_is_space(byte))
		return parse->state == LENGTH ? LENGTH : LENGTH_END;
	return parse->state == LENGTH ? bad(parse) : line_end(parse, byte, VALUE_LF, FIELD);
}

/* One word, @flag when it is the one of the table, else @otherwise. */
static uint8_t in_word(struct http_parse *parse, char byte, const char *const *table,
		       enum http_flag flag, enum trouble otherwise)
{
	if (byte != '\r' && byte != '\n') {
		if (!http_is_text(byte))
			return bad(parse);
		if (http_is_space(byte))
			http_match_space(&parse->match, table);
		else
			http_match_byte(&parse->match, table, http_lower(byte));
		return parse->state;
	}
	if (http_match_end(&parse->match, table) < 0)
		return trouble(parse, otherwise);
	parse->flags |= (uint8_t)flag;
	return line_end(parse, byte, VALUE_LF, FIELD);
}

/* ---- bodies (RFC 9112, 7.1) */

static uint8_t end_chunk_line(struct http_parse *parse)
{
	if (parse->length > 0)
		return CHUNK_DATA;
	parse->size = 0; /* from here on it counts the trailers */
	return TRAILER;
}

static uint8_t in_chunk_size(struct http_parse *parse, char byte)
{
	int digit = http_hex_digit(byte);

	if (digit >= 0) {
		parse->length = parse->length * 16 + digit;
		return parse->length > HTTP_BODY_MAX ? trouble(parse, TOO_LARGE) : CHUNK_SIZE;
	}
	if (parse->state == CHUNK)
		return bad(parse);
	if (byte == ';' || http_is_space(byte))
		return CHUNK_EXTENSION;
	return line_end(parse, byte, CHUNK_LF, end_chunk_line(parse));
}

static uint8_t in_chunk_extension(struct http_parse *parse, char byte)
{
	if (http_is_text(byte))
		return CHUNK_EXTENSION;
	return line_end(parse, byte, CHUNK_LF, end_chunk_line(parse));
}

static uint8_t in_trailer(struct http_parse *parse, char byte)
{
	if (parse->state == TRAILER_TEXT && http_is_text(byte))
		return TRAILER_TEXT;
	if (parse->state == TRAILER_TEXT)
		return line_end(parse, byte, TRAILER_TEXT_LF, TRAILER);
	return http_is_token(byte) ? TRAILER_TEXT : line_end(parse, byte, TRAILERS_LF, COMPLETE);
}

/* ---- */

static uint8_t in_start(struct http_parse *parse, char byte)
{
	if (http_is_token(byte))
		return in_method(parse, byte);
	return line_end(parse, byte, START_LF, START);
}

static uint8_t after_cr(struct http_parse *parse, char byte)
{
	if (byte != '\n')
		return bad(parse);
	switch (parse->state) {
	case START_LF:
		return START;
	case LINE_LF:
		parse->size = 0; /* from here on it counts the headers */
		return FIELD;
	case VALUE_LF:
		return FIELD;
	case HEADERS_LF:
		return end_headers(parse);
	case CHUNK_LF:
		return end_chunk_line(parse);
	case CHUNK_END_LF:
		return CHUNK;
	case TRAILER_TEXT_LF:
		return TRAILER;
	}
	return COMPLETE; /* TRAILERS_LF */
}

static uint8_t next_state(struct http_parse *parse, char byte)
{
	switch ((enum state)parse->state) {
	case START:
		return in_start(parse, byte);
	case METHOD:
		return in_method(parse, byte);
	case TARGET:
		return in_target(parse, byte);
	case VERSION_END:
		if (byte == '\n')
			parse->size = 0;
		return line_end(parse, byte, LINE_LF, FIELD);
	case FIELD:
		return in_field(parse, byte);
	case NAME:
		return in_name(parse, byte);
	case VALUE:
		return in_value(parse, byte);
	case CONNECTION:
		return in_connection(parse, byte);
	case LENGTH:
	case LENGTH_DIGITS:
	case LENGTH_END:
		return in_length(parse, byte);
	case ENCODING:
		return in_word(parse, byte, encoding_words, HTTP_CHUNKED, NOT_IMPLEMENTED);
	case EXPECT:
		return in_word(parse, byte, expect_words, HTTP_CONTINUE, EXPECTATION_FAILED);
	case CHUNK:
	case CHUNK_SIZE:
		return in_chunk_size(parse, byte);
	case CHUNK_EXTENSION:
		return in_chunk_extension(parse, byte);
	case CHUNK_END:
		return line_end(parse, byte, CHUNK_END_LF, CHUNK);
	case TRAILER:
	case TRAILER_TEXT:
		return in_trailer(parse, byte);
	case START_LF:
	case LINE_LF:
	case VALUE_LF:
	case HEADERS_LF:
	case CHUNK_LF:
	case CHUNK_END_LF:
	case TRAILER_TEXT_LF:
	case TRAILERS_LF:
		return after_cr(parse, byte);
	default:
		return in_version(parse, byte);
	}
}

/* The bound of the part that @state belongs to. */
static uint8_t bounded(struct http_parse *parse, uint8_t state)
{
	if (state <= LINE_LF)
		return parse->size > HTTP_LINE_MAX ? trouble(parse, URI_TOO_LONG) : state;
	if (state <= HEADERS_LF || (state >= TRAILER && state <= TRAILERS_LF))
		return parse->size > HTTP_HEADER_MAX ? trouble(parse, HEADERS_TOO_LARGE) : state;
	if (state < COMPLETE)
		return parse->size > HTTP_BODY_MAX ? trouble(parse, TOO_LARGE) : state;
	return state;
}

/* As much of a body or chunk as is there. */
static size_t pass_body(struct http_parse *parse, size_t there)
{
	size_t n = (uint64_t)parse->length < there ? (size_t)parse->length : there;

	parse->length -= (int64_t)n;
	parse->size += n;
	if (parse->length == 0)
		parse->state = parse->state == BODY ? COMPLETE : CHUNK_END;
	return n;
}

enum http_outcome http_parse(struct http_parse *parse, const char *bytes, size_t length,
			     size_t *ret_taken)
{
	size_t i = 0;

	while (i < length && parse->state < COMPLETE) {
		uint8_t before = parse->state, after;

		if (before == BODY || before == CHUNK_DATA) {
			i += pass_body(parse, length - i);
			parse->state = bounded(parse, parse->state);
			continue;
		}
		parse->size++;
		after = next_state(parse, bytes[i++]);
		parse->state = bounded(parse, after);
		if (before <= HEADERS_LF && parse->state > HEADERS_LF && parse->state < COMPLETE &&
		    parse->flags & HTTP_CONTINUE) {
			*ret_taken = i;
			return HTTP_BODY;
		}
	}
	*ret_taken = i;
	if (parse->state == TROUBLED)
		return HTTP_TROUBLED;
	return parse->state == COMPLETE ? HTTP_COMPLETE : HTTP_MORE;
}

bool http_keeps(const struct http_parse *parse)
{
	if (parse->trouble || parse->flags & HTTP_CLOSE)
		return false;
	return parse->flags & (HTTP_11 | HTTP_KEEP);
}
