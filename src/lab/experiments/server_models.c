/*
 * Question: a process per connection, a thread per connection, a pool with asynchronous calls, a
 * pool with events: what does a connection cost in each, and what do those that are only open?
 *
 * Kernel path (6.18): a process is kernel_clone() (kernel/fork.c) with a copy of the page tables,
 * and later exit_mm() and wait4(2); a thread is the same without the copy, but with a stack of its
 * own; each is woken by the scheduler for each read. A pool pays for neither: epoll_wait(2)
 * (fs/eventpoll.c) tells many ready sockets at once, and io_uring_enter(2) (io_uring/io_uring.c)
 * submits and reaps many calls at once.
 *
 * All are contest's own engines with the same protocol, at the same load: some connections stay
 * open, each answered once; beside them clients connect, send a line, read its echo and close. The
 * engines take turns in several rounds and the median counts, so that a machine that becomes busy
 * does so for all of them; what decides is the CPU time that the server's processes used and the
 * memory they have, which depend less on what else runs than any rate. epoll is measured twice per
 * round: by how much it differs from itself is what this machine's noise can do.
 *
 * No packets are kept, and nobody looks at sockets meanwhile: the link is fast.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "lab/experiments/common.h"
#include "lab/experiments/serving.h"
#include "serve/protocol.h"

#define ROUNDS	    3	/* at most: none is begun when the arm's time is up */
#define CONNECTIONS 600 /* opened and closed per measurement */
#define IN_FLIGHT   16	/* of these at once, at most */
#define FIRST_PORT  5000
#define LINE	    "a line\n"
#define PATIENCE_S  10 /* for one answer, or for the end of a server, on a busy machine */
#define SPARE_FDS   64

/* In the world where the claim is false a pool may have one connection at once. */
static bool pools_are_small;

struct model {
	const char *name; /* in the names of numbers */
	const char *engine;
};

static const struct model models[] = {
	{"epoll", "epoll"}, {"uring", "uring"},	      {"thread", "thread"},
	{"fork", "fork"},   {"epoll_again", "epoll"},
};
#define MODELS ARRAY_SIZE(models)

/* What one model gave in one round. */
struct taken {
	double served;	   /* connections that were answered, those that stay open and others */
	double cpu_us;	   /* of all processes of the server, per connection served */
	double rate;	   /* connections per second */
	double p99_ms;	   /* from connect() to the answer */
	double memory_kib; /* with all of them open */
	double tasks;	   /* most processes and threads at once */
};

/* ---- the clients */

struct load {
	struct tcp_endpoint server;
	int *held; /* (owned) connections that stay open */
	size_t held_count;
	double *latencies_ms; /* (owned) of those that come and go, as many as were served */
	size_t served;
	double seconds;
};

static void load_done(struct load *load)
{
	for (size_t i = 0; i < load->held_count; i++)
		close(load->held[i]);
	load->held_count = 0;
	free(load->held);
	free(load->latencies_ms);
	*load = (struct load){0};
}

/* A client that has connected and asked; -1: it was not let in. */
static int ask(const struct load *load)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage name;
	socklen_t length;

	if (fd < 0)
		return -1;
	tcp_endpoint_to_sockaddr(&load->server, &name, &length);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&name, length) < 0 ||
	    send(fd, LINE, strlen(LINE), MSG_NOSIGNAL) < 0)
		return -1;
	return TAKE_FD(fd);
}

static bool is_answered(int fd)
{
	char text[sizeof(LINE)];

	return recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0;
}

/* Opens those that stay, one after the other, as long as the server serves them. */
static void hold(struct load *load, size_t count)
{
	while (load->held_count < count) {
		struct pollfd one = {.fd = ask(load), .events = POLLIN};

		if (one.fd < 0)
			return;
		if (poll(&one, 1, PATIENCE_S * 1000) <= 0 || !is_answered(one.fd)) {
			close(one.fd);
			return;
		}
		load->held[load->held_count++] = one.fd;
	}
}

