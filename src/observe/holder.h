/*
 * Who holds a port: the answer to EADDRINUSE. Sockets come from sock_diag, their owners from /proc
 * (observe/owners.h), which shows the processes of the same user, or all of them to root.
 */
#ifndef CONTEST_OBSERVE_HOLDER_H
#define CONTEST_OBSERVE_HOLDER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/why.h"
#include "tcp/key.h"

#define HOLDER_NAME_MAX 16

struct socket_owner {
	pid_t pid;		    /* of several the one with the lowest */
	char name[HOLDER_NAME_MAX]; /* comm, as it is: may hold any byte, terminated */
	size_t processes;	    /* that have it open */
};

/* The processes that have the socket with this inode open: 0, -ENOENT when none can be seen, or
 * -errno. */
int socket_owner_find(uint32_t inode, struct socket_owner *ret);

/* Sockets that keep others from listening at an endpoint. */
struct port_holder {
	bool listening;		   /* one listens there, or at an address that includes it */
	struct tcp_endpoint where; /* where that one does */
	uint32_t uid;		   /* and whose it is */
	bool owned;		   /* its owner could be seen: */
	struct socket_owner owner;
	size_t time_wait, connections; /* there in TIME-WAIT, and in other states */
};

/* Looks in the namespace of @netns_fd. 0 or -errno with @why. */
int port_holder_find(int netns_fd, const struct tcp_endpoint *at, struct port_holder *ret,
		     struct why *why);

#endif
