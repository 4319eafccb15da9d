#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "load/schedule.h"

static void assert_shares(uint64_t connections, unsigned concurrency, unsigned parts)
{
	struct load_plan plan = {.connections = connections, .concurrency = concurrency};
	uint64_t most = 0, least = UINT64_MAX, greatest = 0;
	unsigned under_way = 0;
	struct schedule s;

	for (unsigned part = 0; part < parts; part++) {
		schedule_init(&s, &plan, part, parts);
		most += s.most;
		under_way += s.concurrency;
		/* who may have none under way must have none to open */
		assert_int_equal(s.concurrency == 0, part >= concurrency);
		if (s.concurrency == 0) {
			assert_int_equal(s.most, 0);
			continue;
		}
		least = s.most < least ? s.most : least;
		greatest = s.most > greatest ? s.most : greatest;
	}
	assert_int_equal(most, connections);
	assert_int_equal(under_way, concurrency);
	assert_true(greatest - least <= 1);
}

static void test_shares(void **state)
{
	static const uint64_t connections[] = {1, 2, 3, 7, 64, 1000, 28232, 99999, 1ull << 40};
	static const unsigned concurrency[] = {1, 2, 5, 7, 64, 1000, 100000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(connections); i++)
		for (size_t j = 0; j < ARRAY_SIZE(concurrency); j++)
			for (unsigned parts = 1; parts <= 40; parts++)
				assert_shares(connections[i], concurrency[j], parts);
}

static void test_unbounded(void **state)
{
	struct load_plan plan = {.concurrency = 3};
	struct schedule s;

	(void)state;
	for (unsigned part = 0; part < 5; part++) {
		schedule_init(&s, &plan, part, 5);
		assert_int_equal(s.most, part < 3 ? UINT64_MAX : 0);
	}
}

/* With 1e9 arrivals per second arrival k is due at k ns: each k is some part's, and only one's. */
static void assert_each_once(unsigned connections, unsigned concurrency, unsigned parts)
{
	struct load_plan plan = {
		.connections = connections, .concurrency = concurrency, .rate = 1e9};
	unsigned char *seen = calloc(connections, 1);
	struct schedule s;

	assert_non_null(seen);
	for (unsigned part = 0; part < parts; part++) {
		int64_t before = -1, due;

		schedule_init(&s, &plan, part, parts);
		for (uint64_t n = 0; n < s.most; n++) {
			due = schedule_due_ns(&s, n);
			assert_true(due > before && due < connections);
			assert_int_equal(seen[due]++, 0);
			before = due;
		}
	}
	for (unsigned k = 0; k < connections; k++)
		assert_int_equal(seen[k], 1);
	free(seen);
}

static void test_each_once(void **state)
{
	(void)state;
	for (unsigned parts = 1; parts <= 9; parts++) {
		assert_each_once(1000, 64, parts);
		assert_each_once(5, 64, parts);
		assert_each_once(1000, 3, parts);
		assert_each_once(1, 1, parts);
	}
}

static struct schedule whole(double rate, int64_t ramp_ns)
{
	struct load_plan plan = {.concurrency = 1, .rate = rate, .ramp_ns = ramp_ns};
	struct schedule s;

	schedule_init(&s, &plan, 0, 1);
	return s;
}

/* Over ten hours no arrival is off by more than a nanosecond from where it belongs. */
static void test_no_drift(void **state)
{
	static const double rates[] = {0.1, 1, 3, 7, 999.9, 1000, 27777.7, 100000.0 / 3, 1e6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct schedule s = whole(rates[i], 0);
		uint64_t end = (uint64_t)(rates[i] * 36000), step = end / 1009 + 1;

		assert_int_equal(schedule_due_ns(&s, 0), 0);
		for (uint64_t k = 0; k <= end; k += step) {
			long double exact = (long double)k * 1e9L / rates[i];

			assert_true(fabsl((long double)schedule_due_ns(&s, k) - exact) <= 1);
		}
	}
	for (int64_t k = 0; k < 36000000; k += 35999) {
		struct schedule s = whole(1000, 0);

		assert_int_equal(schedule_due_ns(&s, (uint64_t)k), k * NS_PER_MS);
	}
}

