/*
 * The counters of a group and the words of its keys lie side by side in one array; an index with
 * open addressing says where.
 *
 * Peers choose their addresses and ports, and with them could choose which slots are taken: the
 * hash begins with a random number.
 */
#include "observe/socket_groups.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "observe/socket_group_keys.h"

#define FIRST_BITS 6

struct counters {
	uint64_t count, minisocks, timers;
	uint32_t timer_least_ms, timer_most_ms;
	int64_t change;
};

struct slot {
	uint32_t hash;
	uint32_t group; /* one more than its number; 0: free */
};

struct socket_groups {
	struct group_keys keys;
	size_t words;  /* of the keys */
	size_t stride; /* bytes from group to group: counters, words */
	uint64_t seed;
	struct slot *slots; /* (owned) 1 << bits */
	unsigned bits;
	char *groups; /* (owned) */
	size_t count, room;
	uint64_t sockets;
};

/* ---- the table */

struct socket_groups *socket_groups_new(const enum group_key *keys, size_t count)
{
	struct socket_groups *groups = calloc(1, sizeof(*groups));

	assert(count >= 1 && count <= GROUP_KEYS_MAX);
	if (!groups)
		return NULL;
	memcpy(groups->keys.at, keys, count * sizeof(*keys));
	groups->keys.count = count;
	groups->words = group_keys_words(&groups->keys);
	assert(groups->words <= GROUP_WORDS_MAX);
	/* Counters are of 8 bytes. */
	groups->stride = sizeof(struct counters) + (groups->words + 1) / 2 * 8;
	/* Without randomness it does its work as well, if not against those who mean harm. */
	if (getrandom(&groups->seed, sizeof(groups->seed), GRND_NONBLOCK) < 0)
		groups->seed = (uintptr_t)groups;
	groups->bits = FIRST_BITS;
	groups->slots = calloc(1U << FIRST_BITS, sizeof(*groups->slots));
	if (!groups->slots) {
		free(groups);
		return NULL;
	}
	return groups;
}

void socket_groups_free(struct socket_groups *groups)
{
	if (!groups)
		return;
	free(groups->slots);
	free(groups->groups);
	free(groups);
}

void socket_groups_clear(struct socket_groups *groups)
{
	memset(groups->slots, 0, sizeof(*groups->slots) << groups->bits);
	groups->count = 0;
	groups->sockets = 0;
}

static struct counters *counters_of(const struct socket_groups *groups, size_t group)
{
	return (struct counters *)(groups->groups + group * groups->stride);
}

static uint32_t *words_of(const struct socket_groups *groups, size_t group)
{
	return (uint32_t *)(counters_of(groups, group) + 1);
}

/* Both halves of the product, so that high bits reach the low ones. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_of(const struct socket_groups *groups, const uint32_t *words)
{
	uint64_t hash = groups->seed;
	size_t i;

	for (i = 0; i + 1 < groups->words; i += 2)
		hash = fold(hash ^ ((uint64_t)words[i] << 32 | words[i + 1]), 0x9e3779b97f4a7c15U);
	if (i < groups->words)
		hash = fold(hash ^ words[i], 0x9e3779b97f4a7c15U);
	return (uint32_t)(fold(hash, groups->seed | 1) >> 32);
}

static bool same_words(const struct socket_groups *groups, const uint32_t *a, const uint32_t *b)
{
	for (size_t i = 0; i < groups->words; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* The slot of the group, or the free one where it belongs; there is always a free one. */
static struct slot *find(const struct socket_groups *groups, uint32_t hash, const uint32_t *words)
{
	uint32_t mask = (1U << groups->bits) - 1, at = hash & mask;

	for (;; at = (at + 1) & mask) {
		struct slot *slot = &groups->slots[at];

		if (slot->group == 0)
			return slot;
		if (slot->hash == hash &&
		    same_words(groups, words_of(groups, slot->group - 1), words))
			return slot;
	}
}

