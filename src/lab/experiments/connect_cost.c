/*
 * Question: what does connect() cost that must find a local port, when many of them are taken?
 *
 * Kernel path (6.18): without a port connect() asks __inet_hash_connect()
 * (net/ipv4/inet_hashtables.c), which tries the ports of one parity in turn from where it got to
 * the last time, each by a look into the bind hash and, where the port is in use, by
 * __inet_check_established() for the 4-tuple; and the other parity only when all of the first are
 * taken (since 4.2). So the search is short while even ports are free, and goes through all
 * of them, 14,116 of the default range, at every call once they are not: from half of the range on,
 * and without an error that would tell. bind() to port 0 asks inet_csk_find_open_port()
 * (net/ipv4/inet_connection_sock.c), which does the same with the other parity first, for all
 * destinations at once. The patch of 2009 that the article names was for that one.
 *
 * Ports count per destination: connect() elsewhere finds them free at the first look. And a socket
 * that is told its port (IP_LOCAL_PORT_RANGE of one port, 6.3), the next in turn, leaves nothing to
 * search.
 *
 * The ports are taken by connections in TIME-WAIT at the client, spread evenly, even ones first,
 * as connect() itself does; at each level some connections are opened in each way, and reset.
 *
 * Packets expected: handshakes, and closings or a RST; none are kept: the link is fast.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "lab/experiments/loading.h"
#include "lab/experiments/serving.h"
#include "load/tuple.h"
#include "serve/protocol.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h, which does not go with netinet/in.h */
#endif

/* The default range. */
#define FIRST_PORT 32768
#define LAST_PORT  60999
#define PORTS	   (LAST_PORT - FIRST_PORT + 1)
#define HALF	   (PORTS / 2)
#define STRIDE	   7919 /* has no divisor in common with HALF: goes through all of them */

/* Each costs some milliseconds from half of the range on. */
#define SAMPLES 30

#define OTHER_PORT   (STAGE_PORT + 1)
#define NOWHERE_PORT (STAGE_PORT + 2)

/* In the world where searching is not slow the ports are taken towards another destination. */
static bool taken_elsewhere;

static const struct level {
	const char *name; /* in the names of numbers */
	double percent;
} levels[] = {
	{"0", 0},   {"25", 25}, {"45", 45}, {"49", 49}, {"49_9", 49.9}, {"50", 50},
	{"55", 55}, {"75", 75}, {"90", 90}, {"99", 99}, {"99_9", 99.9},
};
#define LEVELS ARRAY_SIZE(levels)

static unsigned ports_at(const struct level *level)
{
	return (unsigned)(PORTS * level->percent / 100);
}

/* ---- taking ports */

static int set_range(int fd, uint16_t port)
{
	uint32_t range = (uint32_t)port << 16 | port;

	return setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) < 0 ? -errno
											  : 0;
}

static int connect_to(int fd, const struct tcp_endpoint *to)
{
	struct sockaddr_storage name;
	socklen_t length;

	tcp_endpoint_to_sockaddr(to, &name, &length);
	return connect(fd, (struct sockaddr *)&name, length) < 0 ? -errno : 0;
}

/* The n-th to be taken: even ones first, each parity in an order that is even all over the range.
 */
static uint16_t port_of(unsigned n)
{
	return (uint16_t)(FIRST_PORT + n % HALF * STRIDE % HALF * 2 + n / HALF);
}

/* A connection from that port, which is closed here first. */
static int take_port(uint16_t port, const struct tcp_endpoint *to)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : set_range(fd, port);

	return r < 0 ? r : connect_to(fd, to);
}

static int take_ports(struct stage *stage, unsigned from, unsigned to_count,
		      const struct tcp_endpoint *to)
{
	for (unsigned n = from; n < to_count; n++) {
		int r = take_port(port_of(n), to);

		if (r < 0)
			return stage_fail(stage, r, "cannot connect from port %u", port_of(n));
	}
	return 0;
}

/* ---- what it costs */

enum way { WAY_CONNECT, WAY_NO_PORT, WAY_BIND };

static const struct {
	enum way way;
	const char *name; /* in the names of numbers */
} ways[] = {{WAY_CONNECT, "connect"}, {WAY_NO_PORT, "bind_no_port"}, {WAY_BIND, "bind"}};

struct cost {
	double cpu_us[SAMPLES], wall_us[SAMPLES];
	size_t count;
	unsigned failed;
};

