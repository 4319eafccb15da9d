/*
 * Workers are forked from the caller and run an engine in each of their threads; a load of one
 * worker is no exception, so that its end can always be forced, its descriptors are its own and
 * its processor time is that of the load. What they share with the caller lies in shared memory
 * (tallies, the beginning, what went wrong) and in three eventfds that are never read: readable
 * means begin, stop, and force. Their processes are base/workers.c's.
 *
 * Each thread is a part of the load (schedule.h, tuple.h): which arrivals, how much of the
 * concurrency and which ports are its own is arithmetic, so that they need not talk.
 */
#include "load/generator.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/workers.h"

/* Descriptors of a worker that are no connections. */
#define RESERVED_PER_PROCESS 16
#define RESERVED_PER_THREAD  8
#define PROCESSES_MAX	     1024
#define THREADS_MAX	     4096

/* From the moment when all workers are told to begin. */
#define BEGIN_NS (3 * NS_PER_MS)

struct worker {
	unsigned first_part, threads;
};

struct generator {
	struct load_plan plan;
	struct course_plan course_plan;
	int begin_fd, stop_fd, force_fd; /* (owned) eventfds */
	struct workers *processes;	 /* (owned) */
	struct worker *workers;		 /* (owned) */
	unsigned worker_count, thread_count;
	uint64_t descriptors, descriptors_before;
	uint16_t first_port, last_port;
	struct load_tally *tallies; /* (owned) one per thread */
	int64_t *start_ns;	    /* (borrowed) of the processes; written before begin_fd is */
};

/* One thread of a worker. */
struct part {
	struct load_work work;
	pthread_t thread;
	int error;
	struct why why;
};

/* ---- how many processes and threads */

static void raise_descriptor_limit(struct generator *generator)
{
	struct rlimit limit;

	generator->descriptors = generator->descriptors_before = 1024;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	generator->descriptors = generator->descriptors_before = limit.rlim_cur;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			generator->descriptors = limit.rlim_cur;
	}
}

/* Connections that a process of so many threads has descriptors for. */
static uint64_t room_for(uint64_t descriptors, unsigned threads)
{
	uint64_t reserved = RESERVED_PER_PROCESS + (uint64_t)RESERVED_PER_THREAD * threads;

	return descriptors > 2 * reserved ? descriptors - reserved : descriptors / 2;
}

/* Connections that are open at once, at most, when nothing is in their way. */
static uint64_t open_at_once(const struct load_plan *plan)
{
	if (plan->closing == LOAD_CLOSE_ABANDON && plan->connections)
		return plan->connections;
	if (plan->connections && plan->connections < plan->concurrency)
		return plan->connections;
	return plan->concurrency;
}

static bool fits(const struct generator *generator, unsigned processes, unsigned threads)
{
	uint64_t all = open_at_once(&generator->plan);
	unsigned most = threads / processes + (threads % processes > 0);

	return (all / threads + (all % threads > 0)) * most <=
	       room_for(generator->descriptors, most);
}

static unsigned cores(void)
{
	cpu_set_t set;

	/* Fails where there are more cores than the set has bits. */
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	return (unsigned)CPU_COUNT(&set);
}

/* A thread has something to do only if one connection, one place and one port is its own. */
static unsigned parts_at_most(const struct generator *generator)
{
	const struct load_plan *plan = &generator->plan;
	uint64_t most = THREADS_MAX;

	if (most > plan->concurrency)
		most = plan->concurrency;
	if (plan->connections && most > plan->connections)
		most = plan->connections;
	if (plan->ports != LOAD_PORTS_KERNEL &&
	    most > generator->last_port - generator->first_port + 1u)
		most = generator->last_port - generator->first_port + 1u;
	return most ? (unsigned)most : 1;
}

static unsigned at_least(unsigned a, unsigned b)
{
	return a < b ? b : a;
}

