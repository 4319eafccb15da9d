/* contest load without a load: times, series that are cut and zipped, JSON there and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/load_json.h"
#include "cmd/load_report.h"
#include "cmd/load_time.h"

/* ---- times */

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-01-31T12:34:56Z", 1769862896 * NS_PER_S},
		{"2024-02-29T23:59:59.25Z", 1709251199 * NS_PER_S + NS_PER_S / 4},
		{"@0", 0},
		{"@1790000000", 1790000000 * NS_PER_S},
		{"@1790000000.000000001", 1790000000 * NS_PER_S + 1},
		{"@9223372035", 9223372035 * NS_PER_S},
		{"@9223372036", -1},
		{"@12345678901", -1},
		{"2023-02-29T00:00:00Z", -1},
		{"2026-13-01T00:00:00Z", -1},
		{"2026-01-01T24:00:00Z", -1},
		{"2026-01-01T00:00:60Z", -1},
		{"2026-01-01T00:00:00", -1},
		{"2026-01-01 00:00:00Z", -1},
		{"2026-01-01T00:00:00.Z", -1},
		{"2026-01-01T00:00:00Zx", -1},
		{"1969-12-31T23:59:59Z", -1},
		{"2300-01-01T00:00:00Z", -1},
		{"26-01-01T00:00:00Z", -1},
		{"@", -1},
		{"@1.", -1},
		{"@-1", -1},
		{"@1x", -1},
		{"now", -1},
		{"", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = -1;

		assert_int_equal(load_time_parse(cases[i].text, &ns),
				 cases[i].ns < 0 ? -EINVAL : 0);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void durations_are_short(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1 us"},
		{17234, "17.2 us"},
		{999499, "999 us"},
		{999500, "1 ms"},
		{1234567, "1.23 ms"},
		{1500000000, "1.5 s"},
		{999400000000, "999 s"},
		{3600000000000, "3600 s"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(load_report_time(cases[i].ns, text, sizeof(text)),
				    cases[i].text);
}

/* ---- results */

#define EPOCH (INT64_C(1790000000) * LOAD_TICKS_PER_S)

static uint32_t seed;

static uint32_t random_below(uint32_t bound)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * bound >> 24);
}

/* A run whose numbers are anything that can be. */
static struct load_result *random_result(void)
{
	struct load_result *result = load_result_new();
	int64_t at;

	result->runs = 1;
	result->started = EPOCH + random_below(30 * LOAD_TICKS_PER_S);
	result->ended = result->started + random_below(20 * LOAD_TICKS_PER_S);
	result->engine = strdup(random_below(2) ? "epoll" : "uring");
	result->protocol = strdup("daytime");
	result->closing = strdup(random_below(2) ? "active" : "rst");
	result->ports = strdup("kernel");
	result->command = strdup("contest load");
	result->sentence = strdup("because");
	result->cure = strdup("more");
	result->forecast_text = strdup("none");
	result->forecast = random_below(1000000);
	result->limit = (enum load_limit)random_below(LIMITS);
	result->limits[result->limit] = 1;
	result->sum.completed = random_below(1000000);
	result->sum.failed[ECONNREFUSED] = random_below(10);
	result->sum.failed[LOAD_FAIL_TIMEOUT] = random_below(10);
	result->sum.failed_all = result->sum.failed[ECONNREFUSED] +
				 result->sum.failed[LOAD_FAIL_TIMEOUT];
	result->sum.attempted = result->sum.completed + result->sum.failed_all;
	for (size_t i = 0; i < LATENCIES; i++)
		for (uint32_t n = random_below(200); n > 0; n--)
			histogram_record(&result->latency[i],
					 (int64_t)random_below(1 << 24) * random_below(1 << 10));
	at = result->started;
	for (uint32_t n = random_below(30); n > 0; n--) {
		struct load_slot slot = {
			.length = 1 + random_below(3 * LOAD_TICKS_PER_S),
			.connected = random_below(10000),
			.connect_ns = random_below(1 << 24),
			.cpu_ns = random_below(1 << 24),
			.in_flight = random_below(64),
			.ports_known = random_below(2),
		};

		slot.end = at += slot.length;
		slot.ports_used = slot.ports_known ? random_below(28232) : 0;
		result->sum.connected += slot.connected;
		assert_int_equal(load_result_sample(result, &slot), 0);
	}
	load_result_destination(result, random_below(2) ? "127.0.0.1:1" : "127.0.0.1:2")
		->ports_used = random_below(100);
	result->audit[0] = (struct load_audit){
		.what = "x", .counter = "Tcp.X", .ours = random_below(9), .agrees = true};
	result->audit_count = 1;
	return result;
}

