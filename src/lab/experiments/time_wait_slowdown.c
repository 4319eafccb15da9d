/*
 * Question: does a server that has many connections in TIME-WAIT become slower?
 *
 * Kernel path (6.18): each segment is matched with its socket in one hash of all connections,
 * TIME-WAIT among them (net/ipv4/inet_hashtables.c, __inet_lookup_established()): the longer a
 * chain, the more sockets are looked at, each of them another cache line. (The paper of 1997
 * measured SunOS 4.1.3, in which TIME-WAIT kept a whole control block.) The hash has a bucket for
 * every 128 KiB of memory, up to 524,288 (net/ipv4/tcp.c, tcp_init()), so that chains stay as short
 * as one or two. A namespace may have a hash of its own (tcp_child_ehash_entries, since 6.1): with
 * few buckets in it the same sockets make long chains, which is what a control must show.
 *
 * Two hosts have a hash of their own each. One is filled with TIME-WAIT step by step, the other
 * stays empty. At each step the same load (connect, a line and its echo, then RST, which leaves
 * nothing) runs on one, on the other, on the one again, each within the host itself; the ratio of
 * the CPU time of both ends, server and client, counts, in the median of the pairs. The machine may
 * be busy: both are slowed then.
 *
 * Packets expected: handshake, the line, its ACK, the echo, RST, on lo; none are kept.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/experiments/loading.h"
#include "lab/experiments/serving.h"
#include "load/protocol.h"
#include "serve/protocol.h"

/* Which host is which. */
enum { EMPTY = STAGE_CLIENT, FULL = STAGE_SERVER };

/* Where the load that is measured goes: which port TIME-WAIT have is nothing to the hash, but
 * bind() to theirs goes through all of them, which is measured apart. */
#define MEASURED_PORT (STAGE_PORT + 1)

/* Of clients: above those of the servers, which are in the same namespace. */
#define FIRST_PORT 6000
#define LAST_PORT  61999

/* Loopback addresses need not be given to a host: each is its own. */
#define FILL_SOURCES	   "127.1.0.1-127.1.0.10"
#define FILL_SOURCES_COUNT 10

/* Connections of one measurement, and how often one is made on the host that is full, at each
 * level; on the other once more. */
#define MEASURED 1000
#define LINE	 "a line\n"
#define PAIRS	 7
/* A busy machine gives fewer of them in this time, but so many at least. */
#define LEVEL_S	    3
#define PAIRS_LEAST 3

/* All levels have to be measured within 60 s, for then the first TIME-WAIT end. What was not made
 * by then of the last one is left out, and what there is counts; 100,000 are needed. */
#define FILL_LIMIT_S	  25
#define LAST_FILL_LIMIT_S 12

struct level {
	const char *name; /* in the names of numbers */
	unsigned sockets;
};

/* What an arm goes through. */
struct setting {
	unsigned hash_entries;
	const struct level *levels; /* the first: none */
	size_t count;
};

/* Buckets as a machine of 24 GiB has them, of this one's default size or near it. */
static const struct level usual_levels[] = {
	{"0", 0}, {"10k", 10000}, {"100k", 100000}, {"500k", 500000}};
static const struct setting usual = {262144, usual_levels, ARRAY_SIZE(usual_levels)};

/* Far too few: as many sockets in each as 160 million would be in the usual hash. */
static const struct level few_levels[] = {{"0", 0}, {"20k", 20000}};
static const struct setting few = {32, few_levels, ARRAY_SIZE(few_levels)};

/* Where the claim is to be false: so few that 100,000 make chains of four hundred. */
#define HASH_FALSIFIED 256

/* ---- filling */

static void measure_number(struct stage *stage, const char *what, const struct level *level,
			   double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_at_%s", what, level->name);
	stage_measure(stage, name, value);
}

static unsigned ports_at(const struct level *level)
{
	return level->sockets / FILL_SOURCES_COUNT;
}

