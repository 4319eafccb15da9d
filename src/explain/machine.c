#include "explain/machine.h"

#include "tcp/seq.h"
#include "tcp/state.h"

/* The largest window there is (RFC 7323 2.3), for when the scale is not known. */
#define WINDOW_MAX (1u << 30)

bool machine_acks_fin(const struct machine_end *end, uint32_t ack)
{
	/* Nothing can follow a FIN, so no other number covers it. */
	return end->fin_seen && ack == end->fin_seq + 1;
}

bool machine_acks_syn(const struct machine *m, unsigned end, const struct segment *s)
{
	const struct machine_end *me = &m->end[end];
	/* RFC 9293 3.10.7.3: SND.UNA < SEG.ACK =< SND.NXT; data may have come with the SYN. */
	uint32_t length = me->sent_known ? machine_sent_top(m, end) - me->isn : 1;

	return (s->flags & TCP_FLAG_ACK) && seq_within(s->ack - 1, me->isn, length);
}

bool machine_closed_second(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end], *other = &m->end[!end];

	if (!me->fin_seen || !other->fin_seen)
		return false;
	if (me->fin_inferred)
		return !other->fin_inferred && !machine_acks_fin(me, other->fin_ack);
	return machine_acks_fin(other, me->fin_ack);
}

/* The other's FIN is received once everything before it is (RFC 9293 3.10.7.4, eighth). */
static bool fin_received(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end], *other = &m->end[!end];

	return other->fin_seen && me->received_known && seq_gt(me->received, other->fin_seq);
}

static int opening_state(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end];

	if (!m->end[0].syn_sent && !m->end[1].syn_sent)
		return me->data_sent ? TCP_ESTABLISHED : -1; /* begun in the middle */
	if (me->open)
		return TCP_ESTABLISHED;
	if (!me->syn_sent)
		return -1; /* LISTEN or CLOSED: the answer will show it */
	return me->syn_arrived ? TCP_SYN_RECV : TCP_SYN_SENT;
}

int machine_state(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end];
	bool received = fin_received(m, end);

	if (me->presence == GONE)
		return TCP_STATE_NONE;
	if (me->presence == DOUBTFUL)
		return -1;
	if (!me->fin_seen)
		return received ? TCP_CLOSE_WAIT : opening_state(m, end);
	if (!received)
		return me->fin_acked ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1;
	if (machine_closed_second(m, end))
		return me->fin_acked ? TCP_STATE_NONE : TCP_LAST_ACK;
	return me->fin_acked ? TCP_TIME_WAIT : TCP_CLOSING;
}

bool machine_has_left(const struct machine *m, unsigned end)
{
	int state = machine_state(m, end);

	return m->end[end].presence != PRESENT || state == TCP_STATE_NONE || state == TCP_TIME_WAIT;
}

bool machine_over(const struct machine *m, unsigned end)
{
	if (m->end[end].syn_sent && !m->end[!end].seen)
		return true; /* its first attempt was never answered */
	if (!m->end[0].seen && !m->end[1].seen)
		return true; /* nothing but a scan, or a RST out of nowhere */
	return machine_has_left(m, end) || machine_has_left(m, !end);
}

static void note_time_wait(struct machine *m)
{
	if (!m->end[0].fin_seen || !m->end[1].fin_seen)
		return;
	for (unsigned end = 0; end < 2; end++)
		if (m->end[end].fin_acked && !m->end[end].time_wait &&
		    machine_state(m, end) == TCP_TIME_WAIT)
			m->end[end].time_wait = true;
}

/*
 * A FIN that the capture does not hold shows as a number acknowledged though nothing was seen
 * to occupy it. One byte of data looks the same; then more follows, which refutes it.
 */
bool machine_shows_fin(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];

	if (other->fin_seen || !me->acked_known || !(s->flags & TCP_FLAG_ACK))
		return false;
	if (other->seen)
		return other->sent_known && s->ack == machine_sent_top(m, !from) + 1;
	/* Not a segment of the other's was seen: then only once this end closes, too. */
	if (!me->fin_seen && !(s->flags & TCP_FLAG_FIN))
		return false;
	return s->ack == me->acked + 1 || (s->ack == me->acked && me->step_one);
}

static struct seqset_islands *sent_islands(struct machine *m, unsigned end)
{
	return m->rare && m->rare->holes ? &m->rare->holes->sent[end] : NULL;
}

static struct seqset_islands *received_islands(struct machine *m, unsigned end)
{
	return m->rare && m->rare->holes ? &m->rare->holes->received[end] : NULL;
}

