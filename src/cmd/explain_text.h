/* tcpdump's text, read from a descriptor line by line. */
#ifndef CONTEST_CMD_EXPLAIN_TEXT_H
#define CONTEST_CMD_EXPLAIN_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "capture/tcpdump_text.h"

struct explain_text;

/* @fd is taken over; @meaning (borrowed) is fed, which may have had other texts before. NULL when
 * memory is short: then @fd is still the caller's. */
struct explain_text *explain_text_new(int fd, struct tcpdump_text *meaning);
void explain_text_free(struct explain_text *text);

/* 1 with the next segment, 0 at the end, -errno. */
int explain_text_next(struct explain_text *text, struct segment *ret);

#endif
