/*
 * The streaming tracker over captures made by chance: it must say what the tracker that keeps
 * everything says, whoever is called the client, however the capture is cut into batches, and
 * whatever was forgotten early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain/dedup.h"
#include "explain/flows_testing.h"
#include "explain/track.h"
#include "tcp/state.h"

#define CAPTURES 100

static void make_capture(struct capture *capture, unsigned which)
{
	if (which % 4 == 3)
		capture_nonsense(capture, which, 3000, 12u << (which % 5));
	else
		capture_conversations(capture, which, 100);
}

/* --- (a) the other tracker's words --- */

static struct tracker *track(const struct capture *capture)
{
	static struct dedup dedup;
	struct tracker *tracker = tracker_new();

	assert_non_null(tracker);
	memset(&dedup, 0, sizeof(dedup));
	for (size_t i = 0; i < capture->count; i++)
		if (!dedup_is_copy(&dedup, &capture->segments[i]))
			assert_int_equal(tracker_feed(tracker, &capture->segments[i], NULL), 0);
	return tracker;
}

static enum finding_ending ending_of(const struct connection *c)
{
	switch (c->closing) {
	case CLOSING_REFUSED:
		return ENDING_REFUSED;
	case CLOSING_NO_ANSWER:
		return ENDING_UNANSWERED;
	case CLOSING_HALF:
		return ENDING_HALF_CLOSED;
	case CLOSING_GRACEFUL:
	case CLOSING_LAST_ACK:
		return ENDING_GRACEFUL;
	case CLOSING_SIMULTANEOUS:
		return ENDING_SIMULTANEOUS;
	case CLOSING_ABORTED:
		return ENDING_RESET;
	case CLOSING_NOT:
		break;
	}
	return ENDING_OPEN;
}

/* Counted from the segments that the other tracker kept. */
struct counts {
	uint64_t packets;
	unsigned keepalives, unanswered, challenges, rsts, repeated, syns;
	int64_t last_ns, since_ns;
};

static bool is_quiet_state(const struct connection *c, unsigned end)
{
	/* A FIN repeated takes an ACK back; what it says of what a RST answers is hindsight. */
	for (size_t i = 0; i < c->count; i++)
		if (c->segments[i].role == ROLE_FIN_REPEATED ||
		    (i && c->segments[i].role == ROLE_RST &&
		     c->segments[i - 1].state[c->segments[i].from] == TCP_STATE_NONE))
			return false;
	return c->end[end].state >= 0 && c->end[end].state != TCP_SYN_RECV &&
	       c->closing != CLOSING_REFUSED;
}

static void count(const struct connection *c, unsigned end, struct counts *ret)
{
	int64_t now_ns = INT64_MIN;
	int state = -1;

	*ret = (struct counts){.last_ns = INT64_MIN, .since_ns = INT64_MIN};
	for (size_t i = 0; i < c->count; i++) {
		const struct tracked_segment *t = &c->segments[i];

		if (t->segment.time_ns > now_ns)
			now_ns = t->segment.time_ns;
		if (t->state[end] != state)
			ret->since_ns = now_ns;
		state = t->state[end];
		if (t->from != end) {
			if (t->role != ROLE_ILLEGAL && t->role != ROLE_STRAY)
				ret->unanswered = 0;
			continue;
		}
		ret->packets++;
		ret->keepalives += t->role == ROLE_KEEPALIVE;
		ret->unanswered += t->role == ROLE_KEEPALIVE;
		ret->challenges += t->role == ROLE_CHALLENGE_ACK;
		ret->rsts += t->role == ROLE_RST;
		ret->repeated += t->role == ROLE_DATA_REPEATED;
		ret->syns += t->role == ROLE_SYN || t->role == ROLE_SYN_REPEATED ||
			     t->role == ROLE_SYN_ACK || t->role == ROLE_SYN_ACK_REPEATED;
		if (t->segment.time_ns > ret->last_ns)
			ret->last_ns = t->segment.time_ns;
	}
}

