#include "world/parcel.h"

#include <stdlib.h>

void parcel_push(struct parcel_queue *queue, struct parcel *parcel)
{
	parcel->next = NULL;
	if (queue->tail)
		queue->tail->next = parcel;
	else
		queue->head = parcel;
	queue->tail = parcel;
}

void parcel_push_due(struct parcel_queue *queue, struct parcel *parcel)
{
	struct parcel **at = &queue->head;

	/* Nearly always it is the last. */
	if (!queue->tail || queue->tail->due_ns <= parcel->due_ns) {
		parcel_push(queue, parcel);
		return;
	}
	while ((*at)->due_ns <= parcel->due_ns)
		at = &(*at)->next;
	parcel->next = *at;
	*at = parcel;
}

struct parcel *parcel_pop(struct parcel_queue *queue)
{
	struct parcel *parcel = queue->head;

	if (!parcel)
		return NULL;
	queue->head = parcel->next;
	if (!queue->head)
		queue->tail = NULL;
	parcel->next = NULL;
	return parcel;
}

void parcel_queue_done(struct parcel_queue *queue)
{
	struct parcel *parcel;

	while ((parcel = parcel_pop(queue)))
		free(parcel);
}
