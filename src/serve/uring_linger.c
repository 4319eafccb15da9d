/*
 * Closes with SO_LINGER, which wait until the peer has acknowledged all: in a thread each, so that
 * they are counted when they have ended, as in the other engines.
 *
 * The ring could carry them out, too, but does not know their end. Its worker completes the request
 * when close() has given up the file, and waits for the peer only after that: fput() leaves
 * inet_release() to the work a task does on its way out (io_uring/openclose.c, io_close();
 * fs/file_table.c, __fput_deferred(); seen on 6.18).
 */
#include <errno.h>
#include <stdlib.h>

#include "serve/uring_loop.h"

/* Enough for close(2), also with a sanitizer; there may be very many. */
#define STACK_SIZE (128 * 1024)

struct uring_lingering {
	struct uring_lingering *next; /* among the finished ones */
	struct uring_loop *loop;
	struct talk_step step;
	int fd;
	pthread_t thread;
};

void uring_linger_init(struct uring_loop *loop)
{
	pthread_mutex_init(&loop->linger.mutex, NULL);
	pthread_cond_init(&loop->linger.ended, NULL);
}

static void *close_it(void *data)
{
	struct uring_lingering *this = data;
	struct uring_loop *loop = this->loop;

	engine_close(loop->work, loop->tally, this->fd, &this->step);
	pthread_mutex_lock(&loop->linger.mutex);
	this->next = loop->linger.finished;
	loop->linger.finished = this;
	pthread_cond_signal(&loop->linger.ended);
	pthread_mutex_unlock(&loop->linger.mutex);
	return NULL;
}

/* Joins those who have finished; @wait: for one of them at least. */
static void join(struct uring_loop *loop, bool wait)
{
	struct uring_lingering *this;

	pthread_mutex_lock(&loop->linger.mutex);
	while (wait && !loop->linger.finished)
		pthread_cond_wait(&loop->linger.ended, &loop->linger.mutex);
	this = loop->linger.finished;
	loop->linger.finished = NULL;
	pthread_mutex_unlock(&loop->linger.mutex);
	while (this) {
		struct uring_lingering *next = this->next;

		pthread_join(this->thread, NULL);
		free(this);
		loop->lingering--;
		this = next;
	}
}

static int start(struct uring_lingering *this)
{
	pthread_attr_t attributes;
	int error = pthread_attr_init(&attributes);

	if (error)
		return error;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	error = uring_thread(&this->thread, &attributes, close_it, this);
	pthread_attr_destroy(&attributes);
	return error;
}

void uring_linger(struct uring_loop *loop, int fd, const struct talk_step *step)
{
	struct uring_lingering *this = malloc(sizeof(*this));
	int error = ENOMEM;

	if (loop->lingering)
		join(loop, false);
	if (this) {
		*this = (struct uring_lingering){.loop = loop, .step = *step, .fd = fd};
		error = start(this);
	}
	if (error == 0) {
		loop->lingering++;
		return;
	}
	/* Without a thread of its own it blocks this one, as it does event loops. */
	free(this);
	tally_error(loop->tally, error);
	engine_close(loop->work, loop->tally, fd, step);
}

void uring_linger_wait(struct uring_loop *loop)
{
	while (loop->lingering)
		join(loop, true);
}

void uring_linger_done(struct uring_loop *loop)
{
	pthread_cond_destroy(&loop->linger.ended);
	pthread_mutex_destroy(&loop->linger.mutex);
}