/* bind() to the address alone, with the port left to connect(), or with one at once. */
static int bind_address(int fd, enum way way, const struct tcp_address *address)
{
	const struct tcp_endpoint local = {.address = *address};
	struct sockaddr_storage name;
	socklen_t length;
	int leave = way == WAY_NO_PORT;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &leave, sizeof(leave));
	tcp_endpoint_to_sockaddr(&local, &name, &length);
	return bind(fd, (struct sockaddr *)&name, length) < 0 ? -errno : 0;
}

static int find_port(int fd, enum way way, const struct tcp_address *from,
		     const struct tcp_endpoint *to)
{
	int r = way == WAY_CONNECT ? 0 : bind_address(fd, way, from);

	return r < 0 ? r : connect_to(fd, to);
}

/* One connection: the time within bind() and connect(), of which none is spent waiting. */
static int sample(struct stage *stage, enum way way, const struct tcp_endpoint *to,
		  struct cost *cost)
{
	const struct linger reset = {.l_onoff = 1};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	double cpu_us = loading_thread_us();
	int64_t start_ns = clock_now_ns();
	int r = fd < 0 ? -errno : find_port(fd, way, host_address(stage->client, AF_INET, 0), to);

	cost->wall_us[cost->count] = (double)(clock_now_ns() - start_ns) / NS_PER_US;
	cost->cpu_us[cost->count] = loading_thread_us() - cpu_us;
	if (fd < 0)
		return r;
	/* It leaves its port at once. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (r == 0 || r == -EINPROGRESS)
		cost->count++;
	else
		cost->failed++;
	return 0;
}

static void measure_at(struct stage *stage, const char *way, const char *what,
		       const struct level *level, double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s_at_%s", way, what, level->name);
	stage_measure(stage, name, value);
}

static void measure_cost(struct stage *stage, const char *way, const struct level *level,
			 struct cost *cost)
{
	measure_at(stage, way, "failed_count", level, cost->failed);
	if (cost->count == 0)
		return;
	measure_at(stage, way, "cpu_us", level, loading_median(cost->cpu_us, cost->count));
	measure_at(stage, way, "us_p50", level, loading_median(cost->wall_us, cost->count));
	measure_at(stage, way, "us_p99", level, loading_quantile(cost->wall_us, cost->count, 0.99));
	measure_at(stage, way, "us_max", level, loading_quantile(cost->wall_us, cost->count, 1));
}

static int measure_level(struct stage *stage, const struct level *level,
			 const struct tcp_endpoint *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct cost cost = {0};

		while (cost.count + cost.failed < SAMPLES)
			TRY(stage, sample(stage, ways[i].way, to, &cost));
		measure_cost(stage, ways[i].name, level, &cost);
	}
	return 0;
}

static int serve(struct stage *stage, uint16_t port, struct server **ret)
{
	const struct serve_plan plan = {
		.engine = engine_find("epoll"),
		.protocol = protocol_find("discard"),
		.closing = SERVE_CLOSE_PASSIVE,
		.threads = 1,
	};

	return serving_start(stage, &plan, port, ret);
}

/* Ports of the client in TIME-WAIT stay what they are, whatever comes. */
static int open_stage(struct stage *stage)
{
	struct why why;

	TRY(stage, loading_open(stage, FIRST_PORT, LAST_PORT));
	if (tuples_probe_range(&why) < 0)
		return stage_not_testable(stage, "%s", why.text);
	TRY(stage, stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_rfc1337", 1));
	return stage_sysctl(stage, STAGE_CLIENT, "net.ipv4.tcp_tw_reuse", 0);
}

static int measure_levels(struct stage *stage, const struct tcp_endpoint *taken,
			  const struct tcp_endpoint *to)
{
	int home = netns_enter(host_netns(stage->client));
	unsigned used = 0;
	int r = 0;

	TRY(stage, home);
	for (size_t i = 0; i < LEVELS && r == 0; i++) {
		stage_state(stage, -1, "%.1f %% of the ports are taken", levels[i].percent);
		r = take_ports(stage, used, ports_at(&levels[i]), taken);
		used = ports_at(&levels[i]);
		if (r == 0)
			r = measure_level(stage, &levels[i], to);
	}
	netns_leave(home);
	return r;
}

/* arm->value: the server's port that connections to be measured go to. */
static int play_search(struct stage *stage)
{
	CLEANUP_SERVER struct server *server = NULL, *other = NULL, *nowhere = NULL;
	struct tcp_endpoint taken, to;

	TRY(stage, open_stage(stage));
	taken.address = to.address = *host_address(stage->server, AF_INET, 0);
	taken.port = taken_elsewhere ? NOWHERE_PORT : STAGE_PORT;
	to.port = (uint16_t)stage->arm->value;
	TRY(stage, serve(stage, STAGE_PORT, &server));
	TRY(stage, serve(stage, OTHER_PORT, &other));
	TRY(stage, serve(stage, NOWHERE_PORT, &nowhere));
	TRY(stage, measure_levels(stage, &taken, &to));
	stage_measure(stage, "time_wait_count", (double)loading_time_waits(stage, STAGE_CLIENT));
	return 0;
}

/* contest load, which tells each socket its port: from one level to the next. */
static int slide(struct stage *stage, const struct level *from, const struct level *to)
{
	struct filling filling = {
		.client_host = STAGE_CLIENT,
		.server_host = STAGE_SERVER,
		.port = STAGE_PORT,
		.first_port = (uint16_t)(FIRST_PORT + ports_at(from)),
		.last_port = (uint16_t)(FIRST_PORT + ports_at(to) - 1),
		.connections = ports_at(to) - ports_at(from),
		.client_closes = true,
		.seconds = 20,
	};
	struct loading made;

	TRY(stage, loading_fill(stage, &filling, &made));
	measure_at(stage, "window", "failed_count", to, (double)made.sum.failed_all);
	measure_at(stage, "window", "cpu_us", to,
		   (double)made.sum.cpu_ns / NS_PER_US / (double)filling.connections);
	measure_at(stage, "window", "connect_us", to,
		   (double)made.sum.connect_ns / NS_PER_US / (double)made.sum.connect_calls);
	measure_at(stage, "window", "us_p99", to,
		   (double)histogram_at(&made.connect, 0.99) / NS_PER_US);
	measure_at(stage, "window", "us_max", to, (double)made.connect.max / NS_PER_US);
	return 0;
}

static int play_window(struct stage *stage)
{
	TRY(stage, open_stage(stage));
	for (size_t i = 1; i < LEVELS; i++) {
		stage_state(stage, -1, "%.1f %% of the ports, in turn", levels[i].percent);
		TRY(stage, slide(stage, &levels[i - 1], &levels[i]));
	}
	stage_measure(stage, "time_wait_count", (double)loading_time_waits(stage, STAGE_CLIENT));
	return 0;
}

static int falsify(struct stage *stage)
{
	(void)stage;
	taken_elsewhere = true;
	return 0;
}

/* ---- the verdict */

/*
 * Slow is what costs so many times the CPU of the same call with all ports free. Medians of CPU
 * time differ by less than half of themselves on a busy machine. The search through all ports of
 * one parity costs two hundred times; with the last 28 of them still free, at 49.9 %, ten.
 */
#define SLOW 40.0
/* What costs up to so many times as much has not become slow. */
#define SAME 4.0

static double number_at(const struct evidence *evidence, const char *arm, const char *way,
			const char *what, const struct level *level)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s_at_%s", way, what, level->name);
	return evidence_number(evidence, arm, name);
}

static double cpu_at(const struct evidence *evidence, const char *arm, const char *way,
		     const struct level *level)
{
	return number_at(evidence, arm, way, "cpu_us", level);
}

/* The first level at which a way of the arm has become slow; NULL: it never does. */
static const struct level *turn_of(const struct evidence *evidence, const char *arm,
				   const char *way)
{
	double free_us = cpu_at(evidence, arm, way, &levels[0]);

	for (size_t i = 1; i < LEVELS; i++)
		if (cpu_at(evidence, arm, way, &levels[i]) >= SLOW * free_us)
			return &levels[i];
	return NULL;
}

static bool is_flat(const struct evidence *evidence, const char *arm, const char *way,
		    const struct level *first)
{
	return cpu_at(evidence, arm, way, &levels[LEVELS - 1]) <=
	       SAME * cpu_at(evidence, arm, way, first);
}

static void tell_level(const struct evidence *evidence, const struct level *level,
		       struct judgement *ret)
{
	static const char *const times[] = {"us_p50", "us_p99", "us_max"};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		judge_measured(ret, cpu_at(evidence, "one-destination", ways[i].name, level),
			       "%s_cpu_us_at_%s", ways[i].name, level->name);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		judge_measured(ret,
			       number_at(evidence, "one-destination", "connect", times[i], level),
			       "connect_%s_at_%s", times[i], level->name);
	judge_measured(ret, cpu_at(evidence, "other-destination", "connect", level),
		       "elsewhere_cpu_us_at_%s", level->name);
	if (level != &levels[0])
		judge_measured(ret, cpu_at(evidence, "sliding-window", "window", level),
			       "window_cpu_us_at_%s", level->name);
}

static bool all_taken(const struct evidence *evidence, const char *arm)
{
	return evidence_number(evidence, arm, "time_wait_count") >=
	       ports_at(&levels[LEVELS - 1]) * 0.99;
}

static void say_refuted(const struct evidence *evidence, const struct level *turn,
			struct judgement *ret)
{
	const char *arm = "one-destination";
	double free_us = cpu_at(evidence, arm, "connect", &levels[0]);
	double slow_us = cpu_at(evidence, arm, "connect", turn);

