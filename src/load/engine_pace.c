#include "load/engine_pace.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "load/slots.h"

#define DESCRIPTORS_NS (50 * NS_PER_MS)
#define PORTS_FIRST_NS (1 * NS_PER_MS)
#define PORTS_MOST_NS  (250 * NS_PER_MS)
#define RAMP_LOOK_NS   (50 * NS_PER_US) /* during a ramp, at least so long between looks */

static const struct schedule *schedule_of(const struct pace *pace)
{
	return &pace->work->schedule;
}

static bool is_open_loop(const struct pace *pace)
{
	return schedule_of(pace)->rate > 0;
}

static void find_due(struct pace *pace)
{
	pace->held = false;
	if (is_open_loop(pace))
		pace->due_ns = pace->work->start_ns +
			       schedule_due_ns(schedule_of(pace), pace->turn);
}

void pace_init(struct pace *pace, const struct load_work *work)
{
	int64_t duration_ns = work->plan->duration_ns;

	*pace = (struct pace){
		.work = work,
		.end_ns = duration_ns ? work->start_ns + duration_ns : INT64_MAX,
	};
	find_due(pace);
}

uint32_t pace_capacity(const struct load_work *work)
{
	uint64_t most = work->schedule.concurrency;
	struct rlimit limit;

	if (work->plan->closing == LOAD_CLOSE_ABANDON)
		most = work->schedule.most < SLOTS_MAX ? work->schedule.most + most : SLOTS_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && most > limit.rlim_cur)
		most = limit.rlim_cur;
	if (most > SLOTS_MAX)
		most = SLOTS_MAX;
	return most ? (uint32_t)most : 1;
}

bool pace_lacked_port(const struct load_plan *plan, enum load_step step, int error)
{
	if (step == LOAD_STEP_CONNECT)
		return error == EADDRNOTAVAIL;
	/* EADDRNOTAVAIL of bind(): the address is none of this host's. */
	return error == EADDRINUSE && plan->ports == LOAD_PORTS_RING;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The wait for ports, if there is one, is over: it is added to what they cost. */
static void end_port_wait(struct pace *pace, int64_t now_ns)
{
	if (!pace->ports_gone_ns)
		return;
	if (now_ns > pace->ports_gone_ns)
		load_add(&pace->work->tally->port_waits_ns,
			 (uint64_t)(now_ns - pace->ports_gone_ns));
	pace->ports_gone_ns = 0;
}

void pace_stop(struct pace *pace, int64_t now_ns)
{
	if (pace->over)
		return;
	pace->over = true;
	end_port_wait(pace, now_ns);
	atomic_store_explicit(&pace->work->tally->opening_ended_ns, now_ns, memory_order_relaxed);
}

/* Whether descriptors or ports keep from opening. */
static bool is_scarce(struct pace *pace, int64_t now_ns, int64_t *ret_until_ns)
{
	if (pace->ports_gone_ns) {
		*ret_until_ns = pace->ports_again_ns;
		if (now_ns < pace->ports_again_ns)
			return true;
		end_port_wait(pace, now_ns);
	}
	*ret_until_ns = pace->descriptors_again_ns;
	return now_ns < pace->descriptors_again_ns;
}

static enum pace_verb next_arrival(struct pace *pace, int64_t now_ns, uint32_t under_way,
				   int64_t *ret_ns)
{
	bool scarce;

	*ret_ns = pace->due_ns;
	if (now_ns < pace->due_ns)
		return PACE_WAIT;
	scarce = is_scarce(pace, now_ns, ret_ns);
	if (pace->ports_gone_ns) {
		*ret_ns = pace->due_ns;
		return PACE_FAIL;
	}
	if (scarce)
		return PACE_WAIT;
	if (under_way < schedule_of(pace)->concurrency) {
		*ret_ns = pace->due_ns;
		return PACE_OPEN;
	}
	if (!pace->held)
		load_add(&pace->work->tally->late, 1);
	pace->held = true;
	*ret_ns = INT64_MAX;
	return PACE_WAIT;
}

static enum pace_verb next_in_turn(struct pace *pace, int64_t now_ns, uint32_t under_way,
				   int64_t *ret_ns)
{
	const struct schedule *schedule = schedule_of(pace);
	unsigned most;
	int64_t step_ns;

	if (is_scarce(pace, now_ns, ret_ns))
		return PACE_WAIT;
	most = schedule_concurrency(schedule, now_ns - pace->work->start_ns);
	*ret_ns = 0;
	if (under_way < most)
		return PACE_OPEN;
	*ret_ns = INT64_MAX;
	if (most < schedule->concurrency) {
		step_ns = schedule->ramp_ns / schedule->concurrency / 2;
		*ret_ns = now_ns + (step_ns > RAMP_LOOK_NS ? step_ns : RAMP_LOOK_NS);
	}
	return PACE_WAIT;
}

enum pace_verb pace_next(struct pace *pace, int64_t now_ns, uint32_t under_way, int64_t *ret_ns)
{
	const struct schedule *schedule = schedule_of(pace);
	enum pace_verb verb;

	if (pace->turn >= schedule->most || schedule->concurrency == 0)
		pace_stop(pace, now_ns);
	if (now_ns >= pace->end_ns)
		pace_stop(pace, pace->end_ns);
	if (pace->over)
		return PACE_OVER;
	*ret_ns = earlier(pace->work->start_ns, pace->end_ns);
	if (now_ns < pace->work->start_ns)
		return PACE_WAIT;
	if (is_open_loop(pace))
		verb = next_arrival(pace, now_ns, under_way, ret_ns);
	else
		verb = next_in_turn(pace, now_ns, under_way, ret_ns);
	if (verb == PACE_WAIT)
		*ret_ns = earlier(*ret_ns, pace->end_ns);
	return verb;
}

void pace_made(struct pace *pace)
{
	pace->turn++;
	find_due(pace);
}

void pace_want_descriptors(struct pace *pace, int64_t now_ns)
{
	pace->descriptors_again_ns = now_ns + DESCRIPTORS_NS;
	load_add(&pace->work->tally->descriptor_waits, 1);
}

void pace_want_ports(struct pace *pace, int64_t now_ns)
{
	pace->pause_ns = pace->pause_ns ? earlier(2 * pace->pause_ns, PORTS_MOST_NS)
					: PORTS_FIRST_NS;
	pace->ports_gone_ns = now_ns;
	pace->ports_again_ns = now_ns + pace->pause_ns;
}
