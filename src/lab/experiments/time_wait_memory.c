/*
 * Question: how much memory does a connection take in TIME-WAIT, at the end that was called and at
 * the end that called, and how much while it is open?
 *
 * Kernel path (6.18): tcp_time_wait() (net/ipv4/tcp_minisocks.c) frees the socket and leaves a
 * struct tcp_timewait_sock in its place, from the slab cache "tw_sock_TCP": 168 bytes in the
 * kernels of which the article tells, 248 and rounded to cache lines 256 here. The end that called
 * has a local port of its own besides: a struct inet_bind_bucket ("tcp_bind_bucket", 64 bytes then)
 * and since 6.1 a struct inet_bind2_bucket for port and address ("tcp_bind2_bucket"), here 128
 * bytes each. The end that was called shares the listener's.
 *
 * Root may read the caches one by one (/sys/kernel/slab): how many objects there are more, of
 * which size; that decides where it can be read. Everybody may read SUnreclaim of /proc/meminfo:
 * what all of the kernel's slabs hold that nobody can take back. It is the machine's and moves
 * with all that happens there, so both are taken in steps, and the median of the steps counts.
 *
 * Packets expected: as many handshakes and closings as there are sockets; none are kept.
 */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "lab/experiments/loading.h"
#include "lab/experiments/serving.h"
#include "serve/protocol.h"

#define FIRST_PORT 2000
#define LAST_PORT  61999 /* 60,000 ports: outbound connections need one each */

#define STEP	       20000
#define STEPS_MAX      5
#define INBOUND_STEPS  5
#define OUTBOUND_STEPS 3
#define OPEN	       8000 /* connections, both ends of them here */
#define STEP_S	       25   /* at most for each; TIME-WAIT lasts 60 s */

/* ---- what the kernel's slabs hold */

/* The number behind "Name:" in /proc/meminfo, in KiB; -ENOENT without it. */
static long meminfo_kib(const char *name)
{
	CLEANUP_FREE char *text = NULL;
	const char *line;

	if (file_read("/proc/meminfo", 65536, &text, NULL) < 0)
		return -ENOENT;
	line = strstr(text, name);
	return line ? strtol(line + strlen(name), NULL, 10) : -ENOENT;
}

/*
 * Once what is being freed has been (RCU frees sockets and their slabs a moment later): when it
 * does not fall any more. On a machine that does other things, after a second.
 */
static long settled_kib(void)
{
	struct timespec nap = clock_timespec(50 * NS_PER_MS);
	long last = meminfo_kib("\nSUnreclaim:");

	for (int calm = 0, i = 0; calm < 4 && i < 20; i++) {
		long now;

		nanosleep(&nap, NULL);
		now = meminfo_kib("\nSUnreclaim:");
		calm = now >= last - 32 ? calm + 1 : 0;
		last = now;
	}
	return last;
}

/* A number of a cache's file in /sys/kernel/slab ("248", or "2512 N0=2512"), or -errno. */
static long cache_number(const char *cache, const char *file)
{
	CLEANUP_FREE char *text = NULL;
	char path[96];
	int r;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/%s", cache, file);
	r = file_read(path, 4096, &text, NULL);
	return r < 0 ? r : strtol(text, NULL, 10);
}

/* A cache by its first name: caches of one size are merged, and count together. */
static const struct {
	const char *cache, *objects, *bytes; /* names of numbers */
} caches[] = {
	{"tw_sock_TCP", "time_wait_objects_each", "time_wait_object_bytes"},
	{"tcp_bind_bucket", "bind_objects_each", "bind_object_bytes"},
};

/* What is weighed at one moment. */
struct weight {
	double slab_bytes;
	double objects[ARRAY_SIZE(caches)]; /* negative: may not be read here */
};

static struct weight weigh(void)
{
	struct weight weight = {.slab_bytes = (double)settled_kib() * 1024};

