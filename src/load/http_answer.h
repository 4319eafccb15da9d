/*
 * HTTP/1.x answers to GET, byte by byte and without a buffer: where they end and whether the
 * connection outlives them (RFC 9112, 6.3 and 9.3). Interim answers (1xx) are passed over.
 */
#ifndef CONTEST_LOAD_HTTP_ANSWER_H
#define CONTEST_LOAD_HTTP_ANSWER_H

#include "load/protocol.h"

/* Status line and fields of an answer and of the interim ones before it together; each line of a
 * chunk's size; all trailer fields. What is longer is malformed. */
#define HTTP_ANSWER_HEAD_MAX UINT16_MAX

/*
 * As load_protocol.take(): @length bytes (0: the peer's FIN). ANSWER_MORE; ANSWER_COMPLETE or
 * ANSWER_LAST with state->status; -LOAD_FAIL_SHORT, -LOAD_FAIL_MALFORMED. Not to be called again
 * after any but ANSWER_MORE before the state is zeroed.
 */
int http_answer_take(struct answer_state *state, const char *bytes, size_t length,
		     size_t *ret_taken);

#endif
