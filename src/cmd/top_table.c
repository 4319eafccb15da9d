#include "cmd/top_table.h"

#include "cmd/top_look.h"

#define CHANGE_WIDTH  8
#define TIMER_WIDTH   12
#define HISTORY_LEAST 10
#define KEY_LEAST     5

/* The columns that come for nothing when there is room are left out in this order: history, timer,
 * change, the last key. */
static unsigned keys_width(const struct top_table *table, size_t keys)
{
	unsigned sum = 0;

	for (size_t i = 0; i < keys; i++)
		sum += table->keys[i] ? table->keys[i] + TOP_TABLE_GAP : 0;
	return sum;
}

static size_t widest(const struct top_table *table, size_t keys)
{
	size_t at = 0;

	for (size_t i = 1; i < keys; i++)
		if (table->keys[i] > table->keys[at])
			at = i;
	return at;
}

/* Makes the keys fit: the widest gives first, then the last go. */
static void shrink(struct top_table *table, size_t keys, unsigned room)
{
	while (keys_width(table, keys) > room) {
		size_t at = widest(table, keys);

		if (table->keys[at] > KEY_LEAST || keys == 1) {
			if (table->keys[at] <= 1)
				return;
			table->keys[at]--;
		} else {
			table->keys[--keys] = 0;
		}
	}
}

static bool take(unsigned *column, unsigned width, unsigned *left)
{
	if (*left < width + TOP_TABLE_GAP)
		return false;
	*column = width;
	*left -= width + TOP_TABLE_GAP;
	return true;
}

struct top_table top_table_lay_out(unsigned width, const unsigned *wanted, size_t keys,
				   unsigned count)
{
	struct top_table table = {.count = count};
	unsigned left, want;

	for (size_t i = 0; i < keys; i++)
		table.keys[i] = wanted[i] ? wanted[i] : 1;
	want = keys_width(&table, keys);
	/* Of a narrow screen half is for the keys. */
	if (width < 2 * count)
		table.count = width / 2 ? width / 2 : 1;
	left = width > table.count ? width - table.count : 0;
	if (want > left) {
		shrink(&table, keys, left);
		return table;
	}
	left -= want;
	if (!take(&table.change, CHANGE_WIDTH, &left) || !take(&table.timer, TIMER_WIDTH, &left))
		return table;
	if (left >= HISTORY_LEAST + TOP_TABLE_GAP) {
		table.history = left - TOP_TABLE_GAP;
		if (table.history > TOP_HISTORY)
			table.history = TOP_HISTORY;
	}
	return table;
}

unsigned top_table_width(const struct top_table *table, size_t keys)
{
	unsigned sum = keys_width(table, keys) + table->count;

	sum += table->change ? TOP_TABLE_GAP + table->change : 0;
	sum += table->timer ? TOP_TABLE_GAP + table->timer : 0;
	return sum + (table->history ? TOP_TABLE_GAP + table->history : 0);
}