static char *text_of(const struct load_result *result)
{
	json_t *document = load_json_make(result);
	char *text = json_dumps(document, JSON_REAL_PRECISION(15));

	json_decref(document);
	assert_non_null(text);
	return text;
}

static struct load_result *read_back(const struct load_result *result)
{
	CLEANUP_FREE char *text = text_of(result);
	struct load_result *again;
	struct why why;

	if (load_json_read(text, strlen(text), &again, &why) < 0)
		fail_msg("%s", why.text);
	return again;
}

static void json_is_read_back(void **state)
{
	(void)state;
	for (seed = 1; seed < 200 * 7919; seed += 7919) {
		uint32_t keep = seed;
		struct load_result *result = random_result(), *again = read_back(result);
		CLEANUP_FREE char *before = text_of(result), *after = text_of(again);

		assert_string_equal(before, after);
		assert_int_equal(result->started, again->started);
		assert_int_equal(result->ended, again->ended);
		for (size_t i = 0; i < LATENCIES; i++)
			assert_memory_equal(&result->latency[i], &again->latency[i],
					    sizeof(struct histogram));
		load_result_free(result);
		load_result_free(again);
		seed = keep;
	}
}

/* Merges them in a chain, through JSON each time, as files would be. */
static struct load_result *merge(const struct load_result *a, const struct load_result *b)
{
	struct load_result *both = load_result_new(), *again;

	assert_int_equal(load_result_merge(both, a, "a"), 0);
	assert_int_equal(load_result_merge(both, b, "b"), 0);
	both->command = strdup("");
	again = read_back(both);
	load_result_free(both);
	return again;
}

static uint64_t series_sum(const struct load_result *result)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < result->series_count; i++) {
		sum += result->series[i].connected;
		assert_int_equal(result->series[i].end % LOAD_TICKS_PER_S, 0);
		assert_int_equal(result->series[i].length, LOAD_TICKS_PER_S);
		if (i > 0)
			assert_true(result->series[i].end > result->series[i - 1].end);
	}
	return sum;
}

/* Evidence names files, which differ by grouping. */
static char *numbers_of(const struct load_result *result)
{
	json_t *document = load_json_make(result);
	char *text;

	json_object_del(json_object_get(document, "limited_because"), "evidence");
	text = json_dumps(document, JSON_REAL_PRECISION(15));
	json_decref(document);
	return text;
}

static void merging_is_associative(void **state)
{
	(void)state;
	for (uint32_t round = 1; round <= 60; round++) {
		struct load_result *a, *b, *c, *ab, *bc, *left, *right;

		seed = round * 104729;
		a = random_result();
		b = random_result();
		c = random_result();
		ab = merge(a, b);
		bc = merge(b, c);
		left = merge(ab, c);
		right = merge(a, bc);
		{
			CLEANUP_FREE char *one = numbers_of(left), *other = numbers_of(right);

			assert_string_equal(one, other);
		}
		assert_int_equal(series_sum(left),
				 a->sum.connected + b->sum.connected + c->sum.connected);
		assert_int_equal(left->sum.connected, series_sum(left));
		assert_int_equal(left->evidence_count, 3);
		assert_int_equal(left->latency[0].count,
				 a->latency[0].count + b->latency[0].count + c->latency[0].count);
		load_result_free(a);
		load_result_free(b);
		load_result_free(c);
		load_result_free(ab);
		load_result_free(bc);
		load_result_free(left);
		load_result_free(right);
	}
}

