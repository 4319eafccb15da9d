#include "explain/dedup.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static_assert(DEDUP_RECENT < 255 && DEDUP_BUCKETS == 256, "places and buckets are bytes");

/* Linux repeats no sooner than its 200 ms minimum RTO; a tail loss probe or fast retransmit may
 * come sooner, but has an IP id of its own. */
#define APART_NS 5000000

static bool same_segment(const struct segment *a, const struct segment *b)
{
	return a->seq == b->seq && a->ack == b->ack && a->flags == b->flags &&
	       a->window == b->window && a->payload_length == b->payload_length &&
	       a->ip_id == b->ip_id && a->options.has_timestamps == b->options.has_timestamps &&
	       a->options.ts_value == b->options.ts_value &&
	       a->options.ts_echo == b->options.ts_echo &&
	       tcp_endpoint_equal(&a->source, &b->source) &&
	       tcp_endpoint_equal(&a->target, &b->target);
}

static bool is_copy_of(const struct segment *copy, const struct segment *first)
{
	/* Unsigned: times may be anything, and then wrap. */
	uint64_t apart = (uint64_t)copy->time_ns - (uint64_t)first->time_ns + APART_NS;
	int hops = first->ttl - copy->ttl;

	if (!same_segment(copy, first) || apart > 2 * APART_NS)
		return false;
	return copy->ip_id ? hops >= -1 && hops <= 1 : hops == 1 || hops == -1;
}

/* Of the numbers that differ from segment to segment. */
static uint8_t bucket_of(const struct segment *s)
{
	uint64_t word = ((uint64_t)s->seq << 32 | s->ack) ^ (uint64_t)s->source.port << 40 ^
			(uint64_t)s->target.port << 16 ^ (uint64_t)s->ip_id << 24 ^
			s->payload_length ^ (uint64_t)s->options.ts_value << 8;

	return (uint8_t)(word * 0x9e3779b97f4a7c15u >> 56);
}

/* Takes the oldest out of its bucket, where it is the last one. */
static void forget(struct dedup *dedup, size_t oldest)
{
	uint8_t *link = &dedup->buckets[dedup->recent[oldest].bucket];

	while (*link != oldest + 1)
		link = &dedup->recent[*link - 1].next;
	*link = 0;
}

static void remember(struct dedup *dedup, const struct segment *s, uint8_t bucket)
{
	size_t place = dedup->count % DEDUP_RECENT;
	struct dedup_segment *kept = &dedup->recent[place];

	if (dedup->count >= DEDUP_RECENT)
		forget(dedup, place);
	memcpy(&kept->segment, s, offsetof(struct segment, options.sack));
	kept->segment.payload = NULL;
	kept->bucket = bucket;
	kept->next = dedup->buckets[bucket];
	dedup->buckets[bucket] = (uint8_t)(place + 1);
	dedup->count++;
}

bool dedup_is_copy(struct dedup *dedup, const struct segment *segment)
{
	uint8_t bucket = bucket_of(segment);

	for (uint8_t at = dedup->buckets[bucket]; at; at = dedup->recent[at - 1].next)
		if (is_copy_of(segment, &dedup->recent[at - 1].segment))
			return true;
	remember(dedup, segment, bucket);
	return false;
}