static int fill(struct stage *stage, const struct level *from, const struct level *to)
{
	struct filling filling = {
		.client_host = FULL,
		.server_host = FULL,
		.port = STAGE_PORT,
		.sources = FILL_SOURCES,
		.first_port = (uint16_t)(FIRST_PORT + ports_at(from)),
		.last_port = (uint16_t)(FIRST_PORT + ports_at(to) - 1),
		.connections = to->sockets - from->sockets,
		.seconds = to->sockets > 100000 ? LAST_FILL_LIMIT_S : FILL_LIMIT_S,
	};
	struct loading made;

	stage_state(stage, -1, "up to %u TIME-WAIT", to->sockets);
	TRY(stage, loading_fill(stage, &filling, &made));
	measure_number(stage, "filling_s", to, made.seconds);
	return 0;
}

/* ---- measuring */

/* What the same load costs on one host. */
struct cost {
	double cpu_us; /* of both ends, per connection */
	double rate;   /* connections per second */
};

static double children_cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int measure_host(struct stage *stage, size_t host, struct cost *ret)
{
	const struct serve_plan serve = {
		.engine = engine_find("epoll"),
		.protocol = protocol_find("echo"),
		.closing = SERVE_CLOSE_PASSIVE,
		.threads = 1,
	};
	const struct tcp_endpoint to = {
		.address = *host_address(world_host(stage->world, host), AF_INET, 0),
		.port = MEASURED_PORT,
	};
	struct load_plan plan = loading_plan(&to, MEASURED, LOAD_CLOSE_RST);
	CLEANUP_SERVER struct server *server = NULL;
	double before_us = children_cpu_us();
	struct loading made;

	plan.protocol = load_protocol_find("echo");
	plan.payload = LINE;
	plan.payload_length = sizeof(LINE) - 1;
	plan.first_port = FIRST_PORT;
	plan.last_port = LAST_PORT;
	TRY(stage, serving_start_on(stage, host, &serve, MEASURED_PORT, 1, &server));
	TRY(stage, loading_run(stage, host, &plan, LOADING_PATIENCE_S, &made));
	TRY(stage, serving_end(stage, server, LOADING_PATIENCE_S));
	if (made.sum.completed != MEASURED)
		return stage_fail(stage, -EIO, "%ju of %d connections failed",
				  (uintmax_t)made.sum.failed_all, MEASURED);
	ret->cpu_us = (children_cpu_us() - before_us) / MEASURED;
	ret->rate = MEASURED / made.seconds;
	return 0;
}

/* What the two hosts cost in turns: the empty one first and last. */
struct turns {
	struct cost empty[PAIRS + 1], full[PAIRS];
	size_t pairs;
};

static int take_turns(struct stage *stage, struct turns *ret)
{
	int64_t end_ns = clock_now_ns() + LEVEL_S * NS_PER_S;

	ret->pairs = 0;
	TRY(stage, measure_host(stage, EMPTY, &ret->empty[0]));
	while (ret->pairs < PAIRS_LEAST || (ret->pairs < PAIRS && clock_now_ns() < end_ns)) {
		TRY(stage, measure_host(stage, FULL, &ret->full[ret->pairs++]));
		TRY(stage, measure_host(stage, EMPTY, &ret->empty[ret->pairs]));
	}
	return 0;
}

/* How many times as much the full host costs as the empty one before and after it, in the median;
 * and by how much that one differs from itself. */
static void measure_times(struct stage *stage, const struct level *level, const struct turns *turns)
{
	double times[PAIRS], noises[PAIRS], rates[PAIRS];

	for (size_t i = 0; i < turns->pairs; i++) {
		const struct cost *full = &turns->full[i];
		const struct cost *before = &turns->empty[i], *after = &turns->empty[i + 1];

		times[i] = full->cpu_us / ((before->cpu_us + after->cpu_us) / 2);
		rates[i] = full->rate / ((before->rate + after->rate) / 2);
		noises[i] = fmax(before->cpu_us, after->cpu_us) /
			    fmin(before->cpu_us, after->cpu_us);
	}
	measure_number(stage, "cpu_times", level, loading_median(times, turns->pairs));
	measure_number(stage, "rate_times", level, loading_median(rates, turns->pairs));
	measure_number(stage, "noise_times", level, loading_median(noises, turns->pairs));
}

