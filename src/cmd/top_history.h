/* How many sockets each group had at the last looks: kept from one look to the next by the group's
 * keys, whatever its place. */
#ifndef CONTEST_CMD_TOP_HISTORY_H
#define CONTEST_CMD_TOP_HISTORY_H

#include "cmd/top_look.h"

/* Appends; the oldest goes. */
void top_history_add(struct top_history *history, uint64_t count);

struct top_memory;

struct top_memory *top_memory_new(void); /* NULL when memory is short */
void top_memory_free(struct top_memory *memory);
/* Another filter or other keys: counts from before say nothing. */
void top_memory_clear(struct top_memory *memory);

/* Fills history, change and compared of @look's rows and sum from what is remembered, and
 * remembers them for the next look. 0 or -ENOMEM. */
int top_memory_recall(struct top_memory *memory, struct top_look *look);

#define TOP_SPARK_MAX (3 * TOP_HISTORY + 1)
/* The last @width counts as a line of that many columns, from 0 to the largest among them; blanks
 * in front where there are fewer. Returns @to (TOP_SPARK_MAX bytes). */
char *top_history_spark(const struct top_history *history, unsigned width, bool utf8, char *to);

#endif
