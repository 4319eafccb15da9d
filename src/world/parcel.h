/* A packet on its way through the wire, and queues of them. */
#ifndef CONTEST_WORLD_PARCEL_H
#define CONTEST_WORLD_PARCEL_H

#include <stddef.h>
#include <stdint.h>

struct parcel {
	struct parcel *next;
	size_t record;	     /* index of its record */
	int to;		     /* host index */
	const uint8_t *data; /* as it is to be delivered (borrowed from the records) */
	size_t length;
	int64_t due_ns; /* when it was delayed: CLOCK_MONOTONIC */
};

struct parcel_queue {
	struct parcel *head, *tail;
};

void parcel_push(struct parcel_queue *queue, struct parcel *parcel);
/* Keeps the queue sorted by due_ns; behind those that are due at the same time. */
void parcel_push_due(struct parcel_queue *queue, struct parcel *parcel);
/* The first, or NULL. */
struct parcel *parcel_pop(struct parcel_queue *queue);
/* Frees all. */
void parcel_queue_done(struct parcel_queue *queue);

#endif
