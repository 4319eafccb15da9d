#include "load/schedule.h"

#include <math.h>

#include "base/clock.h"

static uint64_t share(uint64_t whole, unsigned part, unsigned parts)
{
	return whole / parts + (part < whole % parts);
}

void schedule_init(struct schedule *schedule, const struct load_plan *plan, unsigned part,
		   unsigned parts)
{
	/* A part without concurrency cannot open anything: the others do its share. */
	unsigned active = plan->concurrency < parts ? plan->concurrency : parts;
	struct schedule made = {
		.rate = plan->rate,
		.ramp_ns = plan->ramp_ns,
		.part = part,
		.parts = active,
		.whole = plan->concurrency,
	};

	if (part < active) {
		made.most = plan->connections ? share(plan->connections, part, active) : UINT64_MAX;
		made.concurrency = (unsigned)share(plan->concurrency, part, active);
	}
	*schedule = made;
}

/*
 * From k alone, never from the arrival before: no error adds up. A double holds whole nanoseconds
 * up to 2^53 of them, 104 days.
 */
int64_t schedule_due_ns(const struct schedule *schedule, uint64_t n)
{
	double k = (double)n * (double)schedule->parts + (double)schedule->part;
	double ramp = (double)schedule->ramp_ns, due;

	if (schedule->rate <= 0)
		return 0;
	due = k * (double)NS_PER_S / schedule->rate;
	/* due / ramp <= 1/2 is rate * ramp / 2 >= k: within the ramp */
	if (due <= ramp / 2)
		due = sqrt(2 * ramp * due);
	else
		due += ramp / 2;
	return due < 0x1p63 ? (int64_t)due : INT64_MAX;
}

/*
 * Place k of all (from 0), which is part k % parts', is open from ramp * k / whole on: the parts'
 * places open in turn, not all at once; and one at the start, or nothing would begin.
 */
unsigned schedule_concurrency(const struct schedule *schedule, int64_t elapsed_ns)
{
	uint64_t last, places;

	if (schedule->rate > 0 || elapsed_ns >= schedule->ramp_ns)
		return schedule->concurrency;
	if (elapsed_ns < 0 || !schedule->concurrency)
		return 0;
	last = (uint64_t)((double)schedule->whole * (double)elapsed_ns / (double)schedule->ramp_ns);
	if (last < schedule->part)
		return 0;
	places = (last - schedule->part) / schedule->parts + 1;
	return places < schedule->concurrency ? (unsigned)places : schedule->concurrency;
}
