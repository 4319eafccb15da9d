/* Files and pipes, one after the other, as one row of segments. */
#ifndef CONTEST_CMD_EXPLAIN_INPUT_H
#define CONTEST_CMD_EXPLAIN_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "cmd/explain_decoder.h"
#include "tcp/segment.h"

struct explain_input;

/*
 * Opens the first of @paths ("-": standard input). Where there are several files, all of them are
 * looked at, so that a wrong one is told before anything is done; captures are read in the order of
 * their first packets, so the files of a rotation may be named in any order. @again: there will be
 * an explain_input_rewind(), so pipes are put aside. Paths and @filter are borrowed. 0 or -errno
 * with @why.
 */
int explain_input_open(const char *const *paths, size_t count, struct capture_filter *filter,
		       bool again, struct explain_input **ret, struct why *why);
void explain_input_close(struct explain_input *input);

/* The next segments: how many (at most @room), 0 at the end of the last file, -errno with @why. A
 * file that is damaged or cut off ends there, and is no error: see explain_input_damage(). */
int explain_input_next(struct explain_input *input, struct segment *ret, size_t room,
		       struct why *why);

/* To the beginning of the first file; what was counted is kept, and counted no more. */
int explain_input_rewind(struct explain_input *input, struct why *why);

/* What packets were; of captures only. */
const struct explain_decoder *explain_input_decoder(const struct explain_input *input);

/* Segments of texts, and lines of theirs that were not understood. */
uint64_t explain_input_text_segments(const struct explain_input *input);
uint64_t explain_input_text_unclear(const struct explain_input *input);
/* False as long as all that was read is a text without times. */
bool explain_input_has_times(const struct explain_input *input);

/* Whether a signal ended the reading. */
bool explain_input_interrupted(const struct explain_input *input);

/* How many files could not be read to their end, and of the @index-th of them why (NULL behind the
 * last that is known). */
size_t explain_input_damage(const struct explain_input *input);
const char *explain_input_damage_why(const struct explain_input *input, size_t index);

/* What a text calls the endpoint ("www:http"), or NULL: see tcpdump_text_name(). */
const char *explain_input_name(const struct explain_input *input,
			       const struct tcp_endpoint *endpoint);

#endif
