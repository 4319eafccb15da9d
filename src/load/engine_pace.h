/*
 * When an engine may open its next connection: the schedule, the concurrency, the end of the plan,
 * and want of ports or descriptors (engine.h says what is done about that). Without sockets;
 * times are CLOCK_MONOTONIC. Private to the engines.
 */
#ifndef CONTEST_LOAD_ENGINE_PACE_H
#define CONTEST_LOAD_ENGINE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "load/engine.h"

/* Ports that RANGE and RING try for one attempt. */
#define PACE_PORT_TRIES 32

struct pace {
	const struct load_work *work;
	uint64_t turn;		/* attempts so far; the number of the next arrival */
	int64_t end_ns;		/* nothing is opened from then on; INT64_MAX: no such time */
	int64_t due_ns;		/* open loop: of the next arrival */
	bool held;		/* it has been counted in tally.late */
	bool over;		/* nothing more is opened */
	int64_t ports_gone_ns;	/* since then there is no port; 0: there are */
	int64_t ports_again_ns; /* when the next attempt is worth its while */
	int64_t pause_ns; /* how long the last wait for ports was; 0: the last one succeeded */
	int64_t descriptors_again_ns; /* 0: they suffice */
};

enum pace_verb {
	PACE_OPEN, /* make an attempt now */
	PACE_FAIL, /* an arrival that has to fail at once: there are no ports */
	PACE_WAIT, /* not now */
	PACE_OVER, /* never again */
};

void pace_init(struct pace *pace, const struct load_work *work);
/* As many connections as can ever be open here: each has a descriptor. At least 1. */
uint32_t pace_capacity(const struct load_work *work);
/*
 * What to do now, while @under_way connections are. *ret_ns: of OPEN and FAIL the intended start
 * (closed loop: 0, now is as good as any time); of WAIT when to ask again, if no connection ends
 * before (INT64_MAX: only then).
 */
enum pace_verb pace_next(struct pace *pace, int64_t now_ns, uint32_t under_way, int64_t *ret_ns);

/* The attempt was made, whatever came of it: the next one's turn. */
void pace_made(struct pace *pace);
/* It was not: there is no descriptor. */
void pace_want_descriptors(struct pace *pace, int64_t now_ns);
/* Whether an attempt that failed at @step lacked a port. */
bool pace_lacked_port(const struct load_plan *plan, enum load_step step, int error);
/* It failed: there was no port; or there was one. */
void pace_want_ports(struct pace *pace, int64_t now_ns);
static inline void pace_found_port(struct pace *pace)
{
	pace->pause_ns = 0;
}
/* A connection has ended: its descriptor is free. */
static inline void pace_ended(struct pace *pace)
{
	pace->descriptors_again_ns = 0;
}
/* Told to end: nothing more is opened. */
void pace_stop(struct pace *pace, int64_t now_ns);

#endif
