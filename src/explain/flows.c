/*
 * The streaming tracker: which connection a segment belongs to, and which ones are forgotten.
 *
 * Theory of operation
 * -------------------
 * Records lie in chunks and have numbers of 32 bits; a free one is used again. flow_table.c finds
 * the newest of a pair of endpoints; the one before it, of which segments may still come, is linked
 * to it. What track.c does with stored segments is done without: an answered stray SYN is kept
 * (struct flow_stray), nothing else is ever needed again.
 *
 * With half a million records each segment's is far away, so segments are taken in batches: all
 * buckets are asked for, then all records, then the work is done. That changes nothing but the
 * time: the last step looks again.
 */
#include "explain/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "explain/dedup.h"
#include "explain/flow.h"
#include "explain/flow_key.h"
#include "explain/place.h"
#include "explain/role.h"
#include "tcp/state.h"

#define BATCH 32

struct flows *flows_new(const struct flows_plan *plan, flows_tell tell, void *context)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		return NULL;
	flows->dedup = calloc(1, sizeof(*flows->dedup));
	if (!flows->dedup) {
		free(flows);
		return NULL;
	}
	flows->plan = *plan;
	flows->tell = tell;
	flows->context = context;
	flows->free = FLOW_NONE;
	flows->sums.first_ns = flows->sums.last_ns = FINDING_TIME_UNKNOWN;
	/* Where the heap lies is not known to who wrote the capture. No answer depends on it. */
	flows->seed = flow_hash((uint64_t)(uintptr_t)flows, (uint64_t)(uintptr_t)flows->dedup,
				(uint64_t)(uintptr_t)&flows_new);
	flows->addresses.seed = flows->seed;
	return flows;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	flow_store_done(flows);
	free(flows->idle);
	free(flows->dedup);
	free(flows);
}

/* --- telling --- */

static int tell(struct flows *flows, uint32_t id, bool evicted)
{
	struct finding finding;
	int r;

	flow_finding(flows, id, &finding);
	finding.evicted = evicted;
	flow_at(flows, id)->flags |= FLOW_TOLD;
	flows->telling = flows->plan.history ? flow_history_at(flows, id) : NULL;
	r = flows->tell(flows->context, &finding);
	flows->telling = NULL;
	return r;
}

const char *flows_history(const struct flows *flows)
{
	return flows->telling ? flows->telling->text : "";
}

void flows_sums(const struct flows *flows, struct flows_sums *ret)
{
	*ret = flows->sums;
}

/* --- placing --- */

/* The one that was idle longest is told as it stands, and forgotten. */
static int evict(struct flows *flows)
{
	uint32_t id;
	int r, told = 0;

	r = flow_idlest(flows, &id);
	if (r < 0)
		return r;
	if (!(flow_at(flows, id)->flags & FLOW_TOLD)) {
		flows->sums.evicted++;
		told = tell(flows, id, true);
	}
	r = flow_forget(flows, id);
	return r < 0 ? r : told;
}

/* As flow_open(), and evicts another where there are too many then; what telling that returned
 * goes to *ret_told. */
static int open_flow(struct flows *flows, const struct segment *first, uint32_t newest, bool reuses,
		     uint32_t *ret, int *ret_told)
{
	int r = flow_open(flows, first, newest, reuses, ret);

	if (r < 0 || !flows->plan.max_connections || flows->alive <= flows->plan.max_connections)
		return r;
	r = evict(flows);
	if (r < 0)
		return r;
	*ret_told = r;
	return 0;
}

/* A stray SYN was answered: what it opens is new, and the strays move over. */
static int promote(struct flows *flows, const struct segment *s, unsigned from, uint32_t newest,
		   uint32_t *ret, int *ret_told)
{
	struct flow *old = flow_at(flows, newest);
	struct flow_close *close = flow_close_at(flows, newest);
	struct flow_more *more = flow_more_of(old);
	struct flow_stray *stray = more ? more->stray[from] : NULL;
	struct segment first, last;
	uint32_t count;
	int r;

	if (!stray || stray->syn.seq != s->ack - 1)
		return open_flow(flows, s, newest, true, ret, ret_told);
	first = stray->syn;
	count = stray->count;
	last = stray->last;
	old->packets[from] -= count;
	close->newer_syn_ignored = stray->ignored_before;
	flow_set_time(old, close, FLOW_LAST + from, stray->without_ns);
	free(stray);
	more->stray[from] = NULL;
	r = open_flow(flows, &first, newest, true, ret, ret_told);
	if (r == 0)
		r = flow_take(flows, *ret, TRACK_CLIENT, &first);
	return r < 0 ? r : flow_take_syns_again(flows, *ret, &last, count - 1);
}

