/*
 * Ladders of chosen connections. No segment is kept while a capture is explained, so those of the
 * chosen connections are looked at a second time, and given to the tracker that keeps them.
 */
#ifndef CONTEST_CMD_EXPLAIN_LADDER_H
#define CONTEST_CMD_EXPLAIN_LADDER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cmd/explain_names.h"
#include "explain/finding.h"
#include "render/screen.h"
#include "tcp/segment.h"

struct explain_ladders;

/* For at most @limit connections. NULL when memory is short. */
struct explain_ladders *explain_ladders_new(size_t limit);
void explain_ladders_free(struct explain_ladders *ladders);

/* The first time: a connection that is to be drawn. 0 or -ENOMEM. */
int explain_ladders_choose(struct explain_ladders *ladders, const struct finding *finding);

/* How many were chosen, be they more than the limit. */
uint64_t explain_ladders_chosen(const struct explain_ladders *ladders);
size_t explain_ladders_limit(const struct explain_ladders *ladders);

/* The second time: any segments, in the same order; what belongs to no chosen connection is passed
 * over. 0 or -ENOMEM. */
int explain_ladders_feed(struct explain_ladders *ladders, const struct segment *segments,
			 size_t count);

/* Segments that found no room: a ladder is no place for millions. */
uint64_t explain_ladders_left_out(const struct explain_ladders *ladders);

/* Makes the pictures, of at most @rows rows each (0: all). 0 or -ENOMEM. */
int explain_ladders_make(struct explain_ladders *ladders, const struct explain_names *names,
			 size_t rows);

/* Draws them, each below what is to be said of its connection. */
void explain_ladders_print(const struct explain_ladders *ladders, const struct screen *screen,
			   const struct explain_names *names);
/* 0 or -EIO. */
int explain_ladders_write_svg(const struct explain_ladders *ladders, FILE *out);

#endif