/* Those that come and go, up to IN_FLIGHT at once. */
struct churn {
	struct pollfd fds[IN_FLIGHT]; /* fd (owned) or -1 */
	int64_t began_ns[IN_FLIGHT];
	size_t width, started, ended;
};

static void churn_start(struct churn *churn, const struct load *load)
{
	for (size_t i = 0; i < churn->width && churn->started < CONNECTIONS; i++) {
		if (churn->fds[i].fd >= 0)
			continue;
		churn->began_ns[i] = clock_now_ns();
		churn->fds[i].fd = ask(load);
		churn->started++;
		churn->ended += churn->fds[i].fd < 0;
	}
}

static void churn_end(struct churn *churn, struct load *load)
{
	for (size_t i = 0; i < churn->width; i++) {
		struct pollfd *one = &churn->fds[i];

		if (one->fd < 0 || !one->revents)
			continue;
		if (is_answered(one->fd))
			load->latencies_ms[load->served++] =
				clock_seconds(clock_now_ns() - churn->began_ns[i]) * 1000;
		close(TAKE_FD(one->fd));
		churn->ended++;
	}
}

static void come_and_go(struct load *load, size_t width)
{
	struct churn churn = {.width = width};
	int64_t start_ns = clock_now_ns();

	for (size_t i = 0; i < width; i++)
		churn.fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	while (churn.ended < CONNECTIONS) {
		churn_start(&churn, load);
		if (churn.ended == churn.started)
			continue;
		if (poll(churn.fds, width, PATIENCE_S * 1000) <= 0)
			break;
		churn_end(&churn, load);
	}
	for (size_t i = 0; i < width; i++)
		cleanup_close(&churn.fds[i].fd);
	load->seconds = clock_seconds(clock_now_ns() - start_ns);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value at @part of @values, which are sorted by it; NAN without any. */
static double quantile(double *values, size_t count, double part)
{
	if (count == 0)
		return NAN;
	qsort(values, count, sizeof(*values), compare_doubles);
	return values[(size_t)((double)(count - 1) * part + 0.5)];
}

/* ---- the server's processes, from outside */

/* The number behind @name in a file of "Name:  12 kB" lines; -ENOENT without it. */
static long proc_number(pid_t pid, const char *file, const char *name)
{
	char path[64], line[256];
	CLEANUP_FCLOSE FILE *in = NULL;
	long value;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in))
		if (strncmp(line, name, strlen(name)) == 0 &&
		    sscanf(line + strlen(name), ": %ld", &value) == 1)
			return value;
	return -ENOENT;
}

/*
 * What @root's descendants have of memory in KiB: their share of each page (Pss), and page tables,
 * which the kernel keeps for each process. Down to @depth generations. -ENOTSUP where the kernel
 * does not tell (CONFIG_PROC_PAGE_MONITOR).
 */
static double memory_below(pid_t root, int depth)
{
	DIR *proc = opendir("/proc");
	double sum = 0;

	if (!proc)
		return -ENOTSUP;
	for (const struct dirent *entry; (entry = readdir(proc)) && sum >= 0;) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		long pss, tables;

		if (pid <= 0 || proc_number(pid, "status", "PPid") != root)
			continue;
		pss = proc_number(pid, "smaps_rollup", "Pss");
		tables = proc_number(pid, "status", "VmPTE");
		if (pss < 0 || tables < 0) {
			sum = -ENOTSUP;
			break;
		}
		sum += (double)(pss + tables);
		if (depth > 1)
			sum += memory_below(pid, depth - 1);
	}
	closedir(proc);
	return sum;
}

/* CPU time of all children that have ended, and theirs. */
static double children_cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* ---- one measurement */

