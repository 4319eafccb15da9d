/*
 * A datagram in pieces is put together as far as it tells something: of each 8 bytes, the unit that
 * fragments are counted in, one bit whether they were seen, and of the bytes only the first, in
 * which the headers are. So a datagram takes the same memory whatever comes: overlaps and
 * duplicates set bits that are set (of the headers the first copy counts), and pieces may be as
 * small as they like. When all bits up to the end are set, what is left of the decoder is run over
 * those first bytes.
 *
 * What RFC 5722 and Linux throw away for overlapping is told all the same: it was sent, and that it
 * went unanswered is for others to find.
 *
 * A datagram that was told stays for a while, since a capture may have each of its pieces twice; it
 * is the first to go when room is needed.
 */
#include "capture/fragments.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "capture/decode_parts.h"

#define AGE_NS	30000000000 /* RFC 791 3.2 wants 15 s at least; Linux' ipfrag_time is 30 s */
#define COPY_NS 5000000	    /* as explain/dedup.c has it for whole segments */

enum {
	DATAGRAMS = 256,
	BUCKETS = 256,
	UNIT = 8,
	LENGTH_MAX = 65535,
	WORD_UNITS = 64,
	WORDS = (LENGTH_MAX + 1) / UNIT / WORD_UNITS,
	HEAD = 128, /* a TCP header and a fair share of extension headers */
};

/* What pieces of one datagram have in common (RFC 791 3.2, RFC 8200 4.5). */
struct fragment_key {
	uint8_t source[16], target[16];
	uint32_t id;
	uint16_t version;
	uint16_t protocol; /* of IPv4; 0 for IPv6, where it does not count */
};

static_assert(sizeof(struct fragment_key) == 16 + 16 + 4 + 2 + 2, "compared as bytes: no padding");

struct pending {
	TAILQ_ENTRY(pending) age;
	LIST_ENTRY(pending) bucket;
	struct fragment_key key;
	int64_t since_ns; /* of the piece that came first; once told, that of the last */
	bool told;
	bool tcp; /* surely; what follows an extension header only the first piece knows */
	bool began;
	uint8_t protocol, ttl; /* of the piece at offset 0, once it @began */
	uint16_t ip_id;
	uint32_t end;	/* of the piece that reaches furthest */
	uint32_t total; /* 0 until the last piece is here */
	uint32_t units; /* bits that are set */
	uint64_t seen[WORDS];
	uint8_t head[HEAD];
	bool head_known[HEAD];
};

TAILQ_HEAD(pending_list, pending);
LIST_HEAD(pending_bucket, pending);

struct fragments {
	struct pending_list waiting; /* the oldest first */
	struct pending_list idle;    /* told, or nothing at all; the first is taken first */
	struct pending_bucket buckets[BUCKETS];
	uint64_t given_up;
	size_t used; /* of @all; the others were never in a list */
	struct pending all[DATAGRAMS];
};

struct fragments *fragments_new(void)
{
	struct fragments *fragments = calloc(1, sizeof(*fragments));

	if (!fragments)
		return NULL;
	TAILQ_INIT(&fragments->waiting);
	TAILQ_INIT(&fragments->idle);
	return fragments;
}

void fragments_free(struct fragments *fragments)
{
	free(fragments);
}

uint64_t fragments_given_up(const struct fragments *fragments)
{
	uint64_t count = fragments->given_up;
	const struct pending *pending;

	TAILQ_FOREACH(pending, &fragments->waiting, age)
	count += pending->tcp;
	return count;
}

/* --- The table --- */

static struct fragment_key key_of(const struct datagram *ip)
{
	size_t length = ip->version == 4 ? 4 : 16;
	struct fragment_key key = {
		.id = ip->piece.id,
		.version = ip->version,
		.protocol = ip->version == 4 ? ip->piece.protocol : 0,
	};

	memcpy(key.source, ip->source, length);
	memcpy(key.target, ip->target, length);
	return key;
}

