#include "explain/dedup.h"

#include <stdint.h>

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
	int64_t apart = copy->time_ns - first->time_ns;
	int hops = first->ttl - copy->ttl;

	if (!same_segment(copy, first) || apart > APART_NS || apart < -APART_NS)
		return false;
	return copy->ip_id ? hops >= -1 && hops <= 1 : hops == 1 || hops == -1;
}

bool dedup_is_copy(struct dedup *dedup, const struct segment *segment)
{
	size_t kept = dedup->count < DEDUP_RECENT ? dedup->count : DEDUP_RECENT;

	for (size_t i = 0; i < kept; i++)
		if (is_copy_of(segment, &dedup->recent[i]))
			return true;
	dedup->recent[dedup->count % DEDUP_RECENT] = *segment;
	dedup->recent[dedup->count % DEDUP_RECENT].payload = NULL;
	dedup->count++;
	return false;
}