static unsigned at_most(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int share_out(struct generator *generator, struct why *why)
{
	const struct load_plan *plan = &generator->plan;
	unsigned most = parts_at_most(generator);
	unsigned asked = at_most(plan->threads ? plan->threads : cores(), most);
	unsigned processes = plan->processes ? at_most(plan->processes, most) : 1;
	unsigned last = plan->processes ? processes : at_most(PROCESSES_MAX, most);

	while (processes < last && !fits(generator, processes, at_least(asked, processes)))
		processes++;
	generator->worker_count = processes;
	generator->thread_count = at_least(asked, processes);
	if (fits(generator, processes, generator->thread_count))
		return 0;
	return why_say(why, -EMFILE,
		       "%ju connections at once do not fit into %u process%s of %ju descriptors "
		       "each: raise the hard limit (ulimit -Hn), or ask for more processes or less "
		       "concurrency",
		       (uintmax_t)open_at_once(plan), processes, processes == 1 ? "" : "es",
		       (uintmax_t)generator->descriptors);
}

static void spread_threads(struct generator *generator)
{
	unsigned first = 0;

	for (unsigned i = 0; i < generator->worker_count; i++) {
		struct worker *worker = &generator->workers[i];

		worker->first_part = first;
		worker->threads = generator->thread_count / generator->worker_count +
				  (i < generator->thread_count % generator->worker_count);
		first += worker->threads;
	}
}

/* ---- ports and addresses */

static int read_port_range(unsigned *ret_first, unsigned *ret_last, struct why *why)
{
	const char *path = "/proc/sys/net/ipv4/ip_local_port_range";
	CLEANUP_FREE char *text = NULL;
	size_t length;
	int r = file_read(path, 256, &text, &length);

	if (r < 0)
		return why_set(why, r, "cannot read %s", path);
	if (sscanf(text, "%u %u", ret_first, ret_last) != 2)
		return why_say(why, -EINVAL, "%s does not say a range", path);
	return 0;
}

static int find_ports(struct generator *generator, struct why *why)
{
	const struct load_plan *plan = &generator->plan;
	bool by_option = plan->ports == LOAD_PORTS_RANGE ||
			 (plan->ports == LOAD_PORTS_KERNEL && plan->first_port);
	unsigned first = 0, last = 0;
	int r = read_port_range(&first, &last, why);

	if (r == 0 && by_option)
		r = tuples_probe_range(why);
	if (r < 0)
		return r;
	generator->first_port = plan->first_port ? plan->first_port : (uint16_t)first;
	generator->last_port = plan->first_port ? plan->last_port : (uint16_t)last;
	if (generator->last_port < generator->first_port)
		return why_say(why, -EINVAL, "the range of local ports runs backwards: %u to %u",
			       generator->first_port, generator->last_port);
	/* inet_sk_get_local_port_range() passes over ends that lie outside, without a word. */
	if (by_option && (generator->first_port < first || generator->last_port > last))
		return why_say(why, -EINVAL,
			       "local ports %u to %u are not within ip_local_port_range (%u to "
			       "%u), and the kernel chooses none outside: widen that, or use "
			       "--ports ring",
			       generator->first_port, generator->last_port, first, last);
	return 0;
}

static int try_source(const struct tcp_address *address, struct why *why)
{
	const struct tcp_endpoint local = {.address = *address};
	CLEANUP_CLOSE int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage at;
	socklen_t length;
	char text[TCP_ENDPOINT_TEXT_MAX];

	if (fd < 0)
		return why_set(why, -errno, "cannot make a socket");
	/* Or else it would want a port, which there may be none of. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	tcp_endpoint_to_sockaddr(&local, &at, &length);
	if (bind(fd, (struct sockaddr *)&at, length) == 0)
		return 0;
	return why_set(why, -errno, "cannot connect from %s", tcp_address_format(address, text));
}

/* The ends of each: a wrong address would only fail again and again, as fast as it can. */
static int try_sources(const struct load_plan *plan, struct why *why)
{
	for (size_t i = 0; i < plan->source_count; i++) {
		const struct load_source *source = &plan->sources[i];
		struct tcp_address last;
		int r = try_source(&source->first, why);

		load_sources_at(source, 1, source->count - 1, &last);
		if (r == 0)
			r = try_source(&last, why);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- a worker */

static int part_init(struct part *part, const struct generator *generator, unsigned number)
{
	part->work = (struct load_work){
		.plan = &generator->plan,
		.course_plan = &generator->course_plan,
		.tally = &generator->tallies[number],
		.start_ns = *generator->start_ns,
		.stop_fd = generator->stop_fd,
		.force_fd = generator->force_fd,
	};
	schedule_init(&part->work.schedule, &generator->plan, number, generator->thread_count);
	return tuples_init(&part->work.tuples, &generator->plan, generator->first_port,
			   generator->last_port, number, generator->thread_count);
}

static void *part_run(void *arg)
{
	struct part *part = arg;

	part->error = part->work.plan->engine->run(&part->work, &part->why);
	return NULL;
}

/* Waits for the word to begin. */
static void await_begin(const struct generator *generator)
{
	struct pollfd fds[] = {
		{.fd = generator->begin_fd, .events = POLLIN},
		{.fd = generator->force_fd, .events = POLLIN},
	};

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno == EINTR)
		;
}

/* Threads 1 to @count - 1 beside this one, which is the first. Returns 0, or what the first of
 * them to fail has returned. */
static int run_parts(struct part *parts, unsigned count, struct why *why)
{
	unsigned started = 1;
	int r = 0;

	while (started < count && r == 0) {
		r = -pthread_create(&parts[started].thread, NULL, part_run, &parts[started]);
		if (r == 0)
			started++;
	}
	if (r < 0)
		why_set(why, r, "cannot start thread %u of %u", started + 1, count);
	part_run(&parts[0]);
	for (unsigned i = 0; i < started; i++) {
		if (i > 0)
			pthread_join(parts[i].thread, NULL);
		if (parts[i].error && r == 0) {
			r = parts[i].error;
			*why = parts[i].why;
		}
	}
	return r;
}

/* Handlers of the caller's are not to run here. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static int work(void *owner, unsigned index, struct why *why)
{
	const struct generator *generator = owner;
	const struct worker *worker = &generator->workers[index];
	CLEANUP_FREE struct part *parts = calloc(worker->threads, sizeof(*parts));
	int r = parts ? 0 : -ENOMEM;

	block_signals();
	await_begin(generator);
	for (unsigned i = 0; i < worker->threads && r == 0; i++)
		r = part_init(&parts[i], generator, worker->first_part + i);
	if (r < 0)
		return why_set(why, r, "cannot begin");
	return run_parts(parts, worker->threads, why);
}

/* ---- the generator */

static const struct workers_role role = {.run = work};

int generator_start(struct generator *generator, struct why *why)
{
	const int keep[] = {generator->begin_fd, generator->stop_fd, generator->force_fd};
	int r = workers_start(generator->processes, keep, ARRAY_SIZE(keep), why);

	if (r < 0)
		return r;
	*generator->start_ns = clock_now_ns() + BEGIN_NS;
	eventfd_write(generator->begin_fd, 1);
	return 0;
}

int generator_wait(struct generator *generator, int64_t timeout_ns, struct why *why)
{
	return workers_wait(generator->processes, timeout_ns, why);
}

void generator_stop(struct generator *generator)
{
	eventfd_write(generator->stop_fd, 1);
}

void generator_force(struct generator *generator)
{
	eventfd_write(generator->stop_fd, 1);
	eventfd_write(generator->force_fd, 1);
}

static int open_descriptors(struct generator *generator)
{
	generator->begin_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	generator->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	generator->force_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (generator->begin_fd < 0 || generator->stop_fd < 0 || generator->force_fd < 0)
		return -errno;
	return 0;
}

static int fill(struct generator *generator)
{
	unsigned workers = generator->worker_count;
	int r;

	if (workers == 0)
		return -EINVAL;
	generator->workers = calloc(workers, sizeof(*generator->workers));
	if (!generator->workers)
		return -ENOMEM;
	spread_threads(generator);
	generator->tallies = load_tallies_new(generator->thread_count);
	if (!generator->tallies)
		return -ENOMEM;
	r = workers_new(&role, generator, workers, sizeof(*generator->start_ns),
			&generator->processes);
	if (r < 0)
		return r;
	generator->start_ns = workers_shared(generator->processes);
	return open_descriptors(generator);
}

/* Whether such a load can be, and in how many parts. */
static int prepare(struct generator *generator, struct why *why)
{
	const struct load_plan *plan = &generator->plan;
	int r = plan->engine->probe(why);

	if (r == 0)
		r = find_ports(generator, why);
	if (r == 0)
		r = try_sources(plan, why);
	if (r < 0)
		return r;
	r = course_plan_init(&generator->course_plan, plan);
	if (r < 0)
		return why_set(why, r, "cannot make the request");
	raise_descriptor_limit(generator);
	return share_out(generator, why);
}

int generator_new(const struct load_plan *plan, struct generator **ret, struct why *why)
{
	struct generator *generator = calloc(1, sizeof(*generator));
	int r;

	if (!generator)
		return why_set(why, -ENOMEM, "cannot make a load");
	*generator =
		(struct generator){.plan = *plan, .begin_fd = -1, .stop_fd = -1, .force_fd = -1};
	r = prepare(generator, why);
	if (r == 0) {
		generator->course_plan.plan = &generator->plan; /* not the caller's */
		r = fill(generator);
		if (r < 0)
			why_set(why, r, "cannot make a load of %u processes",
				generator->worker_count);
	}
	if (r < 0) {
		generator_free(generator);
		return r;
	}
	*ret = generator;
	return 0;
}

void generator_free(struct generator *generator)
{
	if (!generator)
		return;
	workers_free(generator->processes);
	cleanup_close(&generator->begin_fd);
	cleanup_close(&generator->stop_fd);
	cleanup_close(&generator->force_fd);
	load_tallies_free(generator->tallies, generator->thread_count);
	course_plan_done(&generator->course_plan);
	free(generator->workers);
	free(generator);
}

int generator_ended_fd(const struct generator *generator)
{
	return workers_ended_fd(generator->processes);
}

void generator_sum(const struct generator *generator, struct load_sum *ret)
{
	load_tallies_sum(generator->tallies, generator->thread_count, ret);
}

void generator_latency(const struct generator *generator, enum load_latency latency,
		       struct histogram *ret)
{
	load_tallies_latency(generator->tallies, generator->thread_count, latency, ret);
}

int64_t generator_start_ns(const struct generator *generator)
{
	return *generator->start_ns;
}

void generator_facts(const struct generator *generator, struct generator_facts *ret)
{
	*ret = (struct generator_facts){
		.processes = generator->worker_count,
		.threads = generator->thread_count,
		.descriptors = generator->descriptors,
		.descriptors_before = generator->descriptors_before,
		.first_port = generator->first_port,
		.last_port = generator->last_port,
		.running = workers_running(generator->processes),
	};
}