/* Doubles the slots when three of four are taken. */
static int make_slots(struct socket_groups *groups)
{
	size_t capacity = (size_t)1 << groups->bits;
	uint32_t mask = (uint32_t)(2 * capacity - 1);
	struct slot *slots;

	if (groups->count < capacity / 4 * 3)
		return 0;
	if (groups->bits == 31)
		return -ENOMEM;
	slots = calloc(2 * capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < capacity; i++) {
		uint32_t at = groups->slots[i].hash & mask;

		if (groups->slots[i].group == 0)
			continue;
		while (slots[at].group)
			at = (at + 1) & mask;
		slots[at] = groups->slots[i];
	}
	free(groups->slots);
	groups->slots = slots;
	groups->bits++;
	return 0;
}

static int make_room(struct socket_groups *groups)
{
	size_t room = groups->room ? groups->room + groups->room / 2 : 32;
	char *bigger;

	if (groups->count < groups->room)
		return 0;
	bigger = reallocarray(groups->groups, room, groups->stride);
	if (!bigger)
		return -ENOMEM;
	groups->groups = bigger;
	groups->room = room;
	return 0;
}

/* The counters of the group with these words, which is made when there is none; NULL: no memory. */
static struct counters *find_or_make(struct socket_groups *groups, const uint32_t *words)
{
	uint32_t hash = hash_of(groups, words);
	struct slot *slot = find(groups, hash, words);
	struct counters *counters;

	if (slot->group)
		return counters_of(groups, slot->group - 1);
	if (make_room(groups) < 0 || make_slots(groups) < 0)
		return NULL;
	slot = find(groups, hash, words);
	*slot = (struct slot){.hash = hash, .group = (uint32_t)groups->count + 1};
	counters = counters_of(groups, groups->count);
	*counters = (struct counters){0};
	memcpy(words_of(groups, groups->count), words, groups->words * sizeof(*words));
	groups->count++;
	return counters;
}

static void add_timers(struct counters *counters, uint64_t timers, uint32_t least_ms,
		       uint32_t most_ms)
{
	if (timers == 0)
		return;
	if (counters->timers == 0 || least_ms < counters->timer_least_ms)
		counters->timer_least_ms = least_ms;
	if (counters->timers == 0 || most_ms > counters->timer_most_ms)
		counters->timer_most_ms = most_ms;
	counters->timers += timers;
}

int socket_groups_add(struct socket_groups *groups, const struct socket_status *status,
		      const struct owner *owner, uint64_t netns)
{
	uint32_t words[GROUP_WORDS_MAX], left = status->timer_left_ms;
	struct counters *counters;

	group_keys_pack(&groups->keys, status, owner, netns, words);
	counters = find_or_make(groups, words);
	if (!counters)
		return -ENOMEM;
	groups->sockets++;
	counters->count++;
	counters->minisocks += status->minisock;
	add_timers(counters, status->timer != SOCKET_TIMER_OFF, left, left);
	return 0;
}

int socket_groups_add_sum(struct socket_groups *groups, const struct socket_sum *sum,
			  uint64_t netns)
{
	uint32_t words[GROUP_WORDS_MAX];
	struct counters *counters;

	group_keys_pack(&groups->keys, &sum->like, NULL, netns, words);
	counters = find_or_make(groups, words);
	if (!counters)
		return -ENOMEM;
	groups->sockets += sum->count;
	counters->count += sum->count;
	counters->minisocks += sum->minisocks;
	add_timers(counters, sum->timers, sum->timer_least_ms, sum->timer_most_ms);
	return 0;
}

int socket_groups_fields(const struct socket_groups *groups)
{
	return group_keys_fields(&groups->keys);
}