static void same_end(const struct connection *c, unsigned at, const struct finding_end *found)
{
	const struct track_end *end = &c->end[at];
	struct counts counts;

	count(c, at, &counts);
	assert_true(tcp_endpoint_equal(&end->endpoint, &found->endpoint));
	assert_int_equal(end->state, found->state);
	if (is_quiet_state(c, at))
		assert_int_equal(counts.since_ns, found->since_ns);
	assert_int_equal(end->fin_seen, found->fin_seen);
	assert_int_equal(end->fin_inferred, found->fin_inferred);
	assert_int_equal(end->fin_acked, found->fin_acked);
	assert_int_equal(end->fin_count, found->fin_count);
	if (end->fin_seen)
		assert_int_equal(end->fin_ns, found->fin_ns);
	if (end->fin_acked && found->fin_acked_ns != FINDING_TIME_UNKNOWN)
		assert_int_equal(end->fin_acked_ns, found->fin_acked_ns);
	assert_int_equal(end->bytes, found->bytes);
	assert_int_equal(c->time_wait[at], found->time_wait);
	assert_int_equal(counts.packets, found->packets);
	assert_int_equal(counts.keepalives, found->keepalives);
	assert_int_equal(counts.unanswered, found->unanswered_keepalives);
	assert_int_equal(counts.challenges, found->challenges);
	assert_int_equal(counts.rsts, found->rst_count);
	assert_int_equal(counts.syns, found->syn_count);
	assert_true(found->data_repeated >= counts.repeated);
	assert_int_equal(counts.last_ns, found->last_ns);
}

static void same_rst(const struct connection *c, const struct finding *found)
{
	const struct tracked_segment *first = NULL;
	unsigned total = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct tracked_segment *t = &c->segments[i];

		if (t->role != ROLE_RST)
			continue;
		total++;
		if (!first)
			first = t;
		if (found->rst.ends && t->from == found->rst.from &&
		    t->segment.time_ns == found->rst.at_ns)
			first = t;
	}
	assert_int_equal(found->rst.any, total > 0);
	assert_int_equal(found->rst.count, total);
	assert_int_equal(found->rst.ends,
			 c->closing == CLOSING_ABORTED || c->closing == CLOSING_REFUSED);
	if (!first)
		return;
	assert_int_equal(found->rst.from, first->from);
	assert_int_equal(found->rst.at_ns, first->segment.time_ns);
	assert_int_equal(found->rst.cause, first->cause);
	assert_int_equal(found->rst.ttl, first->segment.ttl);
}

static void same_first_closer(const struct connection *c, const struct finding *found)
{
	bool both = (c->end[0].fin_seen || c->end[0].fin_inferred) &&
		    (c->end[1].fin_seen || c->end[1].fin_inferred);

	if (c->first_closer >= 0 && found->closed_first != WHO_UNKNOWN)
		assert_int_equal(found->closed_first, c->first_closer ? WHO_SERVER : WHO_CLIENT);
	if (c->first_closer < 0 && both)
		assert_int_equal(found->closed_first, WHO_BOTH);
	else if (c->first_closer < 0)
		assert_true(found->closed_first == WHO_NONE || found->closed_first == WHO_UNKNOWN);
}

static void same_connection(const struct connection *c, const struct finding *found)
{
	same_end(c, 0, &found->end[0]);
	same_end(c, 1, &found->end[1]);
	same_rst(c, found);
	same_first_closer(c, found);
	assert_int_equal(c->opening == OPENING_SIMULTANEOUS, found->opened == OPENED_SIMULTANEOUS);
	assert_int_equal(c->opening == OPENING_NOT_SEEN, found->opened == OPENED_UNKNOWN);
	if (found->ending == ENDING_ABORTED)
		assert_int_equal(found->rst.cause, RST_CLIENT_GONE);
	else
		assert_int_equal(ending_of(c), found->ending);
	assert_int_equal(c->reuses + 1, found->reuses);
	assert_int_equal(c->reused_by + 1, found->reused_by);
	assert_int_equal(c->segments[0].segment.time_ns, found->first_ns);
	assert_int_equal(found->evicted, false);
}

