/* Monotonic time in nanoseconds: the only clock that contest measures with. */
#ifndef CONTEST_BASE_CLOCK_H
#define CONTEST_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

/* CLOCK_MONOTONIC now, in nanoseconds. */
int64_t clock_now_ns(void);

/* What to add to a monotonic time to get the time since the Unix epoch, in nanoseconds. */
int64_t clock_epoch_offset_ns(void);

/*
 * Length of the kernel's timer tick in nanoseconds: 1/HZ, as CLOCK_MONOTONIC_COARSE tells it
 * (kernel/time/posix-timers.c, posix_get_coarse_res(), 6.18).
 */
int64_t clock_tick_ns(void);

/*
 * The most by which the kernel's timer wheel may fire a timer of @timeout_ns late, in
 * nanoseconds: the granularity of the wheel level that such a timer is queued in
 * (kernel/time/timer.c, calc_index() and LVL_GRAN(), since 4.8). A 60 s timer may be 2 s late
 * with HZ=250 and 4 s with HZ=1000.
 */
int64_t clock_wheel_slack_ns(int64_t timeout_ns);

struct timespec clock_timespec(int64_t ns);
double clock_seconds(int64_t ns);

#endif
