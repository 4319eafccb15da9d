/*
 * Timelines are found through an open-addressed table of their indices, and never leave it: a
 * socket that comes back under its key goes on in its timeline. Each pass over a look has a
 * number, and marks with it what it saw; those alive without the mark are gone.
 */
#include "observe/timelines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "tcp/state.h"

#define FIRST_BUCKETS 64 /* a power of two */

struct entry {
	struct observer_timeline timeline;
	uint64_t hash;
	uint64_t pass;	   /* that saw it last */
	size_t live_index; /* in timelines->live, when alive */
	bool alive;
};

struct timelines {
	size_t limit;
	uint64_t pass;
	struct entry **items; /* (owned) in the order of their first change */
	size_t count, capacity;
	struct entry **live; /* those whose socket is there */
	size_t live_count, live_capacity;
	struct entry **buckets; /* NULL: free; at most half of them are taken */
	size_t bucket_count;
};

int timelines_new(size_t limit, struct timelines **ret)
{
	struct timelines *timelines = calloc(1, sizeof(*timelines));

	if (!timelines)
		return -ENOMEM;
	timelines->limit = limit;
	timelines->buckets = calloc(FIRST_BUCKETS, sizeof(struct entry *));
	if (!timelines->buckets) {
		free(timelines);
		return -ENOMEM;
	}
	timelines->bucket_count = FIRST_BUCKETS;
	*ret = timelines;
	return 0;
}

void timelines_free(struct timelines *timelines)
{
	if (!timelines)
		return;
	for (size_t i = 0; i < timelines->count; i++) {
		free(timelines->items[i]->timeline.changes);
		free(timelines->items[i]);
	}
	free(timelines->items);
	free(timelines->live);
	free(timelines->buckets);
	free(timelines);
}

/* One step of a multiplicative hash; the finish of splitmix64 spreads it over all bits. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* Field by field: there is padding behind the port. */
static uint64_t hash_endpoint(uint64_t hash, const struct tcp_endpoint *endpoint)
{
	uint64_t words[2];

	memcpy(words, endpoint->address.bytes, sizeof(words));
	hash = mix(hash, words[0]);
	if (endpoint->address.family == AF_INET6)
		hash = mix(hash, words[1]);
	return mix(hash, endpoint->port);
}

static uint64_t hash_key(size_t host, const struct tcp_key *key)
{
	return hash_endpoint(hash_endpoint(mix(1, host), &key->local), &key->remote);
}

/* Where the entry is, or where it belongs. */
static struct entry **find_bucket(const struct timelines *timelines, size_t host,
				  const struct tcp_key *key, uint64_t hash)
{
	size_t mask = timelines->bucket_count - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct entry *entry = timelines->buckets[i];

		if (!entry || (entry->hash == hash && entry->timeline.host == host &&
			       tcp_key_equal(&entry->timeline.key, key)))
			return &timelines->buckets[i];
	}
}

static struct entry *find_entry(const struct timelines *timelines, size_t host,
				const struct tcp_key *key)
{
	return *find_bucket(timelines, host, key, hash_key(host, key));
}

static int grow_buckets(struct timelines *timelines)
{
	size_t count = timelines->bucket_count * 2, mask = count - 1;
	struct entry **buckets;

	if ((timelines->count + 1) * 2 <= timelines->bucket_count)
		return 0;
	buckets = calloc(count, sizeof(struct entry *));
	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < timelines->count; i++) {
		size_t at = timelines->items[i]->hash & mask;

		while (buckets[at])
			at = (at + 1) & mask;
		buckets[at] = timelines->items[i];
	}
	free(timelines->buckets);
	timelines->buckets = buckets;
	timelines->bucket_count = count;
	return 0;
}

/* A timeline without changes yet, not in any list: begin_timeline() does the rest. */
static struct entry *make_entry(size_t host, const struct tcp_key *key)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->hash = hash_key(host, key);
	entry->timeline.host = host;
	entry->timeline.key = *key;
	return entry;
}

static int add_entry(struct timelines *timelines, struct entry *entry)
{
	if (grow_buckets(timelines) < 0 ||
	    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	    ARRAY_ROOM(timelines->items, timelines->capacity, timelines->count) < 0)
		return -ENOMEM;
	*find_bucket(timelines, entry->timeline.host, &entry->timeline.key, entry->hash) = entry;
	timelines->items[timelines->count++] = entry;
	return 0;
}

static int add_live(struct timelines *timelines, struct entry *entry)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	if (ARRAY_ROOM(timelines->live, timelines->live_capacity, timelines->live_count) < 0)
		return -ENOMEM;
	entry->alive = true;
	entry->live_index = timelines->live_count;
	timelines->live[timelines->live_count++] = entry;
	return 0;
}

static void remove_live(struct timelines *timelines, struct entry *entry)
{
	struct entry *last = timelines->live[--timelines->live_count];

	timelines->live[entry->live_index] = last;
	last->live_index = entry->live_index;
	entry->alive = false;
}

/* What makes two looks at a socket differ, as observer_new() promises. */
static bool differs(const struct socket_status *a, const struct socket_status *b, bool with_flaps)
{
	if (a->state != b->state || a->minisock != b->minisock || a->inode != b->inode ||
	    a->retransmits != b->retransmits)
		return true;
	return with_flaps && (a->timer != b->timer || !a->receive_queue != !b->receive_queue ||
			      !a->send_queue != !b->send_queue);
}

