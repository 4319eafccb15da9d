/*
 * Distributions of times, in the manner of HdrHistogram: values from 1 ns to an hour, each kept
 * to within 1/128 of its size (two significant digits and a bit), in a fixed number of counters.
 * Adding two gives exactly what one would have been.
 *
 * A histogram is plain data without pointers: it may lie in shared memory, be copied and zeroed;
 * all zero is an empty one. One writer; others may meanwhile add it to one of their own, and see a
 * state of about now that is whole in itself.
 *
 * Values below 256 have a counter each; above, each power of two is cut into 128 parts. (In
 * HdrHistogram's words: 256 sub-buckets, of whose buckets the first is whole, all others a half.)
 */
#ifndef CONTEST_LOAD_HISTOGRAM_H
#define CONTEST_LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_HALF	  128 /* counters per power of two */
#define HISTOGRAM_BUCKETS 36  /* below 2^8, then one per power of two up to 2^43 ns (2.4 h) */
#define HISTOGRAM_SIZE	  ((HISTOGRAM_BUCKETS + 1) * HISTOGRAM_HALF)

struct histogram {
	uint64_t count;	   /* values recorded */
	uint64_t min, max; /* exactly, in nanoseconds; of an empty one 0 */
	uint64_t above;	   /* of count: 2^43 and more, kept in the last counter */
	uint64_t counts[HISTOGRAM_SIZE];
};

/* Records a value in nanoseconds; negative ones as 0. */
void histogram_record(struct histogram *histogram, int64_t value_ns);
/* Adds @from, which may be written to meanwhile; @to is the caller's own. */
void histogram_add(struct histogram *to, const struct histogram *from);

/* The counter of a value, and the lowest and highest values that share it (< HISTOGRAM_SIZE). */
size_t histogram_index(uint64_t value);
uint64_t histogram_lowest(size_t index);
uint64_t histogram_highest(size_t index);

/*
 * The value that @fraction (0 to 1) of all do not exceed: in their order the one of rank
 * ceil(fraction * count), the first of all for 0; 0.5 is the median. Told as its counter's highest,
 * but never above max; 1 gives max exactly. 0 of an empty one.
 */
uint64_t histogram_at(const struct histogram *histogram, double fraction);
/* By the middle of each counter, as far as min and max bound it; 0 of an empty one. */
double histogram_mean(const struct histogram *histogram);
double histogram_deviation(const struct histogram *histogram);

/*
 * The percentile distribution in the text form that HdrHistogram's own tools and plotters read
 * (outputPercentileDistribution: Value, Percentile, TotalCount, 1/(1-Percentile), five ticks per
 * half distance), values in microseconds. Flushes. 0 or -errno of writing.
 */
int histogram_print_percentiles(const struct histogram *histogram, FILE *to);

#endif
