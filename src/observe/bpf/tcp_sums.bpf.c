/*
 * The connections of a network namespace added up inside the kernel, by what is asked for.
 *
 * An iterator (iter/tcp) locks each bucket, takes a reference of each socket, calls its program for
 * it and lets it go again: 380 ms for a million in TIME-WAIT, of which each waits for memory in
 * turn, where this takes 190 (bench/RESULTS.md). This program walks the table as the kernel itself
 * does when a segment comes in (__inet_lookup_established(), 6.18): under RCU, without locks or
 * references, so that the processor fetches the next sockets while it adds up the last one.
 *
 * What RCU does not promise: that a socket stays what it is. Its memory may become another socket
 * meanwhile, of another bucket (SLAB_TYPESAFE_BY_RCU); the walk would go on there. As in the kernel
 * the end of the list tells, which has the number of its bucket; then all is counted anew. A
 * connection that turns into its TIME-WAIT just now may be seen as both, or neither
 * (inet_twsk_hashdance_schedule()).
 *
 * Listeners are in a table of their own, and not looked for.
 */
#include "observe/bpf/kernel.h"

#include "observe/bpf/tcp_sum.h"
#include "observe/bpf/tcp_timer.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* The table of connections, and how a program finds the one of its thread's network namespace. */
struct hlist_nulls_head {
	struct hlist_nulls_node *first;
};

struct inet_ehash_bucket {
	struct hlist_nulls_head chain;
};

struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask;
};

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
};

