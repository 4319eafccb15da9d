/*
 * Histograms are held against the values themselves, kept aside and sorted; their text against a
 * reader of its own.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "load/histogram.h"

#define LARGEST ((UINT64_C(1) << 43) - 1)

/* Every counter begins where the one before ends, and is narrow enough. */
static void test_counters(void **state)
{
	uint64_t low, high, next = 0;

	(void)state;
	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		low = histogram_lowest(i);
		high = histogram_highest(i);
		assert_int_equal(low, next);
		assert_true(high >= low);
		assert_int_equal(histogram_index(low), i);
		assert_int_equal(histogram_index(high), i);
		assert_true((high - low + 1) * 128 <= low || high == low);
		next = high + 1;
	}
	assert_int_equal(next, LARGEST + 1);
	assert_int_equal(histogram_index(LARGEST + 1), HISTOGRAM_SIZE - 1);
	assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_SIZE - 1);
}

/* splitmix64 */
static uint64_t random_bits(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* above 0, to 1 */
static double random_unit(uint64_t *seed)
{
	return (double)((random_bits(seed) >> 11) + 1) * 0x1p-53;
}

static int64_t make_small(uint64_t *seed)
{
	return (int64_t)(random_bits(seed) % 300);
}

static int64_t make_uniform(uint64_t *seed)
{
	return (int64_t)(random_bits(seed) % 100000000);
}

static int64_t make_exponential(uint64_t *seed)
{
	return (int64_t)(-50000 * log(random_unit(seed)));
}

static int64_t make_any_size(uint64_t *seed)
{
	return (int64_t)(random_bits(seed) >> (21 + random_bits(seed) % 43));
}

/* 30 us, and now and then a retransmitted SYN: 1 s, 3 s */
static int64_t make_retransmits(uint64_t *seed)
{
	uint64_t roll = random_bits(seed) % 1000;
	int64_t base = roll > 1 ? 0 : roll ? 1000000000 : 3000000000;

	return base + 30000 + (int64_t)(random_bits(seed) % 5000);
}

/* a tail so heavy that some are too large for the counters */
static int64_t make_pareto(uint64_t *seed)
{
	double value = 1000 / pow(random_unit(seed), 2.5);

	return value < 0x1p62 ? (int64_t)value : INT64_MAX;
}

static int64_t make_constant(uint64_t *seed)
{
	(void)seed;
	return 123456789;
}

static const struct {
	const char *name;
	int64_t (*make)(uint64_t *seed);
} distributions[] = {
	{"small", make_small},
	{"uniform", make_uniform},
	{"exponential", make_exponential},
	{"any size", make_any_size},
	{"retransmits", make_retransmits},
	{"pareto", make_pareto},
	{"constant", make_constant},
};

static const size_t sizes[] = {1, 2, 3, 10, 100, 1000, 20000};

/* The values of a run: in the order in which they came, or sorted. */
struct run {
	uint64_t *values; /* (owned) */
	size_t count;
	struct histogram histogram;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void run_init(struct run *run, size_t distribution, size_t count)
{
	uint64_t seed = 1000 * distribution + count;

	print_message("%s, %zu values, seed %ju\n", distributions[distribution].name, count,
		      (uintmax_t)seed);
	*run = (struct run){.count = count};
	run->values = calloc(count, sizeof(*run->values));
	assert_non_null(run->values);
	for (size_t i = 0; i < count; i++) {
		int64_t value = distributions[distribution].make(&seed);

		run->values[i] = (uint64_t)value;
		histogram_record(&run->histogram, value);
	}
}

static void run_sort(struct run *run)
{
	qsort(run->values, run->count, sizeof(*run->values), compare);
}

static void for_all_runs(void (*check)(struct run *run))
{
	for (size_t d = 0; d < ARRAY_SIZE(distributions); d++) {
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			struct run run;

			run_init(&run, d, sizes[s]);
			check(&run);
			free(run.values);
		}
	}
}

/* The value of rank ceil(p / q * count), in whole numbers. */
static uint64_t exact_at(const struct run *run, uint64_t p, uint64_t q)
{
	uint64_t rank = (p * run->count + q - 1) / q;

	return run->values[rank ? rank - 1 : 0];
}

/* What a histogram may say for @exact: never less, more by less than 1/128. */
static bool is_near(const struct run *run, uint64_t told, uint64_t exact)
{
	if (exact > LARGEST)
		return told == run->values[run->count - 1];
	return told >= exact && (told - exact) * 128 <= exact;
}

static void check_percentiles(struct run *run)
{
	static const struct {
		uint64_t p, q;
	} fractions[] = {
		{0, 1}, {1, 1},	       {1, 2},		{9, 10},  {99, 100}, {999, 1000},
		{1, 3}, {9999, 10000}, {99999, 100000}, {7, 100}, {1, 1000},
	};
	uint64_t seed = 42, largest;

	run_sort(run);
	largest = run->values[run->count - 1];
	for (size_t i = 0; i < ARRAY_SIZE(fractions); i++) {
		uint64_t p = fractions[i].p, q = fractions[i].q;

		assert_true(is_near(run, histogram_at(&run->histogram, (double)p / (double)q),
				    exact_at(run, p, q)));
	}
	for (int i = 0; i < 200; i++) {
		uint64_t q = 1 + random_bits(&seed) % 100000, p = random_bits(&seed) % (q + 1);

		assert_true(is_near(run, histogram_at(&run->histogram, (double)p / (double)q),
				    exact_at(run, p, q)));
	}
	assert_int_equal(histogram_at(&run->histogram, 1), largest);
	assert_int_equal(histogram_at(&run->histogram, 2), largest);
	assert_int_equal(run->histogram.min, run->values[0]);
	assert_int_equal(run->histogram.max, largest);
	assert_int_equal(run->histogram.count, run->count);
}

static void test_percentiles(void **state)
{
	(void)state;
	for_all_runs(check_percentiles);
}

/* Ranks where fraction * count is whole, but not in binary: values 1 … count tell their rank. */
static void test_ranks(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	for (int64_t count = 1; count <= 255; count++) {
		histogram_record(&histogram, count);
		for (int percent = 0; percent <= 100; percent++) {
			int64_t rank = (percent * count + 99) / 100;

			assert_int_equal(histogram_at(&histogram, percent / 100.0),
					 rank ? rank : 1);
		}
	}
	assert_int_equal(histogram_at(&histogram, -1), 1);
	assert_int_equal(histogram_at(&histogram, 0.5), 128);
}

/* Each value is off by at most 1/256 of its size, or by less than 1: so are mean and deviation. */
static void check_moments(struct run *run)
{
	double sum = 0, squares = 0, mean, deviation, size;

	if (run->histogram.above)
		return;
	for (size_t i = 0; i < run->count; i++)
		sum += (double)run->values[i];
	mean = sum / (double)run->count;
	for (size_t i = 0; i < run->count; i++)
		squares += pow((double)run->values[i] - mean, 2);
	deviation = sqrt(squares / (double)run->count);
	size = sqrt(mean * mean + deviation * deviation);
	assert_true(fabs(histogram_mean(&run->histogram) - mean) <= mean / 256 + 0.5);
	assert_true(fabs(histogram_deviation(&run->histogram) - deviation) <= size / 256 + 0.5);
}

static void test_moments(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	for_all_runs(check_moments);
	/* by hand; values below 256 are exact: 2, 4, 4, 4, 5, 5, 7, 9 */
	for (const char *c = "24445579"; *c; c++)
		histogram_record(&histogram, *c - '0');
	assert_true(fabs(histogram_mean(&histogram) - 5) < 1e-9);
	assert_true(fabs(histogram_deviation(&histogram) - 2) < 1e-9);
	/* one value alone is exact at any size */
	histogram = (struct histogram){0};
	histogram_record(&histogram, 1000001);
	assert_true(fabs(histogram_mean(&histogram) - 1000001) < 1e-6);
	assert_true(histogram_deviation(&histogram) < 1e-6);
}

static void assert_same(const struct histogram *a, const struct histogram *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

/* Three shares of a run, merged in any order and grouping, are the run. */
static void check_merge(struct run *run)
{
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					{1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct histogram shares[3] = {0}, left, right;
	uint64_t seed = run->count;

	for (size_t i = 0; i < run->count; i++)
		histogram_record(&shares[random_bits(&seed) % 3], (int64_t)run->values[i]);
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		const int *order = orders[i];

		/* (a + b) + c */
		left = shares[order[0]];
		histogram_add(&left, &shares[order[1]]);
		histogram_add(&left, &shares[order[2]]);
		assert_same(&left, &run->histogram);
		/* a + (b + c) */
		right = shares[order[1]];
		histogram_add(&right, &shares[order[2]]);
		left = shares[order[0]];
		histogram_add(&left, &right);
		assert_same(&left, &run->histogram);
	}
}

static void test_merge(void **state)
{
	struct histogram empty = {0}, one = {0}, sum = {0};

	(void)state;
	for_all_runs(check_merge);
	histogram_record(&one, 777);
	histogram_add(&sum, &one);
	assert_same(&sum, &one);
	histogram_add(&sum, &empty);
	assert_same(&sum, &one);
	sum = empty;
	histogram_add(&sum, &empty);
	assert_same(&sum, &empty);
}

static void test_bounds(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	assert_int_equal(histogram_at(&histogram, 0.5), 0);
	assert_true(histogram_mean(&histogram) == 0);
	assert_true(histogram_deviation(&histogram) == 0);
	histogram_record(&histogram, 5);
	histogram_record(&histogram, -5);
	histogram_record(&histogram, INT64_MIN);
	assert_int_equal(histogram.count, 3);
	assert_int_equal(histogram.counts[0], 2);
	assert_int_equal(histogram.min, 0);
	assert_int_equal(histogram.max, 5);
	assert_int_equal(histogram.above, 0);
	histogram_record(&histogram, LARGEST);
	assert_int_equal(histogram.above, 0);
	histogram_record(&histogram, LARGEST + 1);
	histogram_record(&histogram, INT64_MAX);
	assert_int_equal(histogram.above, 2);
	assert_int_equal(histogram.counts[HISTOGRAM_SIZE - 1], 3);
	assert_int_equal(histogram.max, INT64_MAX);
	assert_int_equal(histogram_at(&histogram, 1), INT64_MAX);
}

static char *print(const struct histogram *histogram)
{
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	assert_non_null(file);
	assert_int_equal(histogram_print_percentiles(histogram, file), 0);
	fclose(file);
	return text;
}

/* As HdrHistogram 2.1 prints it: worked out by hand from AbstractHistogram's format strings. */
static void test_text(void **state)
{
	static const char expected[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n"
				       "\n"
				       "       0.010 0.000000000000          1           1.00\n"
				       "       0.010 0.100000000000          1           1.11\n"
				       "       0.010 0.200000000000          1           1.25\n"
				       "       0.020 0.300000000000          2           1.43\n"
				       "       0.020 0.400000000000          2           1.67\n"
				       "       0.020 0.500000000000          2           2.00\n"
				       "       0.030 0.550000000000          3           2.22\n"
				       "       0.030 0.600000000000          3           2.50\n"
				       "       0.030 0.650000000000          3           2.86\n"
				       "       0.030 0.700000000000          3           3.33\n"
				       "       0.030 0.750000000000          3           4.00\n"
				       "       0.040 0.775000000000          4           4.44\n"
				       "       0.040 1.000000000000          4\n"
				       "#[Mean    =        0.025, StdDeviation   =        0.011]\n"
				       "#[Max     =        0.040, Total count    =            4]\n"
				       "#[Buckets =           36, SubBuckets     =          256]\n";
	static const char nothing[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n"
				      "\n"
				      "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
				      "#[Max     =        0.000, Total count    =            0]\n"
				      "#[Buckets =           36, SubBuckets     =          256]\n";
	struct histogram histogram = {0};
	char *text;

	(void)state;
	text = print(&histogram);
	assert_string_equal(text, nothing);
	free(text);
	for (int i = 10; i <= 40; i += 10)
		histogram_record(&histogram, i);
	text = print(&histogram);
	assert_string_equal(text, expected);
	free(text);
}

/* What a reader of the text finds in it. */
struct reading {
	struct reading_line {
		double value, percentile, inverse; /* inverse 0: it has none */
		uintmax_t total;
	} lines[400];
	size_t count;
	double mean, deviation, max;
	uintmax_t total;
	int buckets, sub_buckets;
};

/* A plotter splits at blanks: three or four numbers, comments begin with "#". */
static void read_line(const char *line, struct reading *reading)
{
	struct reading_line *l = &reading->lines[reading->count];
	int n = 0, fields;

	assert_true(reading->count < ARRAY_SIZE(reading->lines));
	l->inverse = 0;
	fields = sscanf(line, "%lf %lf %ju%n %lf%n", &l->value, &l->percentile, &l->total, &n,
			&l->inverse, &n);
	assert_true(fields == 3 || fields == 4);
	assert_int_equal(line[n], '\0');
	reading->count++;
}

static void read_footer(const char *line, struct reading *reading)
{
	if (sscanf(line, "#[Mean = %lf, StdDeviation = %lf]", &reading->mean,
		   &reading->deviation) == 2 ||
	    sscanf(line, "#[Max = %lf, Total count = %ju]", &reading->max, &reading->total) == 2 ||
	    sscanf(line, "#[Buckets = %d, SubBuckets = %d]", &reading->buckets,
		   &reading->sub_buckets) == 2)
		return;
	fail_msg("not understood: %s", line);
}

static void read_text(char *text, struct reading *ret)
{
	char *save, *line = strtok_r(text, "\n", &save);

	*ret = (struct reading){.mean = NAN, .max = NAN, .buckets = -1};
	assert_string_equal(line, "       Value     Percentile TotalCount 1/(1-Percentile)");
	while ((line = strtok_r(NULL, "\n", &save)))
		line[0] == '#' ? read_footer(line, ret) : read_line(line, ret);
}

static size_t not_above(const struct run *run, double value_us)
{
	size_t n = 0;

	while (n < run->count && (double)run->values[n] / 1000 <= value_us + 0.0005)
		n++;
	return n;
}

static void check_line(const struct run *run, const struct reading_line *line)
{
	uint64_t rank = (uint64_t)ceil(line->percentile * (double)run->count - 1e-6), exact;

	exact = run->values[rank ? rank - 1 : 0];
	assert_true(line->value + 0.0005 >= (double)exact / 1000);
	if (exact <= LARGEST)
		assert_true(line->value - 0.0005 <= (double)exact / 1000 * (1 + 1.0 / 128));
	assert_int_equal(line->total, not_above(run, line->value));
	assert_true((double)line->total >= line->percentile * (double)run->count - 1e-6);
}

/* Five steps from 0 to 1/2, five from there to 3/4, …, and at last 1. */
static void check_levels(const struct reading *reading)
{
	double at = 0, step = 0.1;

	for (size_t i = 0; i + 1 < reading->count; i++) {
		const struct reading_line *line = &reading->lines[i];

		assert_true(fabs(line->percentile - at) < 1e-9);
		assert_true(fabs(line->inverse * (1 - at) - 1) < 0.006);
		at += step;
		if (i % 5 == 4)
			step /= 2;
	}
	assert_true(reading->lines[reading->count - 1].percentile == 1);
	assert_true(reading->lines[reading->count - 1].inverse == 0);
}

static void check_text(struct run *run)
{
	const struct reading_line *last;
	struct reading reading;
	char *text;

	run_sort(run);
	text = print(&run->histogram);
	read_text(text, &reading);
	free(text);
	assert_true(reading.count >= 2);
	for (size_t i = 0; i < reading.count; i++)
		check_line(run, &reading.lines[i]);
	check_levels(&reading);
	/* All values are told once before the last line, and no line comes after that. */
	last = &reading.lines[reading.count - 1];
	assert_int_equal(last->total, run->count);
	assert_int_equal(last[-1].total, run->count);
	if (reading.count > 2)
		assert_true(last[-2].total < run->count);
	assert_true(fabs(last->value - (double)run->histogram.max / 1000) <=
		    0.0005 + last->value * 1e-15);
	assert_true(reading.max == last->value);
	assert_int_equal(reading.total, run->count);
	assert_true(fabs(reading.mean - histogram_mean(&run->histogram) / 1000) <=
		    0.0005 + reading.mean * 1e-15);
	assert_true(fabs(reading.deviation - histogram_deviation(&run->histogram) / 1000) <=
		    0.0005 + reading.deviation * 1e-15);
	assert_int_equal(reading.buckets, HISTOGRAM_BUCKETS);
	assert_int_equal(reading.sub_buckets, 256);
}

static void test_text_read(void **state)
{
	(void)state;
	for_all_runs(check_text);
}

static void test_text_unwritten(void **state)
{
	struct histogram histogram = {0};
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(histogram_print_percentiles(&histogram, full), -ENOSPC);
	fclose(full);
}

#define ROUNDS 200000

static void *record_many(void *histogram)
{
	uint64_t seed = 7;

	for (int i = 0; i < ROUNDS; i++)
		histogram_record(histogram, make_any_size(&seed));
	return NULL;
}

/* A histogram taken while another thread writes is whole in itself. */
static void assert_whole(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		count += histogram->counts[i];
		if (histogram->counts[i])
			assert_true(histogram_lowest(i) <= histogram->max &&
				    (histogram_highest(i) >= histogram->min ||
				     i == HISTOGRAM_SIZE - 1));
	}
	assert_int_equal(histogram->count, count);
}

static void test_reader(void **state)
{
	static struct histogram live;
	struct histogram seen;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, record_many, &live), 0);
	do {
		seen = (struct histogram){0};
		histogram_add(&seen, &live);
		assert_whole(&seen);
	} while (seen.count < ROUNDS);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_same(&seen, &live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters),       cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_ranks),	       cmocka_unit_test(test_moments),
		cmocka_unit_test(test_merge),	       cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_text),	       cmocka_unit_test(test_text_read),
		cmocka_unit_test(test_text_unwritten), cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
