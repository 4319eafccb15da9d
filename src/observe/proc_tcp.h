/* Lines of /proc/net/tcp and tcp6 (net/ipv4/tcp_ipv4.c, tcp4_seq_show(), 6.18). */
#ifndef CONTEST_OBSERVE_PROC_TCP_H
#define CONTEST_OBSERVE_PROC_TCP_H

#include "observe/sockdiag.h"

/*
 * One line, from @line up to @end (its '\n'), of the file for @family; @ticks: USER_HZ,
 * sysconf(_SC_CLK_TCK). 0, or -EBADMSG: not a line of that file.
 *
 * Against what sock_diag tells of the same socket: a listener's backlog is 0, times are multiples
 * of 1/@ticks, and a request socket counts the timeouts of its SYN-ACK where sock_diag counts those
 * that were followed by a repetition (TCP_DEFER_ACCEPT makes the difference).
 */
int proc_tcp_parse(const char *line, const char *end, int family, unsigned ticks,
		   struct socket_status *ret);

#endif
