#include "capture/tcpdump_text_pairs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "tcp/seq.h"

/* What a text may cost: 25 MB. Beyond, whoever was met first is forgotten first. */
#define PAIRS_MAX (1u << 18)

#define FIRST_HEADS 64

/* Two numbers further apart than this do not speak of the same moment of a connection. */
#define FAR (1 << 24)

/* So that no text is long enough to make a sum of distances overflow. */
#define LEANING_MAX (1LL << 40)

/* One direction. */
struct side {
	bool based;	  /* base is known; otherwise it is 0 */
	bool nexted;	  /* next is known */
	bool opening;	  /* its SYN is not answered yet, and base and next are of an older one */
	bool acked_known; /* acked is known */
	bool isn_known;	  /* isn is known */
	uint32_t base;	  /* what relative numbers are relative to */
	uint32_t isn;	  /* of the last SYN */
	uint32_t next;	  /* behind the last it sent */
	uint32_t acked;	  /* the last that the other end acknowledged */
};

struct text_pair {
	struct tcp_endpoint low, high;
	struct side sides[2]; /* of low, of high */
	bool begun;	      /* tcpdump has a base for it */
	int64_t leaning;      /* how much better relative numbers (above 0) or whole ones fitted */
	uint32_t chain;	      /* the next of the same hash: index + 1, or 0 */
};

/* --- The pairs --- */

void text_pairs_done(struct text_pairs *pairs)
{
	free(pairs->pairs);
	free(pairs->heads);
	*pairs = (struct text_pairs){0};
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

static uint64_t hash_end(uint64_t seed, const struct tcp_endpoint *end)
{
	uint64_t words[2];

	memcpy(words, end->address.bytes, sizeof(words));
	return mix(mix(mix(seed ^ words[0]) ^ words[1]) ^ end->port);
}

static uint32_t *head_of(const struct text_pairs *pairs, const struct text_pair *pair)
{
	uint64_t hash = hash_end(hash_end(pairs->seed, &pair->low), &pair->high);

	return &pairs->heads[hash & (pairs->head_count - 1)];
}

static void link_in(struct text_pairs *pairs, size_t index)
{
	uint32_t *head = head_of(pairs, &pairs->pairs[index]);

	pairs->pairs[index].chain = *head;
	*head = (uint32_t)index + 1;
}

static void unlink_from(struct text_pairs *pairs, size_t index)
{
	uint32_t *at = head_of(pairs, &pairs->pairs[index]);

	while (*at != index + 1)
		at = &pairs->pairs[*at - 1].chain;
	*at = pairs->pairs[index].chain;
}

static int reserve(struct text_pairs *pairs)
{
	size_t wanted = pairs->head_count ? 2 * pairs->head_count : FIRST_HEADS;
	uint32_t *heads;

	if (ARRAY_ROOM(pairs->pairs, pairs->capacity, pairs->count) < 0)
		return -ENOMEM;
	if (pairs->count < pairs->head_count)
		return 0;
	heads = calloc(wanted, sizeof(*heads));
	if (!heads)
		return -ENOMEM;
	free(pairs->heads);
	pairs->heads = heads;
	pairs->head_count = wanted;
	for (size_t i = 0; i < pairs->count; i++)
		link_in(pairs, i);
	return 0;
}

static struct text_pair *find(const struct text_pairs *pairs, const struct text_pair *wanted)
{
	uint32_t at = pairs->head_count ? *head_of(pairs, wanted) : 0;

	while (at) {
		struct text_pair *pair = &pairs->pairs[at - 1];

		if (tcp_endpoint_equal(&pair->low, &wanted->low) &&
		    tcp_endpoint_equal(&pair->high, &wanted->high))
			return pair;
		at = pair->chain;
	}
	return NULL;
}

/* In the place of one that is forgotten, if need be. */
static int add(struct text_pairs *pairs, const struct text_pair *pair, struct text_pair **ret)
{
	size_t index = pairs->count;

	if (index < PAIRS_MAX || !pairs->pairs) {
		if (reserve(pairs) < 0)
			return -ENOMEM;
		pairs->count++;
	} else {
		index = pairs->evicted_next;
		pairs->evicted_next = (index + 1) % PAIRS_MAX;
		pairs->evicted++;
		unlink_from(pairs, index);
	}
	pairs->pairs[index] = *pair;
	link_in(pairs, index);
	*ret = &pairs->pairs[index];
	return 0;
}

static bool in_order(const struct tcp_endpoint *a, const struct tcp_endpoint *b)
{
	int r = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));

	if (a->port != b->port)
		return a->port < b->port;
	return r ? r < 0 : a->address.family <= b->address.family;
}

