/*
 * Relative sequence numbers into whole ones, pair by pair.
 *
 * What tcpdump does (print-tcp.c, the same from 3.x to 4.99; tcpdump_text_round_test.c holds it
 * against a real one): without -S it keeps a base for each direction of a pair of endpoints. They
 * are set by the first segment of the pair that has an ACK flag, and again by any with SYN and ACK:
 * its own seq, and its ack less one. This segment is printed as it is, and so is any without ACK
 * flag: SYN, and the RST that answers a stranger. All others are printed less the base.
 *
 * Here the same bases are kept, and whether the text is relative is decided by what fits better to
 * what is expected next. Of a pair whose beginning is not in the text a base is not known; it is
 * then 0: the numbers stay relative, to one another they are right.
 *
 * A segment without payload, SYN, FIN or RST is printed without its seq, but for -vv. It is SND.NXT
 * (RFC 9293 3.10.7.4), which is known from what its sender sent, or the other end acknowledged.
 */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_PAIRS_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_PAIRS_H

#include "capture/tcpdump_text_fields.h"
#include "tcp/segment.h"

struct text_pair;

struct text_pairs {
	struct text_pair *pairs; /* (owned) */
	size_t count, capacity;
	uint32_t *heads; /* (owned) of the chains of one hash: index + 1, or 0 */
	size_t head_count;
	size_t evicted_next;
	uint64_t evicted; /* pairs forgotten because there were too many */
	uint64_t seed;
	int64_t leaning; /* of the pairs: above 0 relative, below 0 whole (-S) */
};

void text_pairs_done(struct text_pairs *pairs);

/*
 * Fills what @printed says of the segment into @segment, whose endpoints are set. 1, 0 when its
 * sequence number cannot be known, or -ENOMEM.
 */
int text_pairs_resolve(struct text_pairs *pairs, const struct text_fields *printed,
		       struct segment *segment);

#endif
