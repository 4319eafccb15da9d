#include "cmd/top_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory_entry {
	struct socket_group group;
	struct top_history history;
};

struct top_memory {
	struct group_by by;
	struct memory_entry *at; /* (owned) sorted by group */
	size_t count;
	bool whole;  /* these were all groups, not just the largest */
	bool forgot; /* some that had sockets at the looks of the sum are not among them any more */
	struct top_history sum;
};

void top_history_add(struct top_history *history, uint64_t count)
{
	if (history->count == TOP_HISTORY)
		memmove(history->at, history->at + 1, --history->count * sizeof(*history->at));
	history->at[history->count++] = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

struct top_memory *top_memory_new(void)
{
	return calloc(1, sizeof(struct top_memory));
}

void top_memory_free(struct top_memory *memory)
{
	if (!memory)
		return;
	free(memory->at);
	free(memory);
}

void top_memory_clear(struct top_memory *memory)
{
	free(memory->at);
	*memory = (struct top_memory){.count = 0};
}

static int compare(const void *a, const void *b, void *by)
{
	return group_by_compare(by, &((const struct memory_entry *)a)->group,
				&((const struct memory_entry *)b)->group);
}

/* Among @count entries in order. */
static const struct memory_entry *find(const struct group_by *by, const struct memory_entry *at,
				       size_t count, const struct socket_group *group)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = group_by_compare(by, group, &at[middle].group);

		if (order == 0)
			return &at[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* A group that was not there had no sockets: its line begins with as many zeros as there were
 * looks, or as many as that is known of. */
static void recall_row(const struct top_memory *memory, struct top_row *row)
{
	const struct memory_entry *entry = find(&memory->by, memory->at, memory->count,
						&row->group);

	if (entry)
		row->history = entry->history;
	else if (memory->whole)
		row->history.count = memory->forgot ? 1 : memory->sum.count;
	row->compared = row->history.count > 0;
	if (row->compared)
		row->change = (int64_t)row->group.count -
			      (int64_t)row->history.at[row->history.count - 1];
	top_history_add(&row->history, row->group.count);
}

static bool is_empty(const struct top_history *history)
{
	for (unsigned i = 0; i < history->count; i++)
		if (history->at[i])
			return false;
	return true;
}

/* Groups that have no sockets now, but had: they may come again. Of many some are forgotten. Adds
 * them to the @count entries, which are in order, and returns how many there are then. */
static size_t keep_gone(struct top_memory *memory, const struct top_look *look,
			struct memory_entry *entries, size_t count)
{
	bool whole = look->row_count == look->groups;
	size_t end = count;

	for (size_t i = 0; i < memory->count; i++) {
		struct memory_entry gone = memory->at[i];

		if (find(&memory->by, entries, count, &gone.group))
			continue;
		top_history_add(&gone.history, 0);
		if (is_empty(&gone.history))
			continue;
		if (whole && end < count + TOP_ROWS)
			entries[end++] = gone;
		else
			memory->forgot = true;
	}
	return end;
}

int top_memory_recall(struct top_memory *memory, struct top_look *look)
{
	size_t room = look->row_count + memory->count + 1, count = look->row_count;
	struct memory_entry *entries = calloc(room, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	if (!group_by_equal(&memory->by, &look->by))
		top_memory_clear(memory);
	memory->by = look->by;
	for (size_t i = 0; i < count; i++) {
		recall_row(memory, &look->rows[i]);
		entries[i] = (struct memory_entry){look->rows[i].group, look->rows[i].history};
	}
	qsort_r(entries, count, sizeof(*entries), compare, &memory->by);
	count = keep_gone(memory, look, entries, count);
	qsort_r(entries, count, sizeof(*entries), compare, &memory->by);
	free(memory->at);
	memory->at = entries;
	memory->count = count;
	memory->whole = look->row_count == look->groups;
	top_history_add(&memory->sum, look->sockets);
	look->history = memory->sum;
	return 0;
}

/* ---- drawn */

char *top_history_spark(const struct top_history *history, unsigned width, bool utf8, char *to)
{
	/* No full block: the lines of two rows would run into each other. */
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇"};
	static const char *const ascii[] = {" ", ".", ":", "-", "=", "+", "*", "#"};
	const char *const *signs = utf8 ? blocks : ascii;
	unsigned shown = history->count < width ? history->count : width;
	const uint32_t *from = history->at + history->count - shown;
	uint32_t most = 1;
	char *at = to;

	if (width > TOP_HISTORY)
		width = TOP_HISTORY;
	for (unsigned i = 0; i < shown; i++)
		if (from[i] > most)
			most = from[i];
	memset(at, ' ', width - shown);
	at += width - shown;
	for (unsigned i = 0; i < shown; i++)
		/* One socket among a million is seen, too. */
		at = stpcpy(at, signs[((uint64_t)from[i] * 7 + most - 1) / most]);
	*at = '\0';
	return to;
}
