#include "serve/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/talk.h"
#include "tcp/key.h"

extern const struct serve_engine engine_epoll, engine_poll, engine_select;
extern const struct serve_engine engine_thread, engine_fork, engine_uring;

const struct serve_engine *const engines[] = {
	&engine_epoll, &engine_poll,  &engine_select, &engine_thread,
	&engine_fork,  &engine_uring, NULL,
};

const struct serve_engine *engine_find(const char *name)
{
	for (size_t i = 0; engines[i]; i++)
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

static void set_option(struct tally *tally, int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		tally_error(tally, errno);
}

void engine_prepare(const struct serve_plan *plan, struct tally *tally, int fd)
{
	if (plan->nodelay)
		set_option(tally, fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (plan->keepalive)
		set_option(tally, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (plan->keepalive_idle_s)
		set_option(tally, fd, IPPROTO_TCP, TCP_KEEPIDLE, plan->keepalive_idle_s);
	if (plan->user_timeout_ms)
		set_option(tally, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, plan->user_timeout_ms);
	if (plan->send_buffer)
		set_option(tally, fd, SOL_SOCKET, SO_SNDBUF, plan->send_buffer);
	if (plan->receive_buffer)
		set_option(tally, fd, SOL_SOCKET, SO_RCVBUF, plan->receive_buffer);
	if (plan->set_linger2)
		set_option(tally, fd, IPPROTO_TCP, TCP_LINGER2, plan->linger2_s);
}

bool engine_admit(const struct serve_work *work, struct tally *tally)
{
	size_t most = work->plan->max_connections;

	tally_add(&tally->accepted, 1);
	/* Without a bound nobody looks at open_all, and no core need fetch it from another. */
	if (!most)
		return true;
	/* Signed: a worker killed between these two lines makes it one too few (server.c). */
	if ((int64_t)atomic_fetch_add_explicit(work->open_all, 1, memory_order_relaxed) <
	    (int64_t)most)
		return true;
	atomic_fetch_sub_explicit(work->open_all, 1, memory_order_relaxed);
	tally_add(&tally->refused, 1);
	tally_end(tally, ENDED_BY_US);
	return false;
}

static bool is_all_full(const struct serve_work *work)
{
	for (size_t i = 0; i < work->all_count; i++) {
		const struct tally *tally = &work->all_tallies[i];

		/* Nobody serves there: not begun, ended, or killed. */
		if (atomic_load(&tally->tasks) <= 0 || atomic_load(&tally->abandoned))
			continue;
		if (!atomic_load(&tally->full))
			return false;
	}
	return true;
}

bool engine_has_room(const struct serve_work *work, struct tally *tally)
{
	bool full = work->room && tally_open(tally) >= work->room;

	/* The two cost nothing while nothing changes: the line is this task's own. */
	if (full == atomic_load_explicit(&tally->full, memory_order_relaxed))
		return !full;
	/* In one order for all: of those who become full at once, the last sees the others. */
	atomic_store(&tally->full, full);
	if (full && is_all_full(work))
		tally_add(&tally->paused, 1);
	return !full;
}

void engine_tell(const struct serve_work *work, int error)
{
	if (!work->trouble)
		return;
	atomic_store(work->trouble, abs(error));
	eventfd_write(work->trouble_fd, 1);
}

void engine_close(const struct serve_work *work, struct tally *tally, int fd,
		  const struct talk_step *step)
{
	if (step->linger >= 0) {
		const struct linger linger = {.l_onoff = 1, .l_linger = step->linger};

		if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
			tally_error(tally, errno);
	}
	close(fd);
	/* After the close: who sees fewer connections open finds room for another. */
	tally_end(tally, step->ending);
	if (work->plan->max_connections)
		atomic_fetch_sub_explicit(work->open_all, 1, memory_order_relaxed);
}

enum accept_trouble engine_accept_trouble(int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	/* accept(2): errors that were pending on the new socket; the next one may be well. */
	case ECONNABORTED:
	case EPROTO:
	case ENOPROTOOPT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
		return ACCEPT_AGAIN;
	case EBADF:
	case EFAULT:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		return ACCEPT_FATAL;
	default:
		/* EMFILE, ENFILE, ENOBUFS, ENOMEM; and a refusal that takes no connection from the
		 * queue, like a security module's EPERM: to try again at once would spin. */
		return ACCEPT_NO_ROOM;
	}
}

void engine_note_accepted(const struct serve_work *work, int fd, const struct sockaddr *peer,
			  int64_t now_ns, struct engine_record *record)
{
	struct tcp_endpoint remote = {0}, local = {0};
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (!work->journal)
		return;
	if (getsockname(fd, (struct sockaddr *)&name, &length) == 0)
		tcp_endpoint_from_sockaddr((struct sockaddr *)&name, &local);
	length = sizeof(name);
	/* getpeername() fails when the peer's RST has come already; accept4() still knew it. */
	if (!peer && getpeername(fd, (struct sockaddr *)&name, &length) == 0)
		peer = (struct sockaddr *)&name;
	if (peer)
		tcp_endpoint_from_sockaddr(peer, &remote);
	*record = (struct engine_record){
		.id = journal_accepted(work->journal, &remote, &local),
		.began_ns = now_ns,
	};
}

void engine_note_ended(const struct serve_work *work, const struct engine_record *record,
		       enum tally_ending ending, int64_t now_ns, int error)
{
	if (work->journal)
		journal_ended(work->journal, record->id, ending, record->bytes_in,
			      record->bytes_out, clock_seconds(now_ns - record->began_ns), error);
}

bool engine_is_stopped(const struct serve_work *work)
{
	struct pollfd fds[] = {
		{.fd = work->stop_fd, .events = POLLIN},
		{.fd = work->force_fd, .events = POLLIN},
	};

	return poll(fds, 2, 0) > 0;
}

unsigned engine_threads(const struct serve_plan *plan)
{
	cpu_set_t cores;

	if (plan->threads)
		return plan->threads;
	/* Fails where there are more cores than the set has bits. */
	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	return (unsigned)CPU_COUNT(&cores);
}
