/* How to look at the same capture once more. */
#ifndef CONTEST_CMD_EXPLAIN_AGAIN_H
#define CONTEST_CMD_EXPLAIN_AGAIN_H

#include "cmd/explain_options.h"

/* "contest explain a.pcap 'port 80'", as a shell takes it (owned); NULL where that cannot be said:
 * an interface, a pipe, a name that would have to be escaped; or memory is short. */
char *explain_again(const struct explain_options *options);

#endif
