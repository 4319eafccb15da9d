/* Without sockets and without a clock: the test says what time it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "load/engine_pace.h"

#define START  (1000 * NS_PER_S)
#define MS(ms) (START + (ms)*NS_PER_MS)

struct fixture {
	struct load_plan plan;
	struct load_work work;
	struct pace pace;
	struct load_tally *tally;
};

static void begin(struct fixture *fixture)
{
	fixture->work = (struct load_work){
		.plan = &fixture->plan, .tally = fixture->tally, .start_ns = START};
	memset(fixture->tally, 0, sizeof(*fixture->tally));
	schedule_init(&fixture->work.schedule, &fixture->plan, 0, 1);
	pace_init(&fixture->pace, &fixture->work);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	fixture->plan = (struct load_plan){.concurrency = 2};
	fixture->tally = load_tallies_new(1);
	*state = fixture;
	return fixture->tally ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	load_tallies_free(fixture->tally, 1);
	free(fixture);
	return 0;
}

static void assert_next(struct fixture *fixture, int64_t now_ns, uint32_t under_way,
			enum pace_verb verb, int64_t ns)
{
	int64_t told = -1;

	assert_int_equal(pace_next(&fixture->pace, now_ns, under_way, &told), verb);
	if (verb != PACE_OVER)
		assert_int_equal(told, ns);
}

static void test_closed_loop(void **state)
{
	struct fixture *fixture = *state;

	fixture->plan.connections = 3;
	begin(fixture);
	assert_next(fixture, MS(-5), 0, PACE_WAIT, START);
	assert_next(fixture, START, 0, PACE_OPEN, 0);
	pace_made(&fixture->pace);
	assert_next(fixture, MS(1), 1, PACE_OPEN, 0);
	pace_made(&fixture->pace);
	assert_next(fixture, MS(1), 2, PACE_WAIT, INT64_MAX);
	assert_next(fixture, MS(2), 1, PACE_OPEN, 0);
	pace_made(&fixture->pace);
	assert_next(fixture, MS(3), 1, PACE_OVER, 0);
	assert_int_equal(fixture->tally->opening_ended_ns, MS(3));
	assert_next(fixture, MS(4), 0, PACE_OVER, 0);
	assert_int_equal(fixture->tally->opening_ended_ns, MS(3));
}

static void test_duration(void **state)
{
	struct fixture *fixture = *state;

	fixture->plan.duration_ns = 10 * NS_PER_MS;
	begin(fixture);
	assert_next(fixture, MS(5), 2, PACE_WAIT, MS(10));
	assert_next(fixture, MS(9), 0, PACE_OPEN, 0);
	assert_next(fixture, MS(12), 0, PACE_OVER, 0);
	assert_int_equal(fixture->tally->opening_ended_ns, MS(10));
}

static void test_stop(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	pace_stop(&fixture->pace, MS(1));
	assert_next(fixture, MS(2), 0, PACE_OVER, 0);
	assert_int_equal(fixture->tally->opening_ended_ns, MS(1));
}

static void test_nothing_to_do(void **state)
{
	struct fixture *fixture = *state;

	fixture->plan.concurrency = 0; /* of a part that has no share of it */
	begin(fixture);
	assert_next(fixture, START, 0, PACE_OVER, 0);
}

static void test_ramp(void **state)
{
	struct fixture *fixture = *state;
	int64_t now = START, ns;
	uint32_t under_way = 0;

	fixture->plan.concurrency = 10;
	fixture->plan.ramp_ns = 100 * NS_PER_MS;
	begin(fixture);
	while (under_way < 10) {
		if (pace_next(&fixture->pace, now, under_way, &ns) == PACE_OPEN) {
			pace_made(&fixture->pace);
			under_way++;
			/* Not more than a straight line allows, by less than one. */
			assert_true(under_way <= (now - START) / (10 * NS_PER_MS) + 1);
		} else {
			assert_true(ns > now);
			assert_true(ns <= now + 10 * NS_PER_MS);
			now = ns;
		}
	}
	assert_true(now <= MS(105));
	assert_next(fixture, now, 10, PACE_WAIT, INT64_MAX);
}

