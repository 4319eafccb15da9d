/* Sockets kept to be sorted: the one thing for which `contest states` remembers each. */
#ifndef CONTEST_CMD_STATES_ROWS_H
#define CONTEST_CMD_STATES_ROWS_H

#include "cmd/states_look.h"
#include "cmd/states_options.h"
#include "observe/owners.h"
#include "observe/sockdiag.h"

struct states_row {
	struct socket_status status;
	uint32_t net; /* its number among those that were looked at */
};

struct states_rows {
	struct states_row *at; /* (owned) */
	size_t count, capacity;
};

int states_rows_add(struct states_rows *rows, const struct socket_status *status, uint32_t net);
/* Ties stay as they were listed. @owners may be NULL, as @nets, by the rows' numbers: then these
 * order the rows. */
void states_rows_sort(struct states_rows *rows, enum states_sort sort, bool reverse,
		      const struct owners *owners, const struct states_net *nets);

#endif
