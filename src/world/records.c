#include "world/records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define CHUNK_RECORDS 256
#define BLOCK_LENGTH  (128 * 1024) /* the longest IP packet fits */

void records_done(struct records *records)
{
	for (size_t i = 0; i < records->chunk_count; i++)
		free(records->chunks[i]);
	for (size_t i = 0; i < records->block_count; i++)
		free(records->blocks[i]);
	free(records->chunks);
	free(records->blocks);
	*records = (struct records){0};
}

const uint8_t *records_keep(struct records *records, const void *data, size_t length)
{
	uint8_t *place;

	if (length > BLOCK_LENGTH)
		return NULL;
	if (records->block_count == 0 || records->block_used + length > BLOCK_LENGTH) {
		if (ARRAY_ROOM(records->blocks, records->block_capacity, records->block_count) < 0)
			return NULL;
		place = malloc(BLOCK_LENGTH);
		if (!place)
			return NULL;
		records->blocks[records->block_count++] = place;
		records->block_used = 0;
	}
	place = records->blocks[records->block_count - 1] + records->block_used;
	memcpy(place, data, length);
	records->block_used += length;
	return place;
}

ssize_t records_add(struct records *records, const struct wire_record *record)
{
	if (records->count == records->chunk_count * CHUNK_RECORDS) {
		struct wire_record *chunk;

		if (ARRAY_ROOM(records->chunks, records->chunk_capacity, records->chunk_count) < 0)
			return -ENOMEM;
		chunk = calloc(CHUNK_RECORDS, sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		records->chunks[records->chunk_count++] = chunk;
	}
	*records_at(records, records->count) = *record;
	return (ssize_t)records->count++;
}

struct wire_record *records_at(struct records *records, size_t index)
{
	return &records->chunks[index / CHUNK_RECORDS][index % CHUNK_RECORDS];
}

void record_note(struct wire_record *record, const char *note)
{
	size_t used = strlen(record->note);

	if (note)
		snprintf(record->note + used, sizeof(record->note) - used, "%s%s", used ? "; " : "",
			 note);
}
