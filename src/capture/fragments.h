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
 * with nothing of the payload captured), DECODE_FRAGMENT until then. What is wrong with a datagram
 * in pieces is told with its last piece too, or with the one that contradicts the others.
 * @ret->time_ns is the packet's.
 *
 * Bounded: 256 datagrams at once, of which the oldest are given up after 30 s of capture time (RFC
 * 791 asks for 15 s and more) or when room is needed. @packet->time_ns is what their age goes by.
 * Pieces that come once more within milliseconds are copies that the capture made.
 */
enum decode_result fragments_decode(struct fragments *fragments,
				    const struct passing_packet *packet, struct segment *ret);

/* Datagrams of TCP that did not become whole, so that their segment was not told: those given up,
 * and those that wait for more. */
uint64_t fragments_given_up(const struct fragments *fragments);

#endif