/* How many are due at @time or before; dues grow with k. */
static uint64_t due_by(const struct schedule *s, int64_t time, uint64_t bound)
{
	uint64_t low = 0, high = bound;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (schedule_due_ns(s, middle) <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The number due by a time is the integral of the rate up to it, and the first one at once. */
static void assert_ramp(double rate, double ramp_s)
{
	struct schedule s = whole(rate, (int64_t)(ramp_s * 1e9));
	uint64_t bound = (uint64_t)(3 * rate * ramp_s) + 10;
	int64_t before = -1;

	for (int i = 0; i <= 300; i++) {
		double t = ramp_s * i / 100, integral;

		integral = t <= ramp_s ? rate * t * t / (2 * ramp_s) : rate * (t - ramp_s / 2);
		assert_true(fabs((double)due_by(&s, (int64_t)(t * 1e9), bound) - (integral + 1)) <=
			    1.000001);
	}
	for (uint64_t k = 0; k < bound; k += bound / 5000 + 1) {
		int64_t due = schedule_due_ns(&s, k);

		assert_true(due > before);
		before = due;
	}
}

static void test_ramp(void **state)
{
	struct schedule s = whole(1000, 10 * NS_PER_S);

	(void)state;
	/* by hand: k = 1000 t^2 / 20, then 5000 at 10 s and 1000 in each second */
	assert_int_equal(schedule_due_ns(&s, 0), 0);
	assert_int_equal(schedule_due_ns(&s, 50), NS_PER_S);
	assert_int_equal(schedule_due_ns(&s, 200), 2 * NS_PER_S);
	assert_int_equal(schedule_due_ns(&s, 5000), 10 * NS_PER_S);
	assert_int_equal(schedule_due_ns(&s, 5001), 10 * NS_PER_S + NS_PER_MS);
	assert_int_equal(schedule_due_ns(&s, 6000), 11 * NS_PER_S);
	assert_ramp(1000, 10);
	assert_ramp(30000, 2);
	assert_ramp(7, 60);
	assert_ramp(0.5, 3600);
}

/* A part's arrivals are those of the whole. */
static void test_ramp_parts(void **state)
{
	struct load_plan plan = {.concurrency = 64, .rate = 777, .ramp_ns = NS_PER_S};
	struct schedule all = whole(777, NS_PER_S), s;

	(void)state;
	for (unsigned part = 0; part < 7; part++) {
		schedule_init(&s, &plan, part, 7);
		for (uint64_t n = 0; n < 500; n++)
			assert_int_equal(schedule_due_ns(&s, n),
					 schedule_due_ns(&all, n * 7 + part));
	}
}

static void test_far(void **state)
{
	struct schedule s = whole(0.001, NS_PER_S);

	(void)state;
	assert_int_equal(schedule_due_ns(&s, UINT64_MAX), INT64_MAX);
	assert_int_equal(schedule_due_ns(&s, UINT64_C(1) << 62), INT64_MAX);
	s = whole(0, NS_PER_S);
	assert_int_equal(schedule_due_ns(&s, 12345), 0);
}

static unsigned under_way(const struct load_plan *plan, unsigned parts, int64_t elapsed_ns)
{
	unsigned sum = 0;

	for (unsigned part = 0; part < parts; part++) {
		struct schedule s;

		schedule_init(&s, plan, part, parts);
		assert_true(schedule_concurrency(&s, elapsed_ns) <= s.concurrency);
		sum += schedule_concurrency(&s, elapsed_ns);
	}
	return sum;
}

static void assert_grows(unsigned concurrency, unsigned parts)
{
	struct load_plan plan = {.concurrency = concurrency, .ramp_ns = 10 * NS_PER_S};
	unsigned before = 0, now;

	assert_int_equal(under_way(&plan, parts, 0), 1);
	for (int64_t t = 1; t < plan.ramp_ns; t += NS_PER_S / 37) {
		double line = (double)concurrency * (double)t / (double)plan.ramp_ns;

		now = under_way(&plan, parts, t);
		assert_true(now >= before);
		assert_int_equal(now, (unsigned)line + 1);
		before = now;
	}
	assert_int_equal(under_way(&plan, parts, plan.ramp_ns), concurrency);
	assert_int_equal(under_way(&plan, parts, INT64_MAX), concurrency);
}

static void test_concurrency(void **state)
{
	struct load_plan plan = {.concurrency = 10};

	(void)state;
	for (unsigned parts = 1; parts <= 9; parts++) {
		assert_grows(64, parts);
		assert_grows(7, parts);
		assert_grows(1, parts);
		assert_grows(1000, parts);
		assert_int_equal(under_way(&plan, parts, 0), 10);
	}
	/* in an open loop the rate grows, not the concurrency */
	plan.rate = 5;
	plan.ramp_ns = NS_PER_S;
	assert_int_equal(under_way(&plan, 3, 0), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),	  cmocka_unit_test(test_unbounded),
		cmocka_unit_test(test_each_once), cmocka_unit_test(test_no_drift),
		cmocka_unit_test(test_ramp),	  cmocka_unit_test(test_ramp_parts),
		cmocka_unit_test(test_far),	  cmocka_unit_test(test_concurrency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
