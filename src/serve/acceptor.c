#include "serve/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/talk.h"

/* Connections taken from one listener before the others, and stop_fd, are looked at again. */
#define BURST 64

enum { AT_FORCE, AT_STOP, AT_ENDED, AT_LISTENERS };

struct accepting {
	const struct acceptor *acceptor;
	struct pollfd *fds; /* AT_ENDED + 1 descriptors of our own, then the listeners */
	int held;	    /* an admitted connection whose task could not be started, or -1 */
	bool paused, over;
	int error; /* of a broken listener */
};

static void pause_for(struct accepting *a, int error)
{
	tally_error(a->acceptor->tally, error);
	if (a->paused)
		return;
	a->paused = true;
	tally_add(&a->acceptor->tally->paused, 1);
	a->acceptor->expect(a->acceptor->data, true);
}

static void go_on(struct accepting *a)
{
	if (!a->paused)
		return;
	a->paused = false;
	a->acceptor->expect(a->acceptor->data, false);
}

/* Gives the connection that is held to a task; without success it is held on, and waits. */
static void start_held(struct accepting *a)
{
	int r = a->acceptor->start(a->acceptor->data, a->held);

	if (r < 0) {
		pause_for(a, -r);
		return;
	}
	a->held = -1;
	go_on(a);
}

static void take(struct accepting *a, int fd)
{
	const struct serve_work *work = a->acceptor->work;

	if (!engine_admit(work, a->acceptor->tally)) {
		close(fd);
		return;
	}
	engine_prepare(work->plan, a->acceptor->tally, fd);
	a->held = fd;
	start_held(a);
}

/* Takes what waits at one listener, until nothing does or there is no room for more. */
static void accept_burst(struct accepting *a, int listener)
{
	for (int i = 0; i < BURST && a->held < 0; i++) {
		/* Full: others are to have what comes. */
		if (!engine_has_room(a->acceptor->work, a->acceptor->tally))
			return;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0) {
			go_on(a);
			take(a, fd);
			continue;
		}
		if (errno == EAGAIN)
			return;
		switch (engine_accept_trouble(errno)) {
		case ACCEPT_AGAIN:
			tally_error(a->acceptor->tally, errno);
			break;
		case ACCEPT_NO_ROOM:
			pause_for(a, errno);
			return;
		case ACCEPT_FATAL:
			a->error = engine_is_stopped(a->acceptor->work) ? 0 : errno;
			if (a->error)
				engine_tell(a->acceptor->work, a->error);
			a->over = true;
			return;
		}
	}
}

static void look(struct accepting *a)
{
	const struct acceptor *acceptor = a->acceptor;
	bool waits = a->paused || !engine_has_room(acceptor->work, acceptor->tally);
	size_t count = waits ? 0 : acceptor->work->listener_count;
	int n = poll(a->fds, AT_LISTENERS + count, waits ? ENGINE_PAUSE_MS : -1);

	if (n < 0)
		return;
	if (a->fds[AT_FORCE].revents || a->fds[AT_STOP].revents) {
		a->over = true;
		return;
	}
	if (a->fds[AT_ENDED].revents)
		acceptor->reap(acceptor->data);
	if (a->held >= 0) {
		start_held(a);
		return;
	}
	/* After a pause every listener gets its try: which of them has connections is not known. */
	for (size_t i = 0; i < acceptor->work->listener_count && !a->over; i++)
		if (!count || a->fds[AT_LISTENERS + i].revents)
			accept_burst(a, acceptor->work->listeners[i]);
}

/* The connection that never got a task ends here: nothing was read from it, and nothing sent. */
static void drop_held(struct accepting *a)
{
	const struct talk_step step = {.linger = -1, .ending = ENDED_BY_US};

	if (a->held >= 0)
		engine_close(a->acceptor->work, a->acceptor->tally, a->held, &step);
}

static void wait_for_tasks(struct accepting *a)
{
	const struct acceptor *acceptor = a->acceptor;

	acceptor->expect(acceptor->data, true);
	while (acceptor->live(acceptor->data)) {
		if (poll(&a->fds[AT_ENDED], 1, -1) > 0)
			acceptor->reap(acceptor->data);
	}
}

int acceptor_run(const struct acceptor *acceptor, struct why *why)
{
	const struct serve_work *work = acceptor->work;
	CLEANUP_FREE struct pollfd *fds = calloc(AT_LISTENERS + work->listener_count, sizeof(*fds));
	struct accepting a = {.acceptor = acceptor, .fds = fds, .held = -1};

	if (!fds)
		return why_set(why, -ENOMEM, "cannot watch %zu listeners", work->listener_count);
	fds[AT_FORCE].fd = work->force_fd;
	fds[AT_STOP].fd = work->stop_fd;
	fds[AT_ENDED].fd = acceptor->ended_fd;
	for (size_t i = 0; i < work->listener_count; i++)
		fds[AT_LISTENERS + i].fd = work->listeners[i];
	for (size_t i = 0; i < AT_LISTENERS + work->listener_count; i++)
		fds[i].events = POLLIN;

	while (!a.over)
		look(&a);
	drop_held(&a);
	wait_for_tasks(&a);
	return a.error ? why_set(why, -a.error, "cannot accept connections") : 0;
}
