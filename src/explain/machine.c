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

bool machine_acks_syn(const struct machine_end *end, const struct segment *s)
{
	/* RFC 9293 3.10.7.3: SND.UNA < SEG.ACK =< SND.NXT; data may have come with the SYN. */
	uint32_t length = end->sent.known ? seqset_top(&end->sent) - end->isn : 1;

	return (s->flags & TCP_FLAG_ACK) && seq_within(s->ack - 1, end->isn, length);
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

	return other->fin_seen && me->received.known && seq_gt(me->received.edge, other->fin_seq);
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

static bool has_left(const struct machine *m, unsigned end)
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
	return has_left(m, end) || has_left(m, !end);
}

static void note_time_wait(struct machine *m)
{
	for (unsigned end = 0; end < 2; end++)
		if (machine_state(m, end) == TCP_TIME_WAIT)
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
		return other->sent.known && s->ack == seqset_top(&other->sent) + 1;
	/* Not a segment of the other's was seen: then only once this end closes, too. */
	if (!me->fin_seen && !(s->flags & TCP_FLAG_FIN))
		return false;
	return s->ack == me->acked + 1 || (s->ack == me->acked && me->step_one);
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
		seqset_begin(&me->received, s->ack); /* Fast Open data not taken: back again */
	else
		seqset_advance(&me->received, s->ack);
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
	me->scale = s->options.has_window_scale ? s->options.window_scale & 15 : 0;
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

static void send_fin(struct machine *m, unsigned from, const struct segment *s)
{
	struct machine_end *me = &m->end[from];
	uint32_t fin_seq = segment_end(s) - 1;

	if (me->fin_seen && !me->fin_inferred && me->fin_seq == fin_seq) {
		me->fin_count++;
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
	me->fin_count = 1;
	me->fin_ns = s->time_ns;
}

static void send_numbers(struct machine *m, unsigned from, const struct segment *s)
{
	struct machine_end *me = &m->end[from];
	uint32_t data = s->seq + ((s->flags & TCP_FLAG_SYN) ? 1 : 0);

	if (!me->base_known) {
		me->isn = s->seq;
		me->base_known = true;
	}
	if (!me->sent.known)
		seqset_begin(&me->sent, s->seq);
	if (s->flags & TCP_FLAG_SYN)
		seqset_add(&me->sent, s->seq, data);
	if (s->payload_length) {
		uint32_t added = seqset_add(&me->sent, data, data + s->payload_length);

		me->bytes += added;
		if (added) {
			me->data_sent = true;
			me->data_unanswered = false;
		}
		/* More data refutes a FIN that was only inferred. */
		if (me->fin_inferred && seq_gt(data + s->payload_length, me->fin_seq))
			me->fin_seen = me->fin_inferred = me->fin_acked = false;
	}
	if (s->flags & TCP_FLAG_FIN)
		seqset_add(&me->sent, segment_end(s) - 1, segment_end(s));
	else if (!segment_length(s) && seq_gt(s->seq, seqset_top(&me->sent)))
		seqset_advance(&me->sent, s->seq); /* the capture missed what lies between */
}

static void send_rst(struct machine *m, unsigned from, enum rst_cause cause)
{
	struct machine_end *me = &m->end[from];

	/* TIME-WAIT answers a FIN by ACK; it was not there if it never did. */
	if (!machine_acks_fin(&m->end[!from], me->acked))
		me->time_wait = false;
	if (!me->rst_sent)
		me->rst_cause = cause;
	me->rst_sent = true;
	me->presence = GONE;
}

void machine_send(struct machine *m, unsigned from, const struct segment *s, enum segment_role role,
		  enum rst_cause cause)
{
	struct machine_end *me = &m->end[from];

	m->any = true;
	m->last_from = (uint8_t)from;
	me->challenge_due = me->keepalive_due = false;
	if (role == ROLE_RST) {
		send_rst(m, from, cause);
		return;
	}
	if (role == ROLE_STRAY && (s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN) {
		me->newer_syn = true;
		me->newer_isn = s->seq;
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
		send_numbers(m, from, s);
	if (s->flags & TCP_FLAG_FIN)
		send_fin(m, from, s);
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
	return seq == seqset_top(&me->received);
}

/*
 * Whether the end takes the RST: only at exactly RCV.NXT (RFC 5961 3.2). Linux takes two more,
 * tcp_validate_incoming(): at the right edge of what SACK reported, and, from those who reset
 * after their FIN without counting it, at RCV.NXT - 1 (tcp_reset_check(), since 4.10).
 */
static bool takes_rst(const struct machine *m, unsigned end, const struct segment *s)
{
	const struct machine_end *me = &m->end[end], *other = &m->end[!end];
	int state = machine_state(m, end);

	if (state == TCP_SYN_SENT)
		return machine_acks_syn(me, s);
	if (!me->received.known || s->seq == me->received.edge)
		return true;
	if (!me->seen) /* its RCV.NXT is not to be seen; go by what it was sent */
		return s->seq == seqset_top(&other->sent);
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING)
		if (s->seq == me->received.edge - 1)
			return true;
	return sack_edge(m, end, s->seq);
}

static bool in_window(const struct machine *m, unsigned end, uint32_t seq)
{
	const struct machine_end *me = &m->end[end];
	uint32_t window = (uint32_t)me->window;

	if (!me->received.known)
		return true;
	if (!me->scale_known)
		window = WINDOW_MAX;
	else if (m->end[!end].scale_known)
		window <<= me->scale;
	return seq_within(seq, me->received.edge, window ? window : 1);
}

static void abort_connection(struct machine *m, enum rst_cause cause)
{
	m->aborted = true;
	if (cause == RST_REFUSED)
		m->refused = true;
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
	abort_connection(m, cause);
	return cause;
}

static void arrive_numbers(struct machine_end *me, const struct segment *s)
{
	uint32_t data = s->seq + ((s->flags & TCP_FLAG_SYN) ? 1 : 0);

	if ((s->flags & TCP_FLAG_SYN) && !me->open) {
		me->syn_arrived = true;
		seqset_begin(&me->received, data);
	}
	if (!me->received.known)
		seqset_begin(&me->received, s->seq);
	if (s->payload_length) {
		uint32_t end = data + s->payload_length;

		if (seqset_add(&me->received, data, end))
			me->data_unanswered = true;
		if (!me->data_arrived || seq_gt(end, me->data_end))
			me->data_end = end;
		me->data_arrived = true;
	}
	if (s->flags & TCP_FLAG_FIN)
		seqset_add(&me->received, segment_end(s) - 1, segment_end(s));
}

static void arrive_ack(struct machine_end *me, const struct segment *s, int64_t now_ns)
{
	if (me->syn_sent && machine_acks_syn(me, s))
		me->open = me->syn_arrived;
	if (machine_acks_fin(me, s->ack)) {
		if (!me->fin_acked)
			me->fin_acked_ns = now_ns;
		me->fin_acked = true;
	}
}

enum rst_cause machine_arrive(struct machine *m, unsigned from, const struct segment *s,
			      enum segment_role role, enum rst_cause cause, int64_t now_ns)
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
		arrive_numbers(me, s);
	me->keepalive_sent = false;
	if (s->flags & TCP_FLAG_ACK)
		arrive_ack(me, s, now_ns);
	note_time_wait(m);
	return cause;
}

void machine_lose(struct machine *m, unsigned from, enum segment_role role, enum rst_cause cause)
{
	if (role == ROLE_RST && !has_left(m, !from))
		abort_connection(m, cause); /* its sender is gone all the same */
}
