/* What is known of a connection, as a finding. */
#include <string.h>

#include "explain/flow.h"
#include "tcp/state.h"

/* TIME-WAIT on Linux (TCP_TIMEWAIT_LEN). */
#define TIME_WAIT_NS 60000000000

static void get_endpoint(const struct flows *flows, const struct flow *flow, unsigned end,
			 struct tcp_endpoint *ret)
{
	*ret = (struct tcp_endpoint){.port = flow->port[end]};
	if (flow->flags & FLOW_V6) {
		ret->address.family = AF_INET6;
		memcpy(ret->address.bytes, flows->addresses.items[flow->address[end]].bytes, 16);
	} else {
		ret->address.family = AF_INET;
		memcpy(ret->address.bytes, &flow->address[end], 4);
	}
}

static void fill_fin(const struct flow *flow, const struct flow_close *close, unsigned at,
		     struct finding_end *ret)
{
	const struct machine_end *me = &flow->machine.end[at];

	ret->fin_seen = me->fin_seen && !me->fin_inferred;
	ret->fin_inferred = me->fin_inferred;
	ret->fin_acked = me->fin_acked;
	ret->fin_acked_by_fin = me->fin_acked && close->end[at].fin_acked_by_fin;
	ret->fin_count = ret->fin_seen ? 1 + flow_count(flow, at, COUNT_FINS) : 0;
	ret->fin_ns = ret->fin_seen ? flow_time(flow, close, FLOW_FIN + at) : FINDING_TIME_UNKNOWN;
	ret->fin_acked_ns = me->fin_acked ? flow_time(flow, close, FLOW_MARK + at)
					  : FINDING_TIME_UNKNOWN;
}

static void fill_counts(const struct flow *flow, const struct flow_close *close, unsigned at,
			struct finding_end *ret)
{
	const struct flow_more *more = flow_more_of(flow);

	ret->packets = flow->packets[at] | (more ? (uint64_t)more->packets_high[at] << 32 : 0);
	ret->bytes = flow->bytes[at] | (more ? (uint64_t)more->bytes_high[at] << 32 : 0);
	ret->syn_count = close->end[at].syn_seen;
	if (!flow->machine.rare)
		return;
	ret->syn_count += flow_count(flow, at, COUNT_SYNS);
	ret->data_repeated = flow_count(flow, at, COUNT_DATA_REPEATED);
	ret->keepalives = flow_count(flow, at, COUNT_KEEPALIVES);
	ret->unanswered_keepalives = flow_count(flow, at, COUNT_UNANSWERED);
	ret->challenges = flow_count(flow, at, COUNT_CHALLENGES);
	ret->rst_count = flow_count(flow, at, COUNT_RSTS);
}

static void fill_end(const struct flows *flows, const struct flow *flow,
		     const struct flow_close *close, unsigned at, struct finding_end *ret)
{
	const struct machine_end *me = &flow->machine.end[at];
	const struct flow_close_end *end = &close->end[at];

	get_endpoint(flows, flow, at, &ret->endpoint);
	ret->state = machine_state(&flow->machine, at);
	ret->since_ns = ret->state < 0 ? FINDING_TIME_UNKNOWN : flow_since(flow, close, at);
	fill_counts(flow, close, at, ret);
	ret->seen = ret->packets > 0;
	ret->syn_seen = end->syn_seen;
	ret->has_timestamps = end->has_timestamps;
	ret->sack_permitted = end->syn_seen && me->sack_permitted;
	ret->has_window_scale = end->has_window_scale;
	ret->has_mss = end->has_mss;
	ret->window_scale = me->scale;
	ret->mss = close->mss[at];
	fill_fin(flow, close, at, ret);
	ret->zero_window = me->seen && me->window == 0;
	ret->data_unanswered = me->data_unanswered;
	ret->time_wait = me->time_wait;
	ret->last_ns = flow_time(flow, close, FLOW_LAST + at);
}