static void sent_begin(struct machine *m, unsigned end, uint32_t edge)
{
	struct machine_end *me = &m->end[end];

	me->sent = edge;
	me->sent_known = true;
	if (me->sent_holes)
		sent_islands(m, end)->count = 0;
	me->sent_holes = false;
}

static void received_begin(struct machine *m, unsigned end, uint32_t edge)
{
	struct machine_end *me = &m->end[end];

	me->received = edge;
	me->received_known = true;
	if (me->received_holes)
		received_islands(m, end)->count = 0;
	me->received_holes = false;
}

static uint32_t sent_add(struct machine *m, unsigned end, uint32_t from, uint32_t to)
{
	struct machine_end *me = &m->end[end];
	struct seqset_islands *islands = sent_islands(m, end);
	uint32_t added = seqset_add(&me->sent, islands, from, to);

	me->sent_holes = islands && islands->count;
	return added;
}

static uint32_t received_add(struct machine *m, unsigned end, uint32_t from, uint32_t to)
{
	struct machine_end *me = &m->end[end];
	struct seqset_islands *islands = received_islands(m, end);
	uint32_t added = seqset_add(&me->received, islands, from, to);

	me->received_holes = islands && islands->count;
	return added;
}

static void sent_advance(struct machine *m, unsigned end, uint32_t to)
{
	struct machine_end *me = &m->end[end];
	struct seqset_islands *islands = me->sent_holes ? sent_islands(m, end) : NULL;

	seqset_advance(&me->sent, islands, to);
	me->sent_holes = islands && islands->count;
}

static void received_advance(struct machine *m, unsigned end, uint32_t to)
{
	struct machine_end *me = &m->end[end];
	struct seqset_islands *islands = me->received_holes ? received_islands(m, end) : NULL;

	if (!me->received_known) {
		received_begin(m, end, to);
		return;
	}
	seqset_advance(&me->received, islands, to);
	me->received_holes = islands && islands->count;
}

static void infer_fin(struct machine *m, unsigned from, const struct segment *s)
{
	struct machine_end *me = &m->end[from], *other = &m->end[!from];

	if (other->fin_inferred && seq_gt(s->ack, other->fin_seq + 1))
		other->fin_seen = other->fin_inferred = other->fin_acked = false;
	if (!machine_shows_fin(m, from, s))
		return;
	other->fin_seen = other->fin_inferred = true;
	other->fin_seq = s->ack - 1;
	/* Of an end that is never seen the ACK of this FIN is not, either: its FIN carried it. */
	if (!other->seen && me->fin_seen && !machine_acks_fin(other, me->fin_ack))
		me->fin_acked = true;
}

static void send_ack(struct machine *m, unsigned from, const struct segment *s)
{
	struct machine_end *me = &m->end[from], *other = &m->end[!from];

	if ((s->flags & TCP_FLAG_SYN) && !me->open)
		received_begin(m, from, s->ack); /* Fast Open data not taken: back again */
	else
		received_advance(m, from, s->ack);
	infer_fin(m, from, s);
	if (!me->acked_known || seq_gt(s->ack, me->acked)) {
		me->step_one = me->acked_known && s->ack == me->acked + 1;
		me->acked = s->ack;
	}
	if (!other->base_known) {
		/* The first ACK after an end's own SYN is that of the other's SYN. */
		other->isn_known = me->syn_sent && !me->acked_known;
		other->isn = other->isn_known ? s->ack - 1 : s->ack;
		other->base_known = true;
	}
	me->acked_known = true;
}

static void send_syn(struct machine *m, unsigned from, const struct segment *s)
{
	struct machine_end *me = &m->end[from], *other = &m->end[!from];

	me->syn_sent = true;
	me->isn = s->seq;
	me->isn_known = me->base_known = true;
	me->sack_permitted = s->options.sack_permitted;
	me->scale = s->options.has_window_scale ? s->options.window_scale & 15u : 0;
	me->scale_known = true;
	if (s->payload_length)
		me->fast_open = true;
	if (!(s->flags & TCP_FLAG_ACK))
		return;
	me->syn_arrived = true;
	if (!other->isn_known) { /* the capture missed the SYN that this answers */
		other->isn = s->ack - 1;
		other->syn_sent = other->isn_known = other->base_known = true;
	}
}

static void send_fin(struct machine *m, unsigned from, const struct segment *s,
		     struct machine_news *news)
{
	struct machine_end *me = &m->end[from];
	uint32_t fin_seq = segment_end(s) - 1;

