/* What is printed of a segment's header, as printed: relative numbers are still relative. */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_FIELDS_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_FIELDS_H

#include "capture/tcpdump_text_shape.h"
#include "tcp/segment.h"

struct text_fields {
	bool has_seq, has_ack, has_length;
	bool partly; /* something in it was not understood */
	bool checksum_known, checksum_bad;
	uint8_t flags, ttl;
	uint16_t ip_id, window;
	uint32_t seq, ack, length;
	struct tcp_options options; /* SACK blocks as printed */
};

/*
 * 1 with *ret filled, 0 where the line ends in the middle (wrapped), -EBADMSG where it is not a
 * segment's, or says what cannot be (numbers above 2^32, lengths that contradict).
 */
int text_fields_parse(const struct text_shape *shape, struct text_fields *ret);

#endif
