/* For tests: sockets in every state of TCP that can be had without waiting, and what they are. */
#ifndef CONTEST_OBSERVE_SOCKET_TESTING_H
#define CONTEST_OBSERVE_SOCKET_TESTING_H

#include <stdbool.h>
#include <stddef.h>

#include "tcp/key.h"

/* What has to be told of a socket. */
struct made_socket {
	const char *what;
	struct tcp_key key;
	int state;
	bool minisock;
	int timer; /* enum socket_timer; -1: whatever it may be at the moment */
	int owner; /* the descriptor that holds it, or -1: nobody */
};

#define MADE_MAX 128
extern struct made_socket made[MADE_MAX];
extern size_t made_count;

/* In the thread's network namespace, which has no others. Asserts. What one system call began, a
 * softirq may still be at. */
void sockets_make(void);

/* Closes what is held; minisocks and orphans stay. */
void sockets_close(void);

#endif
