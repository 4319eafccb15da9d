/*
 * An orphan: a connection whose client called close() and has forgotten it, while the server's
 * application does not close. The kernel alone holds the client's end, in FIN-WAIT-2.
 */
#ifndef CONTEST_LAB_EXPERIMENTS_ORPHAN_H
#define CONTEST_LAB_EXPERIMENTS_ORPHAN_H

#include <stdint.h>

#include "lab/stage.h"

#define FIN_TIMEOUT_SYSCTL "net.ipv4.tcp_fin_timeout"

/* What a busy machine may add to a measured time, in seconds, beside what kernel timers do. */
#define NOISE_S 0.5

struct orphan {
	struct pair pair; /* the client is closed, the server in CLOSE-WAIT */
	/*
	 * When the ACK of the client's FIN was given to the client: FIN-WAIT-2 and its timer begin
	 * with it (net/ipv4/tcp_input.c, tcp_rcv_state_process(), 6.18).
	 */
	int64_t acked_ns;
	double rto_s; /* the client's retransmission timeout before it closed */
};

/*
 * Makes one on an open stage, with tcp_fin_timeout set to @fin_timeout at the client. No data are
 * sent. Returns once the ACK of the FIN has come, whatever the client is in then.
 */
int orphan_make(struct stage *stage, long fin_timeout, struct orphan *ret);

/* How long the client's end was in what, once it is gone; 0 for what it was never in. */
struct orphan_life {
	double keepalive_s; /* FIN-WAIT-2 as a full socket, on the keepalive timer */
	double timewait_s;  /* FIN-WAIT-2 as a minisock, on the timewait timer */
	double time_wait_s; /* TIME-WAIT */
	double life_s;	    /* all of it */
	double error_s;	    /* life_s may be too long by this: the look before was so long ago */
};

/*
 * Waits until it is gone, up to @seconds. A change counts from the look that saw it: the observer
 * looks when a timer is due, and every OBSERVER_OVERDUE_MS after, but the look before that may be
 * half a second older, so that the middle between the two would make timers look early.
 */
int orphan_outlive(struct stage *stage, const struct orphan *orphan, double seconds,
		   struct orphan_life *ret);

/* By how much the kernel may be late with a timer of @seconds, in seconds. */
double timer_slack_s(double seconds);

/* The retransmission timeout of a connected socket, in seconds (TCP_INFO); NAN without. */
double socket_rto_s(int fd);

#endif
