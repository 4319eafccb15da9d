/*
 * From a hash to the number of a record: buckets of one cache line, so that a lookup costs one line
 * and, as a byte of each hash is kept, hardly ever a record that is not meant. Private to explain.
 */
#ifndef CONTEST_EXPLAIN_FLOW_TABLE_H
#define CONTEST_EXPLAIN_FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	uint32_t bucket, slot;
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

/* The first that may have the hash, or the next; false: no more. */
static inline void flow_table_begin(const struct flow_table *table, uint64_t hash,
				    struct flow_probe *ret)
{
	*ret = (struct flow_probe){flow_table_bucket(table, hash), 0, flow_table_tag(hash)};
}

static inline bool flow_table_next(const struct flow_table *table, struct flow_probe *probe,
				   uint32_t *ret_id)
{
	if (!table->bucket_count)
		return false;
	for (;;) {
		const struct flow_bucket *bucket = &table->buckets[probe->bucket];

		while (probe->slot < FLOW_SLOTS) {
			if (bucket->tags[probe->slot++] != probe->tag)
				continue;
			*ret_id = bucket->ids[probe->slot - 1];
			return true;
		}
		if (!bucket->passed)
			return false;
		probe->slot = 0;
		if (++probe->bucket == table->bucket_count)
			probe->bucket = 0;
	}
}

/* Gives the hash of a record that is in the table. */
typedef uint64_t (*flow_table_hash)(const void *context, uint32_t id);

/* Makes room for one more, so that flow_table_add() cannot fail. 0 or -ENOMEM. */
int flow_table_reserve(struct flow_table *table, flow_table_hash hash_of, const void *context);

void flow_table_add(struct flow_table *table, uint64_t hash, uint32_t id);

/* Puts another record of the same hash in its place; or takes it out. It is there. */
void flow_table_replace(struct flow_table *table, uint64_t hash, uint32_t id, uint32_t by);
void flow_table_remove(struct flow_table *table, uint64_t hash, uint32_t id);

#endif
