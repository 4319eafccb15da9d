/* Records: found, opened, linked, forgotten. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "explain/flow_key.h"
#include "explain/place.h"

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

uint32_t flow_find(const struct flows *flows, const struct flow_key *key)
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

/* --- links between connections of a pair --- */

int flow_settle_reuse(struct flows *flows, uint32_t behind)
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
		if (flow_settle_reuse(flows, close->behind) < 0)
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

int flow_open(struct flows *flows, const struct segment *first, uint32_t newest, bool reuses,
	      uint32_t *ret)
{
	bool answer = place_is_from_server(first);
	const struct flow_table_records records = {hash_of_record, fetch_for_hash, flows};
	uint64_t number = flows->sums.connections + 1;
	uint32_t id;

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
	return 0;
}

/* --- forgetting --- */

int flow_forget(struct flows *flows, uint32_t id)
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

void flow_store_done(struct flows *flows)
{
	for (uint32_t id = 0; id < flows->used; id++)
		if (flow_at(flows, id)->flags & FLOW_ALIVE)
			flow_release(flow_at(flows, id));
	for (size_t i = 0; i < flows->chunk_count; i++) {
		free(flows->chunks[i].hot);
		free(flows->chunks[i].close);
		free(flows->chunks[i].histories);
	}
	free(flows->chunks);
	flow_addresses_done(&flows->addresses);
	flow_table_done(&flows->table);
}
