/*
 * The connections of one thread: slots in one array, named by index, and the lists they wait in.
 * What a connection costs in user memory is its slot, and nothing else. The array has its full
 * size from the start; memory that no connection has touched is none yet (mmap).
 */
#ifndef CONTEST_LOAD_SLOTS_H
#define CONTEST_LOAD_SLOTS_H

#include <stdint.h>

#include "load/course.h"

enum slots_list {
	SLOTS_STEP,  /* in a step that the plan's timeout bounds */
	SLOTS_THINK, /* waits for the time of its next step */
	SLOTS_KEPT,  /* over, but left open: waits for nothing */
	SLOTS_LISTS,
	SLOTS_UNLISTED = SLOTS_LISTS,
};

struct slot {
	struct course course;
	int64_t intended_ns; /* when it was to start, or did: total latency counts from here */
	int64_t mark_ns;     /* when what it waits for began: connect(), request, last answer */
	int64_t due_ns;	     /* in a list: when it is to be looked at, INT64_MAX: never */
	int fd;
	uint32_t next, prev;	       /* in its list; @next alone among the free ones */
	uint8_t list;		       /* enum slots_list */
	uint8_t state, ready, watched; /* the engine's own; 0 when it is taken */
};

#define SLOTS_NONE UINT32_MAX
#define SLOTS_MAX  0xffff0000u /* indexes stay below */

struct slots {
	struct slot *at; /* (owned) */
	uint32_t capacity;
	uint32_t used;	/* slots that were ever used: memory beyond is untouched */
	uint32_t free;	/* first of the free list */
	uint32_t count; /* connections */
	struct {
		uint32_t first, last, count;
	} lists[SLOTS_LISTS];
};

/* Room for @capacity connections (at most SLOTS_MAX): 0 or -ENOMEM. */
int slots_init(struct slots *slots, uint32_t capacity);
void slots_done(struct slots *slots);

/* A slot in no list, its fd -1; SLOTS_NONE when there is no more room. */
uint32_t slots_take(struct slots *slots);
/* Gives it back; takes it off its list. */
void slots_give(struct slots *slots, uint32_t at);

/*
 * Puts it into @list, which stays in the order of due times. Times come nearly in order, since
 * all of a list wait equally long, so the place is found from the end.
 */
void slots_enlist(struct slots *slots, uint32_t at, enum slots_list list, int64_t due_ns);
void slots_delist(struct slots *slots, uint32_t at);

/* The earliest due time of all lists; INT64_MAX: none. */
int64_t slots_due(const struct slots *slots);

#endif
