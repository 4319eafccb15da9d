/*
 * The tracker: which connection a segment belongs to.
 *
 * Theory of operation
 * -------------------
 * Each segment goes through four steps, each in a file of its own:
 *
 *  1. track.c finds its connection, or opens one. The newest connection of each pair of endpoints
 *     is found by hash (pairs.c); an older one on the same pair through `reuses`.
 *  2. role.c and rst.c name the segment, by what is known of the connection before it.
 *  3. machine.c adds to both ends' facts: to the sender's when it is sent, to the receiver's when
 *     it arrives. States are derived from the facts.
 *  4. story.c keeps the segment, and those that are under way until they are due.
 *
 * Sending and arriving are two events. A plain capture does not tell them apart: a segment then
 * arrives as it is captured. Where the way is known (struct segment_passage), what is due before
 * the next segment of the connection is sent arrives first; a tie counts as arrived, because an
 * answer takes no time in a lab. FINs that cross so go through CLOSING at both ends. Of a plain
 * capture the same comes out, because a FIN that does not acknowledge the other's shows that it
 * was sent without knowledge of it. tracked_segment.state[] holds both ends' states at the moment
 * of arrival; of a lost segment, at the moment of sending; sent_state[] those at the moment of
 * sending in any case. The two events are numbered as they happen, so that exchange.c can tell
 * them in that order.
 *
 * New connection, or the same?
 * ----------------------------
 * A SYN with the ISN that the end already used is a repetition. With another one it opens a new
 * connection when either end has left the old one (CLOSED, TIME-WAIT, taken away by a RST, never
 * answered): TIME-WAIT reuse links the two by reused_by and reuses. While both ends are still in,
 * it is a stray: RFC 5961 4 lets it be challenged, and the connection lives on. If the other end
 * answers it by SYN-ACK all the same, the capture missed the end of the old one: the strays move
 * to a new connection, which takes its place in the order from that SYN-ACK.
 *
 * While a new connection on a used pair is being opened, segments whose numbers fit only the old
 * one belong to that: the ACK by which TIME-WAIT or LAST-ACK answers a SYN, FINs repeated by the
 * old LAST-ACK, and the RST that the opener sends to either (RST_ANSWERS_OLD_ACK).
 *
 * Memory: a connection and everything in it lives until tracker_free().
 */
#include "explain/track.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "explain/pairs.h"
#include "explain/place.h"
#include "explain/story.h"

struct tracker {
	struct pairs pairs;	/* to the newest connection of the pair */
	struct story **stories; /* (owned) */
	size_t count, capacity;
	size_t fed;
};

struct tracker *tracker_new(void)
{
	return calloc(1, sizeof(struct tracker));
}

void tracker_free(struct tracker *tracker)
{
	if (!tracker)
		return;
	for (size_t i = 0; i < tracker->count; i++)
		story_free(tracker->stories[i]);
	free(tracker->stories);
	pairs_done(&tracker->pairs);
	free(tracker);
}

size_t tracker_count(const struct tracker *tracker)
{
	return tracker->count;
}

const struct connection *tracker_connection(const struct tracker *tracker, size_t index)
{
	story_settle(tracker->stories[index]);
	return &tracker->stories[index]->connection;
}

/* Opens a connection that is ready to take the segment; NULL when memory is short. */
static struct story *open_story(struct tracker *tracker, const struct segment *s, size_t reuses)
{
	bool answer = place_is_from_server(s);
	struct story *story = story_new(answer ? &s->target : &s->source,
					answer ? &s->source : &s->target);

	if (!story)
		return NULL;
	if (story_reserve(story) < 0 || pairs_reserve(&tracker->pairs) < 0 ||
	    ARRAY_ROOM(tracker->stories, tracker->capacity, tracker->count) < 0) {
		story_free(story);
		return NULL;
	}
	if (reuses != PAIRS_NONE) {
		story->connection.reuses = (int)reuses;
		tracker->stories[reuses]->connection.reused_by = (int)tracker->count;
	}
	pairs_set(&tracker->pairs, &s->source, &s->target, tracker->count);
	tracker->stories[tracker->count++] = story;
	return story;
}

