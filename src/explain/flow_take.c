/*
 * What a segment adds to what is known of its connection.
 *
 * The machine's facts say in which state each end is; here is what findings need beyond: when, how
 * often, with which options. States are looked at again only after segments that are not
 * machine_pass()'s, and the time is noted when one has changed.
 */
#include <errno.h>
#include <stdlib.h>

#include "explain/flow.h"
#include "explain/machine_pass.h"
#include "explain/role.h"
#include "tcp/seq.h"
#include "tcp/state.h"

/* A segment on its way through the steps below. */
struct taking {
	struct flow *flow;
	struct flow_close *close;
	const struct segment *s;
	unsigned from;
	enum segment_role role;
	enum rst_cause cause;
	int64_t now_ns; /* never before the connection's last */
	struct machine_news news;

	/* Before it: */
	bool aborted;
	uint32_t before[2]; /* both ends' facts */
	int64_t since_ns[2];
	int64_t last_before_ns; /* of its sender */
};

/* Whether the end had one of the facts before the segment. */
static bool was(const struct taking *t, unsigned end, uint32_t facts)
{
	return t->before[end] & facts;
}

static bool count_up(uint32_t *low, uint32_t add, struct flow *flow, unsigned end, bool bytes)
{
	struct flow_more *more;

	*low += add;
	if (*low >= add)
		return true;
	more = flow_need_more(flow);
	if (!more)
		return false;
	if (bytes)
		more->bytes_high[end]++;
	else
		more->packets_high[end]++;
	return true;
}

bool flow_pass(struct flow *flow, unsigned from, const struct segment *s)
{
	int64_t offset;

	if ((flow->flags & FLOW_WIDE) || flow->ttl[from] != s->ttl ||
	    __builtin_sub_overflow(s->time_ns, flow->first_ns, &offset) || offset < 0 ||
	    offset >> 47)
		return false;
	if (flow->packets[from] == UINT32_MAX || flow->bytes[from] > UINT32_MAX - s->payload_length)
		return false;
	if (!machine_pass(&flow->machine, from, s))
		return false;
	flow->packets[from]++;
	flow->bytes[from] += s->payload_length;
	if (offset > flow_last_offset(flow, from)) {
		flow->last_low[from] = (uint32_t)offset;
		flow->last_high[from] = (uint16_t)(offset >> 32);
	}
	return true;
}

static bool is_syn_role(enum segment_role role)
{
	return role == ROLE_SYN || role == ROLE_SYN_REPEATED || role == ROLE_SYN_ACK ||
	       role == ROLE_SYN_ACK_REPEATED;
}

static int reserve(struct taking *t)
{
	enum machine_need need = machine_needs(&t->flow->machine, t->from, t->s, t->role);
	struct flow_rare *rare;

	if (flow_make_room_for(t->flow, t->close, t->now_ns) < 0 ||
	    flow_make_room_for(t->flow, t->close, t->s->time_ns) < 0)
		return -ENOMEM;
	if (need == NEEDS_NOTHING)
		return 0;
	rare = flow_need_rare(t->flow);
	if (!rare)
		return -ENOMEM;
	if (need == NEEDS_HOLES && !rare->machine.holes)
		rare->machine.holes = calloc(1, sizeof(*rare->machine.holes));
	return need == NEEDS_HOLES && !rare->machine.holes ? -ENOMEM : 0;
}

/* Holes that were filled need no room. */
static void release_holes(struct flow *flow)
{
	const struct machine_end *end = flow->machine.end;

	if (!flow->machine.rare || !flow->machine.rare->holes)
		return;
	if (end[0].sent_holes || end[0].received_holes || end[1].sent_holes ||
	    end[1].received_holes)
		return;
	free(flow->machine.rare->holes);
	flow->machine.rare->holes = NULL;
}