	for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
		weight.objects[i] = (double)cache_number(caches[i].cache, "objects");
	return weight;
}

/* ---- TIME-WAIT */

/*
 * By how much a member of struct weight grows with each socket: in the middle of the steps. What
 * else the machine does falls into one or two of them.
 */
static double growth_each(const struct weight *weights, size_t steps, size_t offset)
{
	double each[STEPS_MAX];

	for (size_t i = 0; i < steps; i++) {
		const char *from = (const char *)&weights[i], *to = (const char *)&weights[i + 1];

		each[i] = (*(const double *)(to + offset) - *(const double *)(from + offset)) /
			  STEP;
	}
	return loading_median(each, steps);
}

/* Objects come whole: what is not is of others, who come and go meanwhile. Bytes of the caches'
 * objects for each socket; negative where they may not be read. */
static double measure_caches(struct stage *stage, const struct weight *weights, size_t steps)
{
	double sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(caches); i++) {
		double bytes = (double)cache_number(caches[i].cache, "slab_size");
		double each = growth_each(weights, steps,
					  offsetof(struct weight, objects) + i * sizeof(double));

		if (weights[0].objects[i] < 0 || bytes < 0)
			return -1;
		stage_measure(stage, caches[i].objects, each);
		stage_measure(stage, caches[i].bytes, bytes);
		sum += round(each) * bytes;
	}
	return sum;
}

static void measure(struct stage *stage, const struct weight *weights, size_t steps)
{
	double in_slabs = growth_each(weights, steps, offsetof(struct weight, slab_bytes));
	double in_caches = measure_caches(stage, weights, steps);

	for (size_t i = 0; i <= steps; i++) {
		char name[48];

		snprintf(name, sizeof(name), "slab_kib_more_with_%zu", i * STEP);
		stage_measure(stage, name, (weights[i].slab_bytes - weights[0].slab_bytes) / 1024);
	}
	stage_measure(stage, "slab_bytes_each", in_slabs);
	stage_measure(stage, "bytes_each", in_caches >= 0 ? in_caches : in_slabs);
	stage_measure_text(stage, "weighed_by",
			   in_caches >= 0 ? "/sys/kernel/slab" : "/proc/meminfo");
}

/* Each step has a slice of the ports. */
static int fill_step(struct stage *stage, bool outbound, size_t step)
{
	unsigned sources = outbound ? 1 : LOADING_SOURCES_COUNT;
	unsigned first = FIRST_PORT + (unsigned)step * (STEP / sources);
	struct filling filling = {
		.client_host = STAGE_CLIENT,
		.server_host = STAGE_SERVER,
		.port = STAGE_PORT,
		.sources = outbound ? LOADING_ONE_SOURCE : LOADING_SOURCES,
		.first_port = (uint16_t)first,
		.last_port = (uint16_t)(first + STEP / sources - 1),
		.connections = STEP,
		.client_closes = outbound,
		.seconds = STEP_S,
	};
	struct loading made;

	return loading_fill(stage, &filling, &made);
}

/* arm->value: how many steps; arm->extra: non-NULL for outbound. */
static int play_time_wait(struct stage *stage)
{
	size_t steps = (size_t)stage->arm->value;
	bool outbound = stage->arm->extra;
	struct weight weights[STEPS_MAX + 1];

	TRY(stage, loading_open(stage, FIRST_PORT, LAST_PORT));
	if (meminfo_kib("\nSUnreclaim:") < 0)
		return stage_not_testable(stage, "/proc/meminfo does not tell SUnreclaim");
	weights[0] = weigh();
	for (size_t i = 0; i < steps; i++) {
		stage_state(stage, -1, "%zu TIME-WAIT", (i + 1) * STEP);
		TRY(stage, fill_step(stage, outbound, i));
		weights[i + 1] = weigh();
	}
	measure(stage, weights, steps);
	stage_measure(stage, "time_wait_count",
		      (double)loading_time_waits(stage, outbound ? STAGE_CLIENT : STAGE_SERVER));
	return 0;
}

