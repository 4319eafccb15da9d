/* The columns of the table of groups: which there are room for, and how wide. Pure arithmetic. */
#ifndef CONTEST_CMD_TOP_TABLE_H
#define CONTEST_CMD_TOP_TABLE_H

#include "observe/socket_groups.h"

struct top_table {
	unsigned keys[GROUP_KEYS_MAX];		/* columns of the screen, 0: no room */
	unsigned count, change, timer, history; /* 0: not shown */
};

#define TOP_TABLE_GAP 1

/* @wanted: columns that the @keys keys would take, @count those of the counts, titles included;
 * @width: of the screen. */
struct top_table top_table_lay_out(unsigned width, const unsigned *wanted, size_t keys,
				   unsigned count);
/* Columns that all of it takes. */
unsigned top_table_width(const struct top_table *table, size_t keys);

#endif