static int start(struct stage *stage, const struct model *model, uint16_t port, struct server **ret)
{
	struct serve_plan plan = {
		.engine = engine_find(model->engine),
		.protocol = protocol_find("echo"),
		.closing = SERVE_CLOSE_PASSIVE,
	};

	if (pools_are_small && plan.engine->pool)
		plan.max_connections = 1;
	return serving_start(stage, &plan, port, ret);
}

/* The server ends when its clients have: orderly, so that all of its processes are reaped. */
static int end(struct stage *stage, struct server *server)
{
	server_drain(server);
	if (server_wait(server, PATIENCE_S * NS_PER_S, &stage->why) == -ETIMEDOUT)
		server_force(server);
	TRY(stage, server_wait(server, PATIENCE_S * NS_PER_S, &stage->why));
	return 0;
}

static int apply_load(struct stage *stage, struct load *load, size_t open)
{
	size_t width = open < IN_FLIGHT ? open : IN_FLIGHT;
	int home = netns_enter(host_netns(stage->client));

	TRY(stage, home);
	hold(load, open - width);
	come_and_go(load, width);
	netns_leave(home);
	return 0;
}

static int measure(struct stage *stage, const struct model *model, uint16_t port, size_t open,
		   struct taken *ret)
{
	__attribute__((cleanup(load_done))) struct load load = {
		.server = {.address = *host_address(stage->server, AF_INET, 0), .port = port},
		.held = calloc(open, sizeof(*load.held)),
		.latencies_ms = calloc(CONNECTIONS, sizeof(*load.latencies_ms)),
	};
	CLEANUP_SERVER struct server *server = NULL;
	double cpu_before_us = children_cpu_us();
	struct tally_sum sum;

	if (!load.held || !load.latencies_ms)
		return stage_fail(stage, -ENOMEM, "room for %zu connections", open);
	TRY(stage, start(stage, model, port, &server));
	TRY(stage, apply_load(stage, &load, open));

	ret->served = (double)(load.held_count + load.served);
	ret->rate = (double)load.served / load.seconds;
	ret->p99_ms = quantile(load.latencies_ms, load.served, 0.99);
	ret->memory_kib = memory_below(getpid(), 2);
	if (ret->memory_kib < 0)
		return stage_not_testable(stage, "/proc does not tell how much memory a process "
						 "has (smaps_rollup)");
	load_done(&load);
	TRY(stage, end(stage, server));
	server_sum(server, &sum);
	ret->tasks = (double)sum.tasks_max;
	ret->cpu_us = (children_cpu_us() - cpu_before_us) / (ret->served > 0 ? ret->served : 1);
	return 0;
}

/* ---- the story */

/* The middle of the rounds, for one member of struct taken. */
static double median(const struct taken *rounds, size_t count, size_t offset)
{
	double values[ROUNDS];

	for (size_t i = 0; i < count; i++)
		values[i] = *(const double *)((const char *)&rounds[i] + offset);
	return quantile(values, count, 0.5);
}

static void tell_model(struct stage *stage, const char *name, const struct taken *rounds,
		       size_t count)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{"served_count", offsetof(struct taken, served)},
		{"cpu_us", offsetof(struct taken, cpu_us)},
		{"connections_per_s", offsetof(struct taken, rate)},
		{"p99_ms", offsetof(struct taken, p99_ms)},
		{"memory_kib", offsetof(struct taken, memory_kib)},
		{"tasks", offsetof(struct taken, tasks)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		double value = median(rounds, count, numbers[i].offset);
		char text[64];

		snprintf(text, sizeof(text), "%s_%s", name, numbers[i].name);
		if (!isnan(value))
			stage_measure(stage, text, value);
	}
}

static bool is_here(const struct model *model)
{
	const struct serve_engine *engine = engine_find(model->engine);
	struct why why;

	return engine && engine->probe(&why) == 0;
}

