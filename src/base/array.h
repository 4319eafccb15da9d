/* Room at the end of a growing array that a struct keeps as pointer, count and capacity. */
#ifndef CONTEST_BASE_ARRAY_H
#define CONTEST_BASE_ARRAY_H

#include <stddef.h>

/*
 * Makes room for one more element of @size bytes in the array at *@array, which holds @count
 * of *@capacity. Returns 0 or -ENOMEM; the array is unchanged on failure.
 */
int array_reserve(void **array, size_t *capacity, size_t count, size_t size);

/* ARRAY_ROOM(list->items, list->capacity, list->count): the same, typed. */
#define ARRAY_ROOM(array, capacity, count)                                                         \
	array_reserve((void **)&(array), &(capacity), (count), sizeof(*(array)))

#endif
