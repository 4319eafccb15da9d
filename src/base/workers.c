/*
 * A worker closes every descriptor that it was not meant to have. In a program that has sockets of
 * its own, like an experiment, a copy in another process would keep close() from sending FIN.
 */
#include "base/workers.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define TAG_HEAR UINT32_MAX /* other tags in ended_fd are workers' numbers */

/* What a worker tells of its end. */
struct last_words {
	_Alignas(max_align_t) int error; /* 0 or -errno of role->run() */
	struct why why;
};

struct worker {
	pid_t pid; /* 0: not running */
	int pidfd; /* (owned) -1: not running */
};

struct workers {
	const struct workers_role *role; /* (borrowed) */
	void *owner;			 /* (borrowed) */
	unsigned count, running;
	int ended_fd;		  /* (owned) epoll of the pidfds and what is heard */
	struct last_words *words; /* (owned) mmap; behind them: workers_shared() */
	size_t shared_size;
	struct worker at[];
};

/* ---- a worker */

/* The least of @keep from @least on; UINT_MAX: none. */
static unsigned next_kept(const int *keep, size_t count, unsigned least)
{
	unsigned next = UINT_MAX;

	for (size_t i = 0; i < count; i++)
		if (keep[i] >= 0 && (unsigned)keep[i] >= least && (unsigned)keep[i] < next)
			next = (unsigned)keep[i];
	return next;
}

static void close_others(const int *keep, size_t count)
{
	unsigned from = STDERR_FILENO + 1, kept;

	while ((kept = next_kept(keep, count, from)) != UINT_MAX) {
		if (kept > from)
			close_range(from, kept - 1, 0);
		from = kept + 1;
	}
	close_range(from, UINT_MAX, 0);
}

/* Signals for the whole group (Ctrl-C, a closed terminal, `pkill contest`) are the caller's: it
 * tells its workers what is to be done. */
static void leave_signals_to_caller(void)
{
	static const int left[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		signal(left[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static _Noreturn void worker_main(struct workers *workers, unsigned index, const int *keep,
				  size_t count, pid_t parent)
{
	struct last_words *words = &workers->words[index];

	/* The parent may have gone before this took effect. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_FAILURE);
	leave_signals_to_caller();
	close_others(keep, count);
	words->error = workers->role->run(workers->owner, index, &words->why);
	_exit(words->error ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- its beginning and its end */

static int watch(struct workers *workers, int fd, uint32_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(workers->ended_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int start(struct workers *workers, unsigned index, const int *keep, size_t count,
		 struct why *why)
{
	struct worker *worker = &workers->at[index];
	pid_t parent = getpid(), pid = fork();
	int r;

	if (pid < 0)
		return why_set(why, -errno, "cannot start worker process %u of %u", index + 1,
			       workers->count);
	if (pid == 0)
		worker_main(workers, index, keep, count, parent);
	worker->pid = pid;
	workers->running++;
	worker->pidfd = pidfd_open(pid, 0);
	r = worker->pidfd < 0 ? -errno : watch(workers, worker->pidfd, index);
	return r < 0 ? why_set(why, r, "cannot watch worker process %d", (int)pid) : 0;
}

/* It is a child that has ended, or is about to. */
static int reap(struct workers *workers, unsigned index, struct why *why)
{
	struct worker *worker = &workers->at[index];
	const struct last_words *words = &workers->words[index];
	pid_t pid = worker->pid;
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (worker->pidfd >= 0) {
		/* close() is not enough while a process just forked has a copy (epoll(7), Q6) */
		epoll_ctl(workers->ended_fd, EPOLL_CTL_DEL, worker->pidfd, NULL);
		close(worker->pidfd);
	}
	*worker = (struct worker){.pidfd = -1};
	workers->running--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
		return 0;
	if (workers->role->died)
		workers->role->died(workers->owner, index);
	if (WIFSIGNALED(status))
		return why_say(why, -ECHILD, "worker process %d was killed by SIG%s", (int)pid,
			       sigabbrev_np(WTERMSIG(status)));
	return why_say(why, -ECHILD, "worker process %d ended: %s", (int)pid,
		       words->error ? words->why.text : "it could not begin");
}

static int rest_ms(int64_t until_ns)
{
	int64_t ns = until_ns - clock_now_ns();

	if (ns <= 0)
		return 0;
	ns = (ns + NS_PER_MS - 1) / NS_PER_MS;
	return ns < INT32_MAX ? (int)ns : INT32_MAX;
}

int workers_wait(struct workers *workers, int64_t timeout_ns, struct why *why)
{
	int64_t until_ns = timeout_ns < 0 ? 0 : clock_now_ns() + timeout_ns;

	while (workers->running > 0) {
		int wait_ms = timeout_ns < 0 ? -1 : rest_ms(until_ns), r = 0;
		struct epoll_event event;
		int n = epoll_wait(workers->ended_fd, &event, 1, wait_ms);

		if (n == 1 && event.data.u32 == TAG_HEAR)
			r = workers->role->hear(workers->owner, why);
		else if (n == 1)
			r = reap(workers, event.data.u32, why);
		if (r < 0)
			return r;
		if (n == 0 && wait_ms == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

unsigned workers_kill(struct workers *workers)
{
	unsigned killed = workers->running;

	for (unsigned i = 0; i < workers->count; i++)
		if (workers->at[i].pid > 0)
			kill(workers->at[i].pid, SIGKILL);
	for (unsigned i = 0; i < workers->count; i++)
		if (workers->at[i].pid > 0)
			reap(workers, i, NULL);
	return killed;
}

/* ---- all of them */

int workers_new(const struct workers_role *role, void *owner, unsigned count, size_t shared,
		struct workers **ret)
{
	struct workers *workers = calloc(1, sizeof(*workers) + count * sizeof(workers->at[0]));
	int r;

	if (!workers)
		return -ENOMEM;
	*workers = (struct workers){.role = role, .owner = owner, .count = count};
	for (unsigned i = 0; i < count; i++)
		workers->at[i].pidfd = -1;
	workers->shared_size = count * sizeof(*workers->words) + shared;
	workers->words = mmap(NULL, workers->shared_size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r = workers->words == MAP_FAILED ? -errno : 0;
	workers->ended_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r == 0 && workers->ended_fd < 0)
		r = -errno;
	if (r < 0)
		workers_free(workers);
	else
		*ret = workers;
	return r;
}

void *workers_shared(const struct workers *workers)
{
	return workers->words + workers->count;
}

int workers_hear(struct workers *workers, int fd)
{
	return watch(workers, fd, TAG_HEAR);
}

int workers_start(struct workers *workers, const int *keep, size_t count, struct why *why)
{
	int r = 0;

	for (unsigned i = 0; i < workers->count && r == 0; i++)
		r = start(workers, i, keep, count, why);
	return r;
}

void workers_free(struct workers *workers)
{
	if (!workers)
		return;
	workers_kill(workers);
	cleanup_close(&workers->ended_fd);
	if (workers->words != MAP_FAILED)
		munmap(workers->words, workers->shared_size);
	free(workers);
}

int workers_ended_fd(const struct workers *workers)
{
	return workers->ended_fd;
}

unsigned workers_running(const struct workers *workers)
{
	return workers->running;
}

pid_t workers_pid(const struct workers *workers, unsigned index)
{
	return workers->at[index].pid;
}
