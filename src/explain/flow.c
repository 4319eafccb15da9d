#include "explain/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_rare *flow_need_rare(struct flow *flow)
{
	if (!flow->machine.rare) {
		struct flow_rare *rare = calloc(1, sizeof(*rare));

		flow->machine.rare = rare ? &rare->machine : NULL;
	}
	return flow_rare_of(flow);
}

struct flow_more *flow_need_more(struct flow *flow)
{
	struct flow_rare *rare = flow_need_rare(flow);

	if (rare && !rare->more)
		rare->more = calloc(1, sizeof(*rare->more));
	return rare ? rare->more : NULL;
}

uint32_t flow_count(const struct flow *flow, unsigned end, enum flow_count which)
{
	const struct flow_rare *rare = flow_rare_of(flow);

	if (!rare)
		return 0;
	return rare->counts[end][which] +
	       (rare->more ? rare->more->counts_high[end][which] * 256 : 0);
}

int flow_count_up(struct flow *flow, unsigned end, enum flow_count which, uint32_t add)
{
	struct flow_rare *rare = flow_need_rare(flow);
	uint64_t count = (uint64_t)add + flow_count(flow, end, which);

	if (count > UINT32_MAX)
		count = UINT32_MAX;
	if (!rare || (count > UINT8_MAX && !flow_need_more(flow)))
		return -ENOMEM;
	rare->counts[end][which] = (uint8_t)count;
	if (rare->more)
		rare->more->counts_high[end][which] = (uint32_t)(count / 256);
	return 0;
}

void flow_count_clear(struct flow *flow, unsigned end, enum flow_count which)
{
	struct flow_rare *rare = flow_rare_of(flow);

	if (!rare)
		return;
	rare->counts[end][which] = 0;
	if (rare->more)
		rare->more->counts_high[end][which] = 0;
}

static void release_more(struct flow_more *more)
{
	for (unsigned end = 0; end < 2; end++) {
		free(more->intervals[end]);
		free(more->stray[end]);
	}
	free(more->times);
	free(more);
}

void flow_release(struct flow *flow)
{
	struct flow_rare *rare = flow_rare_of(flow);

	if (!rare)
		return;
	if (rare->more)
		release_more(rare->more);
	free(rare->machine.holes);
	free(rare);
	flow->machine.rare = NULL;
}

int flow_widen(struct flow *flow, struct flow_close *close)
{
	struct flow_more *more = flow_need_more(flow);
	int64_t *times;

	if (!more)
		return -ENOMEM;
	if (flow->flags & FLOW_WIDE)
		return 0;
	times = malloc(FLOW_TIMES * sizeof(*times));
	if (!times)
		return -ENOMEM;
	for (unsigned which = 0; which < FLOW_TIMES; which++)
		times[which] = flow_time(flow, close, which);
	more->times = times;
	flow->flags |= FLOW_WIDE;
	return 0;
}
