#include "explain/story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "explain/role.h"
#include "tcp/seq.h"
#include "tcp/state.h"

struct story *story_new(const struct tcp_endpoint *client, const struct tcp_endpoint *server)
{
	struct story *story = calloc(1, sizeof(*story));

	if (!story)
		return NULL;
	story->rare.holes = &story->holes;
	story->machine.rare = &story->rare;
	story->connection.end[TRACK_CLIENT].endpoint = *client;
	story->connection.end[TRACK_SERVER].endpoint = *server;
	story->connection.reused_by = -1;
	story->connection.reuses = -1;
	story->now_ns = INT64_MIN;
	story->stale = true;
	return story;
}

void story_free(struct story *story)
{
	if (!story)
		return;
	free(story->connection.segments);
	free(story->pending);
	free(story);
}

int story_reserve(struct story *story)
{
	struct connection *connection = &story->connection;
	int r;

	if (story->arrived == story->pending_count)
		story->arrived = story->pending_count = 0;
	r = ARRAY_ROOM(connection->segments, connection->capacity, connection->count);
	if (r < 0)
		return r;
	return ARRAY_ROOM(story->pending, story->pending_capacity, story->pending_count);
}

unsigned story_from(const struct story *story, const struct segment *segment)
{
	const struct tcp_endpoint *client = &story->connection.end[TRACK_CLIENT].endpoint;

	return tcp_endpoint_equal(&segment->source, client) ? TRACK_CLIENT : TRACK_SERVER;
}

static void get_states(const struct machine *m, int ret[static 2])
{
	ret[0] = machine_state(m, 0);
	ret[1] = machine_state(m, 1);
}

static void arrive(struct machine *m, struct story_end *ends, struct tracked_segment *tracked,
		   enum rst_cause cause, int64_t now_ns, size_t step)
{
	struct machine_news news = {0};

	tracked->cause = machine_arrive(m, tracked->from, &tracked->segment, tracked->role, cause,
					&news);
	if (news.fin_acked)
		ends[!tracked->from].fin_acked_ns = now_ns;
	tracked->arrived_step = step;
	get_states(m, tracked->state);
}

void story_advance(struct story *story, int64_t now_ns)
{
	if (now_ns < story->now_ns)
		now_ns = story->now_ns;
	story->now_ns = now_ns;
	for (; story->arrived < story->pending_count; story->arrived++) {
		const struct arrival *next = &story->pending[story->arrived];

		if (next->due_ns > now_ns)
			break;
		arrive(&story->machine, story->end, &story->connection.segments[next->segment],
		       next->cause, next->due_ns, story->steps++);
	}
}

static void put_under_way(struct story *story, size_t segment, int64_t due_ns, enum rst_cause cause)
{
	size_t at = story->pending_count++;

	for (; at > story->arrived && story->pending[at - 1].due_ns > due_ns; at--)
		story->pending[at] = story->pending[at - 1];
	story->pending[at] = (struct arrival){segment, due_ns, cause};
}

/*
 * Where a SYN arrived nobody knows before it is answered: the answer tells what the end was, or
 * became. It answers the last SYN; one before it that was lost would have met a listener.
 */
static void syn_answered(struct story *story, unsigned end, int state)
{
	bool last = true;

	for (size_t i = story->connection.count; i-- > 0;) {
		struct tracked_segment *tracked = &story->connection.segments[i];

		if (tracked->from == end || tracked->state[end] != -1)
			continue;
		tracked->sent_state[end] = state == TCP_STATE_NONE ? state : TCP_LISTEN;
		if (!tracked->lost && tracked->delivered_ns > story->now_ns)
			continue; /* it cannot be what is answered */
		if (state != TCP_STATE_NONE && tracked->lost)
			tracked->state[end] = TCP_LISTEN;
		else if (state == TCP_STATE_NONE || last)
			tracked->state[end] = state;
		last = last && tracked->lost;
	}
}

/* What an answer tells about its sender at the time when that got what it answers. */
static void answer_reveals(struct story *story, unsigned end, enum segment_role role,
			   enum rst_cause cause)
{
	const struct machine_end *me = &story->machine.end[end];
	struct connection *connection = &story->connection;
	struct tracked_segment *answered;

	if (!me->seen && !me->rst_sent && role == ROLE_SYN_ACK)
		syn_answered(story, end, TCP_SYN_RECV);
	if (!me->seen && !me->rst_sent && cause == RST_REFUSED)
		syn_answered(story, end, TCP_STATE_NONE);
	if (cause != RST_HALF_OPEN || connection->count == 0)
		return;
	answered = &connection->segments[connection->count - 1];
	if (answered->from != end && !answered->lost)
		answered->state[end] = TCP_STATE_NONE; /* no socket was there any more */
}

static void send_off(struct story *story, const struct tracked_segment *tracked)
{
	struct story_end *me = &story->end[tracked->from];
	struct machine_news news = {0};

	machine_send(&story->machine, tracked->from, &tracked->segment, tracked->role,
		     tracked->cause, &news);
	me->bytes += news.added;
	if (news.fin) {
		me->fin_count = 1;
		me->fin_ns = tracked->segment.time_ns;
	}
	if (news.fin_repeated)
		me->fin_count++;
}

