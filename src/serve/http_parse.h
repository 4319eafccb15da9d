/*
 * HTTP/1.x requests, byte by byte and without a buffer: what a server must know to find their end
 * and to answer in the right form (RFC 9112). Target and other headers are checked for form only.
 */
#ifndef CONTEST_SERVE_HTTP_PARSE_H
#define CONTEST_SERVE_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_MAX	8000	    /* request line: 414 beyond (RFC 9112, 3: >= 8000) */
#define HTTP_HEADER_MAX 32768	    /* all header fields, and all trailer fields: 431 */
#define HTTP_BODY_MAX	(1LL << 30) /* thrown away, but not for ever: 413 */

enum http_flag {
	HTTP_11 = 1 << 0,	/* minor version 1 or more */
	HTTP_HEAD = 1 << 1,	/* no body in the answer (RFC 9110, 9.3.2) */
	HTTP_CLOSE = 1 << 2,	/* Connection: close */
	HTTP_KEEP = 1 << 3,	/* Connection: keep-alive */
	HTTP_CHUNKED = 1 << 4,	/* Transfer-Encoding: chunked */
	HTTP_LENGTH = 1 << 5,	/* Content-Length was there */
	HTTP_HOST = 1 << 6,	/* Host was there */
	HTTP_CONTINUE = 1 << 7, /* Expect: 100-continue, and a body is to come */
};

/* All zero before a request. */
struct http_parse {
	int64_t length; /* bytes of body or chunk still to come */
	uint64_t size;	/* of what is bounded: request line, headers, body */
	uint8_t state;	/* private, as the next */
	uint8_t match;
	uint8_t flags;	 /* of enum http_flag */
	uint8_t trouble; /* HTTP_TROUBLED: index into http_status() */
};

enum http_outcome {
	HTTP_MORE,     /* all bytes taken, the request goes on */
	HTTP_BODY,     /* stopped before the body: an answer of 100 may be due. Go on calling. */
	HTTP_COMPLETE, /* stopped behind the last byte of the request */
	HTTP_TROUBLED, /* it cannot be understood; there is no way to find the next one */
};

/* Takes bytes up to @length; *ret_taken tells how many. After COMPLETE and TROUBLED, it takes no
 * more before the parse is zeroed. BODY comes only once, and with HTTP_CONTINUE only. */
enum http_outcome http_parse(struct http_parse *parse, const char *bytes, size_t length,
			     size_t *ret_taken);

/* Whether the connection outlives the answer (RFC 9112, 9.3). */
bool http_keeps(const struct http_parse *parse);

/* "400 Bad Request" of parse->trouble; "200 OK" for 0. */
const char *http_status(uint8_t trouble);

#endif
