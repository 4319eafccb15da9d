/*
 * select(2): three bit sets of FD_SETSIZE descriptors, rewritten by each call. A descriptor of
 * FD_SETSIZE or more does not fit, however high the limit of the process: FD_SET() would write
 * beyond the set, so it is refused with -ENOBUFS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "serve/readiness.h"

struct readiness {
	fd_set read, write;		/* what is wanted */
	fd_set ready_read, ready_write; /* what the last call found and is not told yet */
	int top;			/* one more than the highest descriptor in the set */
	int resume;			/* where the look for ready ones goes on */
	int found_top;			/* where it ends */
	uint32_t tags[FD_SETSIZE];
};

static struct readiness *select_make(void)
{
	return calloc(1, sizeof(struct readiness));
}

static void select_drop(struct readiness *set)
{
	free(set);
}

static void select_lower_top(struct readiness *set)
{
	while (set->top > 0 && !FD_ISSET(set->top - 1, &set->read) &&
	       !FD_ISSET(set->top - 1, &set->write))
		set->top--;
}

static int select_watch(struct readiness *set, int fd, uint32_t tag, unsigned was, unsigned wants)
{
	(void)was;
	if (fd >= FD_SETSIZE)
		return -ENOBUFS;
	FD_CLR(fd, &set->read);
	FD_CLR(fd, &set->write);
	if (wants & READY_READ)
		FD_SET(fd, &set->read);
	if (wants & READY_WRITE)
		FD_SET(fd, &set->write);
	set->tags[fd] = tag;
	if (!wants) {
		FD_CLR(fd, &set->ready_read);
		FD_CLR(fd, &set->ready_write);
		select_lower_top(set);
	} else if (fd >= set->top) {
		set->top = fd + 1;
	}
	return 0;
}

static void select_closing(struct readiness *set, int fd, uint32_t tag, unsigned was)
{
	if (was)
		select_watch(set, fd, tag, was, 0);
}

static int select_ask(struct readiness *set, int timeout_ms)
{
	struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	int n;

	set->ready_read = set->read;
	set->ready_write = set->write;
	set->resume = 0;
	set->found_top = set->top;
	n = select(set->top, &set->ready_read, &set->ready_write, NULL,
		   timeout_ms < 0 ? NULL : &wait);
	if (n > 0)
		return n;
	/* After an error the sets are undefined. */
	set->found_top = 0;
	return n < 0 && errno != EINTR ? -errno : 0;
}

static int select_wait(struct readiness *set, int timeout_ms, struct readiness_event *ret, int room)
{
	int told = 0;

	if (set->resume >= set->found_top) {
		int n = select_ask(set, timeout_ms);

		if (n <= 0)
			return n;
	}
	for (; set->resume < set->found_top && told < room; set->resume++) {
		int fd = set->resume;
		uint32_t ready = (FD_ISSET(fd, &set->ready_read) ? READY_READ : 0) |
				 (FD_ISSET(fd, &set->ready_write) ? READY_WRITE : 0);

		if (ready)
			ret[told++] = (struct readiness_event){set->tags[fd], ready};
	}
	return told;
}

const struct readiness_ops readiness_select = {
	.make = select_make,
	.drop = select_drop,
	.watch = select_watch,
	.closing = select_closing,
	.wait = select_wait,
};
