/* What tcp_sums.bpf.c adds up: the form between it and its reader, observe/socket_sums.c. */
#ifndef CONTEST_OBSERVE_BPF_TCP_SUM_H
#define CONTEST_OBSERVE_BPF_TCP_SUM_H

/* Places in the table. */
#define TCP_SUMS_BITS 14

/* Which members of the key are told apart; the others are 0. State and family always are. */
#define TCP_SUM_LOCAL	    1
#define TCP_SUM_LOCAL_PORT  2
#define TCP_SUM_REMOTE	    4
#define TCP_SUM_REMOTE_PORT 8
#define TCP_SUM_TIMER	    16

struct tcp_sum_key {
	unsigned int local[4], remote[4]; /* network order; of AF_INET the first */
	unsigned short local_port;
	unsigned short remote_port_be; /* network order */
	unsigned short family;
	unsigned char state;
	unsigned char timer; /* enum socket_timer */
};

#define TCP_SUM_KEY_WORDS (sizeof(struct tcp_sum_key) / sizeof(unsigned long long))

struct tcp_sum {
	union {
		struct tcp_sum_key key;
		unsigned long long words[TCP_SUM_KEY_WORDS];
	};
	unsigned int count; /* 0: a free place */
	unsigned int minisocks, timers;
	int least, most; /* kernel ticks that timers have left; negative: overdue */
	unsigned int unused;
};

/* One run: from bucket @from of the table of connections on. */
struct tcp_sums_run {
	unsigned int from, most; /* buckets */
	unsigned int next;	 /* set: where the next run goes on */
	unsigned int buckets;	 /* set: in all */
};

#endif
