#include "world/wire_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "capture/decode.h"

void work_look(struct work *work, const struct routes *routes)
{
	work->to = routes_target(routes, work->data, work->length);
	work->is_tcp = decode_packet(PACKET_LINK_RAW, work->data, work->length, work->length,
				     &work->segment) == DECODE_SEGMENT;
}

static bool host_fits(int wanted, int host)
{
	return wanted == WIRE_ANY_HOST || wanted == host;
}

static bool key_fits(const struct tcp_key *key, const struct segment *segment)
{
	struct tcp_key there = {.local = segment->source, .remote = segment->target};
	struct tcp_key back = tcp_key_reverse(&there);

	return tcp_key_equal(key, &there) || tcp_key_equal(key, &back);
}

static bool payload_fits(const struct wire_match *match, const struct segment *segment)
{
	if (match->payload == WIRE_PAYLOAD_NONE && segment->payload_length > 0)
		return false;
	if (match->payload == WIRE_PAYLOAD_SOME && segment->payload_length == 0)
		return false;
	return !match->payload_bytes ||
	       (segment->payload_captured >= match->payload_length &&
		memcmp(segment->payload, match->payload_bytes, match->payload_length) == 0);
}

/* A condition that only TCP can fulfil. */
static bool wants_tcp(const struct wire_match *match)
{
	return !match->any_protocol || match->flags_set || match->flags_clear || match->key ||
	       match->payload != WIRE_PAYLOAD_ANY || match->payload_bytes;
}

bool match_fits(const struct wire_match *match, const struct work *work)
{
	const struct segment *segment = &work->segment;

	if (!host_fits(match->from, work->from) || !host_fits(match->to, work->to))
		return false;
	if (!wants_tcp(match))
		return true;
	return work->is_tcp && (segment->flags & match->flags_set) == match->flags_set &&
	       (segment->flags & match->flags_clear) == 0 &&
	       (!match->key || key_fits(match->key, segment)) && payload_fits(match, segment);
}

static void rule_free(struct rule *rule)
{
	if (!rule)
		return;
	parcel_queue_done(&rule->held);
	free((void *)rule->spec.match.payload_bytes);
	free((void *)rule->spec.note);
	free(rule);
}

static bool spec_valid(const struct wire_rule *spec)
{
	return (unsigned)spec->verb <= WIRE_REWRITE && spec->delay_ns >= 0 &&
	       (spec->verb == WIRE_REWRITE) == (spec->rewrite != NULL);
}

/* Replaces what @rule borrows from its caller by copies. */
static int rule_own(struct rule *rule)
{
	struct wire_match *match = &rule->spec.match;
	const void *bytes = match->payload_bytes;
	const char *note = rule->spec.note;

	match->payload_bytes = NULL;
	rule->spec.note = NULL;
	if (match->key) {
		rule->key = *match->key;
		match->key = &rule->key;
	}
	if (bytes) {
		void *copy = malloc(match->payload_length + 1);

		if (!copy)
			return -ENOMEM;
		match->payload_bytes = memcpy(copy, bytes, match->payload_length);
	}
	if (note) {
		rule->spec.note = strdup(note);
		if (!rule->spec.note)
			return -ENOMEM;
	}
	return 0;
}

int rules_add(struct rules *rules, const struct wire_rule *spec)
{
	struct rule *rule;

	if (!spec_valid(spec))
		return -EINVAL;
	if (ARRAY_ROOM(rules->items, rules->capacity, rules->count) < 0)
		return -ENOMEM;
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	rule->spec = *spec;
	if (rule_own(rule) < 0) {
		rule_free(rule);
		return -ENOMEM;
	}
	rules->items[rules->count] = rule;
	return (int)rules->count++;
}

struct rule *rules_get(const struct rules *rules, int number)
{
	return number >= 0 && (size_t)number < rules->count ? rules->items[number] : NULL;
}

void rules_done(struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		rule_free(rules->items[i]);
	free(rules->items);
	*rules = (struct rules){0};
}

static bool rule_takes(struct rule *rule, const struct work *work)
{
	const struct wire_match *match = &rule->spec.match;

	if (rule->removed || !match_fits(match, work))
		return false;
	if (rule->seen < match->skip) {
		rule->seen++;
		return false;
	}
	if (match->count != WIRE_FOREVER && rule->hits >= match->count)
		return false;
	rule->seen++;
	rule->hits++;
	return true;
}

static int work_rewrite(struct work *work, const struct routes *routes, const struct rule *rule)
{
	int r = rule->spec.rewrite(work->data, &work->length, work->room, rule->spec.context);

	work->rewritten = true;
	if (r < 0)
		return r;
	if (work->length > work->room)
		return -EMSGSIZE;
	wire_fix_checksums(work->data, work->length);
	work_look(work, routes);
	return 0;
}

struct passage rules_pass(struct rules *rules, const struct routes *routes, struct work *work,
			  struct wire_record *record)
{
	struct passage passage = {0};

	for (size_t i = 0; i < rules->count; i++) {
		struct rule *rule = rules->items[i];

		if (!rule_takes(rule, work))
			continue;
		passage.hit = true;
		record_note(record, rule->spec.note);
		if (rule->spec.verb == WIRE_REWRITE) {
			passage.error = work_rewrite(work, routes, rule);
			if (passage.error < 0)
				return passage;
		} else if (rule->spec.verb != WIRE_PASS) {
			passage.decider = rule;
			return passage;
		}
	}
	return passage;
}
