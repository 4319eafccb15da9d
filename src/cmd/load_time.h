/* A point in time as people write it on a command line. */
#ifndef CONTEST_CMD_LOAD_TIME_H
#define CONTEST_CMD_LOAD_TIME_H

#include <stdint.h>

/*
 * "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5Z" (ISO 8601, UTC), or "@1790000000.25": seconds
 * since the epoch. 0 with nanoseconds since the epoch, or -EINVAL.
 */
int load_time_parse(const char *text, int64_t *ret_ns);

#endif
