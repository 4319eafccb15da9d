/*
 * The connections of one event loop: slots in chunks that never move, named by index, and the
 * lists they wait in. 72 bytes a connection and nothing else; one without a journal costs no more.
 */
#ifndef CONTEST_SERVE_SLAB_H
#define CONTEST_SERVE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/engine.h"
#include "serve/talk.h"

enum slab_list {
	SLAB_PEER, /* waits for the peer; due when it was idle for too long */
	SLAB_TIME, /* waits for a time */
	SLAB_LEAK, /* waits for nothing */
	SLAB_LISTS,
	SLAB_NONE = SLAB_LISTS,
};

struct slot {
	struct talk talk;
	int64_t due_ns; /* in a list: when it is to be looked at, INT64_MAX: never */
	int fd;
	uint32_t next, prev; /* in its list; @next alone among the free ones */
	uint8_t list;	     /* enum slab_list */
	uint8_t watched;     /* READY_… that the loop's readiness set has it for */
};

#define SLAB_NO_SLOT UINT32_MAX
#define SLAB_MAX     0xffff0000u /* indexes stay below */

struct slab {
	struct slot **chunks;
	struct engine_record **records; /* a chunk each, beside those of slots; NULL: not kept */
	size_t chunk_capacity, record_capacity;
	uint32_t chunk_count;
	uint32_t used;	/* slots that were ever used: memory beyond is untouched */
	uint32_t free;	/* first of the free list */
	uint32_t count; /* connections */
	bool recording;
	struct {
		uint32_t first, last, count;
	} lists[SLAB_LISTS];
};

void slab_init(struct slab *slab, bool recording);
void slab_done(struct slab *slab);

/* Makes sure that slab_take() has one to give: 0 or -ENOMEM. */
int slab_reserve(struct slab *slab);
/* A slot in no list, its talk not begun; after slab_reserve(). */
uint32_t slab_take(struct slab *slab);
/* Gives it back; takes it off its list. */
void slab_give(struct slab *slab, uint32_t at);

struct slot *slab_at(const struct slab *slab, uint32_t at);
/* What the journal wants to know of it; NULL when that is not kept. */
struct engine_record *slab_record(const struct slab *slab, uint32_t at);

/*
 * Puts it into @list, which stays in the order of due times. Times come nearly in order, since
 * each list has one waiting time for all, so the place is found from the end.
 */
void slab_enlist(struct slab *slab, uint32_t at, enum slab_list list, int64_t due_ns);
void slab_delist(struct slab *slab, uint32_t at);

/* The earliest due time of all lists; INT64_MAX: none. */
int64_t slab_due(const struct slab *slab);

#endif