/* ---- open connections */

static int serve_open(struct stage *stage, struct server **ret)
{
	const struct serve_plan plan = {
		.engine = engine_find("epoll"),
		.protocol = protocol_find("discard"),
		.closing = SERVE_CLOSE_PASSIVE,
		.threads = 1,
		.max_connections = OPEN,
	};

	return serving_start_on(stage, STAGE_SERVER, &plan, STAGE_PORT, 0, ret);
}

/* Waits until all are open at both ends. */
static int await_open(struct stage *stage, const struct generator *load,
		      const struct server *server)
{
	int64_t end_ns = clock_now_ns() + STEP_S * NS_PER_S;
	struct timespec nap = clock_timespec(5 * NS_PER_MS);
	struct load_sum opened;
	struct tally_sum accepted;

	for (;;) {
		generator_sum(load, &opened);
		server_sum(server, &accepted);
		if (opened.completed >= OPEN && accepted.accepted >= OPEN)
			return 0;
		if (opened.failed_all || clock_now_ns() > end_ns)
			return stage_fail(stage, -ETIMEDOUT,
					  "only %ju of %d connections are open, %ju failed",
					  (uintmax_t)opened.completed, OPEN,
					  (uintmax_t)opened.failed_all);
		nanosleep(&nap, NULL);
	}
}

static int play_open(struct stage *stage)
{
	CLEANUP_GENERATOR struct generator *load = NULL;
	CLEANUP_SERVER struct server *server = NULL;
	struct tcp_endpoint to = {.port = STAGE_PORT};
	struct load_plan plan = loading_plan(&to, OPEN, LOAD_CLOSE_ABANDON);
	long before;

	TRY(stage, loading_open(stage, FIRST_PORT, LAST_PORT));
	to.address = *host_address(stage->server, AF_INET, 0);
	plan.duration_ns = 10 * STEP_S * NS_PER_S; /* they are held for so long, or to the end */
	TRY(stage, serve_open(stage, &server));
	before = settled_kib();
	TRY(stage, loading_start(stage, STAGE_CLIENT, &plan, &load));
	TRY(stage, await_open(stage, load, server));
	stage_measure(stage, "bytes_each_end",
		      (double)(settled_kib() - before) * 1024 / (2 * OPEN));
	stage_measure(stage, "open_count", OPEN);
	return 0;
}

/* Few may be in TIME-WAIT: there is nothing to weigh. */
static int falsify(struct stage *stage)
{
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_max_tw_buckets", 1000));
	return stage_sysctl(stage, STAGE_SERVER, "net.ipv4.tcp_max_tw_buckets", 1000);
}

/* ---- the verdict */

#define CLAIMED_EACH 168.0
#define CLAIMED_MORE (2.5e6 / 40000)

/*
 * What else the machine does moves SUnreclaim by a megabyte or two in either direction: in the
 * median of steps of 20,000 by some 20 bytes for each. As the article says it is what lies below
 * this; above the other bound it would be another kind of thing than a small rest of a socket.
 */
#define AS_CLAIMED(claimed) ((claimed) + 40)
#define STILL_SMALL	    512
/* An open socket is a struct tcp_sock of 2.3 KiB, and a file. */
#define OPEN_TIMES 4

static double mib_of(double bytes_each)
{
	return bytes_each * 40000 / (1 << 20);
}

static void tell(const struct evidence *evidence, double in, double out, double open,
		 struct judgement *ret)
{
	judge_measured(ret, in, "bytes_each_inbound");
	judge_measured(ret, out, "bytes_each_outbound");
	judge_measured(ret, open, "bytes_each_end_while_open");
	judge_measured(ret, mib_of(in), "mib_of_40000_inbound");
	judge_measured(ret, mib_of(out), "mib_of_40000_outbound");
	for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
		if (evidence_knows(evidence, "outbound", caches[i].bytes))
			judge_measured(ret, evidence_number(evidence, "outbound", caches[i].bytes),
				       "%s", caches[i].bytes);
}