int socket_groups_compare(struct socket_groups *now, const struct socket_groups *before)
{
	assert(memcmp(&now->keys, &before->keys, sizeof(now->keys)) == 0);
	for (size_t i = 0; i < now->count; i++) {
		struct counters *counters = counters_of(now, i);

		counters->change = (int64_t)counters->count;
	}
	for (size_t i = 0; i < before->count; i++) {
		uint64_t old = counters_of(before, i)->count;
		struct counters *counters;

		if (old == 0)
			continue; /* gone the time before */
		counters = find_or_make(now, words_of(before, i));
		if (!counters)
			return -ENOMEM;
		counters->change = (int64_t)(counters->count - old);
	}
	return 0;
}

size_t socket_groups_count(const struct socket_groups *groups)
{
	return groups->count;
}

uint64_t socket_groups_sockets(const struct socket_groups *groups)
{
	return groups->sockets;
}

/* ---- the largest */

/* Whether group @a comes before @b. */
static bool is_before(const struct socket_groups *groups, uint32_t a, uint32_t b)
{
	uint64_t count_a = counters_of(groups, a)->count, count_b = counters_of(groups, b)->count;
	const uint32_t *words_a, *words_b;

	if (count_a != count_b)
		return count_a > count_b;
	words_a = words_of(groups, a);
	words_b = words_of(groups, b);
	for (size_t i = 0; i < groups->words; i++)
		if (words_a[i] != words_b[i])
			return words_a[i] < words_b[i];
	return false;
}

/* Lets the group at @at sink to its place: in this heap none comes before those below it. */
static void sink(const struct socket_groups *groups, uint32_t *heap, size_t size, size_t at)
{
	uint32_t group = heap[at];

	for (;;) {
		size_t below = 2 * at + 1;

		if (below >= size)
			break;
		if (below + 1 < size && is_before(groups, heap[below], heap[below + 1]))
			below++;
		if (!is_before(groups, group, heap[below]))
			break;
		heap[at] = heap[below];
		at = below;
	}
	heap[at] = group;
}

/* The first @room in order: those that are worse than the worst of them cost one comparison. */
static void choose(const struct socket_groups *groups, uint32_t *chosen, size_t room)
{
	for (size_t i = 0; i < room; i++)
		chosen[i] = (uint32_t)i;
	for (size_t i = room / 2; i-- > 0;)
		sink(groups, chosen, room, i);
	for (size_t i = room; i < groups->count; i++) {
		if (!is_before(groups, (uint32_t)i, chosen[0]))
			continue;
		chosen[0] = (uint32_t)i;
		sink(groups, chosen, room, 0);
	}
	for (size_t i = room; i-- > 1;) {
		uint32_t worst = chosen[0];

		chosen[0] = chosen[i];
		chosen[i] = worst;
		sink(groups, chosen, i, 0);
	}
}

static struct socket_group group_of(const struct socket_groups *groups, uint32_t number)
{
	const struct counters *counters = counters_of(groups, number);
	struct socket_group group = {
		.count = counters->count,
		.minisocks = counters->minisocks,
		.timers = counters->timers,
		.timer_least_ms = counters->timer_least_ms,
		.timer_most_ms = counters->timer_most_ms,
		.born = counters->change > 0 ? (uint64_t)counters->change : 0,
		.gone = counters->change < 0 ? (uint64_t)-counters->change : 0,
	};

	group_keys_unpack(&groups->keys, words_of(groups, number), &group);
	return group;
}

struct socket_group *socket_groups_top(const struct socket_groups *groups, size_t room,
				       size_t *ret_count)
{
	CLEANUP_FREE uint32_t *chosen = NULL;
	struct socket_group *top;

	if (room == 0 || room > groups->count)
		room = groups->count;
	/* One more: none of them is no failure. */
	chosen = calloc(room + 1, sizeof(*chosen));
	top = calloc(room + 1, sizeof(*top));
	if (!chosen || !top) {
		free(top);
		return NULL;
	}
	choose(groups, chosen, room);
	for (size_t i = 0; i < room; i++)
		top[i] = group_of(groups, chosen[i]);
	*ret_count = room;
	return top;
}
