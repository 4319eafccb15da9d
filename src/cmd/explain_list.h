/* Connections one by one, for a person. */
#ifndef CONTEST_CMD_EXPLAIN_LIST_H
#define CONTEST_CMD_EXPLAIN_LIST_H

#include <stddef.h>

#include "cmd/explain_names.h"
#include "explain/finding.h"
#include "render/screen.h"

/* Each behind an empty line: number, ends, ending, states, and the sentence. @names may be NULL. */
void explain_list_print(const struct screen *screen, const struct finding *findings, size_t count,
			const struct explain_names *names);

#endif
