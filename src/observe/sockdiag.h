/*
 * TCP sockets as the kernel lists them: inet_diag over netlink, the interface below ss.
 *
 * TIME-WAIT sockets and orphaned FIN-WAIT-2 sockets are both `struct inet_timewait_sock`
 * minisocks (timer "timewait", no inode); here they are told apart by their state, where
 * /proc/net/sockstat and `ss -s` count both as tw.
 */
#ifndef CONTEST_OBSERVE_SOCKDIAG_H
#define CONTEST_OBSERVE_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "tcp/key.h"

/* idiag_timer (net/ipv4/inet_diag.c, inet_sk_diag_fill(), 6.18). */
enum socket_timer {
	SOCKET_TIMER_OFF = 0,
	SOCKET_TIMER_RETRANSMIT = 1, /* and loss probe, reordering timeout */
	SOCKET_TIMER_KEEPALIVE = 2,  /* FIN-WAIT-2 above 60 s waits under this name */
	SOCKET_TIMER_TIMEWAIT = 3,
	SOCKET_TIMER_PROBE = 4, /* zero window */
	SOCKET_TIMER_COUNT,
};

struct socket_status {
	struct tcp_key key;
	int state; /* tcp/state.h */
	enum socket_timer timer;
	uint32_t timer_left_ms; /* 0 when overdue: the timer wheel may be late */
	unsigned retransmits;	/* of the running timer: FIN repeats, probes */
	/* Sequence numbers, really: a FIN counts as one byte, and so does a SYN. A socket in
	 * CLOSE-WAIT that has read everything but the end of file shows 1 here. */
	uint32_t receive_queue; /* bytes unread; for LISTEN the accept queue */
	uint32_t send_queue;	/* bytes not acknowledged; for LISTEN the backlog */
	uint32_t inode;		/* 0: no process owns it */
	uint32_t uid;
	bool minisock; /* TIME-WAIT, or FIN-WAIT-2 without a full socket */
};

/* "off", "on" (as ss says for retransmit), "keepalive", "timewait", "persist". */
const char *socket_timer_name(enum socket_timer timer);

struct sockdiag;

/*
 * Opens the interface in the namespace of @netns_fd. -ENOTSUP with the reason when the kernel
 * has no inet_diag (CONFIG_INET_DIAG; module tcp_diag). One thread at a time may use it.
 */
int sockdiag_open(int netns_fd, struct sockdiag **ret, struct why *why);
void sockdiag_close(struct sockdiag *diag);

/* Called for each socket; a non-zero return ends the dump and is handed back. */
typedef int (*sockdiag_visit)(const struct socket_status *status, void *context);

#define SOCKDIAG_BYTECODE_MAX                                                                      \
	65528 /* bytes: what a netlink attribute holds, nla_len being 16 bits */

/* What is asked for. */
struct sockdiag_query {
	int family;		/* AF_UNSPEC: both, which costs what one does */
	uint32_t states;	/* bit 1 << state; 0: all */
	const void *bytecode;	/* (borrowed) INET_DIAG_REQ_BYTECODE: what the kernel leaves out */
	size_t bytecode_length; /* bytes, a multiple of 4; 0: none */
};

/* What a walk came to. */
struct sockdiag_course {
	uint64_t visited;  /* sockets, in the last of its dumps */
	unsigned repeated; /* dumps that were interrupted, and begun again */
	bool torn;	   /* the last one was interrupted, too: there may be sockets missing */
};

/*
 * Visits every TCP socket of the namespace that @query asks for, both families, v4-mapped sockets
 * with a v4 key. A dump that the kernel marks as interrupted (NLM_F_DUMP_INTR) is repeated up to
 * a few times, each after a call of @again (may be NULL): what @visit saw so far does not count.
 * 0, what @visit returned, or -errno (-EINVAL: bytecode that the kernel does not take; -EBADMSG,
 * -EMSGSIZE: no netlink messages; -ENOBUFS: answers were lost each time); *ret is set unless it is
 * negative.
 */
int sockdiag_walk(struct sockdiag *diag, const struct sockdiag_query *query, sockdiag_visit visit,
		  void (*again)(void *context), void *context, struct sockdiag_course *ret);

/*
 * Visits every TCP socket of the namespace whose state is in @states (bit 1 << state; 0: all) and
 * whose family is @family; AF_UNSPEC gives both and costs what one does. The v4-mapped sockets of
 * AF_INET6 come with a v4 key.
 * 0, what @visit returned, or -errno. A dump that the kernel marks as interrupted
 * (NLM_F_DUMP_INTR) is repeated up to a few times: @visit may then see a socket twice.
 */
int sockdiag_dump(struct sockdiag *diag, int family, uint32_t states, sockdiag_visit visit,
		  void *context);

/*
 * Whether the last dump came in one part, made in one go. Between the parts of a longer one the
 * kernel keeps its place as a count of sockets in a hash chain (inet_diag_dump_icsk(), 6.18): when
 * one before that place goes, another one may be missed, and sockdiag_find() has to be asked.
 */
bool sockdiag_whole(const struct sockdiag *diag);

/* One socket by its key: 0, -ENOENT when there is none, or -errno. Looks into the hash chain
 * first, and then, for sockets bound to a device, by a dump. */
int sockdiag_get(struct sockdiag *diag, const struct tcp_key *key, struct socket_status *ret);

/* The same without the dump: cheap, and blind to sockets bound to a device. */
int sockdiag_find(struct sockdiag *diag, const struct tcp_key *key, struct socket_status *ret);

#endif
