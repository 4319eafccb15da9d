/* When the event loop rests: many peers that come and go, one of them, and some that stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/event.h"

/* What the loop waits with: nothing is ever ready at once, and then there is one event. */
struct readiness {
	unsigned looks, waits; /* without time, with some */
};

static int fake_wait(struct readiness *set, int timeout_ms, struct readiness_event *ret, int room)
{
	(void)ret, (void)room;
	if (timeout_ms == 0) {
		set->looks++;
		return 0;
	}
	set->waits++;
	return 1;
}

static const struct readiness_ops fake = {.wait = fake_wait};

/* How many of 1000 waits were rests, where @come new connections and @stay others are found
 * in each round. */
static unsigned rests(unsigned come, unsigned stay)
{
	struct readiness set = {0};
	struct event_loop loop = {.ops = &fake, .set = &set};
	struct readiness_event event;
	unsigned rested = 0;

	for (int round = 0; round < 1000; round++) {
		assert_int_equal(event_wait(&loop, -1, &event, 1), 1);
		rested += loop.guess_rest.rested;
		for (unsigned i = 0; i < come; i++)
			event_rest_found(&loop, true);
		for (unsigned i = 0; i < stay; i++)
			event_rest_found(&loop, false);
	}
	assert_int_equal(set.waits, 1000);
	return rested;
}

static void test_many_come_and_go(void **state)
{
	(void)state;
	assert_true(rests(4, 3) > 900);
	assert_true(rests(2, 1) > 900);
}

/* One peer after the other would only be held up. */
static void test_alone(void **state)
{
	(void)state;
	assert_true(rests(1, 0) < 40);
	assert_true(rests(1, 1) < 40);
}

/* Who asks again and again goes on only when it was answered. */
static void test_who_stays(void **state)
{
	(void)state;
	assert_int_equal(rests(0, 30), 0);
}

/* From many to one: it is given up soon, and taken up again. */
static void test_change(void **state)
{
	struct readiness set = {0};
	struct event_loop loop = {.ops = &fake, .set = &set};
	struct readiness_event event;
	unsigned rested[3] = {0};

	(void)state;
	for (int round = 0; round < 3000; round++) {
		event_wait(&loop, -1, &event, 1);
		rested[round / 1000] += loop.guess_rest.rested;
		for (int i = 0; i < (round / 1000 == 1 ? 1 : 5); i++)
			event_rest_found(&loop, true);
	}
	assert_true(rested[0] > 900);
	assert_true(rested[1] < 60);
	assert_true(rested[2] > 800);
}

/* Where there is no time to wait nothing is to be won, and much to be lost. */
static void test_no_time(void **state)
{
	struct readiness set = {0};
	struct event_loop loop = {.ops = &fake, .set = &set, .guess_rest = {.worth = 8}};
	struct readiness_event event;

	(void)state;
	event_rest_found(&loop, true);
	assert_int_equal(event_wait(&loop, 0, &event, 1), 0);
	assert_int_equal(set.looks, 1);
	assert_false(loop.guess_rest.rested);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_come_and_go), cmocka_unit_test(test_alone),
		cmocka_unit_test(test_who_stays),	 cmocka_unit_test(test_change),
		cmocka_unit_test(test_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
