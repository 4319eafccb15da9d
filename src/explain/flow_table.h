/*
 * From a hash to the number of a record: buckets of one cache line, so that a lookup costs one line
 * and, as a byte of each hash is kept, hardly ever a record that is not meant. Private to explain.
 */
#ifndef CONTEST_EXPLAIN_FLOW_TABLE_H
#define CONTEST_EXPLAIN_FLOW_TABLE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FLOW_SLOTS 12

struct flow_bucket {
	uint8_t tags[FLOW_SLOTS]; /* 0: free */
	uint32_t passed;	  /* how many that belong here lie further on */
	uint32_t ids[FLOW_SLOTS];
} __attribute__((aligned(64)));

struct flow_table {
	struct flow_bucket *buckets; /* (owned) */
	uint32_t bucket_count;
	uint32_t count;
};

/* A walk over those that may have the hash. */
struct flow_probe {
	uint32_t bucket, slot; /* of the last one */
	uint32_t hits;	       /* a bit for each slot of it that was not visited yet */
	uint8_t tag;
};

void flow_table_done(struct flow_table *table);

static inline uint32_t flow_table_bucket(const struct flow_table *table, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * table->bucket_count >> 32);
}

static inline uint8_t flow_table_tag(uint64_t hash)
{
	return (uint8_t)hash ? (uint8_t)hash : 1;
}

/* Fetches what a lookup of the hash will read. */
static inline void flow_table_prefetch(const struct flow_table *table, uint64_t hash)
{
	if (table->bucket_count)
		__builtin_prefetch(&table->buckets[flow_table_bucket(table, hash)]);
}

/* A bit for each byte that is zero, the first byte's lowest. */
static inline uint32_t flow_table_zeros(uint64_t bytes)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
	uint64_t zeros = ~(((bytes & low) + low) | bytes | low); /* its highest bit */

	return (uint32_t)((zeros >> 7) * 0x0102040810204080u >> 56);
}

/* A bit for each slot whose tag is this one. */
static inline uint32_t flow_table_hits(const struct flow_bucket *bucket, uint8_t tag)
{
	const uint64_t everywhere = tag * 0x0101010101010101u;
	uint64_t first;
	uint32_t last;

	memcpy(&first, bucket->tags, sizeof(first));
	memcpy(&last, bucket->tags + sizeof(first), sizeof(last));
	return flow_table_zeros(le64toh(first) ^ everywhere) |
	       (flow_table_zeros(le32toh(last) ^ everywhere) & 0xf) << 8;
}

/* The first that may have the hash, or the next; false: no more. */
static inline void flow_table_begin(const struct flow_table *table, uint64_t hash,
				    struct flow_probe *ret)
{
	ret->tag = flow_table_tag(hash);
	ret->bucket = flow_table_bucket(table, hash);
	ret->hits = table->bucket_count ? flow_table_hits(&table->buckets[ret->bucket], ret->tag)
					: 0;
}

static inline bool flow_table_next(const struct flow_table *table, struct flow_probe *probe,
				   uint32_t *ret_id)
{
	while (!probe->hits) {
		if (!table->bucket_count || !table->buckets[probe->bucket].passed)
			return false;
		if (++probe->bucket == table->bucket_count)
			probe->bucket = 0;
		probe->hits = flow_table_hits(&table->buckets[probe->bucket], probe->tag);
	}
	probe->slot = (uint32_t)__builtin_ctz(probe->hits);
	probe->hits &= probe->hits - 1;
	*ret_id = table->buckets[probe->bucket].ids[probe->slot];
	return true;
}

/* What growing asks of those that are in the table. */
struct flow_table_records {
	uint64_t (*hash)(const void *context, uint32_t id);
	void (*fetch)(const void *context, uint32_t id); /* into the cache: its hash comes soon */
	const void *context;
};

/* Makes room for one more, so that flow_table_add() cannot fail. 0 or -ENOMEM. */
int flow_table_reserve(struct flow_table *table, const struct flow_table_records *records);

void flow_table_add(struct flow_table *table, uint64_t hash, uint32_t id);

/* Puts another record of the same hash in its place; or takes it out. It is there. */
void flow_table_replace(struct flow_table *table, uint64_t hash, uint32_t id, uint32_t by);
void flow_table_remove(struct flow_table *table, uint64_t hash, uint32_t id);

#endif