/* Which side of it the source is goes to *ret_side. */
static int find_or_add(struct text_pairs *pairs, const struct segment *segment,
		       struct text_pair **ret, unsigned int *ret_side)
{
	bool ordered = in_order(&segment->source, &segment->target);
	struct text_pair wanted = {
		.low = ordered ? segment->source : segment->target,
		.high = ordered ? segment->target : segment->source,
	};

	*ret_side = ordered ? 0 : 1;
	*ret = find(pairs, &wanted);
	return *ret ? 0 : add(pairs, &wanted, ret);
}

/* --- Relative or whole --- */

/* What the side will send, or has sent last, as far as it is known. */
static bool expected(const struct side *side, uint32_t *ret)
{
	if (!side->nexted && !side->acked_known)
		return false;
	/* What the other end acknowledged was sent, though it may not be in the text. */
	if (side->nexted && side->acked_known && !side->opening)
		*ret = seq_max(side->next, side->acked);
	else
		*ret = side->nexted ? side->next : side->acked;
	return true;
}

static int64_t distance(uint32_t a, uint32_t b)
{
	int64_t difference = seq_diff(a, b);

	return difference < 0 ? -difference : difference;
}

struct fit {
	int64_t relative, whole; /* how far from what was expected; the less, the better */
};

static void fit_number(struct fit *fit, const struct side *side, uint32_t printed)
{
	uint32_t wanted;

	if (!side->based || !expected(side, &wanted))
		return;
	fit->relative += distance(side->base + printed, wanted);
	fit->whole += distance(printed, wanted);
}

/* For a segment with ACK flag and without SYN, of a pair that has begun. */
static bool is_relative(struct text_pairs *pairs, struct text_pair *pair, const struct side *source,
			const struct side *target, const struct text_fields *printed)
{
	struct fit fit = {0, 0};
	int64_t leaning;

	if (printed->has_seq)
		fit_number(&fit, source, printed->seq);
	fit_number(&fit, target, printed->ack);
	leaning = fit.whole - fit.relative;

	/* Far from both: something is left out of the text, and other pairs know better. */
	if (!pair->leaning && fit.relative > FAR && fit.whole > FAR && pairs->leaning)
		return pairs->leaning > 0;
	if (pair->leaning + leaning < LEANING_MAX && pair->leaning + leaning > -LEANING_MAX)
		pair->leaning += leaning;
	if (leaning > FAR || leaning < -FAR)
		pairs->leaning += leaning > 0 ? 1 : -1;
	return pair->leaning >= 0;
}

/* --- One segment --- */

struct ends {
	struct text_pair *pair;
	struct side *source, *target;
	bool relative; /* the numbers of this segment */
};

/* SACK blocks speak of the target's numbers, and are relative even where ack is not yet. */
static void resolve_sack(const struct ends *ends, bool first, struct segment *segment)
{
	struct tcp_options *options = &segment->options;

	for (size_t i = 0; i < options->sack_count; i++) {
		struct tcp_sack_block *block = &options->sack[i];
		uint32_t left = block->left + ends->target->base;

		if (first ? distance(left, segment->ack) < distance(block->left, segment->ack)
			  : ends->relative) {
			block->left = left;
			block->right += ends->target->base;
		}
	}
}

/* Numbers as they are printed, but so small that those of a connection would be by chance only. */
static bool looks_relative(const struct ends *ends)
{
	uint32_t source, target;

	return ends->pair->leaning <= 0 && expected(ends->source, &source) && source < FAR &&
	       expected(ends->target, &target) && target < FAR;
}

/*
 * A segment without ACK flag is printed whole. Where all others of its sender are relative to a
 * base that is not known, a RST shows it: it has the number that the segment it answers
 * acknowledges (RFC 9293 3.10.7.1), which is the last that was captured.
 */
static void resolve_without_ack(const struct ends *ends, struct segment *segment)
{
	const struct side *source = ends->source;

	if ((segment->flags & TCP_FLAG_RST) && source->acked_known && !source->opening &&
	    distance(segment->seq, source->acked) > FAR &&
	    ((!source->based && ends->pair->leaning >= 0) || looks_relative(ends)))
		segment->seq = source->acked;
}

/* Sets the bases as tcpdump does. */
static void begin(struct ends *ends, const struct text_fields *printed)
{
	struct side *source = ends->source;

	source->base = printed->seq;
	source->based = printed->has_seq || expected(source, &source->base);
	ends->target->base = printed->ack - 1;
	ends->target->based = true;
	ends->pair->begun = true;
}

/*
 * Whether tcpdump has met no segment with ACK flag of the pair before this one, which has no SYN.
 * If a SYN came before, its answer may be left out of the text, and then it has.
 */
