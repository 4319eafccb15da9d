/*
 * TCP segments that came in several IP fragments (RFC 791 3.2, RFC 8200 4.5). Only the first has
 * the header; how long the segment is the last one tells. Payload is not put together, lengths are.
 */
#ifndef CONTEST_CAPTURE_FRAGMENTS_H
#define CONTEST_CAPTURE_FRAGMENTS_H

#include <stdint.h>

#include "capture/decode.h"
#include "capture/stream.h"

struct fragments;

struct fragments *fragments_new(void); /* NULL when memory is short */
void fragments_free(struct fragments *fragments);

/*
 * decode_packet() for a source in which datagrams may be fragmented: DECODE_SEGMENT as soon as the
 * length is known (whole segments at once; of fragments in any order, when the last piece is here,
 * with that piece's time), DECODE_FRAGMENT until then. Bounded: so many datagrams at once, the
 * oldest are given up after 30 s of capture time (RFC 791 asks for 15 s and more) or when room is
 * needed; fragments_given_up() counts those. @packet->time_ns is what the pieces' age goes by.
 */
enum decode_result fragments_decode(struct fragments *fragments,
				    const struct passing_packet *packet, struct segment *ret);

/* Datagrams of TCP that never became whole: their segment was not told. */
uint64_t fragments_given_up(const struct fragments *fragments);

#endif