static int check_descriptors(struct stage *stage, size_t open)
{
	struct rlimit limit;

	TRY_SYS(stage, getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < open + SPARE_FDS)
		return stage_not_testable(stage,
					  "%zu connections need more descriptors than this "
					  "process may have (ulimit -Hn: %llu)",
					  open, (unsigned long long)limit.rlim_max);
	return 0;
}

static int play_round(struct stage *stage, size_t open, uint16_t *port, size_t round,
		      struct taken taken[MODELS][ROUNDS])
{
	for (size_t i = 0; i < MODELS; i++) {
		if (!is_here(&models[i]))
			continue;
		stage_state(stage, -1, "%s, round %zu of %d", models[i].engine, round + 1, ROUNDS);
		/* A port each: TIME-WAIT of one must not meet the connections of another. */
		TRY(stage, measure(stage, &models[i], (*port)++, open, &taken[i][round]));
	}
	return 0;
}

/* arm->value: connections that are open at once. */
static int play(struct stage *stage)
{
	const struct world_spec fast = {
		.link = WORLD_LINK_VETH,
		.host_count = 2,
		.hosts = {{.name = "client"}, {.name = "server"}},
	};
	struct taken taken[MODELS][ROUNDS] = {0};
	int64_t end_ns = clock_now_ns() + (int64_t)(stage->arm->seconds * NS_PER_S);
	size_t open = (size_t)stage->arm->value, rounds = 0;
	size_t width = open < IN_FLIGHT ? open : IN_FLIGHT;
	uint16_t port = FIRST_PORT;

	TRY(stage, check_descriptors(stage, open));
	TRY(stage, stage_open(stage, &fast));
	observer_stop(stage->observer);
	while (rounds == 0 || (rounds < ROUNDS && clock_now_ns() < end_ns)) {
		TRY(stage, play_round(stage, open, &port, rounds, taken));
		rounds++;
	}
	stage_measure(stage, "rounds", (double)rounds);
	stage_measure(stage, "asked_count", (double)(open - width + CONNECTIONS));
	for (size_t i = 0; i < MODELS; i++)
		if (is_here(&models[i]))
			tell_model(stage, models[i].name, taken[i], rounds);
	return 0;
}

/* Pools that take one connection at a time: many tasks serve many, a pool does not. */
static int falsify(struct stage *stage)
{
	(void)stage;
	pools_are_small = true;
	return 0;
}

/* ---- the verdict */

static const char *const few = "open-1";
static const char *const some = "open-100";
static const char *const many = "open-1000";
#define MANY 1000

/*
 * A model loses to another when it costs at least so many times as much. CPU time per connection
 * varies by a quarter on a busy machine, in the median; memory by a few percent.
 */
#define CPU_LOSES    1.5
#define MEMORY_LOSES 4.0
/* Noise beyond this is too much, unless the difference is clearly greater still. */
#define NOISY	   1.25
#define OVER_NOISE 1.2
/* Memory with one connection open: what the models need to begin with is about the same. */
#define MEMORY_SAME 2.5
/* Between the two pools less than this is no difference. */
#define POOLS_DIFFER 1.3

static double number(const struct evidence *evidence, const char *arm, const char *model,
		     const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", model, what);
	return evidence_number(evidence, arm, name);
}

static bool knows(const struct evidence *evidence, const char *arm, const char *model,
		  const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", model, what);
	return evidence_knows(evidence, arm, name);
}

static bool has_model(const struct evidence *evidence, const char *model)
{
	return knows(evidence, many, model, "cpu_us");
}

/* How many times as much as epoll a model costs. */
static double against_epoll(const struct evidence *evidence, const char *arm, const char *model,
			    const char *what)
{
	return number(evidence, arm, model, what) / number(evidence, arm, "epoll", what);
}

/* By how many times epoll differs from itself, in one direction or the other. */
static double noise(const struct evidence *evidence)
{
	double again = against_epoll(evidence, many, "epoll_again", "cpu_us");

	return again > 1 ? again : 1 / again;
}