void story_take(struct story *story, const struct segment *segment, size_t index,
		const struct segment_passage *passage)
{
	struct machine *m = &story->machine;
	size_t at = story->connection.count;
	struct tracked_segment *tracked = &story->connection.segments[at];
	unsigned from = story_from(story, segment);

	story_advance(story, segment->time_ns);
	*tracked = (struct tracked_segment){
		.segment = *segment,
		.index = index,
		.from = (uint8_t)from,
		.lost = passage && (passage->lost || passage->stuck),
		.stuck = passage && passage->stuck,
		.delivered_ns = segment->time_ns,
		.role = role_of(m, from, segment),
	};
	tracked->segment.payload = NULL;
	if (passage && passage->delivered_ns > segment->time_ns)
		tracked->delivered_ns = passage->delivered_ns;
	if (tracked->role == ROLE_RST)
		tracked->cause = rst_cause_of(m, from, segment);
	answer_reveals(story, from, tracked->role, tracked->cause);
	send_off(story, tracked);
	story->connection.count++;
	story->stale = true;
	tracked->sent_step = story->steps++;
	get_states(m, tracked->sent_state);
	get_states(m, tracked->state);
	if (tracked->lost) {
		machine_lose(m, from, tracked->role, tracked->cause);
	} else if (tracked->delivered_ns > story->now_ns) {
		put_under_way(story, at, tracked->delivered_ns, tracked->cause);
	} else {
		arrive(m, story->end, tracked, tracked->cause, story->now_ns, story->steps++);
	}
}

static enum track_opening opening_of(const struct story *story)
{
	const struct machine_end *end = story->machine.end;
	bool syn[2] = {false, false};

	for (size_t i = 0; i < story->connection.count; i++) {
		const struct tracked_segment *tracked = &story->connection.segments[i];

		if (tracked->role == ROLE_SYN)
			syn[tracked->from] = true;
		else if (tracked->role != ROLE_SYN_REPEATED)
			break;
	}
	if (syn[0] && syn[1])
		return OPENING_SIMULTANEOUS;
	return end[0].syn_sent || end[1].syn_sent ? OPENING_SEEN : OPENING_NOT_SEEN;
}

static bool never_answered(const struct machine *m)
{
	return (m->end[0].syn_sent && !m->end[1].seen && !m->end[0].open) ||
	       (m->end[1].syn_sent && !m->end[0].seen && !m->end[1].open);
}

static enum track_closing closing_of(const struct machine *m)
{
	const struct machine_end *end = m->end;

	if (machine_refused(m))
		return CLOSING_REFUSED;
	if (machine_aborted(m))
		return CLOSING_ABORTED;
	if (!end[0].fin_seen && !end[1].fin_seen)
		return never_answered(m) ? CLOSING_NO_ANSWER : CLOSING_NOT;
	if (!end[0].fin_seen || !end[1].fin_seen)
		return CLOSING_HALF;
	if (!machine_closed_second(m, 0) && !machine_closed_second(m, 1))
		return CLOSING_SIMULTANEOUS;
	return end[0].fin_acked && end[1].fin_acked ? CLOSING_GRACEFUL : CLOSING_LAST_ACK;
}

static int first_closer_of(const struct machine *m)
{
	const struct machine_end *end = m->end;

	if (end[0].fin_seen != end[1].fin_seen)
		return end[0].fin_seen ? TRACK_CLIENT : TRACK_SERVER;
	if (machine_closed_second(m, 0))
		return TRACK_SERVER;
	return machine_closed_second(m, 1) ? TRACK_CLIENT : -1;
}

static void publish_end(const struct machine *m, const struct story_end *ends, unsigned at,
			struct track_end *ret)
{
	const struct machine_end *end = &m->end[at];

	ret->isn_known = end->isn_known;
	ret->isn = end->isn;
	ret->fin_seen = end->fin_seen && !end->fin_inferred;
	ret->fin_inferred = end->fin_inferred;
	ret->fin_acked = end->fin_acked;
	ret->fin_seq = end->fin_seq;
	ret->fin_ns = ends[at].fin_ns;
	ret->fin_acked_ns = ends[at].fin_acked_ns;
	ret->fin_count = end->fin_inferred ? 0 : ends[at].fin_count;
	ret->next = end->sent_known ? machine_sent_top(m, at) : end->isn;
	if (end->fin_inferred)
		ret->next = seq_max(ret->next, end->fin_seq + 1);
	ret->acked = end->acked;
	ret->bytes = ends[at].bytes;
	ret->state = machine_state(m, at);
}

void story_settle(struct story *story)
{
	struct connection *connection = &story->connection;
	/* What is under way arrives in a copy: a later segment may have been sent before that. */
	struct machine_holes holes = story->holes;
	struct machine_rare rare = story->rare;
	struct machine m = story->machine;
	struct story_end ends[2] = {story->end[0], story->end[1]};
	size_t steps = story->steps;

	if (!story->stale)
		return;
	rare.holes = &holes;
	m.rare = &rare;
	for (size_t i = story->arrived; i < story->pending_count; i++) {
		const struct arrival *next = &story->pending[i];

		arrive(&m, ends, &connection->segments[next->segment], next->cause, next->due_ns,
		       steps++);
	}
	for (unsigned end = 0; end < 2; end++) {
		publish_end(&m, ends, end, &connection->end[end]);
		connection->time_wait[end] = m.end[end].time_wait;
	}
	connection->opening = opening_of(story);
	connection->closing = closing_of(&m);
	connection->first_closer = first_closer_of(&m);
	story->stale = false;
}