static bool all_there(const struct evidence *evidence, const char *arm, double wanted)
{
	return evidence_number(evidence, arm, "time_wait_count") >= wanted * 0.99;
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double in = evidence_number(evidence, "inbound", "bytes_each");
	double out = evidence_number(evidence, "outbound", "bytes_each");
	double open = evidence_number(evidence, "open", "bytes_each_end");
	double more = out - in;

	tell(evidence, in, out, open, ret);
	judge_deciding(ret, "%.0f bytes inbound, %.0f outbound", in, out);
	if (!all_there(evidence, "inbound", INBOUND_STEPS * STEP) ||
	    !all_there(evidence, "outbound", OUTBOUND_STEPS * STEP))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Not all connections are in TIME-WAIT (%.0f and %.0f of them are): their "
			  "memory cannot be told.",
			  evidence_number(evidence, "inbound", "time_wait_count"),
			  evidence_number(evidence, "outbound", "time_wait_count"));
	else if (open < OPEN_TIMES * in || in <= 0)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "An open socket seems to take %.0f bytes, one in TIME-WAIT %.0f: too "
			  "much else happens to this machine's memory.",
			  open, in);
	else if (in <= AS_CLAIMED(CLAIMED_EACH) && more <= AS_CLAIMED(CLAIMED_MORE))
		judge_say(
			ret, VERDICT_HOLDS,
			"A TIME-WAIT socket takes %.0f bytes, %.0f at the end that called: 40,000 "
			"are %.1f and %.1f MiB. Memory is no reason to fear them.",
			in, out, mib_of(in), mib_of(out));
	else if (in <= STILL_SMALL && more <= STILL_SMALL)
		judge_say(ret, VERDICT_CHANGED,
			  "It is %.0f bytes now, and %.0f at the end that called, whose local port "
			  "is kept too: 40,000 take %.1f MiB inbound and %.1f more outbound. An "
			  "open socket takes %.0f and more: memory is still no reason to fear "
			  "TIME-WAIT.",
			  in, out, mib_of(in), mib_of(more), open);
	else
		judge_say(ret, VERDICT_REFUTED,
			  "A TIME-WAIT socket takes %.0f bytes inbound and %.0f outbound, far more "
			  "than is said.",
			  in, out);
}

static const struct arm arms[] = {
	{
		.name = "inbound",
		.role = ARM_TREATMENT,
		.what = "the server closes first: 20,000 to 100,000 TIME-WAIT on one port",
		.seconds = 12,
		.value = INBOUND_STEPS,
		.play = play_time_wait,
	},
	{
		.name = "outbound",
		.role = ARM_TREATMENT,
		.what = "the client closes first: 20,000 to 60,000 TIME-WAIT, a local port each",
		.seconds = 8,
		.value = OUTBOUND_STEPS,
		.extra = "outbound",
		.play = play_time_wait,
	},
	{
		.name = "open",
		.role = ARM_CONTROL,
		.what = "8,000 connections that stay open: each end must take far more",
		.seconds = 2,
		.play = play_open,
	},
};

const struct experiment experiment_time_wait_memory = {
	.id = "time-wait-memory",
	.claim = "A TIME-WAIT socket takes 168 bytes: 40,000 inbound less than 10 MB, 40,000 "
		 "outbound 2.5 MB more.",
	.source = "article, 자원 할당",
	.section = "C. What it costs",
	.method = "contest load makes TIME-WAIT by the 20,000, at the server and then at the "
		  "client, and connections that stay open; what the kernel's slabs hold more "
		  "after each step (SUnreclaim), and where it may be read the objects of the "
		  "caches concerned.",
	.why = "The memory of TIME-WAIT is the oldest reason to fight it, and the one that people "
	       "check least.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.alone = true,
	.falsify = falsify,
	.judge = judge,
};
