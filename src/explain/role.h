/* What a segment is, given what is known of the connection before it. Private to explain. */
#ifndef CONTEST_EXPLAIN_ROLE_H
#define CONTEST_EXPLAIN_ROLE_H

#include "explain/machine.h"

enum segment_role role_of(const struct machine *m, unsigned from, const struct segment *segment);

/* Flag mixes that no TCP sends. */
bool role_flags_illegal(uint8_t flags);

/* Why @from sent this RST, going by what was sent before it. */
enum rst_cause rst_cause_of(const struct machine *m, unsigned from, const struct segment *segment);

#endif
