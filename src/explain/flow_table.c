#include "explain/flow_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct flow_bucket) == 64, "a cache line");

/* Grown when it is as full as this, so that it is never emptier than five eighths of it. */
#define FULL(buckets)	 ((uint64_t)(buckets)*FLOW_SLOTS * 7 / 8)
#define GROWN(buckets)	 ((buckets) + (buckets) / 2 + 8)
#define BUCKET_COUNT_MAX (UINT32_MAX / FLOW_SLOTS)

void flow_table_done(struct flow_table *table)
{
	free(table->buckets);
	*table = (struct flow_table){0};
}

static uint32_t following(const struct flow_table *table, uint32_t bucket)
{
	return bucket + 1 == table->bucket_count ? 0 : bucket + 1;
}

void flow_table_add(struct flow_table *table, uint64_t hash, uint32_t id)
{
	uint32_t at = flow_table_bucket(table, hash);

	for (;; at = following(table, at)) {
		struct flow_bucket *bucket = &table->buckets[at];
		uint32_t free_slots = flow_table_hits(bucket, 0);

		if (free_slots) {
			unsigned slot = (unsigned)__builtin_ctz(free_slots);

			bucket->tags[slot] = flow_table_tag(hash);
			bucket->ids[slot] = id;
			table->count++;
			return;
		}
		bucket->passed++;
	}
}

/* Where it is: FLOW_SLOTS times the bucket, and the slot. */
static uint64_t find(const struct flow_table *table, uint64_t hash, uint32_t id)
{
	struct flow_probe probe;
	uint32_t found;

	flow_table_begin(table, hash, &probe);
	while (flow_table_next(table, &probe, &found))
		if (found == id)
			return (uint64_t)probe.bucket * FLOW_SLOTS + probe.slot;
	abort(); /* the caller's books are wrong */
}

void flow_table_replace(struct flow_table *table, uint64_t hash, uint32_t id, uint32_t by)
{
	uint64_t at = find(table, hash, id);

	table->buckets[at / FLOW_SLOTS].ids[at % FLOW_SLOTS] = by;
}

void flow_table_remove(struct flow_table *table, uint64_t hash, uint32_t id)
{
	uint64_t at = find(table, hash, id);

	for (uint32_t bucket = flow_table_bucket(table, hash); bucket != at / FLOW_SLOTS;
	     bucket = following(table, bucket))
		table->buckets[bucket].passed--;
	table->buckets[at / FLOW_SLOTS].tags[at % FLOW_SLOTS] = 0;
	table->count--;
}

/* The records lie far apart: all of a bucket are asked for at once. */
static void move_all(const struct flow_table *from, struct flow_table *to,
		     const struct flow_table_records *records)
{
	for (uint32_t at = 0; at < from->bucket_count; at++) {
		const struct flow_bucket *bucket = &from->buckets[at];
		const struct flow_bucket *next = bucket + (at + 1 < from->bucket_count);

		for (size_t slot = 0; slot < FLOW_SLOTS; slot++)
			if (next->tags[slot])
				records->fetch(records->context, next->ids[slot]);
		for (size_t slot = 0; slot < FLOW_SLOTS; slot++)
			if (bucket->tags[slot])
				flow_table_add(to,
					       records->hash(records->context, bucket->ids[slot]),
					       bucket->ids[slot]);
	}
}

int flow_table_reserve(struct flow_table *table, const struct flow_table_records *records)
{
	struct flow_table grown = {.bucket_count = GROWN(table->bucket_count)};
	size_t size = grown.bucket_count * sizeof(struct flow_bucket);

	if (table->count < FULL(table->bucket_count))
		return 0;
	if (grown.bucket_count > BUCKET_COUNT_MAX)
		return -ENOMEM;
	grown.buckets = aligned_alloc(sizeof(struct flow_bucket), size);
	if (!grown.buckets)
		return -ENOMEM;
	memset(grown.buckets, 0, size);
	move_all(table, &grown, records);
	free(table->buckets);
	*table = grown;
	return 0;
}
