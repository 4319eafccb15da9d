/* The way of most segments through the machine, in the few steps that most need. */
#ifndef CONTEST_EXPLAIN_MACHINE_PASS_H
#define CONTEST_EXPLAIN_MACHINE_PASS_H

#include "explain/machine.h"
#include "tcp/seq.h"

/* No window is larger (RFC 7323 2.3). */
#define MACHINE_PASS_MAX (1u << 30)

/* Both ends are in, and nothing is due or missing but what was sent last. */
static inline bool machine_is_calm(const struct machine *m)
{
	const uint32_t yes = MACHINE_FACTS(.open = 1, .seen = 1, .base_known = 1, .sent_known = 1,
					   .received_known = 1, .acked_known = 1);
	const uint32_t no = MACHINE_FACTS(.presence = 3, .sent_holes = 1, .received_holes = 1,
					  .fin_seen = 1, .fin_again = 1, .rst_sent = 1,
					  .newer_syn = 1, .keepalive_sent = 1, .keepalive_due = 1,
					  .challenge_due = 1);

	return (m->end[0].facts & m->end[1].facts & yes) == yes &&
	       !((m->end[0].facts | m->end[1].facts) & no);
}

/*
 * The usual segment of an open connection, in order and with nothing outstanding but data: when
 * it is one, does what role_of(), machine_send() and machine_arrive() would, and returns true. No
 * end's state changes by it; its role is ROLE_DATA, ROLE_ACK, ROLE_ACK_DUPLICATE or
 * ROLE_WINDOW_UPDATE.
 */
static inline bool machine_pass(struct machine *m, unsigned from, const struct segment *s)
{
	struct machine_end *me = &m->end[from], *other = &m->end[!from];
	const uint8_t telling = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST | TCP_FLAG_ACK;

	if ((s->flags & telling) != TCP_FLAG_ACK || !machine_is_calm(m))
		return false;
	/* Between the ends nothing is missing, and nothing is acknowledged that was not sent. */
	if (s->seq != me->sent || s->seq != other->received || other->sent != me->received)
		return false;
	if (seq_gt(s->ack, other->sent) || s->payload_length > MACHINE_PASS_MAX)
		return false;
	/* The first data of a connection begun in the middle shows its sender's state. */
	if (s->payload_length && !me->data_sent && !me->syn_sent && !other->syn_sent)
		return false;
	if (seq_gt(s->ack, me->acked)) {
		me->step_one = s->ack == me->acked + 1;
		me->acked = s->ack;
	}
	me->window = s->window;
	me->last = true;
	other->last = false;
	if (s->payload_length) {
		me->sent += s->payload_length;
		other->received = me->sent;
		me->data_sent = other->data_arrived = other->data_unanswered = true;
		me->data_unanswered = false;
	}
	return true;
}

#endif