/* What bind() and listen() cost a server that is started again: bind() looks at each socket of the
 * port for a conflict (net/ipv4/inet_connection_sock.c, inet_csk_bind_conflict()). */
static int measure_restart(struct stage *stage, const struct level *level)
{
	CLEANUP_CLOSE int listener = -1;
	double before_us = loading_thread_us();

	TRY(stage, stage_listen(stage, FULL, AF_INET, STAGE_PORT, &listener));
	measure_number(stage, "restart_cpu_us", level, loading_thread_us() - before_us);
	return 0;
}

static int measure_level(struct stage *stage, const struct level *level)
{
	struct turns turns = {0};
	double cpu_us[PAIRS], rates[PAIRS];

	stage_state(stage, -1, "measuring with %s TIME-WAIT", level->name);
	/* Counted before: while it is measured the first may end. */
	measure_number(stage, "time_wait_count", level, (double)loading_time_waits(stage, FULL));
	TRY(stage, measure_restart(stage, level));
	TRY(stage, take_turns(stage, &turns));
	for (size_t i = 0; i < turns.pairs; i++) {
		cpu_us[i] = turns.full[i].cpu_us;
		rates[i] = turns.full[i].rate;
	}
	measure_number(stage, "cpu_us", level, loading_median(cpu_us, turns.pairs));
	measure_number(stage, "connections_per_s", level, loading_median(rates, turns.pairs));
	measure_times(stage, level, &turns);
	return 0;
}

static int open_stage(struct stage *stage, unsigned hash_entries)
{
	const struct world_spec apart = {
		.link = WORLD_LINK_VETH,
		.host_count = 2,
		.hash_entries = hash_entries,
		.hosts = {{.name = "empty"}, {.name = "full"}},
	};

	TRY(stage, stage_open(stage, &apart));
	observer_stop(stage->observer);
	for (size_t i = 0; i < 2; i++) {
		TRY(stage,
		    stage_sysctl_text(stage, i, "net.ipv4.ip_local_port_range", "6000 61999"));
		TRY(stage, stage_sysctl(stage, i, "net.ipv4.tcp_max_tw_buckets", 1000000));
	}
	return 0;
}

/* arm->extra: the setting. */
static int play(struct stage *stage)
{
	const struct setting *setting = stage->arm->extra;
	unsigned entries = stage_is_falsified(stage) ? HASH_FALSIFIED : setting->hash_entries;

	TRY(stage, open_stage(stage, entries));
	stage_measure(stage, "hash_entries", entries);
	for (size_t i = 0; i < setting->count; i++) {
		if (i > 0)
			TRY(stage, fill(stage, &setting->levels[i - 1], &setting->levels[i]));
		TRY(stage, measure_level(stage, &setting->levels[i]));
	}
	return 0;
}

/* play() gives the hosts few buckets: TIME-WAIT do slow a server whose chains are long. */
static int falsify(struct stage *stage)
{
	(void)stage;
	return 0;
}

/* ---- the verdict */

/*
 * A server is slowed when a connection costs so many times the CPU time: more than what the median
 * of few pairs differs by on a machine where both cores have other things to do. Chains of six
 * hundred cost more than the other bound.
 */
#define SLOWED 1.3
#define CHAINS 1.5
/* The same host differs from itself by more than this: nothing can be told. */
#define NOISY 1.35

static const char *const full = "usual-hash";
static const char *const chains = "small-hash";

static void tell(const struct evidence *evidence, const char *arm, const char *level,
		 const char *suffix, struct judgement *ret)
{
	static const char *const whats[] = {"time_wait_count",	 "cpu_us",     "cpu_times",
					    "connections_per_s", "rate_times", "noise_times",
					    "restart_cpu_us"};

	for (size_t i = 0; i < ARRAY_SIZE(whats); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s_at_%s", whats[i], level);
		judge_measured(ret, evidence_number(evidence, arm, name), "%s%s", name, suffix);
	}
}