static void check_slot(const struct load_slot *slot, int64_t second, uint64_t connected,
		       uint64_t in_flight)
{
	assert_int_equal(slot->end, EPOCH + second * LOAD_TICKS_PER_S);
	assert_int_equal(slot->length, LOAD_TICKS_PER_S);
	assert_int_equal(slot->connected, connected);
	assert_int_equal(slot->in_flight, in_flight);
}

/* By hand: 1.5 s from the middle of a second on, two samples in one second, then a gap. */
static void a_series_is_cut_to_seconds(void **state)
{
	struct load_result *one = load_result_new(), *all = load_result_new();
	const struct load_slot slots[] = {
		{.end = EPOCH + 200000, .length = 150000, .connected = 10, .in_flight = 3},
		{.end = EPOCH + 220000, .length = 20000, .connected = 5, .in_flight = 9},
		{.end = EPOCH + 250000, .length = 30000, .connected = 6, .in_flight = 2},
		{.end = EPOCH + 600000,
		 .length = 50000,
		 .connected = 7,
		 .in_flight = 4,
		 .ports_used = 5,
		 .ports_known = true},
	};

	(void)state;
	one->runs = 1;
	one->started = EPOCH + 50000;
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		load_result_sample(one, &slots[i]);
	assert_int_equal(load_result_merge(all, one, "one"), 0);
	assert_int_equal(load_result_merge(all, one, "the same"), 0);
	assert_int_equal(all->series_count, 4);
	check_slot(&all->series[0], 1, 2 * 3, 2 * 3);
	check_slot(&all->series[1], 2, 2 * 7, 2 * 3);
	check_slot(&all->series[2], 3, 2 * 11, 2 * 2);
	check_slot(&all->series[3], 6, 2 * 7, 2 * 4);
	assert_false(all->series[2].ports_known);
	assert_int_equal(all->series[3].ports_used, 2 * 5);
	load_result_free(one);
	load_result_free(all);
}

static void time_runs_from_first_to_last(void **state)
{
	struct load_result *runs[] = {load_result_new(), load_result_new(), load_result_new()};
	static const int64_t times[][2] = {{20, 30}, {10, 25}, {15, 45}};
	struct load_result *all = load_result_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		runs[i]->runs = 1;
		runs[i]->started = EPOCH + times[i][0] * LOAD_TICKS_PER_S;
		runs[i]->ended = EPOCH + times[i][1] * LOAD_TICKS_PER_S;
		runs[i]->sum.connected = 70;
		assert_int_equal(load_result_merge(all, runs[i], "run"), 0);
		load_result_free(runs[i]);
	}
	assert_int_equal(all->started, EPOCH + 10 * LOAD_TICKS_PER_S);
	assert_true(load_result_seconds(all) == 35);
	assert_true(load_result_rate(all) == 6);
	load_result_free(all);
}

/* Whatever is cut out of a document or put into it, the answer is an error, and no crash. */
static void damaged_json_is_refused(void **state)
{
	struct load_result *result;
	const char *name;
	json_t *document, *value;
	void *next;

	(void)state;
	seed = 5;
	result = random_result();
	document = load_json_make(result);
	json_object_foreach_safe(document, next, name, value)
	{
		json_t *damaged[] = {json_copy(document), json_copy(document), json_copy(document)};

		json_object_del(damaged[0], name);
		json_object_set_new(damaged[1], name, json_pack("[n]"));
		json_object_set_new(damaged[2], name, json_integer(-5));
		for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
			CLEANUP_FREE char *text = json_dumps(damaged[i], 0);
			struct load_result *again = NULL;
			struct why why;

			if (load_json_read(text, strlen(text), &again, &why) == 0)
				load_result_free(again);
			json_decref(damaged[i]);
		}
	}
	json_decref(document);
	load_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(durations_are_short),
		cmocka_unit_test(json_is_read_back),
		cmocka_unit_test(merging_is_associative),
		cmocka_unit_test(a_series_is_cut_to_seconds),
		cmocka_unit_test(time_runs_from_first_to_last),
		cmocka_unit_test(damaged_json_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
