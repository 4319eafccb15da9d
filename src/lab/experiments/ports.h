/* What the experiments about local ports share: using ports up. */
#ifndef CONTEST_LAB_EXPERIMENTS_PORTS_H
#define CONTEST_LAB_EXPERIMENTS_PORTS_H

#include "lab/stage.h"

struct ports_spent {
	size_t connections;	  /* that came about */
	int error;		  /* errno of the connect() that did not; 0: none failed */
	struct tcp_key first_key; /* of the first connection, as the client sees it */
	int64_t failed_ns;	  /* when connect() failed; 0: it did not */
};

/* Cuts the client's ip_local_port_range to @count ports, from 40000 up, and turns tcp_tw_reuse
 * to @tw_reuse. */
int ports_cut(struct stage *stage, size_t count, long tw_reuse);

/*
 * Opens connections from the kernel's choice of port to @port (where @listener listens), and
 * closes each, at the client first when @client_first, else at the server first; until a
 * connect() fails or @limit connections came about. Both ends of each are closed before the next
 * is opened, and the last is in TIME-WAIT on return. 0 or -errno.
 */
int ports_spend(struct stage *stage, int listener, uint16_t port, size_t limit, bool client_first,
		struct ports_spent *ret);

/* Sockets in TIME-WAIT on @host now. */
size_t ports_in_time_wait(struct stage *stage, size_t host);

#endif