static bool is_change(const struct observer_timeline *timeline, const struct socket_status *status)
{
	return timeline->count == 0 || differs(&timeline->changes[timeline->count - 1].status,
					       status, timeline->count < TIMELINE_FLAPS);
}

static int add_change(struct observer_timeline *timeline, const struct look *look,
		      const struct socket_status *status)
{
	if (ARRAY_ROOM(timeline->changes, timeline->capacity, timeline->count) < 0)
		return -ENOMEM;
	timeline->changes[timeline->count++] = (struct observer_change){
		.since_ns = look->since_ns,
		.time_ns = look->time_ns,
		.status = *status,
	};
	return 0;
}

/* The sockets that have a timeline: listeners have none, and a socket in CLOSED was caught
 * by inet_diag while the kernel took it down, with another one maybe in its place. */
static bool is_followed(const struct socket_status *status)
{
	return status->state != TCP_LISTEN && status->state != TCP_CLOSE &&
	       status->key.remote.port != 0;
}

static int begin_timeline(struct timelines *timelines, const struct look *look,
			  const struct socket_status *status, struct entry **ret)
{
	struct entry *entry = make_entry(look->host, &status->key);

	if (!entry || add_change(&entry->timeline, look, status) < 0 ||
	    add_entry(timelines, entry) < 0) {
		if (entry)
			free(entry->timeline.changes);
		free(entry);
		return -ENOMEM;
	}
	*ret = entry;
	return 0;
}

static void note_timer(const struct look *look, const struct socket_status *status,
		       struct look_result *result)
{
	int64_t expiry = look->time_ns + status->timer_left_ms * NS_PER_MS;

	if (status->timer == SOCKET_TIMER_OFF)
		return;
	if (status->timer_left_ms == 0)
		result->overdue = true;
	else if (expiry < result->timer_ns)
		result->timer_ns = expiry;
}

static int merge_socket(struct timelines *timelines, const struct look *look,
			const struct socket_status *status, struct look_result *result)
{
	struct entry *entry = find_entry(timelines, look->host, &status->key);

	if (!entry) {
		if (timelines->count >= timelines->limit) {
			result->left_out++;
			return 0;
		}
		if (begin_timeline(timelines, look, status, &entry) < 0)
			return -ENOMEM;
		result->changed = true;
	} else if (entry->pass == timelines->pass) {
		return 0; /* twice in one dump: see sockdiag_dump() */
	} else if (is_change(&entry->timeline, status)) {
		if (add_change(&entry->timeline, look, status) < 0)
			return -ENOMEM;
		result->changed = true;
	}
	entry->pass = timelines->pass;
	note_timer(look, status, result);
	return entry->alive ? 0 : add_live(timelines, entry);
}

/* The socket had been there and is not in @look any more. */
static int merge_absence(struct timelines *timelines, const struct look *look, struct entry *entry)
{
	struct socket_status gone = {.key = entry->timeline.key, .state = TCP_STATE_NONE};

	if (add_change(&entry->timeline, look, &gone) < 0)
		return -ENOMEM;
	remove_live(timelines, entry);
	return 0;
}

int timelines_merge(struct timelines *timelines, const struct look *look, struct look_result *ret)
{
	struct look_result result = {.timer_ns = INT64_MAX};
	int r = 0;

	timelines->pass++;
	for (size_t i = 0; i < look->count; i++)
		if (is_followed(&look->sockets[i]) &&
		    merge_socket(timelines, look, &look->sockets[i], &result) < 0)
			r = -ENOMEM;
	/* Without room for all of it a look cannot tell who is gone. */
	if (r < 0)
		return r;
	/* Backwards: a removal puts the last one, already done, in the place of the removed. */
	for (size_t i = timelines->live_count; i-- > 0;) {
		struct entry *entry = timelines->live[i];

		if (entry->timeline.host != look->host || entry->pass == timelines->pass)
			continue;
		if (merge_absence(timelines, look, entry) < 0)
			r = -ENOMEM;
		result.changed = true;
	}
	*ret = result;
	return r;
}

void timelines_mark(struct timelines *timelines, const struct look *look)
{
	timelines->pass++;
	for (size_t i = 0; i < look->count; i++) {
		struct entry *entry;

		if (!is_followed(&look->sockets[i]))
			continue;
		entry = find_entry(timelines, look->host, &look->sockets[i].key);
		if (entry)
			entry->pass = timelines->pass;
	}
}

const struct tcp_key *timelines_missing(struct timelines *timelines, size_t host, size_t *cursor)
{
	while (*cursor < timelines->live_count) {
		const struct entry *entry = timelines->live[(*cursor)++];

		if (entry->timeline.host == host && entry->pass != timelines->pass)
			return &entry->timeline.key;
	}
	return NULL;
}

const struct observer_timeline *timelines_find(const struct timelines *timelines, size_t host,
					       const struct tcp_key *key)
{
	const struct entry *entry = find_entry(timelines, host, key);

	return entry ? &entry->timeline : NULL;
}

size_t timelines_count(const struct timelines *timelines)
{
	return timelines->count;
}

const struct observer_timeline *timelines_at(const struct timelines *timelines, size_t index)
{
	return &timelines->items[index]->timeline;
}