/* Of what many connections take, the part of one. */
static double memory_each(const struct evidence *evidence, const char *model)
{
	return (number(evidence, many, model, "memory_kib") -
		number(evidence, few, model, "memory_kib")) /
	       (MANY - 1);
}

static bool served_all(const struct evidence *evidence, const char *arm, const char *model)
{
	return number(evidence, arm, model, "served_count") >=
	       evidence_number(evidence, arm, "asked_count");
}

static void tell_arm(const struct evidence *evidence, const char *arm, const char *suffix,
		     struct judgement *ret)
{
	static const char *const whats[] = {"cpu_us", "memory_kib", "tasks", "served_count",
					    "connections_per_s"};

	for (size_t i = 0; i < MODELS; i++) {
		if (!has_model(evidence, models[i].name))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(whats); j++)
			judge_measured(ret, number(evidence, arm, models[i].name, whats[j]),
				       "%s_%s_%s", models[i].name, whats[j], suffix);
		/* Nobody was served, nobody waited. */
		if (knows(evidence, arm, models[i].name, "p99_ms"))
			judge_measured(ret, number(evidence, arm, models[i].name, "p99_ms"),
				       "%s_p99_ms_%s", models[i].name, suffix);
	}
}

/* What a task per connection has to lose by, at many connections. */
struct loss {
	const char *model;
	bool failed; /* it could not serve them all */
	double cpu, memory, memory_before;
};

static struct loss loss_of(const struct evidence *evidence, const char *model)
{
	return (struct loss){
		.model = model,
		.failed = !served_all(evidence, many, model),
		.cpu = against_epoll(evidence, many, model, "cpu_us"),
		.memory = against_epoll(evidence, many, model, "memory_kib"),
		.memory_before = against_epoll(evidence, few, model, "memory_kib"),
	};
}

static bool loses(const struct loss *loss)
{
	return loss->failed || (loss->cpu >= CPU_LOSES && loss->memory >= MEMORY_LOSES);
}

/* Whether what is claimed to come with many connections is there with one. */
static bool same_with_few(const struct loss *loss)
{
	return loss->memory_before <= MEMORY_SAME;
}

static const char *pools_compared(const struct evidence *evidence)
{
	double ratio;

	if (!has_model(evidence, "uring"))
		return "io_uring is not to be had here";
	ratio = against_epoll(evidence, many, "uring", "cpu_us");
	if (ratio > POOLS_DIFFER)
		return "io_uring costs more";
	if (ratio < 1 / POOLS_DIFFER)
		return "io_uring costs less";
	return "io_uring costs the same";
}

static void say_holds(const struct evidence *evidence, struct judgement *ret)
{
	judge_say(ret, VERDICT_HOLDS,
		  "Per connection, with %d open: %.0f µs of CPU and %.1f KiB by events (%s), %.0f "
		  "and %.0f with a thread each, %.0f and %.0f with a process each. With one open "
		  "the memory is the same, and a thread costs %.1f times the CPU. Use events for "
		  "many connections, and fork() for none.",
		  MANY, number(evidence, many, "epoll", "cpu_us"), memory_each(evidence, "epoll"),
		  pools_compared(evidence), number(evidence, many, "thread", "cpu_us"),
		  memory_each(evidence, "thread"), number(evidence, many, "fork", "cpu_us"),
		  memory_each(evidence, "fork"), against_epoll(evidence, few, "thread", "cpu_us"));
}

static void say_who_failed(const struct evidence *evidence, const struct loss *loss,
			   struct judgement *ret)
{
	judge_say(ret, VERDICT_HOLDS,
		  "With %d connections open \"%s\" served only %.0f of %.0f: a limit of tasks "
		  "(ulimit -u, pids.max) ended it, where the pools served all.",
		  MANY, loss->model, number(evidence, many, loss->model, "served_count"),
		  evidence_number(evidence, many, "asked_count"));
}

