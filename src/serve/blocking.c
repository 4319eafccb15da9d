#include "serve/blocking.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/talk.h"

struct blocking {
	const struct serve_work *work;
	struct tally *tally;
	int fd;
	char *scratch;
	struct talk talk;
	struct engine_record record;
	int64_t heard_ns; /* when a byte went either way */
	bool draining;	  /* stop_fd was seen */
};

enum wake { WAKE_READY, WAKE_TIME, WAKE_STOP, WAKE_FORCE };

/* Waits for @events of the socket (0: for nothing of it) or @until_ns (0: no bound). */
static enum wake wait_for(struct blocking *b, short events, int64_t until_ns, int64_t now_ns)
{
	struct pollfd fds[] = {
		{.fd = b->work->force_fd, .events = POLLIN},
		{.fd = b->draining ? -1 : b->work->stop_fd, .events = POLLIN},
		/* POLLERR and POLLHUP cannot be masked: a socket nobody asks about is left out. */
		{.fd = events ? b->fd : -1, .events = events},
	};
	struct timespec rest = clock_timespec(until_ns > now_ns ? until_ns - now_ns : 0);
	int n = ppoll(fds, 3, until_ns ? &rest : NULL, NULL);

	if (n == 0)
		return WAKE_TIME;
	if (n > 0 && fds[0].revents)
		return WAKE_FORCE;
	if (n > 0 && fds[1].revents)
		return WAKE_STOP;
	return WAKE_READY; /* after EINTR the step is found undone, and waited for again */
}

/* What does not keep a server that drains: those who asked for nothing, and leaks. */
static bool is_dispensable(const struct blocking *b, enum talk_verb verb)
{
	return verb == TALK_LEAK || (verb == TALK_READ && talk_idle(&b->talk));
}

/*
 * Nothing can be done for @verb now: waits for @events, or for @until_ns when nothing of the
 * socket is to be seen, and tells the talk what ends it meanwhile.
 */
static void rest(struct blocking *b, enum talk_verb verb, short events, int64_t until_ns,
		 int64_t now_ns)
{
	int64_t idle_ns = b->work->plan->idle_timeout_ns;

	if (b->draining && is_dispensable(b, verb)) {
		talk_expire(&b->talk, ENDED_BY_US);
		return;
	}
	if (events && idle_ns)
		until_ns = b->heard_ns + idle_ns;
	switch (wait_for(b, events, until_ns, now_ns)) {
	case WAKE_READY:
		break;
	case WAKE_TIME:
		if (events)
			talk_expire(&b->talk, ENDED_IDLE);
		break;
	case WAKE_STOP:
		b->draining = true;
		break;
	case WAKE_FORCE:
		talk_expire(&b->talk, ENDED_BY_US);
		break;
	}
}

static void count_in(struct blocking *b, size_t n, int64_t now_ns)
{
	b->heard_ns = now_ns;
	b->record.bytes_in += n;
	tally_add(&b->tally->bytes_in, n);
}

static void count_out(struct blocking *b, size_t n, int64_t now_ns)
{
	b->heard_ns = now_ns;
	b->record.bytes_out += n;
	tally_add(&b->tally->bytes_out, n);
}

/* TALK_READ, and TALK_LOOK which does not wait. */
static void read_some(struct blocking *b, bool wait, int64_t now_ns)
{
	ssize_t n = recv(b->fd, b->scratch, BLOCKING_ROOM, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN && wait) {
		rest(b, TALK_READ, POLLIN, 0, now_ns);
		return;
	}
	if (n > 0)
		count_in(b, (size_t)n, now_ns);
	talk_received(&b->talk, b->work->plan, b->scratch, n < 0 ? -errno : n);
}

static void write_some(struct blocking *b, const struct talk_step *step, int64_t now_ns)
{
	int more = step->last ? MSG_MORE : 0; /* the FIN, in the same segment */
	ssize_t n = send(b->fd, b->scratch, step->length, MSG_DONTWAIT | MSG_NOSIGNAL | more);

	if (n < 0 && errno == EAGAIN) {
		rest(b, TALK_WRITE, POLLOUT, 0, now_ns);
		return;
	}
	if (n > 0)
		count_out(b, (size_t)n, now_ns);
	talk_sent(&b->talk, b->work->plan, n < 0 ? -errno : n);
}

static void watch(struct blocking *b, int64_t now_ns)
{
	char byte;
	ssize_t n = recv(b->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && errno == EINTR)
		return;
	if (n < 0 && errno == EAGAIN)
		rest(b, TALK_WATCH, POLLIN, 0, now_ns);
	else
		talk_watched(&b->talk, n < 0 ? -errno : (int)n);
}

static void count_answers(struct blocking *b)
{
	unsigned answers = talk_answers(&b->talk);

	if (answers)
		tally_add(&b->tally->answers, answers);
}

static void finish(struct blocking *b, const struct talk_step *step, int64_t now_ns)
{
	int error = b->talk.error;

	if (error)
		tally_error(b->tally, error);
	talk_done(&b->talk);
	engine_note_ended(b->work, &b->record, step->ending, now_ns, error);
	engine_close(b->work, b->tally, b->fd, step);
}

/* One step; false after the last. */
static bool advance(struct blocking *b)
{
	const struct serve_work *work = b->work;
	int64_t now_ns = clock_now_ns();
	struct talk_step step;
	enum talk_verb verb = talk_next(&b->talk, work->plan, now_ns, b->scratch, BLOCKING_ROOM,
					&step);

	count_answers(b);
	switch (verb) {
	case TALK_READ:
	case TALK_LOOK:
		read_some(b, verb == TALK_READ, now_ns);
		break;
	case TALK_WRITE:
		write_some(b, &step, now_ns);
		break;
	case TALK_SAY:
		journal_said(work->journal, b->record.id, b->scratch, step.length, step.total);
		talk_said(&b->talk, work->plan);
		break;
	case TALK_WATCH:
		watch(b, now_ns);
		break;
	case TALK_SHUT:
		shutdown(b->fd, SHUT_WR);
		talk_shut(&b->talk);
		break;
	case TALK_WAIT:
		rest(b, verb, 0, step.until_ns, now_ns);
		break;
	case TALK_LEAK:
		rest(b, verb, 0, 0, now_ns);
		break;
	case TALK_CLOSE:
		finish(b, &step, now_ns);
		return false;
	}
	return true;
}

void blocking_serve(const struct serve_work *work, struct tally *tally, int fd, char *scratch)
{
	struct blocking b = {.work = work, .tally = tally, .fd = fd, .scratch = scratch};

	b.heard_ns = clock_now_ns();
	engine_note_accepted(work, fd, NULL, b.heard_ns, &b.record);
	talk_begin(&b.talk, work->plan, b.heard_ns);
	while (advance(&b))
		continue;
}