/* Whoever makes them collide makes a walk over DATAGRAMS of each look, no more. */
static struct pending_bucket *bucket_of(struct fragments *fragments, const struct fragment_key *key)
{
	uint32_t words[sizeof(*key) / sizeof(uint32_t)], hash = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		hash = (hash ^ words[i]) * 0x9e3779b1; /* 2^32 / the golden ratio */
	return &fragments->buckets[hash >> 24];
}

static struct pending *find(struct fragments *fragments, const struct fragment_key *key)
{
	struct pending *pending;

	LIST_FOREACH(pending, bucket_of(fragments, key), bucket)
	if (memcmp(&pending->key, key, sizeof(*key)) == 0)
		return pending;
	return NULL;
}

/* From waiting to idle, never to be found again: there is no sense in what was sent of it. */
static void give_up(struct fragments *fragments, struct pending *pending)
{
	fragments->given_up += pending->tcp;
	LIST_REMOVE(pending, bucket);
	TAILQ_REMOVE(&fragments->waiting, pending, age);
	TAILQ_INSERT_HEAD(&fragments->idle, pending, age);
}

static bool older_than(const struct pending *pending, int64_t now_ns, int64_t age_ns)
{
	int64_t age;

	return now_ns > pending->since_ns &&
	       (__builtin_sub_overflow(now_ns, pending->since_ns, &age) || age > age_ns);
}

static void expire(struct fragments *fragments, int64_t now_ns)
{
	struct pending *oldest;

	while ((oldest = TAILQ_FIRST(&fragments->waiting)) && older_than(oldest, now_ns, AGE_NS))
		give_up(fragments, oldest);
}

/* One that is in no list. */
static struct pending *take(struct fragments *fragments)
{
	struct pending *pending;

	if (fragments->used < DATAGRAMS)
		return &fragments->all[fragments->used++];
	if (TAILQ_EMPTY(&fragments->idle))
		give_up(fragments, TAILQ_FIRST(&fragments->waiting));
	pending = TAILQ_FIRST(&fragments->idle);
	TAILQ_REMOVE(&fragments->idle, pending, age);
	if (pending->told)
		LIST_REMOVE(pending, bucket);
	return pending;
}

static struct pending *start(struct fragments *fragments, const struct fragment_key *key,
			     int64_t now_ns)
{
	struct pending *pending = take(fragments);

	memset(pending, 0, sizeof(*pending));
	pending->key = *key;
	pending->since_ns = now_ns;
	TAILQ_INSERT_TAIL(&fragments->waiting, pending, age);
	LIST_INSERT_HEAD(bucket_of(fragments, key), pending, bucket);
	return pending;
}

static void told(struct fragments *fragments, struct pending *pending, int64_t now_ns)
{
	pending->told = true;
	pending->since_ns = now_ns;
	TAILQ_REMOVE(&fragments->waiting, pending, age);
	TAILQ_INSERT_TAIL(&fragments->idle, pending, age);
}

/* --- Pieces --- */

/* The sender cuts between units, and a datagram is no longer than its length field can say. */
static bool piece_possible(const struct piece *piece)
{
	size_t length = piece->body.length;

	return length > 0 && length <= LENGTH_MAX - piece->offset &&
	       (!piece->more || length % UNIT == 0);
}

static uint32_t piece_end(const struct piece *piece)
{
	return piece->offset + (uint32_t)piece->body.length;
}

/* Whether the end is where the other pieces have it. */
static bool ends_agree(const struct pending *pending, const struct piece *piece)
{
	uint32_t end = piece_end(piece);

	if (pending->total)
		return piece->more ? end <= pending->total : end == pending->total;
	return piece->more || end >= pending->end;
}

