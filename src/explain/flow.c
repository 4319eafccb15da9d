#include "explain/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 48 bits with a sign: 39 hours either way; the lowest stands for unknown. */
#define OFFSET_LIMIT   ((int64_t)1 << 47)
#define OFFSET_UNKNOWN (-OFFSET_LIMIT)

struct flow_rare *flow_need_rare(struct flow *flow)
{
	if (!flow->machine.rare) {
		struct flow_rare *rare = calloc(1, sizeof(*rare));

		flow->machine.rare = rare ? &rare->machine : NULL;
	}
	return flow_rare_of(flow);
}

void flow_release(struct flow *flow)
{
	struct flow_rare *rare = flow_rare_of(flow);

	if (!rare)
		return;
	free(rare->machine.holes);
	free(rare->intervals);
	free(rare->stray[0]);
	free(rare->stray[1]);
	free(rare->times);
	free(rare);
	flow->machine.rare = NULL;
}

static int64_t offset_of(const struct flow *flow, const struct flow_close *close, unsigned which)
{
	if (which < FLOW_FIN)
		return flow_last_offset(flow, which);
	if (which < FLOW_MARK)
		return flow_offset(close->fin_low[which - FLOW_FIN],
				   close->fin_high[which - FLOW_FIN]);
	return flow_offset(close->mark_low[which - FLOW_MARK], close->mark_high[which - FLOW_MARK]);
}

static void put_offset(struct flow *flow, struct flow_close *close, unsigned which, int64_t offset)
{
	uint32_t low = (uint32_t)offset;
	uint16_t high = (uint16_t)((uint64_t)offset >> 32);

	if (which < FLOW_FIN) {
		flow->last_low[which] = low;
		flow->last_high[which] = high;
	} else if (which < FLOW_MARK) {
		close->fin_low[which - FLOW_FIN] = low;
		close->fin_high[which - FLOW_FIN] = high;
	} else {
		close->mark_low[which - FLOW_MARK] = low;
		close->mark_high[which - FLOW_MARK] = high;
	}
}

/* The distance from the first segment; false when a record has no room for it. */
static bool get_distance(const struct flow *flow, int64_t ns, int64_t *ret)
{
	if (ns == FINDING_TIME_UNKNOWN) {
		*ret = OFFSET_UNKNOWN;
		return true;
	}
	if (flow->first_ns == FINDING_TIME_UNKNOWN ||
	    __builtin_sub_overflow(ns, flow->first_ns, ret))
		return false;
	return *ret > -OFFSET_LIMIT && *ret < OFFSET_LIMIT;
}

int64_t flow_time(const struct flow *flow, const struct flow_close *close, unsigned which)
{
	int64_t offset;

	if (flow->flags & FLOW_WIDE)
		return flow_rare_of(flow)->times[which];
	offset = offset_of(flow, close, which);
	return offset == OFFSET_UNKNOWN ? FINDING_TIME_UNKNOWN : flow->first_ns + offset;
}

int flow_make_room_for(struct flow *flow, struct flow_close *close, int64_t ns)
{
	struct flow_rare *rare;
	int64_t distance;

	if ((flow->flags & FLOW_WIDE) || get_distance(flow, ns, &distance))
		return 0;
	rare = flow_need_rare(flow);
	if (!rare)
		return -ENOMEM;
	rare->times = malloc(FLOW_TIMES * sizeof(*rare->times));
	if (!rare->times)
		return -ENOMEM;
	for (unsigned which = 0; which < FLOW_TIMES; which++)
		rare->times[which] = flow_time(flow, close, which);
	flow->flags |= FLOW_WIDE;
	return 0;
}

void flow_set_time(struct flow *flow, struct flow_close *close, unsigned which, int64_t ns)
{
	int64_t distance;

	if (flow->flags & FLOW_WIDE)
		flow_rare_of(flow)->times[which] = ns;
	else if (get_distance(flow, ns, &distance))
		put_offset(flow, close, which, distance);
}

int64_t flow_last_ns(const struct flow *flow, const struct flow_close *close)
{
	int64_t one = flow_time(flow, close, FLOW_LAST),
		other = flow_time(flow, close, FLOW_LAST + 1);

	return one > other ? one : other; /* unknown is the least of all */
}
