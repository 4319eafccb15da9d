/*
 * Why a RST was sent.
 *
 * Theory of operation. A capture shows no close(), so the cause is a conclusion from what its
 * sender had sent and received. Two things tell most:
 *
 * The ACK flag. A RST from a socket that still exists carries one on Linux, BSD and Windows
 * (Linux: tcp_send_active_reset()). A RST that answers a segment for which there is no socket, or
 * which the socket must not take, has none: its sequence number is the ACK of what it answers
 * (RFC 9293 3.10.7.1; Linux: tcp_v4_send_reset()).
 *
 * Whether data had arrived. Without any, nothing can have been left unread. With some, to which
 * the sender had not answered with data of its own, close() with data unread (RFC 2525 2.17) is
 * what fits; close() with SO_LINGER 0 after everything was read sends the same packet, and the
 * text says so. Where it did answer, the data was read as far as one can see: an abort.
 */
#include "explain/role.h"
#include "tcp/seq.h"

/* Whether data had arrived that the end never acknowledged. Its peer's FIN is not data. */
static bool data_unacknowledged(const struct machine *m, unsigned end)
{
	const struct machine_end *me = &m->end[end], *other = &m->end[!end];
	uint32_t top;

	if (!me->data_arrived || !me->acked_known)
		return me->data_arrived;
	top = machine_received_top(m, end);
	if (other->fin_seen && top == other->fin_seq + 1)
		top--;
	return seq_gt(top, me->acked);
}

static enum rst_cause after_fin(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];

	/* A closed socket acknowledges no data any more; a half-closed one does. */
	if (data_unacknowledged(m, from))
		return RST_DATA_AFTER_CLOSE;
	if (!(s->flags & TCP_FLAG_ACK) && other->last)
		return RST_HALF_OPEN; /* Linux: an orphaned FIN-WAIT-2 that ended silently */
	if (me->data_unanswered && seq_gt(me->acked, me->fin_ack) &&
	    !machine_acks_fin(other, me->acked))
		return RST_UNREAD_DATA;
	return RST_ABORT;
}

static enum rst_cause before_fin(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];

	if (!me->seen && !other->seen)
		return other->last ? RST_HALF_OPEN : RST_UNKNOWN;
	if (!(s->flags & TCP_FLAG_ACK))
		return other->last ? RST_HALF_OPEN : RST_ABORT;
	if (me->data_unanswered && !me->keepalive_sent)
		return RST_UNREAD_DATA;
	return RST_ABORT;
}

enum rst_cause rst_cause_of(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from], *other = &m->end[!from];

	if (me->newer_syn && other->acked_known && s->seq == other->acked)
		return RST_ANSWERS_OLD_ACK;
	if (me->rst_sent)
		return me->rst_cause; /* a burst is one abort */
	if (other->syn_sent && !other->open && !me->seen)
		return machine_acks_syn(m, !from, s) ? RST_REFUSED : RST_UNKNOWN;
	if (me->syn_sent && other->syn_sent && !me->acked_known)
		return RST_CLIENT_GONE;
	return me->fin_seen ? after_fin(m, from, s) : before_fin(m, from, s);
}