static void say_holds(const struct evidence *evidence, double most, double worst,
		      struct judgement *ret)
{
	judge_say(ret, VERDICT_HOLDS,
		  "With 100,000 TIME-WAIT a connection costs %.2f times the CPU time, with %.0f "
		  "%.2f times, within the noise: they do not slow a server, unless its hash is far "
		  "too small (%.1f times with 20,000 in %u buckets). Only bind(), when it is "
		  "started again, looks at each of them: %.0f ms.",
		  evidence_number(evidence, full, "cpu_times_at_100k"), most, worst,
		  evidence_number(evidence, chains, "cpu_times_at_20k"), few.hash_entries,
		  evidence_number(evidence, full, "restart_cpu_us_at_500k") / 1000);
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	double at_100k = evidence_number(evidence, full, "cpu_times_at_100k");
	double at_most = evidence_number(evidence, full, "cpu_times_at_500k");
	double most = evidence_number(evidence, full, "time_wait_count_at_500k");
	double noise = fmax(evidence_number(evidence, full, "noise_times_at_100k"),
			    evidence_number(evidence, full, "noise_times_at_500k"));
	double control = evidence_number(evidence, chains, "cpu_times_at_20k");

	for (size_t i = 0; i < usual.count; i++)
		tell(evidence, full, usual.levels[i].name, "", ret);
	for (size_t i = 0; i < few.count; i++)
		tell(evidence, chains, few.levels[i].name, "_in_chains", ret);
	judge_deciding(ret, "%.2f times the CPU with %.0f", at_most, most);

	if (noise > NOISY)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "A host without any TIME-WAIT differs by %.1f times from itself: too "
			  "much else runs on this machine.",
			  noise);
	else if (at_100k >= SLOWED || at_most >= SLOWED)
		judge_say(ret, VERDICT_REFUTED,
			  "With 100,000 TIME-WAIT a connection costs %.1f times the CPU time, with "
			  "%.0f %.1f times: look at the size of the hash (tcp_ehash_entries).",
			  at_100k, most, at_most);
	else if (evidence_number(evidence, full, "time_wait_count_at_100k") < 90000)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "There were only %.0f TIME-WAIT when they should have been 100,000.",
			  evidence_number(evidence, full, "time_wait_count_at_100k"));
	else if (control < CHAINS)
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Not even chains of 600 sockets cost more (%.2f times): this machine "
			  "cannot tell.",
			  control);
	else
		say_holds(evidence, most, at_most, ret);
}

static const struct arm arms[] = {
	{
		.name = "usual-hash",
		.role = ARM_TREATMENT,
		.what = "0 to 500,000 TIME-WAIT in a hash of 262,144 buckets",
		.seconds = 24,
		.extra = &usual,
		.play = play,
	},
	{
		.name = "small-hash",
		.role = ARM_CONTROL,
		.what = "20,000 in one of 32: chains of 600 sockets must cost something",
		.seconds = 4,
		.extra = &few,
		.play = play,
	},
};

const struct experiment experiment_time_wait_slowdown = {
	.id = "time-wait-slowdown",
	.claim = "Many TIME-WAIT sockets do not slow a server.",
	.source = "article, 자원 할당",
	.section = "C. What it costs",
	.method = "Two hosts with a connection hash of their own each, one of them filled with "
		  "10,000, 100,000 and up to 500,000 TIME-WAIT (what can be made in time); the "
		  "same load on both in turns, and the ratio of the CPU time of server and client. "
		  "As a control, a hash that is far too small.",
	.why = "TIME-WAIT is fought for the sake of speed, by settings that are dangerous. In 1997 "
	       "it did cost speed; what it costs today decides whether there is anything to "
	       "fight.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.alone = true,
	.falsify = falsify,
	.judge = judge,
};
