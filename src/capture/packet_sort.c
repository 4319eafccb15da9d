/*
 * A merge sort without extra memory, so that sorting cannot fail; qsort(3) promises no stability.
 * Recordings are mostly in order already: a merge of two runs that follow each other is one
 * comparison. Two halves are merged by cutting the longer one in its middle and the other where
 * that packet belongs, exchanging the two inner parts, and merging on either side.
 */
#include "capture/packet.h"

#include <stdbool.h>

static void reverse(struct packet *packets, size_t count)
{
	for (size_t i = 0; i + 1 < count - i; i++) {
		struct packet kept = packets[i];

		packets[i] = packets[count - 1 - i];
		packets[count - 1 - i] = kept;
	}
}

/* Exchanges the first @front packets and those behind them. */
static void exchange(struct packet *packets, size_t front, size_t count)
{
	reverse(packets, front);
	reverse(packets + front, count - front);
	reverse(packets, count);
}

/* How many of the sorted @packets come before one of @time; those of the same time if @with. */
static size_t place(const struct packet *packets, size_t count, int64_t time, bool with)
{
	size_t low = 0;

	while (low < count) {
		size_t middle = low + (count - low) / 2;

		if (packets[middle].time_ns < time || (with && packets[middle].time_ns == time))
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

/* Both the first @left packets and the rest are sorted. */
static void merge(struct packet *packets, size_t left, size_t count)
{
	size_t right = count - left, left_cut, right_cut, middle;

	if (left == 0 || right == 0 || packets[left - 1].time_ns <= packets[left].time_ns)
		return;
	if (left >= right) {
		left_cut = left / 2;
		right_cut = place(packets + left, right, packets[left_cut].time_ns, false);
	} else {
		right_cut = right / 2;
		left_cut = place(packets, left, packets[left + right_cut].time_ns, true);
	}
	exchange(packets + left_cut, left - left_cut, left - left_cut + right_cut);
	middle = left_cut + right_cut;
	merge(packets, left_cut, middle);
	merge(packets + middle, left - left_cut, count - middle);
}

static void sort(struct packet *packets, size_t count)
{
	if (count < 2)
		return;
	sort(packets, count / 2);
	sort(packets + count / 2, count - count / 2);
	merge(packets, count / 2, count);
}

void packet_list_sort(struct packet_list *list)
{
	sort(list->packets, list->count);
}
