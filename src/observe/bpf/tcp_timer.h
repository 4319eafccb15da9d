/* The timer of a socket, as sock_diag tells it: net/ipv4/inet_diag.c, inet_sk_diag_fill(), 6.18. */
#ifndef CONTEST_OBSERVE_BPF_TCP_TIMER_H
#define CONTEST_OBSERVE_BPF_TCP_TIMER_H

#include "observe/bpf/kernel.h"

/* enum socket_timer */
#define TIMER_OFF	 0
#define TIMER_RETRANSMIT 1
#define TIMER_KEEPALIVE	 2
#define TIMER_TIMEWAIT	 3
#define TIMER_PROBE	 4

struct tcp_timer {
	__u8 kind;
	__u8 retransmits;
	unsigned long expires; /* in the kernel's ticks; of TIMER_OFF nothing */
};

static __always_inline int ticks_until(unsigned long expires)
{
	return (int)((__u64)expires - bpf_jiffies64());
}

static __always_inline unsigned long timeout_of(const struct inet_connection_sock *icsk)
{
	const struct inet_connection_sock___old *old = (const void *)icsk;
	const struct sock___new *sk = (const void *)&icsk->icsk_inet.sk;

	if (bpf_core_field_exists(old->icsk_timeout))
		return old->icsk_timeout;
	if (bpf_core_field_exists(icsk->icsk_retransmit_timer))
		return icsk->icsk_retransmit_timer.expires;
	return sk->tcp_retransmit_timer.expires;
}

/* Whether it runs; when it ends in *ret. */
static __always_inline bool keepalive_of(const struct inet_connection_sock *icsk,
					 unsigned long *ret)
{
	const struct inet_connection_sock___new *new = (const void *)icsk;
	const struct sock *sk = &icsk->icsk_inet.sk;

	if (bpf_core_field_exists(new->icsk_keepalive_timer)) {
		*ret = new->icsk_keepalive_timer.expires;
		return new->icsk_keepalive_timer.entry.pprev;
	}
	*ret = sk->sk_timer.expires;
	return sk->sk_timer.entry.pprev;
}

static __always_inline struct tcp_timer timer_of(const struct inet_connection_sock *icsk)
{
	struct tcp_timer timer = {};
	__u8 pending = icsk->icsk_pending;

	if (pending == ICSK_TIME_RETRANS || pending == ICSK_TIME_REO_TIMEOUT ||
	    pending == ICSK_TIME_LOSS_PROBE) {
		timer.kind = TIMER_RETRANSMIT;
		timer.retransmits = icsk->icsk_retransmits;
		timer.expires = timeout_of(icsk);
	} else if (pending == ICSK_TIME_PROBE0) {
		timer.kind = TIMER_PROBE;
		timer.retransmits = icsk->icsk_probes_out;
		timer.expires = timeout_of(icsk);
	} else if (keepalive_of(icsk, &timer.expires)) {
		timer.kind = TIMER_KEEPALIVE;
		timer.retransmits = icsk->icsk_probes_out;
	}
	return timer;
}

#endif
