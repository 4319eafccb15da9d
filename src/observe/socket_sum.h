/* Sockets that are alike, told as one: what a source can add up where it lists them. */
#ifndef CONTEST_OBSERVE_SOCKET_SUM_H
#define CONTEST_OBSERVE_SOCKET_SUM_H

#include <stdint.h>

#include "observe/sockdiag.h"

/* What sums are told apart by, besides the state and the family. */
enum socket_field {
	SOCKET_FIELD_LOCAL = 1, /* address */
	SOCKET_FIELD_LOCAL_PORT = 2,
	SOCKET_FIELD_REMOTE = 4,
	SOCKET_FIELD_REMOTE_PORT = 8,
	SOCKET_FIELD_TIMER = 16, /* its kind */
};

struct socket_sum {
	/* What they have in common: state, and the fields that were asked for. Else nothing. */
	struct socket_status like;
	uint64_t count, minisocks;
	uint64_t timers;			/* those whose timer runs, and … */
	uint32_t timer_least_ms, timer_most_ms; /* … how long these have left; 0 without any */
};

/* As sockdiag_visit: not 0 ends it. */
typedef int (*socket_sum_take)(const struct socket_sum *sum, void *context);

#endif
