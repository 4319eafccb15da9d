/*
 * Workers are forked from the caller and run an engine each, on the same listening sockets; a
 * server of one worker is no exception, so that its end can always be forced and its memory is
 * its own. What they share with the server lies in shared memory (tallies, the number of open
 * connections, what went wrong) and in two eventfds that are never read: readable means drain, and
 * force.
 *
 * Several workers accept from one listening socket, not from one each by SO_REUSEPORT: that would
 * change what a person asked to be tested (a queue per socket, connections lost with a worker).
 *
 * A worker closes every descriptor that it was not meant to have. In a program that has sockets of
 * its own, like an experiment, a copy in another process would keep close() from sending FIN.
 */
#include "serve/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Descriptors of a worker that are no connections: standard ones, listeners and the log come on
 * top; an engine has a few, and some per thread. */
#define RESERVED_PER_PROCESS 32
#define RESERVED_PER_THREAD  8
#define PROCESSES_MAX	     1024

#define TAG_TROUBLE UINT32_MAX /* other tags in ended_fd are workers' numbers */

/* What a worker tells of its end, in shared memory. */
struct last_words {
	_Atomic int
		trouble; /* errno of a part that ended early (engine_tell()); 0: none, or told */
	int error;	 /* 0 or -errno of engine->run() */
	struct why why;
};

struct shared {
	_Atomic uint64_t open_all;
	struct last_words words[];
};

struct worker {
	pid_t pid; /* 0: not running */
	int pidfd; /* (owned) -1: not running */
	unsigned threads;
	size_t first_tally;
};

struct server {
	struct serve_plan plan;
	int *listeners; /* (owned, and the descriptors too) */
	size_t listener_count;
	struct journal *journal; /* (borrowed) */
	int stop_fd, force_fd;	 /* (owned) eventfds */
	int trouble_fd;		 /* (owned) eventfd: somebody has set words[].trouble */
	int ended_fd;		 /* (owned) epoll of the workers' pidfds and trouble_fd */
	uint64_t descriptors;	 /* that a worker may use */
	struct worker *workers;	 /* (owned) */
	unsigned worker_count, running;
	struct tally *tallies; /* (owned) */
	size_t tally_count;
	struct shared *shared; /* (owned) mmap */
	size_t shared_size;
};

static void tell(int fd)
{
	/* Fails only when it is about to overflow: it has been told then. */
	(void)!write(fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* ---- how many workers */

/* The soft limit up to the hard one; returns what holds then. */
static uint64_t raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		struct rlimit more = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			limit = more;
	}
	return limit.rlim_cur;
}

static uint64_t usable_descriptors(const struct serve_engine *engine)
{
	uint64_t limit = raise_descriptor_limit();

	if (engine->descriptors_max && limit > engine->descriptors_max)
		return engine->descriptors_max;
	return limit;
}

/* How many connections a process has descriptors for. At least 1. */
static uint64_t room_for(uint64_t descriptors, size_t listeners, unsigned threads)
{
	uint64_t reserved = RESERVED_PER_PROCESS + listeners + RESERVED_PER_THREAD * threads;
	uint64_t room = descriptors > 2 * reserved ? descriptors - reserved : descriptors / 2;

	return room ? room : 1;
}

unsigned server_processes_for(uint64_t connections, uint64_t descriptors, size_t listeners,
			      unsigned threads)
{
	uint64_t room = room_for(descriptors, listeners, threads);
	uint64_t processes = connections / room + (connections % room > 0);

	if (processes == 0)
		return 1;
	return processes < PROCESSES_MAX ? (unsigned)processes : PROCESSES_MAX;
}

/* The threads of a pool are spread over the workers; each has at least one. */
static void spread_threads(struct server *server)
{
	unsigned all = server->plan.engine->pool ? engine_threads(&server->plan) : 1;

	for (unsigned i = 0; i < server->worker_count; i++) {
		struct worker *worker = &server->workers[i];

		worker->pidfd = -1;
		worker->threads = all / server->worker_count + (i < all % server->worker_count);
		if (worker->threads == 0)
			worker->threads = 1;
		worker->first_tally = server->tally_count;
		server->tally_count += worker->threads;
	}
}

