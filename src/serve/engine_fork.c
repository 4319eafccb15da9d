/*
 * A process per connection, the oldest way. The children count in the parent's shared tallies; the
 * parent reaps them and counts what a child that crashed cannot count any more.
 *
 * Ends are seen through SIGCHLD and a signalfd(2): a process that serves with this engine must have
 * no other children and no other threads, as a worker of server.c has neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/acceptor.h"
#include "serve/blocking.h"
#include "serve/protocol.h"

struct children {
	const struct serve_work *work;
	struct tally *tally;
	int signal_fd;
	pid_t parent;
	size_t live;
};

/*
 * Who closes last is who waits for the peer (SO_LINGER). Where close() may wait, a child begins
 * when the parent has given up its copy of the connection: else it could be the parent that waits,
 * and accepts nobody meanwhile. @gate: a pipe whose writing end the parent closes after that.
 */
static void await_parent(const int gate[2])
{
	char byte;

	if (gate[0] < 0)
		return;
	close(gate[1]);
	while (read(gate[0], &byte, 1) < 0 && errno == EINTR)
		continue;
	close(gate[0]);
}

static _Noreturn void child_main(const struct children *children, int fd, const int gate[2])
{
	static char scratch[BLOCKING_ROOM];
	const struct serve_work *work = children->work;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != children->parent) /* it died before that was set */
		_exit(1);
	/* A listener lives as long as anybody has it open: it must go when the parent goes. */
	for (size_t i = 0; i < work->listener_count; i++)
		close(work->listeners[i]);
	await_parent(gate);
	blocking_serve(work, children->tally, fd, scratch);
	_exit(0);
}

static int children_start(void *data, int fd)
{
	struct children *children = data;
	const struct serve_protocol *protocol = children->work->plan->protocol;
	int gate[2] = {-1, -1};
	pid_t pid;

	if (children->work->plan->closing == SERVE_CLOSE_LINGER && pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	if (protocol->warm)
		protocol->warm();
	/*
	 * Not fork(): it sets locks anew in the child, for threads that are not here, and each page
	 * that it writes to is a page fault and a copy, of the 30 which a connection costs.
	 */
	pid = _Fork();
	if (!pid)
		child_main(children, fd, gate);
	if (pid > 0)
		close(fd);
	else
		pid = -errno;
	if (gate[0] >= 0) {
		close(gate[0]);
		close(gate[1]);
	}
	if (pid < 0)
		return pid;
	children->live++;
	tally_tasks(children->tally, 1);
	return 0;
}

/* One that did not come to its _exit(0) did not count its connection, which the kernel closed
 * for it: with RST if data lay unread. */
static void count_end(struct children *children, const siginfo_t *info)
{
	children->live--;
	tally_tasks(children->tally, -1);
	if (info->si_code == CLD_EXITED && !info->si_status)
		return;
	tally_end(children->tally, ENDED_BY_US);
	if (children->work->plan->max_connections) /* see engine_admit() */
		atomic_fetch_sub_explicit(children->work->open_all, 1, memory_order_relaxed);
}

static void children_reap(void *data)
{
	struct children *children = data;
	struct signalfd_siginfo signal;
	siginfo_t info;

	/* Equal signals are merged: one read takes them all, then all who have ended are reaped. */
	(void)!read(children->signal_fd, &signal, sizeof(signal));
	while (children->live) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
			if (errno == EINTR)
				continue;
			children->live = 0; /* ECHILD */
			return;
		}
		if (!info.si_pid)
			return;
		count_end(children, &info);
	}
}

static size_t children_live(void *data)
{
	const struct children *children = data;

	return children->live;
}

static void children_expect(void *data, bool waiting)
{
	(void)data; /* SIGCHLD comes anyway */
	(void)waiting;
}

static int fork_probe(struct why *why)
{
	(void)why;
	return 0;
}

static int serve(const struct serve_work *work, int signal_fd, struct why *why)
{
	struct children children = {
		.work = work, .tally = work->tallies, .signal_fd = signal_fd, .parent = getpid()};
	const struct acceptor acceptor = {.work = work,
					  .tally = work->tallies,
					  .ended_fd = signal_fd,
					  .data = &children,
					  .start = children_start,
					  .reap = children_reap,
					  .live = children_live,
					  .expect = children_expect};
	int r;

	tzset(); /* here, or each child reads /etc/localtime when it tells the time */
	tally_tasks(work->tallies, 1);
	r = acceptor_run(&acceptor, why);
	tally_tasks(work->tallies, -1);
	return r;
}

static int fork_run(const struct serve_work *work, struct why *why)
{
	/* An inherited SIG_IGN would have the kernel reap them, and tell nobody how they ended. */
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	struct sigaction action_before;
	sigset_t ended, mask_before;
	CLEANUP_CLOSE int signal_fd = -1;
	int r;

	sigemptyset(&ended);
	sigaddset(&ended, SIGCHLD);
	signal_fd = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return why_set(why, -errno, "cannot watch for the end of processes");
	sigaction(SIGCHLD, &standard, &action_before);
	pthread_sigmask(SIG_BLOCK, &ended, &mask_before);
	r = serve(work, signal_fd, why);
	pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
	sigaction(SIGCHLD, &action_before, NULL);
	return r;
}

const struct serve_engine engine_fork = {
	.name = "fork",
	.summary = "a process per connection",
	.blocking = true,
	.apart = true,
	.probe = fork_probe,
	.run = fork_run,
};
