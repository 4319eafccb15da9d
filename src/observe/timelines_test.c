#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "observe/timelines.h"
#include "tcp/state.h"

/* Looks at one host, a second apart; the first begins at 1 s and ends half a second later. */
struct story {
	struct timelines *timelines;
	struct look_result result;
	int64_t seconds;
};

static struct tcp_key key(uint16_t port)
{
	struct tcp_key made = {.local.port = port, .remote.port = 80};

	made.local.address.family = made.remote.address.family = AF_INET;
	return made;
}

static struct socket_status in_state(uint16_t port, int state)
{
	return (struct socket_status){.key = key(port), .state = state, .inode = 5};
}

static void story_look(struct story *story, const struct socket_status *sockets, size_t count)
{
	struct look look = {
		.since_ns = story->seconds * NS_PER_S,
		.time_ns = ++story->seconds * NS_PER_S + NS_PER_S / 2,
		.sockets = sockets,
		.count = count,
	};

	assert_int_equal(timelines_merge(story->timelines, &look, &story->result), 0);
}

static struct story story_begin(size_t limit)
{
	struct story story = {0};

	assert_int_equal(timelines_new(limit, &story.timelines), 0);
	return story;
}

static void test_only_changes(void **state)
{
	struct story story = story_begin(10);
	struct socket_status one = in_state(1, TCP_ESTABLISHED);
	const struct observer_timeline *timeline;

	(void)state;
	story_look(&story, &one, 1);
	assert_true(story.result.changed);
	one.timer_left_ms = 5;
	one.uid = 3;
	story_look(&story, &one, 1);
	assert_false(story.result.changed);
	one.receive_queue = 5;
	story_look(&story, &one, 1);
	one.receive_queue = 6;
	story_look(&story, &one, 1);
	assert_false(story.result.changed);
	one.send_queue = 6;
	story_look(&story, &one, 1);
	one.timer = SOCKET_TIMER_RETRANSMIT;
	story_look(&story, &one, 1);
	one.retransmits = 1;
	story_look(&story, &one, 1);
	one.inode = 0;
	story_look(&story, &one, 1);
	one.state = TCP_FIN_WAIT2;
	story_look(&story, &one, 1);
	one.minisock = true;
	story_look(&story, &one, 1);
	assert_true(story.result.changed);

	timeline = timelines_find(story.timelines, 0, &one.key);
	assert_non_null(timeline);
	assert_int_equal(timeline->count, 8);
	assert_int_equal(timeline->changes[0].since_ns, 0);
	assert_int_equal(timeline->changes[0].time_ns, 1500 * NS_PER_MS);
	assert_int_equal(timeline->changes[1].since_ns, 2 * NS_PER_S);
	assert_int_equal(timeline->changes[1].time_ns, 3500 * NS_PER_MS);
	assert_int_equal(timeline->changes[1].status.receive_queue, 5);
	timelines_free(story.timelines);
}

static void test_gone_and_back(void **state)
{
	struct story story = story_begin(10);
	struct socket_status two[] = {in_state(1, TCP_ESTABLISHED), in_state(2, TCP_TIME_WAIT)};
	const struct observer_timeline *timeline;

	(void)state;
	story_look(&story, two, 2);
	story_look(&story, two + 1, 1);
	assert_true(story.result.changed);
	story_look(&story, two + 1, 1);
	assert_false(story.result.changed);
	story_look(&story, two, 2);

	assert_int_equal(timelines_count(story.timelines), 2);
	timeline = timelines_at(story.timelines, 0);
	assert_int_equal(timeline->count, 3);
	assert_int_equal(timeline->changes[1].status.state, TCP_STATE_NONE);
	assert_true(tcp_key_equal(&timeline->changes[1].status.key, &two[0].key));
	assert_int_equal(timeline->changes[2].status.state, TCP_ESTABLISHED);
	assert_int_equal(timelines_at(story.timelines, 1)->count, 1);
	timelines_free(story.timelines);
}

/* A look at one host says nothing about another. */
static void test_hosts_apart(void **state)
{
	struct story story = story_begin(10);
	struct socket_status one = in_state(1, TCP_ESTABLISHED);
	struct look other = {.host = 1, .time_ns = 1};

	(void)state;
	story_look(&story, &one, 1);
	assert_int_equal(timelines_merge(story.timelines, &other, &story.result), 0);
	assert_false(story.result.changed);
	assert_null(timelines_find(story.timelines, 1, &one.key));
	assert_int_equal(timelines_find(story.timelines, 0, &one.key)->count, 1);
	timelines_free(story.timelines);
}

static void test_not_followed(void **state)
{
	struct story story = story_begin(1);
	struct socket_status four[] = {
		in_state(1, TCP_LISTEN),
		in_state(2, TCP_CLOSE),
		in_state(3, TCP_TIME_WAIT),
		in_state(4, TCP_TIME_WAIT),
	};

	(void)state;
	story_look(&story, four, 4);
	assert_int_equal(timelines_count(story.timelines), 1);
	assert_int_equal(story.result.left_out, 1);
	assert_non_null(timelines_find(story.timelines, 0, &four[2].key));
	assert_null(timelines_find(story.timelines, 0, &four[3].key));
	timelines_free(story.timelines);
}