	if (me->fin_seen && !me->fin_inferred && me->fin_seq == fin_seq) {
		news->fin_repeated = true;
		/* Sent again after its ACK went by: the ACK was lost. */
		me->fin_acked = false;
		me->time_wait = false;
		m->end[!from].fin_again = true;
		return;
	}
	me->fin_seen = true;
	me->fin_inferred = false;
	me->fin_seq = fin_seq;
	me->fin_ack = s->ack;
	news->fin = true;
}

static void send_numbers(struct machine *m, unsigned from, const struct segment *s,
			 struct machine_news *news)
{
	struct machine_end *me = &m->end[from];
	uint32_t data = s->seq + ((s->flags & TCP_FLAG_SYN) ? 1 : 0);

	if (!me->base_known) {
		me->isn = s->seq;
		me->base_known = true;
	}
	if (!me->sent_known)
		sent_begin(m, from, s->seq);
	if (s->flags & TCP_FLAG_SYN)
		sent_add(m, from, s->seq, data);
	if (s->payload_length) {
		news->added = sent_add(m, from, data, data + s->payload_length);
		if (news->added) {
			me->data_sent = true;
			me->data_unanswered = false;
		}
		/* More data refutes a FIN that was only inferred. */
		if (me->fin_inferred && seq_gt(data + s->payload_length, me->fin_seq))
			me->fin_seen = me->fin_inferred = me->fin_acked = false;
	}
	if (s->flags & TCP_FLAG_FIN)
		sent_add(m, from, segment_end(s) - 1, segment_end(s));
	else if (!segment_length(s) && seq_gt(s->seq, machine_sent_top(m, from)))
		sent_advance(m, from, s->seq); /* the capture missed what lies between */
}

static void send_rst(struct machine *m, unsigned from, enum rst_cause cause)
{
	struct machine_end *me = &m->end[from];

	/* TIME-WAIT answers a FIN by ACK; it was not there if it never did. */
	if (!machine_acks_fin(&m->end[!from], me->acked))
		me->time_wait = false;
	if (!me->rst_sent)
		me->rst_cause = (uint16_t)cause & 15;
	me->rst_sent = true;
	me->presence = GONE;
}

void machine_send(struct machine *m, unsigned from, const struct segment *s, enum segment_role role,
		  enum rst_cause cause, struct machine_news *news)
{
	struct machine_end *me = &m->end[from];

	me->last = true;
	m->end[!from].last = false;
	me->challenge_due = me->keepalive_due = false;
	if (role == ROLE_RST) {
		send_rst(m, from, cause);
		return;
	}
	if (role == ROLE_STRAY && (s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN) {
		me->newer_syn = true;
		m->rare->newer_isn[from] = s->seq;
	}
	if (role == ROLE_ILLEGAL || role == ROLE_STRAY)
		return;
	if (me->presence == DOUBTFUL || me->rst_sent) {
		me->presence = PRESENT; /* the RST was not its own, or did nothing */
		me->rst_sent = false;
	}
	if (s->flags & TCP_FLAG_SYN)
		send_syn(m, from, s);
	else if (!m->end[!from].fast_open || from == TRACK_CLIENT)
		me->open = me->syn_arrived = true;
	me->window = s->window;
	if (role == ROLE_KEEPALIVE)
		me->keepalive_sent = true;
	else
		send_numbers(m, from, s, news);
	if (s->flags & TCP_FLAG_FIN)
		send_fin(m, from, s, news);
	if (s->flags & TCP_FLAG_ACK)
		send_ack(m, from, s);
	if (!(s->flags & TCP_FLAG_FIN))
		m->end[from].fin_again = false;
	me->seen = true;
	note_time_wait(m);
}

static bool sack_edge(const struct machine *m, unsigned end, uint32_t seq)
{
	const struct machine_end *me = &m->end[end];

	if (me->syn_sent && m->end[!end].syn_sent &&
	    !(me->sack_permitted && m->end[!end].sack_permitted))
		return false;
	return seq == machine_received_top(m, end);
}

/*
 * Whether the end takes the RST: only at exactly RCV.NXT (RFC 5961 3.2). Linux takes two more,
 * tcp_validate_incoming(): at the right edge of what SACK reported, and, from those who reset
 * after their FIN without counting it, at RCV.NXT - 1 (tcp_reset_check(), since 4.10).
 */
static bool takes_rst(const struct machine *m, unsigned end, const struct segment *s)
{
	const struct machine_end *me = &m->end[end];
	int state = machine_state(m, end);

	if (state == TCP_SYN_SENT)
		return machine_acks_syn(m, end, s);
	if (!me->received_known || s->seq == me->received)
		return true;
	if (!me->seen) /* its RCV.NXT is not to be seen; go by what it was sent */
		return s->seq == machine_sent_top(m, !end);
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING)
		if (s->seq == me->received - 1)
			return true;
	return sack_edge(m, end, s->seq);
}

