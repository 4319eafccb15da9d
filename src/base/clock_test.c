/* The clock, and how late the kernel's timers may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

static void clock_runs(void **state)
{
	int64_t before = clock_now_ns();
	int64_t now = clock_now_ns() + clock_epoch_offset_ns();

	(void)state;
	assert_true(before > 0 && clock_now_ns() >= before);
	/* after 2020, before 2200 */
	assert_true(now > 1577836800 * NS_PER_S && now < 7258118400 * NS_PER_S);
}

static void clock_converts(void **state)
{
	struct timespec t = clock_timespec(3 * NS_PER_S + 7);

	(void)state;
	assert_int_equal(t.tv_sec, 3);
	assert_int_equal(t.tv_nsec, 7);
	assert_true(clock_seconds(1500 * NS_PER_MS) == 1.5);
	assert_true(clock_seconds(-NS_PER_S) == -1.0);
}

/* Whatever HZ is: levels of 64 buckets, each 8 times coarser (kernel/time/timer.c). */
static void wheel_slack_follows_the_levels(void **state)
{
	int64_t tick = clock_tick_ns(), level = 1;

	(void)state;
	assert_in_range(tick, NS_PER_MS / 2, 20 * NS_PER_MS);
	assert_int_equal(clock_wheel_slack_ns(0), tick);
	for (int i = 0; i < 8; i++, level *= 8) {
		assert_int_equal(clock_wheel_slack_ns(63 * level * tick - 1), level * tick);
		assert_int_equal(clock_wheel_slack_ns(63 * level * tick), 8 * level * tick);
	}
	/* the last level is the coarsest, however long the timer */
	assert_int_equal(clock_wheel_slack_ns(INT64_MAX), level * tick);
}

static void wheel_slack_never_shrinks(void **state)
{
	int64_t last = 0;

	(void)state;
	for (int64_t timeout = NS_PER_MS; timeout < 1000000 * NS_PER_S; timeout += timeout / 7) {
		int64_t slack = clock_wheel_slack_ns(timeout);

		assert_true(slack >= last);
		/* at most an eighth, and a little: 8 / 63 */
		assert_true(slack == clock_tick_ns() || slack <= timeout * 8 / 63 + 1);
		last = slack;
	}
}

static void wheel_slack_of_time_wait(void **state)
{
	/* what 60 s may be late: 512 ticks, or 4096 from HZ=1000 on */
	static const struct {
		int64_t tick_ns, slack_ns;
	} known[] = {{10000000, 5120000000}, {4000000, 2048000000}, {1000000, 4096000000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].tick_ns == clock_tick_ns()) {
			assert_int_equal(clock_wheel_slack_ns(60 * NS_PER_S), known[i].slack_ns);
			return;
		}
	}
	print_message("no known value for a tick of %lld ns\n", (long long)clock_tick_ns());
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_runs),
		cmocka_unit_test(clock_converts),
		cmocka_unit_test(wheel_slack_follows_the_levels),
		cmocka_unit_test(wheel_slack_never_shrinks),
		cmocka_unit_test(wheel_slack_of_time_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