static void test_twice_in_one_look(void **state)
{
	struct story story = story_begin(10);
	struct socket_status two[] = {in_state(1, TCP_ESTABLISHED), in_state(1, TCP_FIN_WAIT1)};

	(void)state;
	story_look(&story, two, 2);
	story_look(&story, two, 2);
	assert_int_equal(timelines_find(story.timelines, 0, &two[0].key)->count, 1);
	timelines_free(story.timelines);
}

static void test_next_timer(void **state)
{
	struct story story = story_begin(10);
	struct socket_status three[] = {
		in_state(1, TCP_TIME_WAIT),
		in_state(2, TCP_ESTABLISHED),
		in_state(3, TCP_FIN_WAIT1),
	};

	(void)state;
	story_look(&story, three, 3);
	assert_int_equal(story.result.timer_ns, INT64_MAX);
	assert_false(story.result.overdue);
	three[0].timer = SOCKET_TIMER_TIMEWAIT;
	three[0].timer_left_ms = 4000000000;
	three[2].timer = SOCKET_TIMER_RETRANSMIT;
	three[2].timer_left_ms = 200;
	story_look(&story, three, 3);
	assert_int_equal(story.result.timer_ns, 2700 * NS_PER_MS);
	assert_false(story.result.overdue);
	three[2].timer_left_ms = 0;
	story_look(&story, three, 3);
	assert_true(story.result.overdue);
	assert_int_equal(story.result.timer_ns, 3500 * NS_PER_MS + 4000000000 * NS_PER_MS);
	timelines_free(story.timelines);
}

static void test_flaps(void **state)
{
	struct story story = story_begin(10);
	struct socket_status one = in_state(1, TCP_ESTABLISHED);
	const struct observer_timeline *timeline;

	(void)state;
	for (int i = 0; i < 3 * TIMELINE_FLAPS; i++) {
		one.receive_queue = i % 2;
		story_look(&story, &one, 1);
	}
	timeline = timelines_find(story.timelines, 0, &one.key);
	assert_int_equal(timeline->count, TIMELINE_FLAPS);
	one.state = TCP_CLOSE_WAIT;
	story_look(&story, &one, 1);
	assert_int_equal(timeline->count, TIMELINE_FLAPS + 1);
	timelines_free(story.timelines);
}

static void test_missing(void **state)
{
	struct story story = story_begin(10);
	struct socket_status three[] = {
		in_state(1, TCP_ESTABLISHED),
		in_state(2, TCP_ESTABLISHED),
		in_state(3, TCP_ESTABLISHED),
	};
	struct look partial = {.sockets = three + 1, .count = 1};
	size_t cursor = 0, found = 0;
	const struct tcp_key *missing;

	(void)state;
	story_look(&story, three, 3);
	timelines_mark(story.timelines, &partial);
	while ((missing = timelines_missing(story.timelines, 0, &cursor))) {
		assert_int_not_equal(missing->local.port, 2);
		found++;
	}
	assert_int_equal(found, 2);
	cursor = 0;
	assert_null(timelines_missing(story.timelines, 1, &cursor));
	story_look(&story, three, 3);
	assert_false(story.result.changed);
	timelines_free(story.timelines);
}

/* Enough of them to grow everything, coming and going. */
static void test_many(void **state)
{
	enum { MANY = 20000 };
	struct story story = story_begin(MANY);
	struct socket_status *many = calloc(MANY, sizeof(*many));

	(void)state;
	assert_non_null(many);
	for (int i = 0; i < MANY; i++) {
		many[i] = in_state((uint16_t)i, TCP_ESTABLISHED);
		if (i % 2) {
			many[i].key.local.address.family = AF_INET6;
			many[i].key.local.address.bytes[15] = 1;
		}
	}
	story_look(&story, many, MANY);
	story_look(&story, many, MANY / 2);
	story_look(&story, many + MANY / 4, MANY / 2);
	story_look(&story, many, MANY);
	assert_int_equal(timelines_count(story.timelines), MANY);
	assert_int_equal(story.result.left_out, 0);
	for (int i = 0; i < MANY; i++) {
		/* First quarter: gone in the third look. Second: never. The rest: in the second,
		 * and the third quarter came back a look earlier than the last. */
		size_t expected = i >= MANY / 4 && i < MANY / 2 ? 1 : 3;

		assert_int_equal(timelines_find(story.timelines, 0, &many[i].key)->count, expected);
		assert_ptr_equal(timelines_find(story.timelines, 0, &many[i].key),
				 timelines_at(story.timelines, (size_t)i));
	}
	free(many);
	timelines_free(story.timelines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_changes),
		cmocka_unit_test(test_gone_and_back),
		cmocka_unit_test(test_hosts_apart),
		cmocka_unit_test(test_not_followed),
		cmocka_unit_test(test_twice_in_one_look),
		cmocka_unit_test(test_next_timer),
		cmocka_unit_test(test_flaps),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("timelines", tests, NULL, NULL);
}
