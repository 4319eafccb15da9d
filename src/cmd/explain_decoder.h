/* Packets into segments, of a file or of an interface, and the count of what they were. */
#ifndef CONTEST_CMD_EXPLAIN_DECODER_H
#define CONTEST_CMD_EXPLAIN_DECODER_H

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "capture/decode.h"
#include "capture/filter.h"
#include "capture/fragments.h"
#include "capture/stream.h"
#include "tcp/segment.h"

#define DECODE_RESULTS (DECODE_MALFORMED + 1)

struct explain_decoder {
	struct capture_filter *filter; /* (borrowed) NULL: all pass */
	struct fragments *fragments;   /* (owned) */
	uint64_t packets;
	uint64_t results[DECODE_RESULTS]; /* of those that passed the filter */
	uint64_t filtered;		  /* did not pass */
	uint64_t unfiltered;	   /* the filter makes no sense for their link type: left out … */
	struct why unfiltered_why; /* … and why */
};

/* 0 or -ENOMEM. */
int explain_decoder_init(struct explain_decoder *decoder, struct capture_filter *filter);
void explain_decoder_done(struct explain_decoder *decoder);

/* 1 with a segment in *ret, whose payload is not kept; 0 when the packet makes none. */
int explain_decoder_take(struct explain_decoder *decoder, const struct passing_packet *packet,
			 struct segment *ret);

/* Segments whose fragments never became whole. */
uint64_t explain_decoder_given_up(const struct explain_decoder *decoder);

/* What the packets were, most first: "3 not IP, 2 another transport", "" without any. Returns
 * @text. */
char *explain_decoder_describe(const struct explain_decoder *decoder, char *text, size_t room);

#endif
