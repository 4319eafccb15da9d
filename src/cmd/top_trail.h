/* The states that one connection was seen in: what the screen draws as its ladder. */
#ifndef CONTEST_CMD_TOP_TRAIL_H
#define CONTEST_CMD_TOP_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/owners.h"
#include "observe/sockdiag.h"

#define TOP_TRAIL_STEPS 24

struct top_step {
	int state;	  /* TCP_STATE_NONE: there is no socket */
	int64_t seen_ns;  /* first seen so */
	int64_t until_ns; /* last seen so; the change lies between this and the next one's seen_ns
			   */
	unsigned retransmits; /* the most that were seen */
};

struct top_trail {
	struct tcp_key key;
	uint64_t netns;
	struct top_step steps[TOP_TRAIL_STEPS];
	size_t count;
	size_t forgotten; /* steps before the first */
	struct socket_status last;
	struct owner owner; /* the last that was known */
	int64_t last_ns;    /* when that was */
};

/* @status NULL: there is no such socket. True: it was news, a step. */
bool top_trail_see(struct top_trail *trail, const struct socket_status *status, int64_t now_ns);

bool top_trail_is_gone(const struct top_trail *trail);

/*
 * What must have happened between two states, as this end saw it: packets with blanks between them,
 * ">FIN" sent, "<ACK" received; or "!" and words, where there is more than one way. NULL: no way
 * that is known.
 */
const char *top_trail_between(int from, int to);

#endif
