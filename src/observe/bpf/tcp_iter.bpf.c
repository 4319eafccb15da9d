/*
 * Every TCP socket of a network namespace as a record (iter/tcp, Linux 5.9). Which values are told
 * of which kind of socket is what sock_diag tells: net/ipv4/inet_diag.c, inet_sk_diag_fill(),
 * inet_twsk_diag_fill(), inet_req_diag_fill(), 6.18.
 */
#include "observe/bpf/kernel.h"

#include "observe/bpf/tcp_record.h"
#include "observe/bpf/tcp_timer.h"

/* Bit 1 << state; set before each walk. */
__u32 wanted_states = ~0U;

static __always_inline void fill_key(struct tcp_record *record, const struct sock_common *common)
{
	record->family = common->skc_family;
	record->local_port = common->skc_num;
	record->remote_port_be = common->skc_dport;
	if (record->family == AF_INET6) {
		for (int i = 0; i < 4; i++) {
			record->local[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			record->remote[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	} else {
		record->local[0] = common->skc_rcv_saddr;
		record->remote[0] = common->skc_daddr;
	}
}

static __always_inline __u32 inode_of(const struct sock *sk)
{
	struct socket_alloc *file = (struct socket_alloc *)sk->sk_socket;
	unsigned long inode = 0;

	/* The socket is their first member; nobody holds one that has none. */
	if (file)
		bpf_core_read(&inode, sizeof(inode), &file->vfs_inode.i_ino);
	return (__u32)inode;
}

static __always_inline void fill_timer(struct tcp_record *record,
				       const struct inet_connection_sock *icsk)
{
	struct tcp_timer timer = timer_of(icsk);

	record->timer = timer.kind;
	record->retransmits = timer.retransmits;
	if (timer.kind != TIMER_OFF)
		record->timer_left = ticks_until(timer.expires);
}

static __always_inline void fill_full(struct tcp_record *record, const struct tcp_sock *tcp,
				      __u32 uid)
{
	const struct sock *sk = &tcp->inet_conn.icsk_inet.sk;

	record->uid = uid;
	record->inode = inode_of(sk);
	if (record->state == TCP_LISTEN) {
		record->receive_queue = sk->sk_ack_backlog;
		record->send_queue = sk->sk_max_ack_backlog;
	} else {
		/* copied_seq may run ahead of rcv_nxt while the two are read. */
		int unread = (int)(tcp->rcv_nxt - tcp->copied_seq);

		record->receive_queue = unread > 0 ? (__u32)unread : 0;
		record->send_queue = tcp->write_seq - tcp->snd_una;
	}
	fill_timer(record, &tcp->inet_conn);
}

/* Both kinds of minisock are of state TIME-WAIT to those who look at the hash table. */
static __always_inline void fill_timewait(struct tcp_record *record,
					  const struct tcp_timewait_sock *tw)
{
	record->state = tw->tw_sk.tw_substate;
	record->timer = TIMER_TIMEWAIT;
	record->timer_left = ticks_until(tw->tw_sk.tw_timer.expires);
}

static __always_inline void fill_request(struct tcp_record *record,
					 const struct tcp_request_sock *request)
{
	record->state = TCP_SYN_RECV;
	record->timer = TIMER_RETRANSMIT;
	record->retransmits = request->req.req.num_retrans;
	record->timer_left = ticks_until(request->req.req.rsk_timer.expires);
}

/* What is of the kind of socket; false: it is none of ours. */
static __always_inline bool fill(struct tcp_record *record, struct sock_common *common, __u32 uid)
{
	record->state = common->skc_state;
	if (record->state == TCP_TIME_WAIT) {
		struct tcp_timewait_sock *tw = bpf_skc_to_tcp_timewait_sock(common);

		if (tw)
			fill_timewait(record, tw);
		return tw;
	}
	if (record->state == TCP_NEW_SYN_RECV) {
		struct tcp_request_sock *request = bpf_skc_to_tcp_request_sock(common);

		if (request)
			fill_request(record, request);
		return request;
	}
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);

	if (tcp)
		fill_full(record, tcp, uid);
	return tcp;
}

SEC("iter/tcp")
int list_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tcp_record record = {};

	if (!common || !fill(&record, common, ctx->uid))
		return 0;
	if (!(wanted_states & 1U << (record.state & 31)))
		return 0;
	fill_key(&record, common);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
