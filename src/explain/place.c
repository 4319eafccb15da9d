#include "explain/place.h"

#include "explain/role.h"
#include "tcp/seq.h"
#include "tcp/state.h"

bool place_is_syn(const struct segment *s)
{
	return (s->flags & TCP_FLAG_SYN) && !role_flags_illegal(s->flags);
}

bool place_is_syn_ack(const struct segment *s)
{
	return place_is_syn(s) && (s->flags & TCP_FLAG_ACK);
}

bool place_is_from_server(const struct segment *first)
{
	if (place_is_syn(first))
		return place_is_syn_ack(first); /* the one who is answered is the client */
	return first->source.port < first->target.port;
}

static enum place place_of_syn(const struct machine *m, unsigned from, const struct segment *s)
{
	const struct machine_end *me = &m->end[from];

	if (me->syn_sent && me->isn == s->seq)
		return PLACE_HERE;
	if (!me->seen && !me->syn_sent && machine_state(m, !from) == TCP_SYN_SENT)
		return PLACE_HERE; /* both open at once */
	if (!machine_over(m, from))
		return PLACE_HERE;
	if (!m->end[0].seen && !m->end[1].seen)
		return PLACE_UNRELATED;
	return PLACE_NEW;
}

enum place place_of(const struct machine *m, unsigned from, const struct segment *s)
{
	if (!place_is_syn(s))
		return PLACE_HERE;
	if (!(s->flags & TCP_FLAG_ACK))
		return place_of_syn(m, from, s);
	if (m->end[!from].newer_syn && m->rare && s->ack == m->rare->newer_isn[!from] + 1)
		return PLACE_PROMOTE;
	return PLACE_HERE;
}

bool place_is_opening(const struct machine *m)
{
	return !(m->end[0].open && m->end[1].open) && m->end[0].presence != GONE &&
	       m->end[1].presence != GONE;
}

/* Within the numbers that the end has used, its next one included. */
static bool has_used(const struct machine *m, unsigned end, uint32_t seq)
{
	const struct machine_end *me = &m->end[end];

	return me->base_known && me->sent_known &&
	       seq_within(seq, me->isn, machine_sent_top(m, end) - me->isn + 1);
}

bool place_fits(const struct machine *m, unsigned from, const struct segment *s)
{
	if (m->end[from].sent_known)
		return has_used(m, from, s->seq);
	return (s->flags & TCP_FLAG_ACK) && s->ack != m->end[!from].isn &&
	       has_used(m, !from, s->ack);
}

void place_tell_old(struct machine *old, unsigned from, const struct segment *syn)
{
	int state = machine_state(old, !from);

	old->end[from].newer_syn = true;
	if (old->rare)
		old->rare->newer_isn[from] = syn->seq;
	if (state == TCP_TIME_WAIT || state == TCP_LAST_ACK)
		old->end[!from].challenge_due = true;
}
