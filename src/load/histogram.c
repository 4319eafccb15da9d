#include "load/histogram.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#define LARGEST ((UINT64_C(1) << (HISTOGRAM_BUCKETS + 7)) - 1)

size_t histogram_index(uint64_t value)
{
	unsigned shift;

	if (value > LARGEST)
		return HISTOGRAM_SIZE - 1;
	/* The leading bit and the 7 below it stay; below 256 all do. */
	shift = 56 - (unsigned)__builtin_clzll(value | (2 * HISTOGRAM_HALF - 1));
	return (size_t)shift * HISTOGRAM_HALF + (size_t)(value >> shift);
}

_Static_assert(HISTOGRAM_HALF == 1 << 7, "shifts are by the 8 bits that are kept");

static unsigned index_shift(size_t index)
{
	assert(index < HISTOGRAM_SIZE);
	return index < 2 * HISTOGRAM_HALF ? 0 : (unsigned)(index / HISTOGRAM_HALF) - 1;
}

uint64_t histogram_lowest(size_t index)
{
	unsigned shift = index_shift(index);

	return (uint64_t)(index - (size_t)shift * HISTOGRAM_HALF) << shift;
}

uint64_t histogram_highest(size_t index)
{
	return histogram_lowest(index) + (UINT64_C(1) << index_shift(index)) - 1;
}

/*
 * The writer stores, and histogram_add() loads, with the compiler's atomics: on a 64-bit machine
 * these are plain moves. A value's counter comes last, with release: who sees it counted sees a
 * min and max that include it.
 */
static void set(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

void histogram_record(struct histogram *histogram, int64_t value_ns)
{
	uint64_t value = value_ns > 0 ? (uint64_t)value_ns : 0;
	uint64_t *counter = &histogram->counts[histogram_index(value)];

	if (value > histogram->max)
		set(&histogram->max, value);
	if (value < histogram->min || !histogram->count)
		set(&histogram->min, value);
	if (value > LARGEST)
		set(&histogram->above, histogram->above + 1);
	set(&histogram->count, histogram->count + 1);
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELEASE);
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
	uint64_t count = 0, n, min, max;

	/* counted here: the writer may be a step further with its own count */
	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		n = __atomic_load_n(&from->counts[i], __ATOMIC_ACQUIRE);
		to->counts[i] += n;
		count += n;
	}
	if (!count)
		return;
	min = get(&from->min);
	max = get(&from->max);
	if (min < to->min || !to->count)
		to->min = min;
	if (max > to->max)
		to->max = max;
	to->above += get(&from->above);
	to->count += count;
}

/* Which of @count values, from 1 on in their order, is the one at @fraction. */
static uint64_t rank_of(uint64_t count, double fraction)
{
	/* 0.07 * 100 is a bit more than 7 in binary, and must not become 8. */
	double exact = (double)count * fraction * (1 - 0x1p-51);
	uint64_t rank;

	if (!(exact > 0))
		return 1;
	if (exact >= (double)count)
		return count;
	rank = (uint64_t)ceil(exact);
	return rank < count ? rank : count;
}

/* A place between counters: all below @index have @through values. */
struct cursor {
	size_t index;
	uint64_t through;
};

/* Takes counters until the value of @rank (1 to count) is among them; returns the last one's. */
static uint64_t advance(const struct histogram *histogram, struct cursor *cursor, uint64_t rank)
{
	uint64_t highest;

	while (cursor->through < rank && cursor->index < HISTOGRAM_SIZE)
		cursor->through += histogram->counts[cursor->index++];
	/* The last counter holds what is too large, too. */
	highest = cursor->index < HISTOGRAM_SIZE ? histogram_highest(cursor->index - 1)
						 : histogram->max;
	return highest < histogram->max ? highest : histogram->max;
}

uint64_t histogram_at(const struct histogram *histogram, double fraction)
{
	struct cursor cursor = {0};

	if (!histogram->count)
		return 0;
	return advance(histogram, &cursor, rank_of(histogram->count, fraction));
}

/* The middle of what a counter's values can have been. */
static double middle(const struct histogram *histogram, size_t index)
{
	uint64_t low = histogram_lowest(index), high = histogram_highest(index);

	if (low < histogram->min)
		low = histogram->min;
	if (high > histogram->max || index == HISTOGRAM_SIZE - 1)
		high = histogram->max;
	return ((double)low + (double)high) / 2;
}

double histogram_mean(const struct histogram *histogram)
{
	double sum = 0;

	if (!histogram->count)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_SIZE; i++)
		if (histogram->counts[i])
			sum += (double)histogram->counts[i] * middle(histogram, i);
	return sum / (double)histogram->count;
}

double histogram_deviation(const struct histogram *histogram)
{
	double mean = histogram_mean(histogram), sum = 0, distance;

	if (!histogram->count)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		if (!histogram->counts[i])
			continue;
		distance = middle(histogram, i) - mean;
		sum += (double)histogram->counts[i] * distance * distance;
	}
	return sqrt(sum / (double)histogram->count);
}

static double in_us(double ns)
{
	return ns / 1000;
}

#define TICKS 5 /* lines for each halving of the distance to 1 */

/* 0, then TICKS steps to 1/2, as many to 3/4, to 7/8, … */
static double level(unsigned step)
{
	double distance = ldexp(1, -(int)(step / TICKS));

	return 1 - distance + distance / 2 * (step % TICKS) / TICKS;
}

/* One line for each level until all values are told, and the end's. */
static int print_lines(const struct histogram *histogram, FILE *to)
{
	struct cursor cursor = {0};
	double fraction;
	uint64_t value;

	for (unsigned step = 0; cursor.through < histogram->count; step++) {
		fraction = level(step);
		if (fraction >= 1)
			break;
		value = advance(histogram, &cursor, rank_of(histogram->count, fraction));
		if (fprintf(to, "%12.3f %.12f %10ju %14.2f\n", in_us((double)value), fraction,
			    (uintmax_t)cursor.through, 1 / (1 - fraction)) < 0)
			return -EIO;
	}
	/* The last line has no fourth column: it would be infinite. */
	if (fprintf(to, "%12.3f %.12f %10ju\n", in_us((double)histogram->max), 1.0,
		    (uintmax_t)histogram->count) < 0)
		return -EIO;
	return 0;
}

static int print(const struct histogram *histogram, FILE *to)
{
	if (fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		    "1/(1-Percentile)") < 0)
		return -EIO;
	if (histogram->count && print_lines(histogram, to) < 0)
		return -EIO;
	if (fprintf(to,
		    "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
		    "#[Max     = %12.3f, Total count    = %12ju]\n"
		    "#[Buckets = %12d, SubBuckets     = %12d]\n",
		    in_us(histogram_mean(histogram)), in_us(histogram_deviation(histogram)),
		    in_us((double)histogram->max), (uintmax_t)histogram->count, HISTOGRAM_BUCKETS,
		    2 * HISTOGRAM_HALF) < 0)
		return -EIO;
	return fflush(to) == 0 ? 0 : -EIO;
}

int histogram_print_percentiles(const struct histogram *histogram, FILE *to)
{
	errno = 0;
	if (print(histogram, to) < 0)
		return errno ? -errno : -EIO;
	return 0;
}