	judge_deciding(ret, "connect() %.0f µs, %.0f at %g %% taken", free_us, slow_us,
		       turn->percent);
	judge_say(ret, VERDICT_REFUTED,
		  "connect() takes %.0f µs of CPU, but %.0f once %g %% of the ports are taken "
		  "towards its destination, with IP_BIND_ADDRESS_NO_PORT too: stay below half of "
		  "the range, or slide IP_LOCAL_PORT_RANGE over it (%.0f µs for all of a "
		  "connection). bind() to port 0 takes %.0f at 99.9 %%, but a port for all "
		  "destinations.",
		  free_us, slow_us, turn->percent,
		  cpu_at(evidence, "sliding-window", "window", &levels[LEVELS - 1]),
		  cpu_at(evidence, arm, "bind", &levels[LEVELS - 1]));
}

static void judge(const struct evidence *evidence, struct judgement *ret)
{
	const struct level *last = &levels[LEVELS - 1];
	const struct level *turn = turn_of(evidence, "one-destination", "connect");

	for (size_t i = 0; i < LEVELS; i++)
		tell_level(evidence, &levels[i], ret);
	judge_measured(ret, turn ? turn->percent : 100, "turns_at_percent");
	judge_deciding(ret, "%.0f µs of CPU free, %.0f at 99.9 %%",
		       cpu_at(evidence, "one-destination", "connect", &levels[0]),
		       cpu_at(evidence, "one-destination", "connect", last));
	if (!all_taken(evidence, "one-destination") || !all_taken(evidence, "other-destination"))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "The ports were not taken any more in the end: it took longer than "
			  "TIME-WAIT lasts.");
	else if (!is_flat(evidence, "other-destination", "connect", &levels[0]))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "connect() to another destination, for which all ports are free, has "
			  "become slow as well: it is not the search for a port.");
	else if (!is_flat(evidence, "sliding-window", "window", &levels[1]))
		judge_say(ret, VERDICT_INCONCLUSIVE,
			  "Connections that are told their port have become slow as well: it is "
			  "not the search for a port.");
	else if (turn)
		say_refuted(evidence, turn, ret);
	else
		judge_say(ret, VERDICT_HOLDS,
			  "connect() costs %.0f µs of CPU with free ports and %.0f with 99.9 %% of "
			  "them taken: searching is not slow.",
			  cpu_at(evidence, "one-destination", "connect", &levels[0]),
			  cpu_at(evidence, "one-destination", "connect", last));
}

