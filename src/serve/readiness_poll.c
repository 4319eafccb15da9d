/* poll(2): the whole set goes to the kernel and back at each call; the cost is that of the set. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "serve/readiness.h"

/* Room at the beginning: so much that malloc() maps the arrays and realloc() moves pages instead
 * of bytes. Memory is taken as it is written to; smaller arrays would leave holes as they grow. */
#define FIRST_CAPACITY (32 * 1024)

/*
 * Entries stand without gaps; places[] tells where that of a descriptor is. Found by descriptor,
 * not by tag: descriptors are small numbers by nature (the kernel gives out the lowest free one).
 */
struct readiness {
	struct pollfd *entries;
	uint32_t *tags;
	uint32_t *places;
	size_t capacity; /* of all three: above the highest descriptor, so above count too */
	size_t count;
	size_t resume; /* where the next look for ready entries begins */
	int pending;   /* ready entries that the last poll() found and are not told yet */
};

static struct readiness *poll_make(void)
{
	return calloc(1, sizeof(struct readiness));
}

static void poll_drop(struct readiness *set)
{
	if (!set)
		return;
	free(set->entries);
	free(set->tags);
	free(set->places);
	free(set);
}

static short poll_events(unsigned wants)
{
	return (short)((wants & READY_READ ? POLLIN : 0) | (wants & READY_WRITE ? POLLOUT : 0));
}

static int poll_grow(struct readiness *set, size_t least)
{
	size_t capacity = set->capacity ? set->capacity : FIRST_CAPACITY;
	void *bigger;

	while (capacity < least)
		capacity *= 2;
	bigger = realloc(set->entries, capacity * sizeof(*set->entries));
	if (!bigger)
		return -ENOMEM;
	set->entries = bigger;
	bigger = realloc(set->tags, capacity * sizeof(*set->tags));
	if (!bigger)
		return -ENOMEM;
	set->tags = bigger;
	bigger = realloc(set->places, capacity * sizeof(*set->places));
	if (!bigger)
		return -ENOMEM;
	set->places = bigger;
	set->capacity = capacity;
	return 0;
}

static int poll_add(struct readiness *set, int fd, uint32_t tag, unsigned wants)
{
	if ((size_t)fd >= set->capacity && poll_grow(set, (size_t)fd + 1) < 0)
		return -ENOMEM;
	set->entries[set->count] = (struct pollfd){.fd = fd, .events = poll_events(wants)};
	set->tags[set->count] = tag;
	set->places[fd] = (uint32_t)set->count++;
	return 0;
}

static void poll_remove(struct readiness *set, int fd)
{
	uint32_t place = set->places[fd];
	size_t last = --set->count;

	if (set->entries[place].revents)
		set->pending--;
	set->entries[place] = set->entries[last];
	set->tags[place] = set->tags[last];
	set->places[set->entries[place].fd] = place;
}

static int poll_watch(struct readiness *set, int fd, uint32_t tag, unsigned was, unsigned wants)
{
	if (!was)
		return poll_add(set, fd, tag, wants);
	if (wants)
		set->entries[set->places[fd]].events = poll_events(wants);
	else
		poll_remove(set, fd);
	return 0;
}

static void poll_closing(struct readiness *set, int fd, uint32_t tag, unsigned was)
{
	(void)tag;
	if (was)
		poll_remove(set, fd);
}

static struct readiness_event poll_told(struct readiness *set, size_t at)
{
	short revents = set->entries[at].revents;
	short broken = revents & (POLLERR | POLLHUP | POLLNVAL);

	set->entries[at].revents = 0;
	set->pending--;
	return (struct readiness_event){
		.tag = set->tags[at],
		.ready = (revents & POLLIN || broken ? READY_READ : 0) |
			 (revents & POLLOUT || broken ? READY_WRITE : 0),
	};
}

static int poll_wait(struct readiness *set, int timeout_ms, struct readiness_event *ret, int room)
{
	int told = 0;

	if (set->pending <= 0) {
		int n = poll(set->entries, set->count, timeout_ms);

		if (n < 0)
			return errno == EINTR ? 0 : -errno;
		set->pending = n;
		set->resume = 0;
	}
	while (set->resume < set->count && set->pending > 0 && told < room) {
		if (set->entries[set->resume].revents)
			ret[told++] = poll_told(set, set->resume);
		set->resume++;
	}
	/* An entry moved behind the look by a removal is found by the next poll(). */
	if (set->resume >= set->count)
		set->pending = 0;
	return told;
}

const struct readiness_ops readiness_poll = {
	.make = poll_make,
	.drop = poll_drop,
	.watch = poll_watch,
	.closing = poll_closing,
	.wait = poll_wait,
};