static enum finding_opened opened_of(const struct flow *flow, const struct flow_close *close)
{
	const struct machine_end *end = flow->machine.end;

	if (close->end[0].opened && close->end[1].opened)
		return OPENED_SIMULTANEOUS;
	if (!end[0].syn_sent && !end[1].syn_sent)
		return OPENED_UNKNOWN;
	return end[0].fast_open ? OPENED_FAST_OPEN : OPENED_CLIENT_SYN;
}

static bool never_answered(const struct machine_end *end)
{
	return (end[0].syn_sent && !end[1].seen && !end[0].open) ||
	       (end[1].syn_sent && !end[0].seen && !end[1].open);
}

static enum finding_ending ending_of(const struct flow *flow)
{
	const struct machine *m = &flow->machine;
	const struct machine_end *end = m->end;

	if (machine_refused(m))
		return ENDING_REFUSED;
	if (machine_aborted(m))
		return flow_rare_of(flow)->rst_cause == RST_CLIENT_GONE ? ENDING_ABORTED
									: ENDING_RESET;
	if (!end[0].fin_seen && !end[1].fin_seen)
		return never_answered(end) ? ENDING_UNANSWERED : ENDING_OPEN;
	if (!end[0].fin_seen || !end[1].fin_seen)
		return ENDING_HALF_CLOSED;
	if (!machine_closed_second(m, 0) && !machine_closed_second(m, 1))
		return ENDING_SIMULTANEOUS;
	return ENDING_GRACEFUL;
}

/* An end that is not in the capture may have closed before, by a FIN that an ACK covered along
 * with data. One that began before the capture may have closed before that, until it sends. */
static bool may_have_closed_unseen(const struct finding *f, const struct machine *m, unsigned end)
{
	if (f->opened == OPENED_UNKNOWN && !m->end[end].data_sent)
		return true;
	return f->one_way && !f->end[end].seen;
}

static enum finding_who closed_first_of(const struct finding *f, const struct machine *m)
{
	bool client = m->end[0].fin_seen, server = m->end[1].fin_seen;

	if (client && server) {
		if (machine_closed_second(m, 0))
			return WHO_SERVER;
		return machine_closed_second(m, 1) ? WHO_CLIENT : WHO_BOTH;
	}
	if ((!client && may_have_closed_unseen(f, m, 0)) ||
	    (!server && may_have_closed_unseen(f, m, 1)))
		return WHO_UNKNOWN;
	if (client)
		return WHO_CLIENT;
	return server ? WHO_SERVER : WHO_NONE;
}

static enum finding_who held_by(const struct machine *m)
{
	const struct machine_end *end = m->end;

	/* A RST may have removed it, and the capture does not show whether. */
	for (unsigned at = 0; at < 2; at++)
		if (end[at].time_wait && end[at].presence == DOUBTFUL)
			return WHO_UNKNOWN;
	if (end[0].time_wait && end[1].time_wait)
		return WHO_BOTH;
	if (end[0].time_wait)
		return WHO_CLIENT;
	return end[1].time_wait ? WHO_SERVER : WHO_NONE;
}

static void fill_rst(const struct flow *flow, struct finding_rst *ret)
{
	const struct flow_rare *rare = flow_rare_of(flow);

	if (!rare || !rare->rst_any)
		return;
	ret->any = true;
	ret->from = rare->rst_from;
	ret->cause = (enum rst_cause)rare->rst_cause;
	ret->at_ns = rare->rst_ns;
	ret->ends = rare->rst_ends;
	ret->ttl = rare->rst_ttl;
	ret->sender_ttl = flow->ttl[ret->from];
	ret->ttl_known = ret->ttl && ret->sender_ttl &&
			 !(flow->flags & (FLOW_VARIOUS_0 << ret->from));
	ret->count = flow_count(flow, 0, COUNT_RSTS) + flow_count(flow, 1, COUNT_RSTS);
}