static void test_open_loop(void **state)
{
	struct fixture *fixture = *state;

	fixture->plan.rate = 1000;
	begin(fixture);
	assert_next(fixture, MS(1), 0, PACE_OPEN, START); /* late, but in its turn */
	pace_made(&fixture->pace);
	assert_next(fixture, MS(1), 1, PACE_OPEN, MS(1));
	pace_made(&fixture->pace);
	assert_next(fixture, MS(1), 2, PACE_WAIT, MS(2));
	assert_int_equal(fixture->tally->late, 0);
	assert_next(fixture, MS(3), 2, PACE_WAIT, INT64_MAX);
	assert_next(fixture, MS(4), 2, PACE_WAIT, INT64_MAX);
	assert_int_equal(fixture->tally->late, 1); /* counted once */
	assert_next(fixture, MS(9), 1, PACE_OPEN, MS(2));
	pace_made(&fixture->pace);
	assert_next(fixture, MS(9), 2, PACE_WAIT, INT64_MAX);
	assert_int_equal(fixture->tally->late, 2);
}

static void test_ports(void **state)
{
	struct fixture *fixture = *state;
	int64_t now = START, pause = NS_PER_MS;

	begin(fixture);
	for (int i = 0; i < 12; i++) {
		assert_next(fixture, now, 0, PACE_OPEN, 0);
		pace_made(&fixture->pace);
		pace_want_ports(&fixture->pace, now);
		assert_next(fixture, now + pause - 1, 0, PACE_WAIT, now + pause);
		now += pause;
		pause = 2 * pause < 250 * NS_PER_MS ? 2 * pause : 250 * NS_PER_MS;
	}
	assert_next(fixture, now, 0, PACE_OPEN, 0);
	assert_int_equal(fixture->tally->port_waits_ns, now - START);
	pace_made(&fixture->pace);
	pace_found_port(&fixture->pace);
	pace_want_ports(&fixture->pace, now); /* from the beginning again */
	assert_next(fixture, now, 0, PACE_WAIT, now + NS_PER_MS);
	/* The end of the load ends the wait, too. */
	pace_stop(&fixture->pace, now + 10);
	assert_int_equal(fixture->tally->port_waits_ns, now - START + 10);
}

static void test_ports_in_open_loop(void **state)
{
	struct fixture *fixture = *state;

	fixture->plan.rate = 2000;
	begin(fixture);
	assert_next(fixture, START, 0, PACE_OPEN, START);
	pace_made(&fixture->pace);
	pace_want_ports(&fixture->pace, START + 10);
	assert_next(fixture, MS(0) + 10, 0, PACE_WAIT, MS(0) + 500000);
	assert_next(fixture, MS(1), 0, PACE_FAIL, MS(0) + 500000);
	pace_made(&fixture->pace);
	assert_next(fixture, MS(1), 0, PACE_FAIL, MS(1));
	pace_made(&fixture->pace);
	assert_next(fixture, MS(2), 0, PACE_OPEN, MS(1) + 500000);
}

static void test_descriptors(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	pace_want_descriptors(&fixture->pace, START);
	assert_next(fixture, MS(1), 1, PACE_WAIT, MS(50));
	assert_int_equal(fixture->tally->descriptor_waits, 1);
	pace_ended(&fixture->pace);
	assert_next(fixture, MS(1), 0, PACE_OPEN, 0);
	pace_want_descriptors(&fixture->pace, MS(1));
	assert_next(fixture, MS(51), 1, PACE_OPEN, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_closed_loop), TEST(test_duration),
		TEST(test_stop),	TEST(test_nothing_to_do),
		TEST(test_ramp),	TEST(test_open_loop),
		TEST(test_ports),	TEST(test_ports_in_open_loop),
		TEST(test_descriptors),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