static bool in_window(const struct machine *m, unsigned end, uint32_t seq)
{
	const struct machine_end *me = &m->end[end];
	uint32_t window = (uint32_t)me->window;

	if (!me->received_known)
		return true;
	if (!me->scale_known)
		window = WINDOW_MAX;
	else if (m->end[!end].scale_known)
		window <<= me->scale;
	return seq_within(seq, me->received, window ? window : 1);
}

static void take_rst(struct machine_end *me, enum rst_cause cause)
{
	me->took_rst = true;
	if (cause == RST_REFUSED)
		me->was_refused = true;
}

static enum rst_cause arrive_rst(struct machine *m, unsigned from, const struct segment *s,
				 enum rst_cause cause)
{
	struct machine_end *sender = &m->end[from], *me = &m->end[!from];
	int state = machine_state(m, !from);

	if (state == TCP_STATE_NONE)
		return cause; /* one more of a burst, or to an end that is long gone */
	if (!takes_rst(m, !from, s)) {
		if (sender->presence == GONE)
			sender->presence = DOUBTFUL;
		me->challenge_due = state != TCP_SYN_SENT && state != TCP_TIME_WAIT &&
				    in_window(m, !from, s->seq);
		return RST_IGNORED;
	}
	if (state == TCP_TIME_WAIT || (me->presence == DOUBTFUL && me->time_wait)) {
		me->presence = DOUBTFUL; /* net.ipv4.tcp_rfc1337 decides */
		return cause == RST_ANSWERS_OLD_ACK ? cause : RST_INTO_TIME_WAIT;
	}
	me->presence = GONE;
	take_rst(me, cause);
	return cause;
}

static void arrive_numbers(struct machine *m, unsigned end, const struct segment *s)
{
	struct machine_end *me = &m->end[end];
	uint32_t data = s->seq + ((s->flags & TCP_FLAG_SYN) ? 1 : 0);

	if ((s->flags & TCP_FLAG_SYN) && !me->open) {
		me->syn_arrived = true;
		received_begin(m, end, data);
	}
	if (!me->received_known)
		received_begin(m, end, s->seq);
	if (s->payload_length) {
		if (received_add(m, end, data, data + s->payload_length))
			me->data_unanswered = true;
		me->data_arrived = true;
	}
	if (s->flags & TCP_FLAG_FIN)
		received_add(m, end, segment_end(s) - 1, segment_end(s));
}

static void arrive_ack(struct machine *m, unsigned end, const struct segment *s,
		       struct machine_news *news)
{
	struct machine_end *me = &m->end[end];

	if (me->syn_sent && machine_acks_syn(m, end, s))
		me->open = me->syn_arrived;
	if (machine_acks_fin(me, s->ack)) {
		news->fin_acked = !me->fin_acked;
		me->fin_acked = true;
	}
}

enum rst_cause machine_arrive(struct machine *m, unsigned from, const struct segment *s,
			      enum segment_role role, enum rst_cause cause,
			      struct machine_news *news)
{
	struct machine_end *me = &m->end[!from];

	if (role == ROLE_RST)
		return arrive_rst(m, from, s, cause);
	if (role == ROLE_STRAY && (s->flags & TCP_FLAG_SYN))
		me->challenge_due = true; /* RFC 5961 4 */
	if (role == ROLE_ILLEGAL || role == ROLE_STRAY)
		return cause;
	if (role == ROLE_KEEPALIVE)
		me->keepalive_due = true;
	else
		arrive_numbers(m, !from, s);
	me->keepalive_sent = false;
	if (s->flags & TCP_FLAG_ACK)
		arrive_ack(m, !from, s, news);
	note_time_wait(m);
	return cause;
}

void machine_lose(struct machine *m, unsigned from, enum segment_role role, enum rst_cause cause)
{
	if (role == ROLE_RST && !machine_has_left(m, !from))
		take_rst(&m->end[from], cause); /* its sender is gone all the same */
}

enum machine_need machine_needs(const struct machine *m, unsigned from, const struct segment *s,
				enum segment_role role)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];
	uint32_t data = s->seq + ((s->flags & TCP_FLAG_SYN) ? 1 : 0);

	if (role == ROLE_STRAY && (s->flags & TCP_FLAG_SYN) && !m->rare)
		return NEEDS_RARE;
	if (!segment_length(s) || (m->rare && m->rare->holes))
		return NEEDS_NOTHING;
	if ((me->sent_known && seq_gt(data, me->sent)) ||
	    (other->received_known && seq_gt(data, other->received)))
		return NEEDS_HOLES;
	return NEEDS_NOTHING;
}
