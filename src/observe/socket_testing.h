/*
 * For tests: sockets in all eleven states of TCP, IPv4, IPv6 and v4-mapped, and what they are. The
 * first of them to go are minisocks, after 60 s.
 */
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

#define MADE_MAX 192
extern struct made_socket made[MADE_MAX];
extern size_t made_count;

/*
 * In the thread's network namespace, which has no others. Asserts. What one system call began, a
 * softirq may still be at. Listeners are at 0.0.0.0:5000, [::1]:5001, [::]:5002, 127.0.0.1:80,
 * [::ffff:127.0.0.1]:5004, with a full queue at 5010 and 5013, waiting for data at 5011, 5012 and
 * 5014; clients have ports from 40000 on. What is only bound (CLOSED, at 6000 and 6001) is not
 * among those that are told.
 */
void sockets_make(void);

/* Closes what is held; minisocks and orphans stay. */
void sockets_close(void);

#endif
