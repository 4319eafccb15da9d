/*
 * An observer: a thread that looks at the TCP sockets of several namespaces and keeps, per
 * socket, a timeline that holds only changes.
 *
 * It does not poll blindly. A socket changes when a packet comes, a system call is made, or a
 * timer fires: whoever knows of one of these says observer_kick(); the time of the next timer
 * comes from the last look; and between these it looks once in OBSERVER_HEARTBEAT_MS. Each change
 * says in which interval it happened: after `since_ns`, at or before `time_ns`.
 */
#ifndef CONTEST_OBSERVE_OBSERVER_H
#define CONTEST_OBSERVE_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "observe/sockdiag.h"

#define OBSERVER_HEARTBEAT_MS 500
#define OBSERVER_OVERDUE_MS   25 /* between looks at a timer that should have fired */

struct observer;

/* Hosts may share a namespace: its sockets then belong to the first of them, in the timelines;
 * questions about any of them are answered. */
struct observer_host {
	const char *name; /* (copied) */
	int netns_fd;	  /* (borrowed for the life of the observer) */
};

/* One change of one socket. state == TCP_STATE_NONE: the socket is gone. */
struct observer_change {
	int64_t since_ns; /* it was not yet so at this look (CLOCK_MONOTONIC); 0: first look */
	int64_t time_ns;  /* it was so at this one */
	struct socket_status status; /* key kept when it is gone */
};

struct observer_timeline {
	size_t host; /* index of the observer_host */
	struct tcp_key key;
	struct observer_change *changes;
	size_t count, capacity;
};

/*
 * Starts observing, with a first look before it returns. Changes of state, timer kind, retransmits,
 * owner (inode to 0), and queues becoming empty or not are kept; the time left of a timer is not a
 * change. Sockets beyond @limit timelines (0: 4096) are not followed, only counted. LISTEN sockets
 * are not followed, nor are sockets that are bound and not connected (these are not counted
 * either). In a timeline of more than 512 changes queues and timers alone make no more of them. 0
 * or -errno with the reason in *why.
 */
int observer_new(const struct observer_host *hosts, size_t count, size_t limit,
		 struct observer **ret, struct why *why);
/* Stops the thread and frees all. NULL is allowed. */
void observer_free(struct observer *observer);

/* Says that something may have changed now. Any thread, cheap, never blocks. */
void observer_kick(struct observer *observer);

/* A look now, by the caller's thread: when it returns, all that happened before it is known.
 * 0, the error that stopped the observer, -ECANCELED after observer_stop(), or another -errno when
 * this look failed (the next may not). */
int observer_look(struct observer *observer);

/*
 * Waits until the socket @key of @host is in @state (TCP_STATE_NONE: gone), and copies the change
 * that brought it there to *ret (may be NULL). A socket that passed through @state and left again
 * counts when @after_ns (0: from the beginning) lies before that look's time_ns. A socket that was
 * never seen is not gone. The wait begins with a kick.
 * 0, -ETIMEDOUT (@timeout_ns of 0 or less: without waiting), the error that stopped the observer,
 * or -ECANCELED when observer_stop() did.
 */
int observer_wait(struct observer *observer, size_t host, const struct tcp_key *key, int state,
		  int64_t after_ns, int64_t timeout_ns, struct observer_change *ret);

/* The same for any predicate over a change; @context is passed through. It is asked once for each
 * change later than @after_ns and for the one before them if there is none later, in their order.
 * Runs under the observer's lock: it must not call the observer. */
typedef bool (*observer_predicate)(const struct observer_change *change, void *context);
int observer_wait_for(struct observer *observer, size_t host, const struct tcp_key *key,
		      observer_predicate predicate, void *context, int64_t after_ns,
		      int64_t timeout_ns, struct observer_change *ret);

/* The last change of a socket, which is what is known of it now. 0, or -ENOENT when it was never
 * seen; gone: TCP_STATE_NONE. */
int observer_status(struct observer *observer, size_t host, const struct tcp_key *key,
		    struct observer_change *ret);

/* Sockets of @host in @state at the last look (all, also those not followed); TIME-WAIT and
 * FIN-WAIT-2 minisocks are counted in their own state. */
size_t observer_count(struct observer *observer, size_t host, int state);

/* Stops looking (the thread ends) so that the timelines may be read without a lock. */
void observer_stop(struct observer *observer);
/* After observer_stop(): the timelines, in the order of their first change. */
size_t observer_timeline_count(const struct observer *observer);
const struct observer_timeline *observer_timeline(const struct observer *observer, size_t index);
/* Number of looks so far, and the most sockets that one look left out for want of room. */
void observer_totals(const struct observer *observer, uint64_t *ret_looks, uint64_t *ret_left_out);

#endif