/* Of the end that repeated its FIN most. */
static void fill_intervals(const struct flow *flow, struct finding *ret)
{
	const struct flow_more *more = flow_more_of(flow);
	unsigned end = ret->end[1].fin_count > ret->end[0].fin_count ? TRACK_SERVER : TRACK_CLIENT;
	const struct flow_intervals *all = more ? more->intervals[end] : NULL;

	if (!all)
		return;
	ret->fin_repeater = end;
	ret->fin_interval_count = all->count;
	ret->fin_intervals_cut = all->cut;
	memcpy(ret->fin_interval_ms, all->ms, all->count * sizeof(all->ms[0]));
}

void flow_reuse_of(const struct flows *flows, uint32_t before, int64_t syn_ns,
		   struct flow_reuse *ret)
{
	const struct flow *flow = flow_at(flows, before);
	const struct flow_close *close = flow_close_at(flows, before);
	int64_t last_ns = flow_last_ns(flow, close);

	ret->number = flow_number(close);
	ret->held_by = held_by(&flow->machine);
	ret->after_ns = 0;
	if (syn_ns == FINDING_TIME_UNKNOWN || last_ns == FINDING_TIME_UNKNOWN)
		ret->after_ns = FINDING_TIME_UNKNOWN;
	else if (syn_ns > last_ns && __builtin_sub_overflow(syn_ns, last_ns, &ret->after_ns))
		ret->after_ns = INT64_MAX;
	ret->in_time_wait = ret->held_by != WHO_NONE && ret->held_by != WHO_UNKNOWN &&
			    ret->after_ns != FINDING_TIME_UNKNOWN && ret->after_ns < TIME_WAIT_NS;
}

static void fill_reuse(const struct flows *flows, const struct flow *flow,
		       const struct flow_close *close, struct finding *ret)
{
	const struct flow_more *more = flow_more_of(flow);
	struct flow_reuse reuse = {0};

	ret->reused_held_by = WHO_NONE;
	if (more && more->before.number)
		reuse = more->before;
	else if (close->before != FLOW_NONE)
		flow_reuse_of(flows, close->before, flow->first_ns, &reuse);
	if (reuse.number) {
		ret->reuses = reuse.number;
		ret->reused_after_ns = reuse.after_ns;
		ret->reused_held_by = reuse.held_by;
		ret->reused_in_time_wait = reuse.in_time_wait;
	}
	if (more && more->behind)
		ret->reused_by = more->behind;
	else if (close->behind != FLOW_NONE)
		ret->reused_by = flow_number(flow_close_at(flows, close->behind));
}

void flow_finding(const struct flows *flows, uint32_t id, struct finding *ret)
{
	const struct flow *flow = flow_at(flows, id);
	const struct flow_close *close = flow_close_at(flows, id);
	const struct machine *m = &flow->machine;

	memset(ret, 0, sizeof(*ret));
	ret->number = flow_number(close);
	fill_end(flows, flow, close, 0, &ret->end[0]);
	fill_end(flows, flow, close, 1, &ret->end[1]);
	ret->one_way = ret->end[0].seen != ret->end[1].seen &&
		       (m->end[0].acked_known || m->end[1].acked_known);
	ret->opened = opened_of(flow, close);
	ret->opened_inferred = ret->opened == OPENED_CLIENT_SYN && !ret->end[0].syn_seen;
	ret->handshake = close->handshake;
	ret->handshake_ns = (uint64_t)close->handshake_high << 32 | close->handshake_low;
	ret->fast_open_taken = close->fast_open_taken;
	ret->ending = ending_of(flow);
	ret->closed_first = closed_first_of(ret, m);
	ret->time_wait_holder = held_by(m);
	fill_rst(flow, &ret->rst);
	fill_intervals(flow, ret);
	fill_reuse(flows, flow, close, ret);
	ret->newer_syn_ignored = close->newer_syn_ignored;
	ret->first_ns = flow->first_ns;
	ret->last_ns = flow_last_ns(flow, close);
}