struct net {
	struct netns_ipv4 ipv4;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

struct rb_node {
	unsigned long __rb_parent_color;
};

#pragma clang attribute pop

/* Linux 6.2; that what comes from it may be read, and never faults, the verifier sees to. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

#define PLACES	   (1U << TCP_SUMS_BITS)
#define ROOM	   (PLACES / 2)
#define PROBES	   64
#define CHAIN_MOST 65536
#define RUN_MOST   32768 /* sockets after which no other bucket is begun */

/* Set before the first run. */
__u32 wanted_states = ~0U; /* bit 1 << state */
__u32 wanted_fields;	   /* TCP_SUM_… */
__u64 seed;

/* The reader empties all this before the first run. */
struct tcp_sum sums[PLACES];
__u32 used;
__u32 strayed; /* lists that ended elsewhere, or nowhere */
__u32 lost;    /* sockets without a place: there are too many sums */

struct walk {
	const struct net *net;
	__u64 buckets; /* address of the table */
	__u64 node;    /* address of what comes next, or the end of the list: odd */
	__u64 now;     /* ticks */
	__u32 from, mask, done, seen;
};

/* A word of the kernel's memory as a number. The verifier lets nobody look at the lowest bit of
 * what it knows to be a pointer; of a red-black tree's node it knows that the word is none. */
static __always_inline __u64 word_at(__u64 address)
{
	const struct rb_node *word = bpf_rdonly_cast((void *)address,
						     bpf_core_type_id_kernel(struct rb_node));

	return word->__rb_parent_color;
}

/* ---- what a socket is */

/* What is needed of its timer. */
static __always_inline struct tcp_timer fill_state(struct tcp_sum_key *key,
						   const struct sock_common *common)
{
	struct tcp_timer timer = {};

	key->state = common->skc_state;
	if (key->state == TCP_TIME_WAIT) {
		const struct inet_timewait_sock *tw =
			bpf_rdonly_cast(common, bpf_core_type_id_kernel(struct inet_timewait_sock));

		key->state = tw->tw_substate;
		timer.kind = TIMER_TIMEWAIT;
		timer.expires = tw->tw_timer.expires;
	} else if (key->state == TCP_NEW_SYN_RECV) {
		const struct request_sock *request =
			bpf_rdonly_cast(common, bpf_core_type_id_kernel(struct request_sock));

		key->state = TCP_SYN_RECV;
		timer.kind = TIMER_RETRANSMIT;
		timer.expires = request->rsk_timer.expires;
	} else {
		timer = timer_of(bpf_rdonly_cast(
			common, bpf_core_type_id_kernel(struct inet_connection_sock)));
	}
	return timer;
}

static __always_inline void fill_addresses(struct tcp_sum_key *key,
					   const struct sock_common *common)
{
	key->family = common->skc_family;
	if (wanted_fields & TCP_SUM_LOCAL_PORT)
		key->local_port = common->skc_num;
	if (wanted_fields & TCP_SUM_REMOTE_PORT)
		key->remote_port_be = common->skc_dport;
	if (key->family != AF_INET6) {
		if (wanted_fields & TCP_SUM_LOCAL)
			key->local[0] = common->skc_rcv_saddr;
		if (wanted_fields & TCP_SUM_REMOTE)
			key->remote[0] = common->skc_daddr;
		return;
	}
	for (int i = 0; i < 4; i++) {
		if (wanted_fields & TCP_SUM_LOCAL)
			key->local[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
		if (wanted_fields & TCP_SUM_REMOTE)
			key->remote[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
	}
}

/* ---- where it is added */

/* Peers choose addresses and ports: the seed keeps them from choosing places. */
static __always_inline __u32 place_of(const __u64 *words)
{
	__u64 hash = seed;

	for (unsigned int i = 0; i < TCP_SUM_KEY_WORDS; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return (__u32)(hash >> 32);
}

static __always_inline bool same(const __u64 *a, const __u64 *b)
{
	__u64 different = 0;

	for (unsigned int i = 0; i < TCP_SUM_KEY_WORDS; i++)
		different |= a[i] ^ b[i];
	return different == 0;
}

struct search {
	__u64 words[TCP_SUM_KEY_WORDS];
	__u32 place;
	bool found;
};

/* 1 ends the search: it is there, or has been put there. */
static long try_place(__u32 number, struct search *search)
{
	__u32 place = (search->place + number) & (PLACES - 1);
	struct tcp_sum *sum = &sums[place];

	if (sum->count != 0) {
		if (!same(sum->words, search->words))
			return 0;
	} else {
		if (used == ROOM)
			return 1;
		for (unsigned int i = 0; i < TCP_SUM_KEY_WORDS; i++)
			sum->words[i] = search->words[i];
		used++;
	}
	search->place = place;
	search->found = true;
	return 1;
}

/* The first place is nearly always the one. To the verifier a loop of our own would be so many
 * programs, for a third of a second. */
static __always_inline struct tcp_sum *find_or_make(struct search *search)
{
	search->place = place_of(search->words);
	if (!try_place(0, search))
		bpf_loop(PROBES, try_place, search, 0);
	return search->found ? &sums[search->place & (PLACES - 1)] : NULL;
}

static __always_inline void add_timer(struct tcp_sum *sum, struct tcp_timer timer, __u64 now)
{
	int left = (int)((__u64)timer.expires - now);

	sum->minisocks += timer.kind == TIMER_TIMEWAIT;
	if (timer.kind == TIMER_OFF)
		return;
	if (sum->timers == 0 || left < sum->least)
		sum->least = left;
	if (sum->timers == 0 || left > sum->most)
		sum->most = left;
	sum->timers++;
}

static __always_inline void add(struct walk *walk, const struct sock_common *common)
{
	struct tcp_sum_key key = {};
	struct tcp_timer timer = fill_state(&key, common);
	struct search search = {};
	struct tcp_sum *sum;

	if (!(wanted_states & 1U << (key.state & 31)))
		return;
	fill_addresses(&key, common);
	if (wanted_fields & TCP_SUM_TIMER)
		key.timer = timer.kind;
	__builtin_memcpy(search.words, &key, sizeof(key));
	sum = find_or_make(&search);
	if (!sum) {
		lost++;
		return;
	}
	add_timer(sum, timer, walk->now);
	sum->count++;
}

/* ---- the walk */

static long visit_node(__u32 number, struct walk *walk)
{
	const struct sock_common *common;

	(void)number;
	if (walk->node & 1)
		return 1;
	common = bpf_rdonly_cast(
		(void *)(walk->node - bpf_core_field_offset(struct sock_common, skc_nulls_node)),
		bpf_core_type_id_kernel(struct sock_common));
	if (common->skc_net.net == walk->net)
		add(walk, common);
	walk->node = word_at(walk->node);
	walk->seen++;
	return 0;
}

static long visit_bucket(__u32 number, struct walk *walk)
{
	__u32 bucket = walk->from + number;

	if (lost || walk->seen > RUN_MOST)
		return 1;
	walk->node = word_at(walk->buckets +
			     (__u64)bucket * bpf_core_type_size(struct inet_ehash_bucket));
	if (!(walk->node & 1))
		bpf_loop(CHAIN_MOST, visit_node, walk, 0);
	/* include/linux/list_nulls.h, get_nulls_value() */
	if (walk->node != ((__u64)bucket << 1 | 1))
		strayed++;
	walk->done++;
	return 0;
}

SEC("syscall")
int add_up(struct tcp_sums_run *run)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct inet_hashinfo *table;
	struct walk walk = {};
	__u32 count = run->most;

	bpf_rcu_read_lock();
	walk.net = task->nsproxy->net_ns;
	table = task->nsproxy->net_ns->ipv4.tcp_death_row.hashinfo;
	bpf_probe_read_kernel(&walk.buckets, sizeof(walk.buckets), &table->ehash);
	walk.mask = table->ehash_mask;
	walk.from = run->from;
	walk.now = bpf_jiffies64();
	if (walk.from > walk.mask)
		count = 0;
	else if (count > walk.mask - walk.from + 1)
		count = walk.mask - walk.from + 1;
	bpf_loop(count, visit_bucket, &walk, 0);
	bpf_rcu_read_unlock();
	run->next = walk.from + walk.done;
	run->buckets = walk.mask + 1;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
