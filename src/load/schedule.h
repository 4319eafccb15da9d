/*
 * When connections are to be opened. Pure arithmetic: the k-th arrival of all has its time from
 * the plan alone, whatever happened to the others; a stall makes arrivals late, not fewer.
 */
#ifndef CONTEST_LOAD_SCHEDULE_H
#define CONTEST_LOAD_SCHEDULE_H

#include <stdint.h>

#include "load/plan.h"

/* One of @parts equal parts of a load: arrivals part, part + parts, part + 2 * parts, … of all. */
struct schedule {
	double rate;	 /* of the whole; 0: closed loop */
	int64_t ramp_ns; /* the rate grows in a straight line for so long, or the concurrency */
	uint64_t part, parts; /* those that have something to do */
	uint64_t most;	      /* arrivals of this part in all; UINT64_MAX: no bound */
	unsigned concurrency; /* of this part; may be 0 when there is less than one for each */
	unsigned whole;	      /* the concurrency of all parts */
};

/*
 * Connections and concurrency are shared out so that the sums are the plan's exactly. With less
 * concurrency than parts, the last parts get nothing to do (most and concurrency are 0), and the
 * others have all arrivals.
 */
void schedule_init(struct schedule *schedule, const struct load_plan *plan, unsigned part,
		   unsigned parts);

/* When arrival @n (from 0) of this part is due, in nanoseconds from the start; open loop (0 in a
 * closed one). During the ramp the k-th of all (from 0) is due when rate * t^2 / (2 * ramp) is k,
 * later when rate * (t - ramp / 2) is. INT64_MAX: beyond all time. */
int64_t schedule_due_ns(const struct schedule *schedule, uint64_t n);

/* How many may be under way at @elapsed_ns; with a ramp in a closed loop, it grows to concurrency:
 * in all parts together one at the start, and all shortly before the ramp's end. */
unsigned schedule_concurrency(const struct schedule *schedule, int64_t elapsed_ns);

#endif
