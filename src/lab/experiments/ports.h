/* What the experiments about local ports share: using ports up. */
#ifndef CONTEST_LAB_EXPERIMENTS_PORTS_H
#define CONTEST_LAB_EXPERIMENTS_PORTS_H

#include "lab/stage.h"

/*
 * TIME-WAIT older than this may be reused with tcp_tw_reuse: more than tcp_tw_reuse_delay, 1 s,
 * which the kernel counts in whole seconds before 6.14.
 */
#define PORTS_OLD_ENOUGH_S 2.2

struct ports_spent {
	size_t connections;	  /* that came about */
	int error;		  /* errno of the connect() that did not; 0: none failed */
	struct tcp_key first_key; /* of the first connection, as the client sees it */
	int64_t failed_ns;	  /* when connect() failed; 0: it did not */
};

/*
 * Loses every RST towards @holder of TIME-WAIT. On a busy machine a FIN is answered late and sent
 * again; TIME-WAIT acknowledges what still comes of it, its peer, which is gone by then, answers
 * with a RST, and that deletes TIME-WAIT (RFC 1337; net/ipv4/tcp_minisocks.c,
 * tcp_timewait_state_process(), 6.18): its port would be free. The rule's number, or -errno.
 */
int ports_spare_time_wait(struct stage *stage, size_t holder);

/* Cuts the client's ip_local_port_range to @count ports, from 40000 up, and turns tcp_tw_reuse
 * to @tw_reuse. On a wire TIME-WAIT at the client is spared (see above). */
int ports_cut(struct stage *stage, size_t count, long tw_reuse);

/*
 * Opens connections from the kernel's choice of port to @port (where @listener listens), and
 * closes each, at the client first when @client_first, else at the server first; until a
 * connect() fails or @limit connections came about. Both ends of each are closed before the next
 * is opened, and the last is in TIME-WAIT on return. 0 or -errno.
 */
int ports_spend(struct stage *stage, int listener, uint16_t port, size_t limit, bool client_first,
		struct ports_spent *ret);

/* The same with client sockets as @options say: their port (the server's), their prepare(). */
int ports_spend_as(struct stage *stage, const struct pair_options *options, int listener,
		   size_t limit, bool client_first, struct ports_spent *ret);

/* Sockets in TIME-WAIT on @host now. */
size_t ports_in_time_wait(struct stage *stage, size_t host);

#endif
