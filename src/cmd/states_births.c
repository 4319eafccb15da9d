#include "cmd/states_births.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/states_groups.h"
#include "cmd/states_words.h"

#define FIRST_BITS 10
#define TICKS_MS   20 /* the kernel's clock ticks each 1 to 10 ms */

/* Hashes in open addressing; 0 is a free slot. */
struct set {
	uint64_t *slots; /* (owned) 1 << bits */
	unsigned bits;
	size_t count;
};

struct states_births {
	const struct states_options *options; /* (borrowed) */
	struct set now, before;
	struct socket_groups *kept; /* (owned) those of now that were there before */
	uint64_t seed;
	int64_t gap_ms; /* since the look before was over */
	bool by_state, by_timer, by_process;
};

/* ---- sets */

static int set_init(struct set *set, unsigned bits)
{
	*set = (struct set){.slots = calloc((size_t)1 << bits, sizeof(*set->slots)), .bits = bits};
	return set->slots ? 0 : -ENOMEM;
}

static uint64_t *slot_of(const struct set *set, uint64_t hash)
{
	size_t mask = ((size_t)1 << set->bits) - 1, at = hash & mask;

	while (set->slots[at] && set->slots[at] != hash)
		at = (at + 1) & mask;
	return &set->slots[at];
}

static int set_grow(struct set *set)
{
	struct set bigger;

	if (set_init(&bigger, set->bits + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)1 << set->bits; i++)
		if (set->slots[i])
			*slot_of(&bigger, set->slots[i]) = set->slots[i];
	bigger.count = set->count;
	free(set->slots);
	*set = bigger;
	return 0;
}

static int set_add(struct set *set, uint64_t hash)
{
	uint64_t *slot = slot_of(set, hash);

	if (*slot)
		return 0;
	*slot = hash;
	if (++set->count > ((size_t)1 << set->bits) / 4 * 3)
		return set_grow(set);
	return 0;
}

static void set_clear(struct set *set)
{
	memset(set->slots, 0, sizeof(*set->slots) << set->bits);
	set->count = 0;
}

/* ---- a socket */

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * (b ^ 0x9e3779b97f4a7c15U);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix_endpoint(uint64_t hash, const struct tcp_endpoint *endpoint)
{
	uint64_t high, low;

	memcpy(&high, endpoint->address.bytes, 8);
	memcpy(&low, endpoint->address.bytes + 8, 8);
	hash = fold(hash ^ high, (uint64_t)endpoint->address.family << 16 | endpoint->port);
	return fold(hash ^ low, hash);
}

/* A socket that changes groups goes in one and comes in the other: what it is counted by is part of
 * what it is. Listeners may share an address (SO_REUSEPORT). */
static uint64_t hash_of(const struct states_births *births, const struct socket_status *status,
			const struct owner *owner, uint64_t netns)
{
	uint64_t hash = fold(births->seed ^ netns, births->seed | 1), what = 0;

	hash = mix_endpoint(hash, &status->key.local);
	hash = mix_endpoint(hash, &status->key.remote);
	if (births->by_state)
		what |= (uint64_t)status->state;
	if (births->by_timer)
		what |= (uint64_t)status->timer << 8;
	if (births->by_process && owner)
		what |= (uint64_t)owner->pid << 16;
	hash = fold(hash ^ what, status->state == TCP_LISTEN ? status->inode : 1);
	return hash ? hash : 1;
}

/*
 * A port in TIME-WAIT may be taken for a new connection to the same destination, which is then in
 * TIME-WAIT in turn (net.ipv4.tcp_tw_reuse, for loopback by default). Nobody else has been so for
 * less time than has passed; a FIN that is repeated begins the time anew, but that is rare.
 */
static bool is_another(const struct states_births *births, const struct socket_status *status)
{
	return births->by_state && status->state == TCP_TIME_WAIT &&
	       states_time_wait_age_ms(status->timer_left_ms) + TICKS_MS < births->gap_ms;
}

static int row(void *context, const struct socket_status *status, const struct owner *owner,
	       const struct states_net *net)
{
	struct states_births *births = context;
	uint64_t hash = hash_of(births, status, owner, net->inode);
	int r = set_add(&births->now, hash);

	if (r == 0 && *slot_of(&births->before, hash) && !is_another(births, status))
		r = socket_groups_add(births->kept, status, owner, net->inode);
	return r;
}

static void again(void *context)
{
	struct states_births *births = context;

	set_clear(&births->now);
	socket_groups_clear(births->kept);
}

struct states_sink states_births_sink(struct states_births *births)
{
	return (struct states_sink){.row = row, .again = again, .context = births};
}

void states_births_turn(struct states_births *births, int64_t gap_ns)
{
	struct set older = births->before;

	births->gap_ms = gap_ns / NS_PER_MS;
	births->before = births->now;
	births->now = older;
	again(births);
}

/* ---- groups */

/*
 * Born are those that were not kept; gone is what else the count has lost. The groups stand in the
 * same order each time, as their counts stay what they are.
 */
struct socket_group *states_births_groups(struct states_births *births, struct states_look *now,
					  const struct states_look *before, size_t *ret_count)
{
	CLEANUP_FREE struct socket_group *fresh = NULL;
	struct socket_group *groups;
	size_t count, same;

	if (!before)
		return states_groups_take(now, ret_count);
	if (socket_groups_compare(now->groups, before->groups) < 0)
		return NULL;
	groups = socket_groups_top(now->groups, 0, &count);
	if (socket_groups_compare(now->groups, births->kept) == 0)
		fresh = socket_groups_top(now->groups, 0, &same);
	if (!groups || !fresh) {
		free(groups);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		/* By how many more, or less. */
		int64_t change = (int64_t)(groups[i].born - groups[i].gone);

		groups[i].born = fresh[i].born;
		groups[i].gone = (uint64_t)((int64_t)fresh[i].born - change);
	}
	states_groups_sort(now, groups, count);
	if (now->options->top && count > now->options->top)
		count = now->options->top;
	*ret_count = count;
	return groups;
}

/* ---- the whole */

struct states_births *states_births_new(const struct states_options *options)
{
	struct states_births *births = calloc(1, sizeof(*births));

	if (!births)
		return NULL;
	births->options = options;
	births->by_state = group_by_has(&options->by, GROUP_STATE);
	births->by_timer = group_by_has(&options->by, GROUP_TIMER);
	births->by_process = group_by_has(&options->by, GROUP_PROCESS);
	/* Without randomness it does its work as well, if not against those who choose ports. */
	if (getrandom(&births->seed, sizeof(births->seed), GRND_NONBLOCK) < 0)
		births->seed = (uintptr_t)births;
	births->kept = socket_groups_new(options->by.at, options->by.count);
	if (!births->kept || set_init(&births->now, FIRST_BITS) < 0 ||
	    set_init(&births->before, FIRST_BITS) < 0) {
		states_births_free(births);
		return NULL;
	}
	return births;
}

void states_births_free(struct states_births *births)
{
	if (!births)
		return;
	free(births->now.slots);
	free(births->before.slots);
	socket_groups_free(births->kept);
	free(births);
}