static bool is_stray_syn(const struct taking *t)
{
	return t->role == ROLE_STRAY &&
	       (t->s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

static int note_count(struct taking *t)
{
	struct flow *flow = t->flow;
	int64_t last_ns = flow_time(flow, t->close, FLOW_LAST + t->from);
	unsigned various = FLOW_VARIOUS_0 << t->from;
	struct flow_more *more = flow_more_of(flow);
	struct flow_stray *stray = more ? more->stray[t->from] : NULL;

	if (!count_up(&flow->packets[t->from], 1, flow, t->from, false))
		return -ENOMEM;
	if (t->s->time_ns > last_ns)
		flow_set_time(flow, t->close, FLOW_LAST + t->from, t->s->time_ns);
	if (stray && !(is_stray_syn(t) && t->s->seq == stray->syn.seq) &&
	    t->s->time_ns > stray->without_ns)
		stray->without_ns = t->s->time_ns;
	if (t->role == ROLE_RST || t->role == ROLE_ILLEGAL)
		return 0;
	if (!flow->ttl[t->from])
		flow->ttl[t->from] = t->s->ttl;
	else if (flow->ttl[t->from] != t->s->ttl)
		flow->flags |= (uint8_t)various;
	return 0;
}

static int note_syn(struct taking *t)
{
	struct flow_close_end *end = &t->close->end[t->from];
	const struct tcp_options *options = &t->s->options;
	const struct machine_end *other = &t->flow->machine.end[!t->from];

	if (t->s->flags & TCP_FLAG_ACK)
		t->close->fast_open_taken |= other->fast_open && seq_gt(t->s->ack, other->isn + 1)
						     ? 1
						     : 0;
	if (end->syn_seen)
		return flow_count_up(t->flow, t->from, COUNT_SYNS, 1);
	end->syn_seen = true;
	end->has_timestamps = options->has_timestamps;
	end->has_window_scale = options->has_window_scale;
	end->has_mss = options->has_mss;
	t->close->mss[t->from] = options->mss;
	return 0;
}

static void note_opening(struct taking *t)
{
	const struct machine_end *end = t->flow->machine.end;
	int64_t took;

	if (t->role == ROLE_SYN && !t->close->opening_over)
		t->close->end[t->from].opened = true;
	else if (t->role != ROLE_SYN_REPEATED)
		t->close->opening_over = true;
	if (t->close->handshake || !end[0].open || !end[1].open ||
	    !(end[0].syn_sent || end[1].syn_sent))
		return;
	t->close->handshake = true;
	if (!(t->flow->flags & FLOW_SHOWN_OPEN) || t->now_ns == FINDING_TIME_UNKNOWN ||
	    __builtin_sub_overflow(t->now_ns, t->flow->first_ns, &took) || took >> 48)
		return;
	t->close->handshake_low = (uint32_t)took;
	t->close->handshake_high = (uint16_t)(took >> 32);
}

static int note_rst(struct taking *t)
{
	bool ends = !t->aborted && machine_aborted(&t->flow->machine);
	struct flow_rare *rare;

	if (flow_count_up(t->flow, t->from, COUNT_RSTS, 1) < 0)
		return -ENOMEM;
	rare = flow_rare_of(t->flow);
	if (t->cause == RST_ANSWERS_OLD_ACK)
		t->close->newer_syn_ignored = true;
	if (rare->rst_any && !ends)
		return 0;
	rare->rst_any = true;
	rare->rst_ends = ends;
	rare->rst_ns = t->s->time_ns;
	rare->rst_from = (uint8_t)t->from & 1;
	rare->rst_cause = (uint8_t)t->cause & 15;
	rare->rst_ttl = t->s->ttl;
	return 0;
}

/* Another SYN while both ends are in. If it is answered, it moves to a connection of its own. */
static int note_stray(struct taking *t)
{
	struct flow_more *more = flow_need_more(t->flow);
	struct flow_stray *stray = more ? more->stray[t->from] : NULL;
	bool ignored = t->close->newer_syn_ignored;

	if (!more)
		return -ENOMEM;
	t->close->newer_syn_ignored = true;
	if (stray && stray->syn.seq == t->s->seq) {
		stray->count += stray->count < UINT32_MAX;
		stray->last = *t->s;
		stray->last.payload = NULL;
		return 0;
	}
	if (!stray)
		stray = more->stray[t->from] = malloc(sizeof(*stray));
	if (!stray)
		return -ENOMEM;
	*stray = (struct flow_stray){
		.syn = *t->s,
		.count = 1,
		.without_ns = t->last_before_ns,
		.ignored_before = ignored,
	};
	stray->syn.payload = NULL;
	return 0;
}

static uint32_t milliseconds(int64_t from_ns, int64_t to_ns)
{
	int64_t ms;

	if (from_ns == FINDING_TIME_UNKNOWN || to_ns <= from_ns ||
	    __builtin_sub_overflow(to_ns, from_ns, &ms))
		return 0;
	ms = ms / 1000000 + (ms % 1000000 >= 500000);
	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static int note_fin_repeated(struct taking *t)
{
	struct flow_more *more = flow_need_more(t->flow);
	struct flow_intervals *all;

	if (!more || flow_count_up(t->flow, t->from, COUNT_FINS, 1) < 0)
		return -ENOMEM;
	if (!more->intervals[t->from]) {
		more->intervals[t->from] = calloc(1, sizeof(*all));
		if (!more->intervals[t->from])
			return -ENOMEM;
		more->intervals[t->from]->last_ns = flow_time(t->flow, t->close,
							      FLOW_FIN + t->from);
	}
	all = more->intervals[t->from];
	if (all->count < FINDING_INTERVALS)
		all->ms[all->count++] = milliseconds(all->last_ns, t->s->time_ns);
	else
		all->cut = true;
	all->last_ns = t->s->time_ns;
	return 0;
}

/* The end's FINs so far were at another number. */
static void note_first_fin(struct taking *t)
{
	struct flow_more *more = flow_more_of(t->flow);

	flow_set_time(t->flow, t->close, FLOW_FIN + t->from, t->s->time_ns);
	flow_count_clear(t->flow, t->from, COUNT_FINS);
	if (!more)
		return;
	free(more->intervals[t->from]);
	more->intervals[t->from] = NULL;
}

static int note_role(struct taking *t)
{
	switch (t->role) {
	case ROLE_RST:
		return note_rst(t);
	case ROLE_STRAY:
		return is_stray_syn(t) ? note_stray(t) : 0;
	case ROLE_FIN_REPEATED:
		return t->news.fin_repeated ? note_fin_repeated(t) : 0;
	case ROLE_KEEPALIVE:
		if (flow_count_up(t->flow, t->from, COUNT_KEEPALIVES, 1) < 0)
			return -ENOMEM;
		return flow_count_up(t->flow, t->from, COUNT_UNANSWERED, 1);
	case ROLE_CHALLENGE_ACK:
		t->close->newer_syn_ignored |= t->flow->machine.end[!t->from].newer_syn;
		return flow_count_up(t->flow, t->from, COUNT_CHALLENGES, 1);
	default:
		return is_syn_role(t->role) ? note_syn(t) : 0;
	}
}

static bool is_repeated(const struct taking *t)
{
	return t->s->payload_length && !t->news.added && t->role != ROLE_ILLEGAL &&
	       t->role != ROLE_STRAY && t->role != ROLE_KEEPALIVE && t->role != ROLE_RST;
}

static int note_data(struct taking *t)
{
	if (t->flow->machine.rare && t->role != ROLE_ILLEGAL && t->role != ROLE_STRAY)
		flow_count_clear(t->flow, !t->from, COUNT_UNANSWERED);
	if (!count_up(&t->flow->bytes[t->from], t->news.added, t->flow, t->from, true))
		return -ENOMEM;
	return is_repeated(t) ? flow_count_up(t->flow, t->from, COUNT_DATA_REPEATED, 1) : 0;
}

static int64_t rare_since(const struct flow *flow, unsigned end)
{
	const struct flow_rare *rare = flow_rare_of(flow);

	return rare->since_more & 1u << end ? rare->more->since_ns[end] : rare->rst_ns;
}

static int set_rare_since(struct flow *flow, unsigned end, int64_t ns)
{
	struct flow_rare *rare = flow_need_rare(flow);

	if (!rare)
		return -ENOMEM;
	rare->since_more &= ~(1u << end) & 3;
	/* The RST that ended it is not replaced by another. */
	if (rare->rst_ends && rare->rst_ns == ns)
		return 0;
	if (!flow_need_more(flow))
		return -ENOMEM;
	rare->since_more |= (1u << end) & 3;
	rare->more->since_ns[end] = ns;
	return 0;
}

int64_t flow_since(const struct flow *flow, const struct flow_close *close, unsigned end)
{
	switch ((enum flow_since)close->end[end].since) {
	case SINCE_MARK:
		return flow_time(flow, close, FLOW_MARK + end);
	case SINCE_OTHER_FIN:
		return flow_time(flow, close, FLOW_FIN + !end);
	case SINCE_RARE:
		return rare_since(flow, end);
	case SINCE_UNKNOWN:
		break;
	}
	return FINDING_TIME_UNKNOWN;
}

/* An ACK that was taken back never came: its receiver is where its FIN had brought it. */
static int64_t since_before_the_ack(const struct taking *t, unsigned end, int state)
{
	int64_t own_ns = flow_time(t->flow, t->close, FLOW_FIN + end);
	int64_t other_ns = flow_time(t->flow, t->close, FLOW_FIN + !end);

	return state == TCP_CLOSING && other_ns > own_ns ? other_ns : own_ns;
}

static int note_since(struct taking *t, unsigned end, int64_t since_ns, int64_t acked_ns)
{
	struct flow_close_end *close = &t->close->end[end];

	close->since = SINCE_MARK;
	if (!t->flow->machine.end[end].fin_acked) {
		flow_set_time(t->flow, t->close, FLOW_MARK + end, since_ns);
		return 0;
	}
	flow_set_time(t->flow, t->close, FLOW_MARK + end, acked_ns);
	if (since_ns == acked_ns)
		return 0;
	if (since_ns == FINDING_TIME_UNKNOWN) {
		close->since = SINCE_UNKNOWN;
	} else if (since_ns == flow_time(t->flow, t->close, FLOW_FIN + !end)) {
		close->since = SINCE_OTHER_FIN;
	} else {
		close->since = SINCE_RARE;
		return set_rare_since(t->flow, end, since_ns);
	}
	return 0;
}

/* The common cases, in which the end is told by the time of now alone; false: it is none. */
static bool note_since_now(struct taking *t, unsigned end, int state)
{
	bool acked = t->flow->machine.end[end].fin_acked,
	     was_acked = was(t, end, MACHINE_FACTS(.fin_acked = 1));
	bool newly_acked = t->news.fin_acked && end != t->from;
	bool changed = t->close->state[end] != state + 1;

	if (was_acked || newly_acked != acked || (newly_acked && !changed) || state < 0)
		return false;
	if (changed) {
		flow_set_time(t->flow, t->close, FLOW_MARK + end, t->now_ns);
		t->close->end[end].since = SINCE_MARK;
	}
	return true;
}

static int note_state(struct taking *t, unsigned end, int state)
{
	int64_t since_ns = t->since_ns[end], acked_ns = FINDING_TIME_UNKNOWN;

	if (was(t, end, MACHINE_FACTS(.fin_acked = 1)))
		acked_ns = flow_time(t->flow, t->close, FLOW_MARK + end);
	if (t->news.fin_acked && end != t->from)
		acked_ns = t->now_ns;
	if (t->close->state[end] != state + 1)
		since_ns = state < 0 ? FINDING_TIME_UNKNOWN : t->now_ns;
	if (t->news.fin_repeated && end == t->from && was(t, end, MACHINE_FACTS(.fin_acked = 1)))
		since_ns = since_before_the_ack(t, end, state);
	return note_since(t, end, since_ns, acked_ns);
}

/* Whether what states are derived from has changed; once a FIN is known, numbers count, too. */
static bool may_move(const struct taking *t)
{
	const struct machine_end *end = t->flow->machine.end;
	const uint32_t of_states = MACHINE_FACTS(.syn_sent = 1, .syn_arrived = 1, .open = 1,
						 .data_sent = 1, .presence = 3);
	uint32_t changed = (t->before[0] ^ end[0].facts) | (t->before[1] ^ end[1].facts);

	return end[0].fin_seen || end[1].fin_seen || was(t, 0, MACHINE_FACTS(.fin_seen = 1)) ||
	       was(t, 1, MACHINE_FACTS(.fin_seen = 1)) || (changed & of_states);
}

static int note_states(struct taking *t)
{
	const struct machine *m = &t->flow->machine;
	const int state[2] = {machine_state(m, 0), machine_state(m, 1)};
	int r = 0;

	for (unsigned end = 0; end < 2; end++) /* before a FIN's time moves it */
		if (was(t, end, MACHINE_FACTS(.fin_acked = 1)) || m->end[end].fin_acked ||
		    state[end] < 0)
			t->since_ns[end] = flow_since(t->flow, t->close, end);
	if (t->news.fin)
		note_first_fin(t);
	if (m->end[!t->from].fin_inferred && !was(t, !t->from, MACHINE_FACTS(.fin_inferred = 1)))
		flow_set_time(t->flow, t->close, FLOW_FIN + !t->from, t->now_ns);
	for (unsigned end = 0; end < 2 && r == 0; end++) {
		if (!note_since_now(t, end, state[end]))
			r = note_state(t, end, state[end]);
		t->close->state[end] = (uint8_t)(state[end] + 1);
	}
	return r;
}

static void begin(struct taking *t)
{
	const struct machine *m = &t->flow->machine;
	int64_t last_ns = flow_last_ns(t->flow, t->close);

	t->now_ns = t->s->time_ns > last_ns ? t->s->time_ns : last_ns;
	t->last_before_ns = flow_time(t->flow, t->close, FLOW_LAST + t->from);
	t->role = role_of(m, t->from, t->s);
	if (t->role == ROLE_RST)
		t->cause = rst_cause_of(m, t->from, t->s);
	t->aborted = machine_aborted(m);
	t->before[0] = m->end[0].facts;
	t->before[1] = m->end[1].facts;
}

static void note_history(struct flows *flows, uint32_t id, const struct taking *t, bool gap)
{
	if (flows->plan.history)
		flow_history_add(flow_history_at(flows, id), t->from, t->s, t->role, is_repeated(t),
				 gap);
}

/* Something was acknowledged that the capture does not have. */
static bool is_gap(const struct taking *t)
{
	const struct machine *m = &t->flow->machine;
	const struct machine_end *other = &m->end[!t->from];

	return (t->s->flags & TCP_FLAG_ACK) && other->seen && other->sent_known &&
	       seq_gt(t->s->ack, machine_sent_top(m, !t->from));
}

int flow_take(struct flows *flows, uint32_t id, unsigned from, const struct segment *s)
{
	struct taking t; /* not cleared as a whole, which takes longer than the rest of this */
	struct machine *m;
	bool gap;

	t.flow = flow_at(flows, id);
	t.close = flow_close_at(flows, id);
	t.s = s;
	t.from = from;
	t.cause = RST_NONE;
	t.news = (struct machine_news){0};
	m = &t.flow->machine;
	begin(&t);
	if (reserve(&t) < 0)
		return -ENOMEM;
	gap = flows->plan.history && is_gap(&t);
	if (t.role == ROLE_ILLEGAL)
		flows->sums.illegal++;
	machine_send(m, from, s, t.role, t.cause, &t.news);
	t.cause = machine_arrive(m, from, s, t.role, t.cause, &t.news);
	if (t.news.fin_acked)
		t.close->end[!from].fin_acked_by_fin = (s->flags & TCP_FLAG_FIN) != 0;
	note_opening(&t);
	if (note_count(&t) < 0 || note_role(&t) < 0 || note_data(&t) < 0 ||
	    (may_move(&t) && note_states(&t) < 0))
		return -ENOMEM;
	note_history(flows, id, &t, gap);
	release_holes(t.flow);
	return 0;
}

int flow_take_syns_again(struct flows *flows, uint32_t id, const struct segment *syn,
			 uint32_t count)
{
	struct flow *flow = flow_at(flows, id);
	int r;

	if (!count)
		return 0;
	r = flow_take(flows, id, TRACK_CLIENT, syn);
	if (r < 0)
		return r;
	/* The rest are like this one, so that all they do is count. */
	if (!count_up(&flow->packets[TRACK_CLIENT], count - 1, flow, TRACK_CLIENT, false))
		return -ENOMEM;
	return flow_count_up(flow, TRACK_CLIENT, COUNT_SYNS, count - 1);
}