static void says_what_the_tracker_says(void **state)
{
	(void)state;
	for (unsigned which = 0; which < CAPTURES; which++) {
		struct capture capture = {0};
		struct findings findings = {0};
		struct tracker *tracker;

		make_capture(&capture, which);
		findings_make(&findings, &capture, 100, 0);
		tracker = track(&capture);
		assert_int_equal(tracker_count(tracker), findings.count);
		assert_int_equal(findings.sums.connections, findings.count);
		for (size_t i = 0; i < findings.count; i++) {
			assert_int_equal(findings.items[i].number, i + 1);
			same_connection(tracker_connection(tracker, i), &findings.items[i]);
		}
		tracker_free(tracker);
		findings_done(&findings);
		capture_done(&capture);
	}
}

/* --- (c) batches --- */

static void batches_change_nothing(void **state)
{
	static const size_t sizes[] = {1, 2, 31, 32, 33, 1000};

	(void)state;
	for (unsigned which = 0; which < CAPTURES; which++) {
		struct capture capture = {0};
		struct findings whole = {0};
		size_t max = which % 3 ? 0 : 5;

		make_capture(&capture, which);
		findings_make(&whole, &capture, capture.count, max);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct findings cut = {0};

			findings_make(&cut, &capture, sizes[i], max);
			assert_int_equal(cut.count, whole.count);
			assert_memory_equal(&cut.sums, &whole.sums, sizeof(cut.sums));
			assert_memory_equal(cut.items, whole.items, cut.count * sizeof(*cut.items));
			findings_done(&cut);
		}
		findings_done(&whole);
		capture_done(&capture);
	}
}

/* --- (b) labels --- */

/* Each host gets the other's address; what decides who is the client stays. */
static void exchange_addresses(struct capture *capture)
{
	for (size_t i = 0; i < capture->count; i++) {
		struct segment *s = &capture->segments[i];
		struct tcp_address address = s->source.address;

		s->source.address = s->target.address;
		s->target.address = address;
	}
}

static void labels_change_nothing(void **state)
{
	(void)state;
	for (unsigned which = 0; which < CAPTURES; which++) {
		struct capture capture = {0};
		struct findings one = {0}, other = {0};

		make_capture(&capture, which);
		findings_make(&one, &capture, 64, which % 2 ? 4 : 0);
		exchange_addresses(&capture);
		findings_make(&other, &capture, 64, which % 2 ? 4 : 0);
		assert_int_equal(one.count, other.count);
		for (size_t i = 0; i < one.count; i++) {
			struct finding_end *end = other.items[i].end;
			struct tcp_address address = end[0].endpoint.address;

			end[0].endpoint.address = end[1].endpoint.address;
			end[1].endpoint.address = address;
			assert_memory_equal(&one.items[i], &other.items[i], sizeof(one.items[i]));
		}
		findings_done(&one);
		findings_done(&other);
		capture_done(&capture);
	}
}

/* --- (d) forgetting --- */

static void sums_stay_right_when_some_are_forgotten(void **state)
{
	(void)state;
	for (unsigned which = 0; which < CAPTURES; which++) {
		struct capture capture = {0};
		struct findings findings = {0};
		uint64_t packets = 0, evicted = 0;

		make_capture(&capture, which);
		findings_make(&findings, &capture, 50, 1 + which % 6);
		for (size_t i = 0; i < findings.count; i++) {
			const struct finding *f = &findings.items[i];

			packets += f->end[0].packets + f->end[1].packets;
			evicted += f->evicted;
			assert_true(f->number >= 1 && f->number <= findings.count);
			assert_true(f->reuses < f->number);
			assert_true(!f->reused_by || f->reused_by > f->number);
			/* At the end, in order. */
			if (i && !f->evicted && !f[-1].evicted)
				assert_true(f->number > f[-1].number);
		}
		assert_int_equal(packets + findings.sums.copies, capture.count);
		assert_int_equal(findings.sums.segments, capture.count);
		assert_int_equal(findings.sums.evicted, evicted);
		assert_int_equal(findings.sums.connections, findings.count);
		assert_true(findings.count - evicted <= 1 + which % 6);
		findings_done(&findings);
		capture_done(&capture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_the_tracker_says),
		cmocka_unit_test(labels_change_nothing),
		cmocka_unit_test(batches_change_nothing),
		cmocka_unit_test(sums_stay_right_when_some_are_forgotten),
	};

	return cmocka_run_group_tests_name("flows-random", tests, NULL, NULL);
}
