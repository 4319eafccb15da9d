/* What the wire remembers: a growing list of records and their bytes, neither of which moves. */
#ifndef CONTEST_WORLD_RECORDS_H
#define CONTEST_WORLD_RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "world/wire.h"

struct records {
	struct wire_record **chunks; /* (owned) */
	size_t chunk_count, chunk_capacity;
	size_t count;
	uint8_t **blocks; /* bytes of packets (owned) */
	size_t block_count, block_capacity;
	size_t block_used; /* of the last one */
};

void records_done(struct records *records);

/* A copy of the bytes that lives as long as the records, or NULL. */
const uint8_t *records_keep(struct records *records, const void *data, size_t length);

/* Appends a copy of @record: its index, or -ENOMEM. */
ssize_t records_add(struct records *records, const struct wire_record *record);

struct wire_record *records_at(struct records *records, size_t index);

/* Adds "; @note" to what was noted, as far as there is room. NULL adds nothing. */
void record_note(struct wire_record *record, const char *note);

#endif
