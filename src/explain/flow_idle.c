/*
 * Which connection was idle longest.
 *
 * That is not kept in a list, as it would touch two more records with each segment. Each record
 * has the turn of its last segment. When room is needed, one look at all finds the sixteenth of
 * them that is oldest; they go in order, and one that had a segment since is passed over. So it is
 * exact, and costs little for each that goes.
 */
#include <errno.h>
#include <stdlib.h>

#include "explain/flow.h"

static int by_turn(const void *a, const void *b)
{
	const struct flow_candidate *one = a, *other = b;

	return one->turn < other->turn ? -1 : one->turn > other->turn;
}

static void sink(struct flow_candidate *heap, size_t count, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		struct flow_candidate moved = heap[at];

		if (child >= count)
			return;
		if (child + 1 < count && heap[child + 1].turn > heap[child].turn)
			child++;
		if (heap[child].turn <= moved.turn)
			return;
		heap[at] = heap[child];
		heap[child] = moved;
		at = child;
	}
}

/* Looks at all and keeps the longest idle ones: a heap with the least idle of them on top. */
static int look_for_idle(struct flows *flows)
{
	size_t room = flows->alive / 16 + 1, count = 0;
	struct flow_candidate *heap = realloc(flows->idle, room * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	flows->idle = heap;
	for (uint32_t id = 0; id < flows->used; id++) {
		const struct flow *flow = flow_at(flows, id);
		struct flow_candidate candidate = {flow_turn(flow), id};

		if (!(flow->flags & FLOW_ALIVE))
			continue;
		if (count < room) {
			heap[count++] = candidate;
			if (count == room)
				for (size_t at = room / 2; at-- > 0;)
					sink(heap, count, at);
		} else if (candidate.turn < heap[0].turn) {
			heap[0] = candidate;
			sink(heap, count, 0);
		}
	}
	qsort(heap, count, sizeof(*heap), by_turn);
	flows->idle_count = count;
	flows->idle_at = 0;
	return 0;
}

int flow_idlest(struct flows *flows, uint32_t *ret)
{
	for (;;) {
		while (flows->idle_at < flows->idle_count) {
			const struct flow_candidate *next = &flows->idle[flows->idle_at++];
			const struct flow *flow = flow_at(flows, next->id);

			if (!(flow->flags & FLOW_ALIVE) || flow_turn(flow) != next->turn)
				continue;
			*ret = next->id;
			return 0;
		}
		if (look_for_idle(flows) < 0)
			return -ENOMEM;
	}
}