/* Of a connection that is being opened and the one before it on the pair, whose segment it is. */
static int place_between(struct flows *flows, uint32_t opening, const struct flow_key *key,
			 const struct segment *s, uint32_t *ret)
{
	uint32_t before = flow_close_at(flows, opening)->before;
	const struct flow *new = flow_at(flows, opening), *old;

	*ret = opening;
	if (before == FLOW_NONE || place_fits(&new->machine, (unsigned)flow_key_side(key, new), s))
		return 0;
	old = flow_at(flows, before);
	if (!place_fits(&old->machine, (unsigned)flow_key_side(key, old), s))
		return 0;
	*ret = before;
	return flow_settle_reuse(flows, opening);
}

static int place(struct flows *flows, const struct segment *s, const struct flow_key *key,
		 uint32_t newest, uint32_t *ret, int *ret_told)
{
	struct flow *flow;
	unsigned from;

	if (newest == FLOW_NONE)
		return open_flow(flows, s, FLOW_NONE, false, ret, ret_told);
	flow = flow_at(flows, newest);
	from = (unsigned)flow_key_side(key, flow);
	switch (place_of(&flow->machine, from, s)) {
	case PLACE_UNRELATED:
		return open_flow(flows, s, newest, false, ret, ret_told);
	case PLACE_NEW:
		place_tell_old(&flow->machine, from, s);
		return open_flow(flows, s, newest, true, ret, ret_told);
	case PLACE_PROMOTE:
		return promote(flows, s, !from, newest, ret, ret_told);
	case PLACE_HERE:
		break;
	}
	*ret = newest;
	if ((place_is_syn(s) && !place_is_syn_ack(s)) || !place_is_opening(&flow->machine))
		return 0;
	return place_between(flows, newest, key, s, ret);
}

/* --- feeding --- */

static void sum_up(struct flows *flows, const struct segment *s)
{
	struct flows_sums *sums = &flows->sums;

	if (sums->segments++ && s->time_ns < flows->last_time_ns)
		sums->back_in_time++;
	flows->last_time_ns = s->time_ns;
	if (s->time_ns == FINDING_TIME_UNKNOWN)
		return;
	if (sums->first_ns == FINDING_TIME_UNKNOWN || s->time_ns < sums->first_ns)
		sums->first_ns = s->time_ns;
	if (s->time_ns > sums->last_ns)
		sums->last_ns = s->time_ns;
}

static void note_turn(const struct flows *flows, struct flow *flow)
{
	flow->turn_low = (uint32_t)flows->turn;
	flow->turn_high = (uint8_t)(flows->turn >> 32);
}

/* @hint: the record that most likely is the newest of the pair, as the table had it a moment ago.
 */
static int take(struct flows *flows, const struct segment *s, struct flow_key *key, uint32_t hint)
{
	struct flow *flow = NULL;
	int side = -1;
	uint32_t id;
	int r, told = 0;

	flows->turn++;
	if (hint != FLOW_NONE && (flow_at(flows, hint)->flags & FLOW_NEWEST)) {
		flow = flow_at(flows, hint);
		side = flow_key_side(key, flow);
	}
	if (side < 0)
		hint = flow_find(flows, key);
	if (side < 0 && hint != FLOW_NONE) {
		flow = flow_at(flows, hint);
		side = flow_key_side(key, flow);
	}
	if (side >= 0 && !flows->plan.history && flow_pass(flow, (unsigned)side, s)) {
		note_turn(flows, flow);
		return 0;
	}
	r = place(flows, s, key, hint, &id, &told);
	if (r < 0)
		return r;
	if (!key->known)
		flow_key_make(flows, s, key); /* its addresses have numbers now */
	if (side < 0 || id != hint) {
		flow = flow_at(flows, id);
		side = flow_key_side(key, flow);
	}
	note_turn(flows, flow);
	r = flow_take(flows, id, (unsigned)side, s);
	return r < 0 ? r : told;
}

