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
 *
 * Which one was idle longest is not kept in a list, as that would touch two more records with each
 * segment. Each record has the turn of its last segment. When room is needed, one look at all finds
 * the sixteenth of them that is oldest; they go in order, and one that had a segment since is
 * passed over. So it is exact, and costs little for each that goes.
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
	for (uint32_t id = 0; id < flows->used; id++)
		if (flow_at(flows, id)->flags & FLOW_ALIVE)
			flow_release(flow_at(flows, id));
	for (size_t i = 0; i < flows->chunk_count; i++) {
		free(flows->chunks[i].hot);
		free(flows->chunks[i].close);
		free(flows->chunks[i].histories);
	}
	free(flows->chunks);
	free(flows->idle);
	free(flows->dedup);
	flow_addresses_done(&flows->addresses);
	flow_table_done(&flows->table);
	free(flows);
}

/* --- keys --- */

static uint64_t hash_of_record(const void *context, uint32_t id)
{
	const struct flows *flows = context;
	const struct flow *flow = flow_at(flows, id);

	return flow_key_hash(flow_record_pair(flow), (flow->flags & FLOW_V6) != 0, flows->seed);
}

static void fetch_for_hash(const void *context, uint32_t id)
{
	__builtin_prefetch(&flow_at(context, id)->address);
}

/* The newest connection of the pair, or FLOW_NONE. */
static uint32_t find(const struct flows *flows, const struct flow_key *key)
{
	struct flow_probe probe;
	uint32_t id;

	if (!key->known)
		return FLOW_NONE;
	flow_table_begin(&flows->table, key->hash, &probe);
	while (flow_table_next(&flows->table, &probe, &id))
		if (flow_key_side(key, flow_at(flows, id)) >= 0)
			return id;
	return FLOW_NONE;
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

/* --- links between connections of a pair --- */

/* What the one behind has to say of the one before is settled now, before that changes or goes. */
static int settle_reuse(struct flows *flows, uint32_t behind)
{
	struct flow *flow = flow_at(flows, behind);
	uint32_t before = flow_close_at(flows, behind)->before;
	struct flow_more *more = flow_need_more(flow);

	if (!more)
		return -ENOMEM;
	if (!more->before.number)
		flow_reuse_of(flows, before, flow->first_ns, &more->before);
	return 0;
}

static int unlink_pair(struct flows *flows, uint32_t id)
{
	struct flow_close *close = flow_close_at(flows, id);
	struct flow_more *more;

	if (close->behind != FLOW_NONE) {
		if (settle_reuse(flows, close->behind) < 0)
			return -ENOMEM;
		flow_close_at(flows, close->behind)->before = FLOW_NONE;
	}
	if (close->before != FLOW_NONE) {
		more = flow_need_more(flow_at(flows, close->before));
		if (!more)
			return -ENOMEM;
		more->behind = flow_number(close);
		flow_close_at(flows, close->before)->behind = FLOW_NONE;
	}
	return 0;
}

/* --- forgetting --- */

static int by_turn(const void *a, const void *b)
{
	const struct flow_candidate *one = a, *other = b;

	return one->turn < other->turn ? -1 : one->turn > other->turn;
}

static void sink(struct flow_candidate *heap, size_t count, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		struct flow_candidate moved = heap[at];

		if (child >= count)
			return;
		if (child + 1 < count && heap[child + 1].turn > heap[child].turn)
			child++;
		if (heap[child].turn <= moved.turn)
			return;
		heap[at] = heap[child];
		heap[child] = moved;
		at = child;
	}
}

