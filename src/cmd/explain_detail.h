/* All that is known of one connection, for a person. */
#ifndef CONTEST_CMD_EXPLAIN_DETAIL_H
#define CONTEST_CMD_EXPLAIN_DETAIL_H

#include "cmd/explain_names.h"
#include "explain/finding.h"
#include "render/screen.h"

/* As in a list (explain_list.h), and why each end is in its state, and which options are in use.
 * @names may be NULL. */
void explain_detail_print(const struct screen *screen, const struct finding *finding,
			  const struct explain_names *names);

#endif