static bool pool_fails(const struct evidence *evidence, const char *pool, struct judgement *ret)
{
	if (served_all(evidence, many, pool))
		return false;
	judge_deciding(ret, "%s served %.0f of %.0f", pool,
		       number(evidence, many, pool, "served_count"),
		       evidence_number(evidence, many, "asked_count"));
	judge_say(ret, VERDICT_REFUTED,
		  "The pool \"%s\" served %.0f of %.0f connections with %d open; with a thread "
		  "each %.0f were served, with a process each %.0f.",
		  pool, number(evidence, many, pool, "served_count"),
		  evidence_number(evidence, many, "asked_count"), MANY,
		  number(evidence, many, "thread", "served_count"),
		  number(evidence, many, "fork", "served_count"));
	return true;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	struct loss thread = loss_of(evidence, "thread"), process = loss_of(evidence, "fork");
	double least = thread.cpu < process.cpu ? thread.cpu : process.cpu;
	bool has_uring = has_model(evidence, "uring");

	tell_arm(evidence, few, "open_1", ret);
	tell_arm(evidence, some, "open_100", ret);
	tell_arm(evidence, many, "open_1000", ret);
	judge_measured(ret, noise(evidence), "epoll_against_itself");
	if (pool_fails(evidence, "epoll", ret) || (has_uring && pool_fails(evidence, "uring", ret)))
		return;
	judge_deciding(ret, "CPU of epoll: thread %.1f times, fork %.0f times", thread.cpu,
		       process.cpu);

	if (noise(evidence) > NOISY && noise(evidence) * OVER_NOISE > least)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The same engine differs by %.1f times from itself: too much else runs "
			  "on this machine to tell the models apart.",
			  noise(evidence));
	else if (!same_with_few(&thread) || !same_with_few(&process))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "With one connection open a thread each has %.1f times the memory of the "
			  "pool, and a process each %.1f times: it is not the number of "
			  "connections that decides here.",
			  thread.memory_before, process.memory_before);
	else if (thread.failed || process.failed)
		say_who_failed(evidence, thread.failed ? &thread : &process, ret);
	else if (loses(&thread) && loses(&process) &&
		 (!has_uring ||
		  against_epoll(evidence, many, "uring", "cpu_us") < least / CPU_LOSES))
		say_holds(evidence, ret);
	else
		judge_say(ret, VERDICT_REFUTED,
			  "With %d connections open a thread each costs %.1f times the CPU and "
			  "%.1f times the memory of epoll, a process each %.1f and %.1f times: "
			  "that is no clear win.",
			  MANY, thread.cpu, thread.memory, process.cpu, process.memory);
}

static const struct arm arms[] = {
	{
		.name = "open-1",
		.role = ARM_CONTROL,
		.what = "one connection at a time: the models' memory must be about the same",
		.seconds = 2,
		.value = 1,
		.play = play,
	},
	{
		.name = "open-100",
		.role = ARM_TREATMENT,
		.what = "100 connections open at once, of which 16 come and go",
		.seconds = 3,
		.value = 100,
		.play = play,
	},
	{
		.name = "open-1000",
		.role = ARM_TREATMENT,
		.what = "1000 connections open at once, of which 16 come and go",
		.seconds = 10,
		.value = 1000,
		.play = play,
	},
};

const struct experiment experiment_server_models = {
	.id = "server-models",
	.claim = "With many connections a pool with asynchronous or event-driven I/O beats a "
		 "process or a thread per connection.",
	.source = "article, 서버 방식",
	.section = "H. Servers",
	.method = "contest serve's engines fork, thread, uring and epoll at the same load, with 1, "
		  "100 and 1000 connections open, in turns over a fast link: CPU time and memory "
		  "of the server's processes, and for information rates and latencies.",
	.why = "The model decides how many connections a machine carries. What it costs shows in "
	       "memory long before it shows in time.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.alone = true,
	.falsify = falsify,
	.judge = judge,
};
