#include "explain/role.h"

#include "tcp/seq.h"
#include "tcp/state.h"

bool role_flags_illegal(uint8_t flags)
{
	if (flags & TCP_FLAG_SYN)
		return flags & (TCP_FLAG_FIN | TCP_FLAG_RST);
	if (flags & TCP_FLAG_RST)
		return flags & TCP_FLAG_FIN;
	return !(flags & TCP_FLAG_ACK); /* RFC 9293 3.1: always sent once synchronized */
}

static enum segment_role role_of_syn(const struct machine_end *me, const struct machine_end *other,
				     const struct segment *s)
{
	bool answer = s->flags & TCP_FLAG_ACK;

	if (me->syn_sent && me->isn != s->seq)
		return ROLE_STRAY;
	if (!me->syn_sent && (me->seen || (other->seen && !other->syn_sent)))
		return ROLE_STRAY; /* within a connection that began before the capture */
	if (!me->syn_sent)
		return answer ? ROLE_SYN_ACK : ROLE_SYN;
	if (answer)
		/* After its own SYN an end sends a SYN-ACK when both opened at once. */
		return me->acked_known ? ROLE_SYN_ACK_REPEATED : ROLE_SYN_ACK;
	return me->seen ? ROLE_SYN_REPEATED : ROLE_SYN;
}

static enum segment_role role_of_fin(const struct machine *m, unsigned from,
				     const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];
	uint32_t fin_seq = segment_end(s) - 1;

	/* The same end, however the data before it is split this time. */
	if (me->fin_seen && !me->fin_inferred) {
		if (me->fin_seq == fin_seq)
			return ROLE_FIN_REPEATED;
		if (me->fin_acked)
			return ROLE_ILLEGAL;
	}
	return machine_acks_fin(other, s->ack) || machine_shows_fin(m, from, s)
		       ? ROLE_FIN_AND_ACK_OF_FIN
		       : ROLE_FIN;
}

/*
 * Below SND.NXT by one with nothing or one byte in it, so that an answer must come (RFC 9293
 * 3.8.4). Linux sends a zero window probe in the same shape (tcp_xmit_probe_skb()).
 */
static bool is_keepalive(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];
	uint32_t next;

	if (!me->sent_known || s->payload_length > 1)
		return false;
	next = machine_sent_top(m, from);
	if (!other->acked_known) /* the other direction is not in the capture */
		return s->payload_length == 0 && s->seq == next - 1 && !me->syn_sent;
	/* One byte that is not yet acknowledged is no keep-alive but that byte sent again. */
	return s->seq == other->acked - 1 && seq_lt(s->seq, next);
}

static bool is_new(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from];
	const struct seqset_islands *islands = me->sent_holes ? &m->rare->holes->sent[from] : NULL;

	if (!me->sent_known)
		return (int32_t)s->payload_length > 0;
	return seqset_missing(me->sent, islands, s->seq, s->seq + s->payload_length) > 0;
}

static enum segment_role role_of_ack(const struct machine_end *me, const struct machine_end *other,
				     const struct segment *s)
{
	bool news = !me->acked_known || seq_gt(s->ack, me->acked);
	bool covers_fin = machine_acks_fin(other, s->ack);

	if (!news && me->challenge_due)
		return ROLE_CHALLENGE_ACK;
	if (!news && me->keepalive_due)
		return ROLE_KEEPALIVE_ACK;
	if (!me->acked_known && me->syn_sent)
		if (other->syn_sent ? s->ack == other->isn + 1 : !other->seen)
			return ROLE_HANDSHAKE_ACK;
	if (covers_fin && news)
		return ROLE_ACK_OF_FIN;
	if (!news && me->seen && me->window != s->window && !(covers_fin && me->fin_again))
		return ROLE_WINDOW_UPDATE;
	if (covers_fin)
		return ROLE_ACK_OF_FIN_AGAIN;
	if (!news)
		return ROLE_ACK_DUPLICATE;
	return other->fin_seen && !other->fin_inferred ? ROLE_ACK_DATA_ONLY : ROLE_ACK;
}

enum segment_role role_of(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];

	if (role_flags_illegal(s->flags))
		return ROLE_ILLEGAL;
	if (s->flags & TCP_FLAG_RST)
		return ROLE_RST;
	if (me->presence == GONE && !me->rst_sent)
		return ROLE_STRAY;
	if (s->flags & TCP_FLAG_SYN)
		return role_of_syn(me, other, s);
	if (me->fin_seen && !me->fin_inferred && s->payload_length &&
	    seq_gt(s->seq + s->payload_length, me->fin_seq))
		return ROLE_ILLEGAL;
	if (s->flags & TCP_FLAG_FIN)
		return role_of_fin(m, from, s);
	if (is_keepalive(m, from, s))
		return ROLE_KEEPALIVE;
	if (machine_acks_fin(other, s->ack) && me->acked_known && seq_gt(s->ack, me->acked))
		return ROLE_ACK_OF_FIN; /* more telling than the data it may carry */
	if (s->payload_length)
		return is_new(m, from, s) ? ROLE_DATA : ROLE_DATA_REPEATED;
	if (machine_shows_fin(m, from, s))
		return ROLE_ACK_OF_FIN;
	return role_of_ack(me, other, s);
}