static bool is_first(const struct text_pairs *pairs, const struct ends *ends,
		     const struct text_fields *printed)
{
	struct fit fit = {0, 0};

	if (ends->pair->begun)
		return false;
	if (!ends->source->based && !ends->target->based)
		return true;
	if (printed->has_seq)
		fit_number(&fit, ends->source, printed->seq);
	fit_number(&fit, ends->target, printed->ack);
	if (fit.whole != fit.relative)
		return fit.whole < fit.relative;
	return pairs->leaning < 0 || printed->ack > FAR;
}

/*
 * The SYN is answered, for it is acknowledged what the other end sent; the answer is not in the
 * text. Had tcpdump not met it either, the numbers would still be relative to the bases of the
 * connection before.
 */
static void begin_behind_syn(struct ends *ends, const struct text_fields *printed)
{
	struct side *source = ends->source;
	bool old = printed->ack > FAR;

	if (!source->opening)
		return;
	source->opening = false;
	if (printed->has_seq)
		old = distance(source->base + printed->seq, source->next) <
		      distance(source->isn + printed->seq, source->next);
	if (!ends->pair->begun || old)
		return;
	source->base = source->isn;
	source->based = true;
	*ends->target = (struct side){0};
}

static void learn_syn_ack(struct ends *ends, const struct segment *segment)
{
	struct side *source = ends->source, *target = ends->target;

	source->opening = target->opening = false;
	source->isn = segment->seq;
	source->isn_known = true;
	source->next = segment_end(segment);
	source->nexted = true;
	source->acked_known = false;
	if (!target->nexted || distance(target->next, segment->ack) > FAR)
		target->next = segment->ack;
	target->nexted = true;
	target->acked = segment->ack;
	target->acked_known = true;
}

/* The bases of an older connection of the pair hold until the SYN is answered. */
static void learn_syn(struct ends *ends, const struct segment *segment)
{
	struct side *source = ends->source;

	/* Repeated, or captured twice, perhaps behind its answer. */
	if (source->isn_known && source->isn == segment->seq && source->nexted &&
	    source->next == segment_end(segment))
		return;
	source->opening = true;
	source->isn = segment->seq;
	source->isn_known = true;
	source->next = segment_end(segment);
	source->nexted = true;
	source->acked_known = false;
	if (ends->pair->begun)
		return;
	source->based = true;
	source->base = segment->seq;
}

static void learn_sent(struct ends *ends, bool seq_said, const struct segment *segment)
{
	struct side *source = ends->source, *target = ends->target;

	if (seq_said && !(segment->flags & TCP_FLAG_RST) && !source->opening) {
		source->next = source->nexted ? seq_max(source->next, segment_end(segment))
					      : segment_end(segment);
		source->nexted = true;
	}
	if ((segment->flags & TCP_FLAG_ACK) && !target->opening) {
		target->acked = target->acked_known ? seq_max(target->acked, segment->ack)
						    : segment->ack;
		target->acked_known = true;
	}
}

static void learn(struct ends *ends, bool seq_said, const struct segment *segment)
{
	if (!(segment->flags & TCP_FLAG_SYN))
		learn_sent(ends, seq_said, segment);
	else if (segment->flags & TCP_FLAG_ACK)
		learn_syn_ack(ends, segment);
	else
		learn_syn(ends, segment);
}

/* The seq and ack of a segment with ACK flag. False when the seq cannot be known. */
static bool resolve_with_ack(struct text_pairs *pairs, struct ends *ends,
			     const struct text_fields *printed, struct segment *segment)
{
	bool syn = printed->flags & TCP_FLAG_SYN, first;

	if (!syn && !(printed->flags & TCP_FLAG_RST))
		begin_behind_syn(ends, printed);
	first = syn || is_first(pairs, ends, printed);
	if (first) {
		begin(ends, printed);
	} else {
		ends->relative = is_relative(pairs, ends->pair, ends->source, ends->target,
					     printed);
		ends->pair->begun = true;
	}
	if (ends->relative) {
		segment->seq += ends->source->base;
		segment->ack += ends->target->base;
	}
	resolve_sack(ends, first, segment);
	return printed->has_seq || expected(ends->source, &segment->seq);
}

int text_pairs_resolve(struct text_pairs *pairs, const struct text_fields *printed,
		       struct segment *segment)
{
	struct ends ends = {.relative = false};
	bool known = printed->has_seq;
	unsigned int side;
	int r = find_or_add(pairs, segment, &ends.pair, &side);

	if (r < 0)
		return r;
	ends.source = &ends.pair->sides[side];
	ends.target = &ends.pair->sides[1 - side];

	if (printed->flags & TCP_FLAG_ACK)
		known = resolve_with_ack(pairs, &ends, printed, segment);
	else if (known)
		resolve_without_ack(&ends, segment);
	if (known || (segment->flags & TCP_FLAG_ACK))
		learn(&ends, printed->has_seq, segment);
	return known;
}