/* Looks at all and keeps the longest idle ones: a heap with the least idle of them on top. */
static int look_for_idle(struct flows *flows)
{
	size_t room = flows->alive / 16 + 1, count = 0;
	struct flow_candidate *heap = realloc(flows->idle, room * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	flows->idle = heap;
	for (uint32_t id = 0; id < flows->used; id++) {
		const struct flow *flow = flow_at(flows, id);
		struct flow_candidate candidate = {flow_turn(flow), id};

		if (!(flow->flags & FLOW_ALIVE))
			continue;
		if (count < room) {
			heap[count++] = candidate;
			if (count == room)
				for (size_t at = room / 2; at-- > 0;)
					sink(heap, count, at);
		} else if (candidate.turn < heap[0].turn) {
			heap[0] = candidate;
			sink(heap, count, 0);
		}
	}
	qsort(heap, count, sizeof(*heap), by_turn);
	flows->idle_count = count;
	flows->idle_at = 0;
	return 0;
}

static int get_idlest(struct flows *flows, uint32_t *ret)
{
	for (;;) {
		while (flows->idle_at < flows->idle_count) {
			const struct flow_candidate *next = &flows->idle[flows->idle_at++];
			const struct flow *flow = flow_at(flows, next->id);

			if (!(flow->flags & FLOW_ALIVE) || flow_turn(flow) != next->turn)
				continue;
			*ret = next->id;
			return 0;
		}
		if (look_for_idle(flows) < 0)
			return -ENOMEM;
	}
}

static int forget(struct flows *flows, uint32_t id)
{
	struct flow *flow = flow_at(flows, id);

	if (unlink_pair(flows, id) < 0)
		return -ENOMEM;
	if (flow->flags & FLOW_NEWEST)
		flow_table_remove(&flows->table, hash_of_record(flows, id), id);
	if (flow->flags & FLOW_V6) {
		flow_addresses_drop(&flows->addresses, flow->address[0]);
		flow_addresses_drop(&flows->addresses, flow->address[1]);
	}
	flow_release(flow);
	flow->flags = 0;
	flow_close_at(flows, id)->before = flows->free;
	flows->free = id;
	flows->alive--;
	flows->shuffled = true;
	return 0;
}

static int evict(struct flows *flows)
{
	uint32_t id;
	int r, told = 0;

	r = get_idlest(flows, &id);
	if (r < 0)
		return r;
	if (!(flow_at(flows, id)->flags & FLOW_TOLD)) {
		flows->sums.evicted++;
		told = tell(flows, id, true);
	}
	r = forget(flows, id);
	return r < 0 ? r : told;
}

/* --- opening --- */

static int add_chunk(struct flows *flows)
{
	struct flow_chunk chunk;

	if (ARRAY_ROOM(flows->chunks, flows->chunk_capacity, flows->chunk_count) < 0)
		return -ENOMEM;
	chunk.hot = aligned_alloc(64, FLOW_CHUNK * sizeof(*chunk.hot));
	chunk.close = malloc(FLOW_CHUNK * sizeof(*chunk.close));
	chunk.histories = flows->plan.history ? malloc(FLOW_CHUNK * sizeof(*chunk.histories))
					      : NULL;
	if (!chunk.hot || !chunk.close || (flows->plan.history && !chunk.histories)) {
		free(chunk.hot);
		free(chunk.close);
		free(chunk.histories);
		return -ENOMEM;
	}
	flows->chunks[flows->chunk_count++] = chunk;
	return 0;
}

/* A record that is not in use, or FLOW_NONE when memory is short. */
static uint32_t take_record(struct flows *flows)
{
	uint32_t id = flows->free;

	if (id != FLOW_NONE) {
		flows->free = flow_close_at(flows, id)->before;
		return id;
	}
	if (flows->used >= FLOW_NONE - 1)
		return FLOW_NONE;
	if (flows->used / FLOW_CHUNK == flows->chunk_count && add_chunk(flows) < 0)
		return FLOW_NONE;
	return flows->used++;
}

static void give_back_record(struct flows *flows, uint32_t id)
{
	flow_at(flows, id)->flags = 0;
	flow_close_at(flows, id)->before = flows->free;
	flows->free = id;
}

static int set_addresses(struct flows *flows, struct flow *flow, const struct tcp_endpoint *client,
			 const struct tcp_endpoint *server)
{
	flow->port[0] = client->port;
	flow->port[1] = server->port;
	if (client->address.family != AF_INET6) {
		memcpy(&flow->address[0], client->address.bytes, 4);
		memcpy(&flow->address[1], server->address.bytes, 4);
		return 0;
	}
	flow->address[0] = flow_addresses_take(&flows->addresses, client->address.bytes);
	if (flow->address[0] == FLOW_ADDRESS_NONE)
		return -ENOMEM;
	flow->address[1] = flow_addresses_take(&flows->addresses, server->address.bytes);
	if (flow->address[1] == FLOW_ADDRESS_NONE) {
		flow_addresses_drop(&flows->addresses, flow->address[0]);
		return -ENOMEM;
	}
	flow->flags |= FLOW_V6;
	return 0;
}

static void clear_record(struct flows *flows, uint32_t id, const struct segment *first)
{
	struct flow *flow = flow_at(flows, id);
	struct flow_close *close = flow_close_at(flows, id);

	memset(flow, 0, sizeof(*flow));
	memset(close, 0, sizeof(*close));
	if (flows->plan.history)
		memset(flow_history_at(flows, id), 0, sizeof(struct flow_history));
	flow->flags = FLOW_ALIVE | FLOW_NEWEST;
	if (place_is_syn(first) && !place_is_syn_ack(first))
		flow->flags |= FLOW_SHOWN_OPEN;
	flow->first_ns = first->time_ns;
	for (unsigned which = 0; which < FLOW_TIMES; which++)
		flow_set_time(flow, close, which, FINDING_TIME_UNKNOWN);
	close->end[0].since = close->end[1].since = SINCE_UNKNOWN;
	close->before = close->behind = FLOW_NONE;
}

/* The connection becomes the newest of its pair; there is room in the table. */
static void put_in_front(struct flows *flows, uint32_t id, uint32_t newest, bool reuses)
{
	struct flow_close *close = flow_close_at(flows, id);
	uint64_t hash = hash_of_record(flows, id);

	if (newest == FLOW_NONE) {
		flow_table_add(&flows->table, hash, id);
		return;
	}
	flow_table_replace(&flows->table, hash, newest, id);
	flow_at(flows, newest)->flags &= (uint8_t)~FLOW_NEWEST;
	if (!reuses)
		return;
	close->before = newest;
	flow_close_at(flows, newest)->behind = id;
}

/*
 * Opens a connection whose first segment is @first. @newest: of its pair, or FLOW_NONE. May evict
 * another; what telling that returned goes to *ret_told.
 */
static int open_flow(struct flows *flows, const struct segment *first, uint32_t newest, bool reuses,
		     uint32_t *ret, int *ret_told)
{
	bool answer = place_is_from_server(first);
	const struct flow_table_records records = {hash_of_record, fetch_for_hash, flows};
	uint64_t number = flows->sums.connections + 1;
	uint32_t id;
	int r;

	if (flow_table_reserve(&flows->table, &records) < 0)
		return -ENOMEM;
	id = take_record(flows);
	if (id == FLOW_NONE)
		return -ENOMEM;
	clear_record(flows, id, first);
	if (set_addresses(flows, flow_at(flows, id), answer ? &first->target : &first->source,
			  answer ? &first->source : &first->target) < 0) {
		give_back_record(flows, id);
		return -ENOMEM;
	}
	flow_close_at(flows, id)->number_low = (uint32_t)number;
	flow_close_at(flows, id)->number_high = (uint8_t)(number >> 32);
	put_in_front(flows, id, newest, reuses);
	flow_at(flows, id)->turn_low = (uint32_t)flows->turn;
	flow_at(flows, id)->turn_high = (uint8_t)(flows->turn >> 32);
	if (answer && flows->plan.history)
		flow_history_flip(flow_history_at(flows, id));
	flows->sums.connections++;
	flows->alive++;
	*ret = id;
	if (!flows->plan.max_connections || flows->alive <= flows->plan.max_connections)
		return 0;
	r = evict(flows);
	if (r < 0)
		return r;
	*ret_told = r;
	return 0;
}

/* --- placing --- */

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
	return settle_reuse(flows, opening);
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
	struct flow *flow = hint == FLOW_NONE ? NULL : flow_at(flows, hint);
	int side = flow && (flow->flags & FLOW_NEWEST) ? flow_key_side(key, flow) : -1;
	uint32_t id;
	int r, told = 0;

	flows->turn++;
	if (side < 0) {
		hint = find(flows, key);
		flow = hint == FLOW_NONE ? NULL : flow_at(flows, hint);
		side = flow ? flow_key_side(key, flow) : -1;
	}
	if (flow && !flows->plan.history && flow_pass(flow, (unsigned)side, s)) {
		note_turn(flows, flow);
		return 0;
	}
	r = place(flows, s, key, hint, &id, &told);
	if (r < 0)
		return r;
	if (!key->known)
		flow_key_make(flows, s, key); /* its addresses have numbers now */
	if (id != hint) {
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
	qsort(order, count, sizeof(*order), by_turn);
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
