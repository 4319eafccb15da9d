/*
 * A thread per connection, as the article's sample server has it. What it costs is a stack and a
 * task of the scheduler each: --stack-size is applied to the threads' attributes.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/acceptor.h"
#include "serve/blocking.h"

#define SPARES_MAX 64 /* slots kept for connections to come */

struct threads;

/* What a thread works with. Made and freed by the acceptor's thread alone: a short-lived thread
 * that called malloc() or free() would have an arena and a cache set up for it. */
struct thread_slot {
	struct threads *threads;
	struct thread_slot *next; /* among the spare or the finished ones */
	pthread_t thread;
	int fd;
	char scratch[BLOCKING_ROOM];
};

struct threads {
	const struct serve_work *work;
	struct tally *tally;
	pthread_attr_t attributes;
	int ended_fd;		   /* eventfd */
	struct thread_slot *spare; /* (owned) */
	size_t spare_count;
	size_t live; /* not joined */

	pthread_mutex_t mutex;	      /* guards what follows */
	struct thread_slot *finished; /* (owned) to be joined */
	bool expected;		      /* the acceptor waits for an end */
};

static struct thread_slot *slot_get(struct threads *threads)
{
	struct thread_slot *slot = threads->spare;

	if (slot) {
		threads->spare = slot->next;
		threads->spare_count--;
		return slot;
	}
	slot = malloc(sizeof(*slot));
	if (slot)
		slot->threads = threads;
	return slot;
}

static void slot_put(struct threads *threads, struct thread_slot *slot)
{
	if (threads->spare_count >= SPARES_MAX) {
		free(slot);
		return;
	}
	slot->next = threads->spare;
	threads->spare = slot;
	threads->spare_count++;
}

static void *thread_main(void *data)
{
	struct thread_slot *slot = data;
	struct threads *threads = slot->threads;

	blocking_serve(threads->work, threads->tally, slot->fd, slot->scratch);
	tally_tasks(threads->tally, -1);
	pthread_mutex_lock(&threads->mutex);
	slot->next = threads->finished;
	threads->finished = slot;
	if (threads->expected)
		eventfd_write(threads->ended_fd, 1);
	pthread_mutex_unlock(&threads->mutex);
	return NULL;
}

/* Joins those who have finished. Threads are not detached, so that none is left on its way out
 * when run() returns; joining one that is gone costs no system call. */
static void threads_join(struct threads *threads)
{
	struct thread_slot *slot;

	pthread_mutex_lock(&threads->mutex);
	slot = threads->finished;
	threads->finished = NULL;
	pthread_mutex_unlock(&threads->mutex);
	while (slot) {
		struct thread_slot *next = slot->next;

		pthread_join(slot->thread, NULL);
		threads->live--;
		slot_put(threads, slot);
		slot = next;
	}
}

static int threads_start(void *data, int fd)
{
	struct threads *threads = data;
	struct thread_slot *slot;
	int error;

	threads_join(threads);
	slot = slot_get(threads);
	if (!slot)
		return -ENOMEM;
	slot->fd = fd;
	tally_tasks(threads->tally, 1);
	error = pthread_create(&slot->thread, &threads->attributes, thread_main, slot);
	if (error) {
		tally_tasks(threads->tally, -1);
		slot_put(threads, slot);
		return -error;
	}
	threads->live++;
	return 0;
}

static void threads_reap(void *data)
{
	struct threads *threads = data;
	eventfd_t ends;

	eventfd_read(threads->ended_fd, &ends);
	threads_join(threads);
}

static size_t threads_live(void *data)
{
	struct threads *threads = data;

	threads_join(threads);
	return threads->live;
}

static void threads_expect(void *data, bool waiting)
{
	struct threads *threads = data;

	pthread_mutex_lock(&threads->mutex);
	threads->expected = waiting;
	pthread_mutex_unlock(&threads->mutex);
}

static int set_attributes(struct threads *threads, struct why *why)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = threads->work->plan->stack_size;
	int error = pthread_attr_init(&threads->attributes);

	if (error)
		return why_set(why, -error, "cannot prepare threads");
	if (!size)
		return 0;
	if (size < (size_t)PTHREAD_STACK_MIN)
		size = (size_t)PTHREAD_STACK_MIN;
	size = (size + page - 1) / page * page;
	error = pthread_attr_setstacksize(&threads->attributes, size);
	if (error) {
		pthread_attr_destroy(&threads->attributes);
		return why_set(why, -error, "threads cannot have a stack of %zu bytes", size);
	}
	return 0;
}

static void free_slots(struct thread_slot *slot)
{
	while (slot) {
		struct thread_slot *next = slot->next;

		free(slot);
		slot = next;
	}
}

static int thread_probe(struct why *why)
{
	(void)why;
	return 0;
}

static int thread_run(const struct serve_work *work, struct why *why)
{
	CLEANUP_CLOSE int ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct threads threads = {.work = work, .tally = work->tallies, .ended_fd = ended_fd};
	const struct acceptor acceptor = {.work = work,
					  .tally = work->tallies,
					  .ended_fd = ended_fd,
					  .data = &threads,
					  .start = threads_start,
					  .reap = threads_reap,
					  .live = threads_live,
					  .expect = threads_expect};
	int r;

	if (ended_fd < 0)
		return why_set(why, -errno, "cannot watch for the end of threads");
	r = set_attributes(&threads, why);
	if (r < 0)
		return r;
	pthread_mutex_init(&threads.mutex, NULL);
	tally_tasks(work->tallies, 1);
	r = acceptor_run(&acceptor, why);
	tally_tasks(work->tallies, -1);
	pthread_mutex_destroy(&threads.mutex);
	pthread_attr_destroy(&threads.attributes);
	free_slots(threads.spare);
	return r;
}

const struct serve_engine engine_thread = {
	.name = "thread",
	.summary = "a thread per connection",
	.blocking = true,
	.probe = thread_probe,
	.run = thread_run,
};
