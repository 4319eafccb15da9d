/*
 * Workers are forked from the caller and run an engine each, on the same listening sockets; a
 * server of one worker is no exception, so that its end can always be forced and its memory is
 * its own. What they share with the server lies in shared memory (tallies, the number of open
 * connections, what went wrong) and in two eventfds that are never read: readable means drain, and
 * force. Their processes are base/workers.c's.
 *
 * Several workers accept from one listening socket, not from one each by SO_REUSEPORT: that would
 * change what a person asked to be tested (a queue per socket, connections lost with a worker).
 */
#include "serve/server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/workers.h"

/* Descriptors of a worker that are no connections: standard ones, listeners and the log come on
 * top; an engine has a few, and some per thread. */
#define RESERVED_PER_PROCESS 32
#define RESERVED_PER_THREAD  8
#define PROCESSES_MAX	     1024

#define KEPT_MORE 4 /* descriptors that a worker keeps besides the listeners */

struct shared {
	_Atomic uint64_t open_all;
	/* Of each worker: errno of a part that ended early (engine_tell()); 0: none, or told. */
	_Atomic int trouble[];
};

struct worker {
	unsigned threads;
	size_t first_tally;
};

struct server {
	struct serve_plan plan;
	int *listeners; /* (owned, and the descriptors too) behind them: KEPT_MORE */
	size_t listener_count;
	struct journal *journal;   /* (borrowed) */
	int stop_fd, force_fd;	   /* (owned) eventfds */
	int trouble_fd;		   /* (owned) eventfd: somebody has set shared->trouble[] */
	uint64_t descriptors;	   /* that a worker may use */
	struct workers *processes; /* (owned) */
	struct worker *workers;	   /* (owned) */
	unsigned worker_count;
	struct tally *tallies; /* (owned) */
	size_t tally_count;
	struct shared *shared; /* (borrowed) of the processes */
};

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

		worker->threads = all / server->worker_count + (i < all % server->worker_count);
		if (worker->threads == 0)
			worker->threads = 1;
		worker->first_tally = server->tally_count;
		server->tally_count += worker->threads;
	}
}

/* ---- a worker */

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

static int work(void *owner, unsigned index, struct why *why)
{
	struct server *server = owner;
	const struct worker *worker = &server->workers[index];
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
		.trouble = &server->shared->trouble[index],
		.trouble_fd = server->trouble_fd,
	};
	int r;

	plan.threads = worker->threads;
	r = plan.engine->run(&work, why);
	/* server_drain() takes the listeners away, which an engine may see before it sees why. */
	return r == -EINVAL && is_readable(server->stop_fd) ? 0 : r;
}

/* ---- the end of a worker */

/*
 * The dead have closed what they had open. Who is killed between the two lines of engine_admit() or
 * engine_close() that count leaves open_all one off, for each of its threads at most: that many
 * connections more or fewer are let in from then on.
 */
static void abandon(void *owner, unsigned index)
{
	struct server *server = owner;
	const struct worker *worker = &server->workers[index];
	uint64_t open = tallies_abandon(&server->tallies[worker->first_tally], worker->threads);

	if (server->plan.max_connections)
		atomic_fetch_sub(&server->shared->open_all, open);
}

/* Tells the first trouble that has not been told; of who ended meanwhile, the end was. */
static int take_trouble(void *owner, struct why *why)
{
	struct server *server = owner;
	eventfd_t count;

	eventfd_read(server->trouble_fd, &count);
	for (unsigned i = 0; i < server->worker_count; i++) {
		int error = atomic_exchange(&server->shared->trouble[i], 0);
		pid_t pid = workers_pid(server->processes, i);

		if (!error || pid == 0)
			continue;
		eventfd_write(server->trouble_fd, 1); /* there may be more */
		why_set(why, error, "a part of worker process %d has ended", (int)pid);
		return -EIO;
	}
	return 0;
}

int server_wait(struct server *server, int64_t timeout_ns, struct why *why)
{
	return workers_wait(server->processes, timeout_ns, why);
}

/* ---- the server */

static const struct workers_role role = {.run = work, .died = abandon, .hear = take_trouble};

static int open_descriptors(struct server *server)
{
	server->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->force_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->trouble_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->stop_fd < 0 || server->force_fd < 0 || server->trouble_fd < 0)
		return -errno;
	return workers_hear(server->processes, server->trouble_fd);
}

static int fill(struct server *server, size_t count)
{
	size_t shared = sizeof(struct shared) + server->worker_count * sizeof(_Atomic int);
	int r;

	server->workers = calloc(server->worker_count, sizeof(*server->workers));
	server->listeners = calloc(count + KEPT_MORE, sizeof(*server->listeners));
	if (!server->workers || !server->listeners)
		return -ENOMEM;
	spread_threads(server);
	server->tallies = tallies_new(server->tally_count);
	if (!server->tallies)
		return -ENOMEM;
	r = workers_new(&role, server, server->worker_count, shared, &server->processes);
	if (r < 0)
		return r;
	server->shared = workers_shared(server->processes);
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
	server->stop_fd = server->force_fd = server->trouble_fd = -1;
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
	const int more[KEPT_MORE] = {server->stop_fd, server->force_fd, server->trouble_fd,
				     journal_fd(server->journal)};

	memcpy(server->listeners + server->listener_count, more, sizeof(more));
	return workers_start(server->processes, server->listeners,
			     server->listener_count + KEPT_MORE, why);
}

void server_drain(struct server *server)
{
	eventfd_write(server->stop_fd, 1);
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
	eventfd_write(server->force_fd, 1);
}

unsigned server_kill(struct server *server)
{
	return workers_kill(server->processes);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	workers_free(server->processes);
	for (size_t i = 0; i < server->listener_count; i++)
		close(server->listeners[i]);
	cleanup_close(&server->stop_fd);
	cleanup_close(&server->force_fd);
	cleanup_close(&server->trouble_fd);
	tallies_free(server->tallies, server->tally_count);
	free(server->listeners);
	free(server->workers);
	free(server);
}

int server_ended_fd(const struct server *server)
{
	return workers_ended_fd(server->processes);
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
	return workers_running(server->processes);
}