/* ---- a worker */

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors but the standard ones and @keep (of which -1 are none). */
static void close_others(int *keep, size_t count)
{
	unsigned next = STDERR_FILENO + 1;

	qsort(keep, count, sizeof(*keep), compare_fds);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)next)
			continue;
		if (keep[i] > (int)next)
			close_range(next, (unsigned)keep[i] - 1, 0);
		next = (unsigned)keep[i] + 1;
	}
	close_range(next, ~0U, 0);
}

static void close_strange_descriptors(const struct server *server)
{
	CLEANUP_FREE int *keep = calloc(server->listener_count + 4, sizeof(*keep));
	size_t count = server->listener_count;

	if (!keep) /* they are of no use, and mostly of no harm */
		return;
	memcpy(keep, server->listeners, count * sizeof(*keep));
	keep[count++] = server->stop_fd;
	keep[count++] = server->force_fd;
	keep[count++] = server->trouble_fd;
	keep[count++] = journal_fd(server->journal);
	close_others(keep, count);
}

/* Signals for the whole group (Ctrl-C, a closed terminal, `pkill contest`) are the server's: it
 * tells its workers what is to be done. */
static void leave_signals_to_server(void)
{
	static const int left[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		signal(left[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static bool is_readable(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, 0) == 1;
}

/*
 * The share of each thread of @worker in what it has descriptors for; rounded up, because the
 * shares of all must not be less than the max_connections that the workers were counted for (what
 * is reserved covers it). 0, no bound, where nobody else could take the connections: then accept()
 * may as well find out how many there can be.
 */
static size_t share_of(const struct server *server, const struct worker *worker)
{
	uint64_t room = room_for(server->descriptors, server->listener_count, worker->threads);

	if (server->worker_count == 1 || server->plan.engine->apart)
		return 0;
	return (size_t)(room / worker->threads + (room % worker->threads > 0));
}

static int work(const struct server *server, const struct worker *worker, struct last_words *words)
{
	struct serve_plan plan = server->plan;
	struct serve_work work = {
		.plan = &plan,
		.listeners = server->listeners,
		.listener_count = server->listener_count,
		.stop_fd = server->stop_fd,
		.force_fd = server->force_fd,
		.tallies = &server->tallies[worker->first_tally],
		.tally_count = worker->threads,
		.open_all = &server->shared->open_all,
		.journal = server->journal,
		.room = share_of(server, worker),
		.all_tallies = server->tallies,
		.all_count = server->tally_count,
		.trouble = &words->trouble,
		.trouble_fd = server->trouble_fd,
	};

	plan.threads = worker->threads;
	words->error = plan.engine->run(&work, &words->why);
	/* server_drain() takes the listeners away, which an engine may see before it sees why. */
	if (words->error == -EINVAL && is_readable(server->stop_fd))
		words->error = 0;
	return words->error;
}

static _Noreturn void worker_main(struct server *server, unsigned index, pid_t parent)
{
	int r;

	/* The parent may have gone before this took effect. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_FAILURE);
	leave_signals_to_server();
	close_strange_descriptors(server);
	r = work(server, &server->workers[index], &server->shared->words[index]);
	/* The copy of this process, whose siblings are not its to kill. */
	server->worker_count = 0;
	server_free(server);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int watch_worker(struct server *server, unsigned index)
{
	struct worker *worker = &server->workers[index];
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};

	worker->pidfd = pidfd_open(worker->pid, 0);
	if (worker->pidfd < 0)
		return -errno;
	if (epoll_ctl(server->ended_fd, EPOLL_CTL_ADD, worker->pidfd, &event) < 0)
		return -errno;
	return 0;
}

static int start_worker(struct server *server, unsigned index, struct why *why)
{
	pid_t parent = getpid(), pid = fork();
	int r;

	if (pid < 0)
		return why_set(why, -errno, "cannot start worker process %u of %u", index + 1,
			       server->worker_count);
	if (pid == 0)
		worker_main(server, index, parent);
	server->workers[index].pid = pid;
	server->running++;
	r = watch_worker(server, index);
	return r < 0 ? why_set(why, r, "cannot watch worker process %d", (int)pid) : 0;
}

/* ---- the end of a worker */

/*
 * The dead have closed what they had open. Who is killed between the two lines of engine_admit() or
 * engine_close() that count leaves open_all one off, for each of its threads at most: that many
 * connections more or fewer are let in from then on.
 */
static void abandon(struct server *server, const struct worker *worker)
{
	uint64_t open = tallies_abandon(&server->tallies[worker->first_tally], worker->threads);

	if (server->plan.max_connections)
		atomic_fetch_sub(&server->shared->open_all, open);
}

/* It is a child that has ended, or is about to. */
static int reap(struct server *server, unsigned index, struct why *why)
{
	struct worker *worker = &server->workers[index];
	const struct last_words *words = &server->shared->words[index];
	pid_t pid = worker->pid;
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (worker->pidfd >= 0) {
		/* close() is not enough while a process just forked has a copy (epoll(7), Q6) */
		epoll_ctl(server->ended_fd, EPOLL_CTL_DEL, worker->pidfd, NULL);
		close(worker->pidfd);
	}
	worker->pidfd = -1;
	worker->pid = 0;
	server->running--;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
		return 0;
	abandon(server, worker);
	if (WIFSIGNALED(status))
		return why_say(why, -ECHILD, "worker process %d was killed by SIG%s", (int)pid,
			       sigabbrev_np(WTERMSIG(status)));
	return why_say(why, -ECHILD, "worker process %d ended: %s", (int)pid,
		       words->error ? words->why.text : "it could not begin");
}

/* Tells the first trouble that has not been told; of who ended meanwhile, reap() did. */
static int take_trouble(struct server *server, struct why *why)
{
	eventfd_t count;

	eventfd_read(server->trouble_fd, &count);
	for (unsigned i = 0; i < server->worker_count; i++) {
		int error = atomic_exchange(&server->shared->words[i].trouble, 0);

		if (!error || server->workers[i].pid == 0)
			continue;
		tell(server->trouble_fd); /* there may be more */
		why_set(why, error, "a part of worker process %d has ended",
			(int)server->workers[i].pid);
		return -EIO;
	}
	return 0;
}

/* Takes one thing that ended_fd has to tell, waiting for it at most @timeout_ms. */
static int take_news(struct server *server, int timeout_ms, struct why *why)
{
	struct epoll_event event;

	if (epoll_wait(server->ended_fd, &event, 1, timeout_ms) != 1)
		return 0;
	if (event.data.u32 == TAG_TROUBLE)
		return take_trouble(server, why);
	return reap(server, event.data.u32, why);
}

static int rest_ms(int64_t until_ns)
{
	int64_t ns = until_ns - clock_now_ns();

	if (ns <= 0)
		return 0;
	ns = (ns + NS_PER_MS - 1) / NS_PER_MS;
	return ns < INT32_MAX ? (int)ns : INT32_MAX;
}

int server_wait(struct server *server, int64_t timeout_ns, struct why *why)
{
	int64_t until_ns = timeout_ns < 0 ? 0 : clock_now_ns() + timeout_ns;

	while (server->running > 0) {
		int wait_ms = timeout_ns < 0 ? -1 : rest_ms(until_ns);
		unsigned before = server->running;
		int r = take_news(server, wait_ms, why);

		if (r < 0)
			return r;
		if (wait_ms == 0 && server->running == before)
			return -ETIMEDOUT;
	}
	return 0;
}

/* ---- the server */

static struct shared *shared_new(unsigned workers, size_t *ret_size)
{
	struct shared *shared;
	size_t size = sizeof(*shared) + workers * sizeof(shared->words[0]);

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return NULL;
	*ret_size = size;
	return shared;
}

static int open_descriptors(struct server *server)
{
	struct epoll_event trouble = {.events = EPOLLIN, .data.u32 = TAG_TROUBLE};

	server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->force_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->trouble_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->ended_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->stop_fd < 0 || server->force_fd < 0 || server->trouble_fd < 0 ||
	    server->ended_fd < 0)
		return -errno;
	return epoll_ctl(server->ended_fd, EPOLL_CTL_ADD, server->trouble_fd, &trouble) < 0 ? -errno
											    : 0;
}

static int fill(struct server *server, size_t count)
{
	server->workers = calloc(server->worker_count, sizeof(*server->workers));
	server->listeners = calloc(count, sizeof(*server->listeners));
	if (!server->workers || !server->listeners)
		return -ENOMEM;
	spread_threads(server);
	server->tallies = tallies_new(server->tally_count);
	server->shared = shared_new(server->worker_count, &server->shared_size);
	if (!server->tallies || !server->shared)
		return -ENOMEM;
	return open_descriptors(server);
}

int server_new(const struct serve_plan *plan, const int *listeners, size_t count,
	       unsigned processes, struct journal *journal, struct server **ret, struct why *why)
{
	uint64_t descriptors = usable_descriptors(plan->engine);
	struct server *server = calloc(1, sizeof(*server));
	unsigned threads = plan->engine->pool ? engine_threads(plan) : 1;
	int r;

	if (!server)
		return why_set(why, -ENOMEM, "cannot make a server");
	*server = (struct server){.plan = *plan, .journal = journal, .descriptors = descriptors};
	server->stop_fd = server->force_fd = server->trouble_fd = server->ended_fd = -1;
	server->worker_count = processes ? processes
					 : server_processes_for(plan->max_connections, descriptors,
								count, threads);
	processes = server->worker_count;
	r = fill(server, count);
	if (r < 0) {
		server_free(server);
		return why_set(why, r, "cannot make a server of %u processes", processes);
	}
	if (count) /* memcpy() has no use for NULL, even for no bytes */
		memcpy(server->listeners, listeners, count * sizeof(*listeners));
	server->listener_count = count;
	*ret = server;
	return 0;
}

int server_start(struct server *server, struct why *why)
{
	for (unsigned i = 0; i < server->worker_count; i++) {
		int r = start_worker(server, i, why);

		if (r < 0)
			return r;
	}
	return 0;
}

void server_drain(struct server *server)
{
	tell(server->stop_fd);
	/*
	 * As long as one worker drains it holds the listening sockets, and peers would be let in to
	 * wait in vain: a connect is to be refused from now on. inet_shutdown() does that to a
	 * listener, for all processes that have it.
	 */
	for (size_t i = 0; i < server->listener_count; i++)
		shutdown(server->listeners[i], SHUT_RD);
}

void server_force(struct server *server)
{
	server_drain(server);
	tell(server->force_fd);
}

unsigned server_kill(struct server *server)
{
	unsigned killed = server->running;

	for (unsigned i = 0; i < server->worker_count; i++)
		if (server->workers[i].pid > 0)
			kill(server->workers[i].pid, SIGKILL);
	for (unsigned i = 0; i < server->worker_count; i++)
		if (server->workers[i].pid > 0)
			reap(server, i, NULL);
	return killed;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->workers)
		server_kill(server);
	for (size_t i = 0; i < server->listener_count; i++)
		close(server->listeners[i]);
	if (server->stop_fd >= 0)
		close(server->stop_fd);
	if (server->force_fd >= 0)
		close(server->force_fd);
	if (server->trouble_fd >= 0)
		close(server->trouble_fd);
	if (server->ended_fd >= 0)
		close(server->ended_fd);
	tallies_free(server->tallies, server->tally_count);
	if (server->shared)
		munmap(server->shared, server->shared_size);
	free(server->listeners);
	free(server->workers);
	free(server);
}

int server_ended_fd(const struct server *server)
{
	return server->ended_fd;
}

void server_sum(const struct server *server, struct tally_sum *ret)
{
	tallies_sum(server->tallies, server->tally_count, ret);
}

unsigned server_processes(const struct server *server)
{
	return server->worker_count;
}

unsigned server_running(const struct server *server)
{
	return server->running;
}