static const struct arm arms[] = {
	{
		.name = "one-destination",
		.role = ARM_TREATMENT,
		.what = "0 to 99.9 % of the ports are taken towards where it connects",
		.seconds = 6,
		.value = STAGE_PORT,
		.play = play_search,
	},
	{
		.name = "other-destination",
		.role = ARM_CONTROL,
		.what = "the same ports are taken, but towards another: nothing is searched",
		.seconds = 4,
		.value = OTHER_PORT,
		.play = play_search,
	},
	{
		.name = "sliding-window",
		.role = ARM_CONTROL,
		.what = "each socket is told the next port: nothing is searched",
		.seconds = 4,
		.play = play_window,
	},
};

const struct experiment experiment_connect_cost = {
	.id = "connect-cost",
	.claim = "Searching for a free local port has not been slow since 2009.",
	.source = "article, 바인드",
	.section = "D. Local ports and reuse",
	.method = "The default range of 28,232 ports, taken step by step by connections in "
		  "TIME-WAIT; at each step 30 connections by connect() alone, after bind() of the "
		  "address with IP_BIND_ADDRESS_NO_PORT, and after bind() to port 0: CPU time and "
		  "latency of these calls. Then elsewhere, and with IP_LOCAL_PORT_RANGE of one "
		  "port, sliding.",
	.why = "A client that runs out of ports does not fail first, it becomes slow: its CPU goes "
	       "to searching long before the first EADDRNOTAVAIL.",
	.arms = arms,
	.arm_count = sizeof(arms) / sizeof(arms[0]),
	.alone = true,
	.falsify = falsify,
	.judge = judge,
};
