#include "base/clock.h"

/* kernel/time/timer.c: 64 buckets a level, each level 8 times coarser than the one below. */
#define WHEEL_LEVEL_BUCKETS 64
#define WHEEL_LEVEL_FACTOR  8
#define WHEEL_LEVELS	    9

static int64_t to_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return to_ns(now);
}

int64_t clock_epoch_offset_ns(void)
{
	struct timespec real, mono;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	return to_ns(real) - to_ns(mono);
}

int64_t clock_tick_ns(void)
{
	struct timespec resolution;

	clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
	return to_ns(resolution);
}

int64_t clock_wheel_slack_ns(int64_t timeout_ns)
{
	int64_t granularity = clock_tick_ns();
	/* LVL_START(n + 1): a level holds timeouts up to 63 of its own granules. */
	int64_t reach = (WHEEL_LEVEL_BUCKETS - 1) * granularity;

	for (int level = 1; level < WHEEL_LEVELS && timeout_ns >= reach; level++) {
		granularity *= WHEEL_LEVEL_FACTOR;
		reach = (WHEEL_LEVEL_BUCKETS - 1) * granularity;
	}
	return granularity;
}

struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

double clock_seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}
