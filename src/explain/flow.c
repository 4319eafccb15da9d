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

int flow_widen(struct flow *flow, struct flow_close *close)
{
	struct flow_rare *rare = flow_need_rare(flow);

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