/* Sets the bits from @from up to, not including, @to. Returns how many were not set before. */
static uint32_t seen_set(uint64_t *seen, uint32_t from, uint32_t to)
{
	uint32_t fresh = 0;

	while (from < to) {
		uint64_t *word = &seen[from / WORD_UNITS];
		uint32_t first = from % WORD_UNITS, count = WORD_UNITS - first;
		uint64_t mask;

		if (count > to - from)
			count = to - from;
		mask = UINT64_MAX >> (WORD_UNITS - count) << first;
		fresh += (uint32_t)__builtin_popcountll(mask & ~*word);
		*word |= mask;
		from += count;
	}
	return fresh;
}

static void head_keep(struct pending *pending, const struct piece *piece)
{
	for (size_t i = 0; i < piece->body.captured && piece->offset + i < HEAD; i++) {
		size_t at = piece->offset + i;

		if (pending->head_known[at])
			continue;
		pending->head[at] = piece->body.at[i];
		pending->head_known[at] = true;
	}
}

static void piece_keep(struct pending *pending, const struct datagram *ip)
{
	const struct piece *piece = &ip->piece;
	uint32_t end = piece_end(piece);

	if (piece->offset == 0 && !pending->began) {
		pending->began = true;
		pending->protocol = piece->protocol;
		pending->ttl = ip->ttl;
		pending->ip_id = ip->id;
	}
	if (ip->protocol == IPPROTO_TCP)
		pending->tcp = true;
	if (!piece->more)
		pending->total = end;
	if (end > pending->end)
		pending->end = end;
	pending->units += seen_set(pending->seen, piece->offset / UNIT, (end + UNIT - 1) / UNIT);
	head_keep(pending, piece);
}

static bool is_whole(const struct pending *pending)
{
	/* not as long as the end is not known: no datagram is of 0 units */
	return pending->units == (pending->total + UNIT - 1) / UNIT;
}

static int decode_whole(const struct pending *pending, struct segment *ret)
{
	struct datagram ip = {
		.body = {.at = pending->head, .length = pending->total},
		.source = pending->key.source,
		.target = pending->key.target,
		.version = pending->key.version,
		.protocol = pending->protocol,
		.ttl = pending->ttl,
		.id = pending->ip_id,
	};
	int r;

	while (ip.body.captured < HEAD && pending->head_known[ip.body.captured])
		ip.body.captured++;
	r = ip_carried(&ip);
	if (ip.fragment)
		return DECODE_MALFORMED; /* a piece of a piece */
	if (r == GO_ON)
		r = tcp_decode(&ip, ret);
	if (r == GO_ON) {
		ret->payload = NULL;
		ret->payload_captured = 0;
	}
	return r;
}

static int piece_add(struct fragments *fragments, const struct datagram *ip, int64_t now_ns,
		     struct segment *ret)
{
	struct fragment_key key = key_of(ip);
	struct pending *pending;

	if (!piece_possible(&ip->piece))
		return DECODE_MALFORMED;
	expire(fragments, now_ns);
	pending = find(fragments, &key);
	if (pending && pending->told && !older_than(pending, now_ns, COPY_NS))
		return DECODE_FRAGMENT;
	if (!pending || pending->told) /* the id is in use again: the new one is found first */
		pending = start(fragments, &key, now_ns);
	if (!ends_agree(pending, &ip->piece)) {
		give_up(fragments, pending);
		return DECODE_MALFORMED;
	}
	piece_keep(pending, ip);
	if (!is_whole(pending))
		return DECODE_FRAGMENT;
	told(fragments, pending, now_ns);
	return decode_whole(pending, ret);
}

enum decode_result fragments_decode(struct fragments *fragments,
				    const struct passing_packet *packet, struct segment *ret)
{
	struct datagram ip;
	int r = datagram_decode(packet->link, packet->data, packet->captured_length, packet->length,
				&ip);

	if (ip.fragment) {
		if (r == GO_ON || r == DECODE_FRAGMENT)
			r = piece_add(fragments, &ip, packet->time_ns, ret);
	} else if (r == GO_ON) {
		r = tcp_decode(&ip, ret);
	}
	if (r == GO_ON)
		ret->time_ns = packet->time_ns;
	return (enum decode_result)r;
}
