/* epoll(7): the kernel keeps the set and hands out what is ready; the cost is that of what happens.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "serve/readiness.h"

#define BATCH 256

struct readiness {
	int fd;
	struct epoll_event events[BATCH];
};

static struct readiness *epoll_make(void)
{
	struct readiness *set = malloc(sizeof(*set));

	if (!set)
		return NULL;
	set->fd = epoll_create1(EPOLL_CLOEXEC);
	if (set->fd < 0) {
		free(set);
		return NULL;
	}
	return set;
}

static void epoll_drop(struct readiness *set)
{
	if (!set)
		return;
	close(set->fd);
	free(set);
}

static int epoll_watch(struct readiness *set, int fd, uint32_t tag, unsigned was, unsigned wants)
{
	struct epoll_event event = {.data.u32 = tag};
	int op = !was ? EPOLL_CTL_ADD : wants ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

	if (wants & READY_READ)
		event.events |= EPOLLIN;
	if (wants & READY_WRITE)
		event.events |= EPOLLOUT;
	/* Without this, each new connection wakes every thread that waits for the listener
	 * (fs/eventpoll.c, ep_ptable_queue_proc(): add_wait_queue_exclusive(), since 4.5). */
	if (wants & READY_SHARED)
		event.events |= EPOLLEXCLUSIVE;
	return epoll_ctl(set->fd, op, fd, &event) < 0 && wants ? -errno : 0;
}

static int epoll_wait_ready(struct readiness *set, int timeout_ms, struct readiness_event *ret,
			    int room)
{
	int n = epoll_wait(set->fd, set->events, room < BATCH ? room : BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		uint32_t events = set->events[i].events;
		uint32_t broken = events & (EPOLLERR | EPOLLHUP);

		ret[i].tag = set->events[i].data.u32;
		ret[i].ready = (events & EPOLLIN || broken ? READY_READ : 0) |
			       (events & EPOLLOUT || broken ? READY_WRITE : 0);
	}
	return n;
}

/* close() takes a descriptor out of the set (eventpoll_release()): it is the last of its file,
 * since nobody forks with connections open. */
const struct readiness_ops readiness_epoll = {
	.make = epoll_make,
	.drop = epoll_drop,
	.watch = epoll_watch,
	.wait = epoll_wait_ready,
};