/* Returns the number of the record that most likely has the key, or FLOW_NONE. */
static uint32_t fetch_record(const struct flows *flows, const struct flow_key *key)
{
	struct flow_probe probe;
	const struct flow *flow;
	const struct flow_close *close;
	uint32_t id;

	if (!key->known)
		return FLOW_NONE;
	flow_table_begin(&flows->table, key->hash, &probe);
	if (!flow_table_next(&flows->table, &probe, &id))
		return FLOW_NONE;
	flow = flow_at(flows, id);
	close = flow_close_at(flows, id);
	__builtin_prefetch(flow, 1);
	__builtin_prefetch((const char *)flow + 64, 1);
	__builtin_prefetch(close, 1);
	__builtin_prefetch((const char *)(close + 1) - 1, 1);
	return id;
}

static int take_batch(struct flows *flows, const struct segment *const *batch, size_t count)
{
	struct flow_key keys[BATCH];
	uint32_t hints[BATCH];
	uint64_t changes = flows->addresses.changes;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		flow_key_make(flows, batch[i], &keys[i]);
		flow_table_prefetch(&flows->table, keys[i].hash);
	}
	for (size_t i = 0; i < count; i++)
		hints[i] = fetch_record(flows, &keys[i]);
	for (size_t i = 0; i < count && r == 0; i++) {
		if (keys[i].v6 && changes != flows->addresses.changes)
			flow_key_make(flows, batch[i], &keys[i]); /* some came or went since */
		r = take(flows, batch[i], &keys[i], hints[i]);
	}
	return r;
}

int flows_feed(struct flows *flows, const struct segment *segments, size_t count)
{
	const struct segment *batch[BATCH];
	size_t at = 0;
	int r = 0;

	while (at < count && r == 0) {
		size_t filled = 0;

		for (; at < count && filled < BATCH; at++) {
			sum_up(flows, &segments[at]);
			if (dedup_is_copy(flows->dedup, &segments[at]))
				flows->sums.copies++;
			else
				batch[filled++] = &segments[at];
		}
		r = take_batch(flows, batch, filled);
	}
	return r;
}

/* --- telling all --- */

/* Nobody is in any more, but for TIME-WAIT. */
static bool is_over(const struct flow *flow)
{
	return machine_has_left(&flow->machine, 0) && machine_has_left(&flow->machine, 1);
}

int flows_tell_over(struct flows *flows, int64_t before_ns)
{
	int r = 0;

	for (uint32_t id = 0; id < flows->used && r == 0; id++) {
		const struct flow *flow = flow_at(flows, id);

		if ((flow->flags & (FLOW_ALIVE | FLOW_TOLD)) == FLOW_ALIVE && is_over(flow) &&
		    flow_last_ns(flow, flow_close_at(flows, id)) <= before_ns)
			r = tell(flows, id, false);
	}
	return r;
}

/* Records in the order of their numbers. */
static int by_number(const void *a, const void *b)
{
	const struct flow_candidate *one = a, *other = b;

	return one->turn < other->turn ? -1 : one->turn > other->turn;
}

static int tell_in_order(struct flows *flows)
{
	struct flow_candidate *order = malloc((flows->alive + 1) * sizeof(*order));
	size_t count = 0;
	int r = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t id = 0; id < flows->used; id++)
		if ((flow_at(flows, id)->flags & (FLOW_ALIVE | FLOW_TOLD)) == FLOW_ALIVE)
			order[count++] =
				(struct flow_candidate){flow_number(flow_close_at(flows, id)), id};
	qsort(order, count, sizeof(*order), by_number);
	for (size_t i = 0; i < count && r == 0; i++)
		r = tell(flows, order[i].id, false);
	free(order);
	return r;
}

int flows_finish(struct flows *flows)
{
	int r = 0;

	if (flows->shuffled)
		return tell_in_order(flows);
	for (uint32_t id = 0; id < flows->used && r == 0; id++)
		if ((flow_at(flows, id)->flags & (FLOW_ALIVE | FLOW_TOLD)) == FLOW_ALIVE)
			r = tell(flows, id, false);
	return r;
}
