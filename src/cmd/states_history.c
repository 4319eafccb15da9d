#include "cmd/states_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

struct track {
	struct socket_group id;
	uint64_t counts[STATES_HISTORY]; /* oldest first */
	size_t filled;
	uint64_t seen; /* the look in which it was told last */
};

struct states_history {
	const struct states_options *options; /* (borrowed) */
	struct track *at;		      /* (owned) */
	size_t count, capacity;
	uint64_t look;
};

struct states_history *states_history_new(const struct states_options *options)
{
	struct states_history *history = calloc(1, sizeof(*history));

	if (history)
		history->options = options;
	return history;
}

void states_history_free(struct states_history *history)
{
	if (!history)
		return;
	free(history->at);
	free(history);
}

static struct track *find(const struct states_history *history, const struct socket_group *group)
{
	for (size_t i = 0; i < history->count; i++)
		if (group_by_compare(&history->options->by, &history->at[i].id, group) == 0)
			return &history->at[i];
	return NULL;
}

static void push(struct track *track, uint64_t count)
{
	if (track->filled == STATES_HISTORY)
		memmove(track->counts, track->counts + 1,
			sizeof(track->counts) - sizeof(track->counts[0]));
	else
		track->filled++;
	track->counts[track->filled - 1] = count;
}

/* What was not told in all the time that a line shows. */
static void forget(struct states_history *history)
{
	size_t kept = 0;

	for (size_t i = 0; i < history->count; i++)
		if (history->at[i].seen + STATES_HISTORY > history->look)
			history->at[kept++] = history->at[i];
	history->count = kept;
}

int states_history_add(struct states_history *history, const struct socket_group *groups,
		       size_t count)
{
	history->look++;
	for (size_t i = 0; i < count; i++) {
		struct track *track = find(history, &groups[i]);

		if (!track) {
			if (ARRAY_ROOM(history->at, history->capacity, history->count) < 0)
				return -ENOMEM;
			track = &history->at[history->count++];
			*track = (struct track){.id = groups[i]};
		}
		/* While it was not told, its count is not known: its line goes on from here. */
		push(track, groups[i].count);
		track->seen = history->look;
	}
	forget(history);
	return 0;
}

/* "_" for none, then eight steps. */
static const char *bar(uint64_t count, uint64_t most, bool utf8)
{
	static const char *const utf8_bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii_bars[] = {".", ":", "-", "=", "+", "*", "#", "@"};
	size_t step;

	if (count == 0 || most == 0)
		return "_";
	step = (size_t)(((__uint128_t)count * 8 + most - 1) / most) - 1;
	return utf8 ? utf8_bars[step] : ascii_bars[step];
}

char *states_history_line(const struct states_history *history, const struct socket_group *group,
			  unsigned columns, bool utf8, char *to)
{
	const struct track *track = find(history, group);
	size_t from = 0;
	uint64_t most = 0;
	char *at = to;

	*at = '\0';
	if (!track)
		return to;
	if (track->filled > columns)
		from = track->filled - columns;
	for (size_t i = from; i < track->filled; i++)
		if (track->counts[i] > most)
			most = track->counts[i];
	for (size_t i = from; i < track->filled; i++)
		at = stpcpy(at, bar(track->counts[i], most, utf8));
	return to;
}