static bool fits(const struct story *story, const struct segment *s)
{
	return place_fits(&story->machine, story_from(story, s), s);
}

/* Of a connection that is being opened and the one before it on the pair, whose segment it is. */
static struct story *place_between(struct story *opening, struct story *old,
				   const struct segment *s)
{
	return !fits(opening, s) && fits(old, s) ? old : opening;
}

/* A SYN of the end that @answer answers, and which is not of the connection. */
static bool is_stray_syn(const struct tracked_segment *tracked, const struct segment *answer)
{
	return tracked->role == ROLE_STRAY && place_is_syn(&tracked->segment) &&
	       !place_is_syn_ack(&tracked->segment) &&
	       tcp_endpoint_equal(&tracked->segment.source, &answer->target);
}

/* Where the strays begin that the SYN-ACK answers: behind the last one with another number. */
static size_t first_answered(const struct connection *old, const struct segment *answer)
{
	size_t at = old->count;

	while (at > 0 && !(is_stray_syn(&old->segments[at - 1], answer) &&
			   old->segments[at - 1].segment.seq != answer->ack - 1))
		at--;
	return at;
}

/*
 * A stray SYN was answered: what it opens is new. The strays move over, unless something is
 * still under way that refers to them by place.
 */
static struct story *promote(struct tracker *tracker, const struct segment *s, size_t newest)
{
	struct connection *old = &tracker->stories[newest]->connection;
	struct story *story;
	size_t kept;

	story = open_story(tracker, s, newest);
	if (!story)
		return NULL;
	story_settle(tracker->stories[newest]);
	if (tracker->stories[newest]->arrived < tracker->stories[newest]->pending_count)
		return story;
	kept = first_answered(old, s);
	for (size_t i = kept; i < old->count; i++) {
		struct tracked_segment *tracked = &old->segments[i];
		struct segment_passage passage = {
			.lost = tracked->lost,
			.stuck = tracked->stuck,
			.delivered_ns = tracked->delivered_ns,
		};

		if (is_stray_syn(tracked, s) && story_reserve(story) == 0)
			story_take(story, &tracked->segment, tracked->index, &passage);
		else
			old->segments[kept++] = *tracked;
	}
	old->count = kept;
	return story;
}

/* The connection of the segment; NULL when memory is short. */
static struct story *place(struct tracker *tracker, const struct segment *s)
{
	size_t newest = pairs_get(&tracker->pairs, &s->source, &s->target);
	struct story *story;
	unsigned from;

	if (newest == PAIRS_NONE)
		return open_story(tracker, s, PAIRS_NONE);
	story = tracker->stories[newest];
	from = story_from(story, s);
	if (place_is_syn(s) && !place_is_syn_ack(s))
		story_advance(story, s->time_ns);
	switch (place_of(&story->machine, from, s)) {
	case PLACE_UNRELATED:
		return open_story(tracker, s, PAIRS_NONE);
	case PLACE_NEW:
		place_tell_old(&story->machine, from, s);
		return open_story(tracker, s, newest);
	case PLACE_PROMOTE:
		return promote(tracker, s, newest);
	case PLACE_HERE:
		break;
	}
	if ((place_is_syn(s) && !place_is_syn_ack(s)) || story->connection.reuses < 0 ||
	    !place_is_opening(&story->machine))
		return story;
	return place_between(story, tracker->stories[story->connection.reuses], s);
}

int tracker_feed(struct tracker *tracker, const struct segment *segment,
		 const struct segment_passage *passage)
{
	struct story *story = place(tracker, segment);

	/* One that was just opened has the room already, so none is left behind empty. */
	if (!story || story_reserve(story) < 0)
		return -ENOMEM;
	story_take(story, segment, tracker->fed++, passage);
	return 0;
}
