/*
 * The timelines of an observer: what it has seen, folded into changes. No threads and no kernel
 * here: a look goes in as a list of sockets.
 */
#ifndef CONTEST_OBSERVE_TIMELINES_H
#define CONTEST_OBSERVE_TIMELINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/observer.h"

/* Beyond so many changes of one timeline, queues and timers that flap are left out. */
#define TIMELINE_FLAPS 512

struct timelines;

/* What one look found at one host. */
struct look {
	size_t host;
	int64_t since_ns; /* when the look before this one began; 0: this is the first */
	int64_t time_ns;  /* when this one had ended */
	const struct socket_status *sockets;
	size_t count;
};

/* What a look was good for. */
struct look_result {
	bool changed;
	int64_t timer_ns; /* when the next timer of a followed socket fires; INT64_MAX: none */
	bool overdue;	  /* one should have fired already */
	size_t left_out;  /* sockets not followed for want of room */
};

/* At most @limit timelines. 0 or -ENOMEM. */
int timelines_new(size_t limit, struct timelines **ret);
void timelines_free(struct timelines *timelines);

/* Folds @look in. 0, or -ENOMEM: then a part of it is, and the next look finds the rest. */
int timelines_merge(struct timelines *timelines, const struct look *look, struct look_result *ret);

/* The sockets that are there after the last merge but not in @look, one by one: *@cursor begins
 * at 0 with timelines_mark(), NULL ends. Keeps to the marks only, which a merge makes anew. */
void timelines_mark(struct timelines *timelines, const struct look *look);
const struct tcp_key *timelines_missing(struct timelines *timelines, size_t host, size_t *cursor);

/* The timeline of a socket (borrowed until the next merge), or NULL when it was never seen. */
const struct observer_timeline *timelines_find(const struct timelines *timelines, size_t host,
					       const struct tcp_key *key);

size_t timelines_count(const struct timelines *timelines);
const struct observer_timeline *timelines_at(const struct timelines *timelines, size_t index);

#endif
