#include "lab/experiments/loading.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/netns.h"
#include "lab/experiments/serving.h"
#include "load/protocol.h"
#include "observe/counters.h"
#include "serve/protocol.h"

/* At once: enough that neither end waits for the other, few enough that no queue overflows. */
#define IN_FLIGHT 128

/* Once the server has ended all: without a new TIME-WAIT for so long, no more will come. */
#define QUIET_NS (300 * NS_PER_MS)

int loading_open(struct stage *stage, uint16_t first_port, uint16_t last_port)
{
	const struct world_spec fast = {
		.link = WORLD_LINK_VETH,
		.host_count = 2,
		.hosts = {{.name = "client",
			   .addresses = {"10.0.0.1/24", "10.0.1.1/24", "10.0.1.2/24", "10.0.1.3/24",
					 "10.0.1.4/24"}},
			  {.name = "server", .addresses = {"10.0.0.2/24"}}},
	};
	char range[16];

	TRY(stage, stage_open(stage, &fast));
	observer_stop(stage->observer);
	snprintf(range, sizeof(range), "%u %u", first_port, last_port);
	return stage_sysctl_text(stage, STAGE_CLIENT, "net.ipv4.ip_local_port_range", range);
}

struct load_plan loading_plan(const struct tcp_endpoint *to, uint64_t connections,
			      enum load_closing closing)
{
	return (struct load_plan){
		.engine = load_engines[0],
		.protocol = load_protocol_find("connect"),
		.destinations = to,
		.destination_count = 1,
		.ports = LOAD_PORTS_RANGE,
		.connections = connections,
		.concurrency = IN_FLIGHT,
		.requests = 1,
		.timeout_ns = LOADING_PATIENCE_S * NS_PER_S,
		.drain_ns = LOADING_PATIENCE_S * NS_PER_S,
		.threads = 1,
		.closing = closing,
	};
}

/* ---- a run */

/* Sockets are made in the namespace of whom it was forked from. */
int loading_start(struct stage *stage, size_t host, const struct load_plan *plan,
		  struct generator **ret)
{
	int home = netns_enter(host_netns(world_host(stage->world, host)));
	int r;

	TRY(stage, home);
	r = generator_new(plan, ret, &stage->why);
	if (r == 0)
		r = generator_start(*ret, &stage->why);
	netns_leave(home);
	if (r == -ENOTSUP)
		return stage_not_testable(stage, "%s", stage->why.text);
	TRY(stage, r);
	return 0;
}

static int wait_for_end(struct stage *stage, struct generator *generator, double seconds)
{
	int r = generator_wait(generator, (int64_t)(seconds * NS_PER_S), &stage->why);

	if (r != -ETIMEDOUT)
		return r;
	generator_stop(generator);
	r = generator_wait(generator, LOADING_PATIENCE_S * NS_PER_S, &stage->why);
	if (r != -ETIMEDOUT)
		return r;
	generator_force(generator);
	return generator_wait(generator, LOADING_PATIENCE_S * NS_PER_S, &stage->why);
}

int loading_run(struct stage *stage, size_t host, const struct load_plan *plan, double seconds,
		struct loading *ret)
{
	CLEANUP_GENERATOR struct generator *generator = NULL;

	TRY(stage, loading_start(stage, host, plan, &generator));
	TRY(stage, wait_for_end(stage, generator, seconds));
	generator_sum(generator, &ret->sum);
	ret->connect = (struct histogram){0};
	generator_latency(generator, LATENCY_CONNECT, &ret->connect);
	ret->seconds = clock_seconds(ret->sum.last_end_ns - generator_start_ns(generator));
	return 0;
}

/* ---- numbers */

double loading_thread_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double loading_quantile(double *values, size_t count, double part)
{
	if (count == 0)
		return NAN;
	qsort(values, count, sizeof(*values), compare_doubles);
	return values[(size_t)((double)(count - 1) * part + 0.5)];
}

double loading_median(double *values, size_t count)
{
	if (count == 0)
		return NAN;
	qsort(values, count, sizeof(*values), compare_doubles);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* ---- TIME-WAIT */

int64_t loading_time_waits(struct stage *stage, size_t host)
{
	struct counters now = {0};
	int64_t value = counters_read(host_netns(world_host(stage->world, host)), &now);

	if (value == 0)
		value = counters_value(&now, "sockstat.TCP.tw", -ENOENT);
	counters_done(&now);
	return value;
}

/* The last FINs may still be on their way. */
static void await_time_waits(struct stage *stage, size_t host, int64_t wanted)
{
	struct timespec nap = clock_timespec(5 * NS_PER_MS);
	int64_t last = -1, changed_ns = clock_now_ns();

	for (;;) {
		int64_t now = loading_time_waits(stage, host);

		if (now >= wanted)
			return;
		if (now != last)
			changed_ns = clock_now_ns();
		else if (clock_now_ns() - changed_ns > QUIET_NS)
			return;
		last = now;
		nanosleep(&nap, NULL);
	}
}

/*
 * The server may have some left to accept, or to close: what is left when it is ended would be
 * reset, and a client that waits for its FIN has no TIME-WAIT then (but is counted as if, for the
 * kernel keeps it in the same way).
 */
static void await_served(const struct server *server, uint64_t connections)
{
	int64_t end_ns = clock_now_ns() + LOADING_PATIENCE_S * NS_PER_S;
	struct timespec nap = clock_timespec(2 * NS_PER_MS);
	struct tally_sum sum;

	for (;;) {
		server_sum(server, &sum);
		if ((sum.accepted >= connections && sum.open == 0) || clock_now_ns() > end_ns)
			return;
		nanosleep(&nap, NULL);
	}
}

/* Who closes first says nothing: not a byte is needed. */
static int serve(struct stage *stage, const struct filling *filling, struct server **ret)
{
	const struct serve_plan plan = {
		.engine = engine_find("epoll"),
		.protocol = protocol_find("discard"),
		.closing = filling->client_closes ? SERVE_CLOSE_PASSIVE : SERVE_CLOSE_ACTIVE,
		.before_answer = !filling->client_closes,
		.threads = 1,
	};

	return serving_start_on(stage, filling->server_host, &plan, filling->port, 1, ret);
}

/*
 * A delayed ACK and the FIN after it may leave from two processors and pass each other. TIME-WAIT
 * answers the older one, the peer, which is gone by then, sends a RST, and that deletes TIME-WAIT
 * (RFC 1337; net/ipv4/tcp_minisocks.c, tcp_timewait_state_process(), 6.18): of 100,000 some
 * hundred would be missing.
 */
static int spare_time_waits(struct stage *stage, size_t keeper)
{
	return stage_sysctl(stage, keeper, "net.ipv4.tcp_rfc1337", 1);
}

int loading_fill(struct stage *stage, const struct filling *filling, struct loading *ret)
{
	const struct tcp_endpoint to = {
		.address = *host_address(world_host(stage->world, filling->server_host), AF_INET,
					 0),
		.port = filling->port,
	};
	struct load_plan plan = loading_plan(&to, filling->connections,
					     filling->client_closes ? LOAD_CLOSE_ACTIVE
								    : LOAD_CLOSE_PASSIVE);
	size_t keeper = filling->client_closes ? filling->client_host : filling->server_host;
	CLEANUP_SERVER struct server *server = NULL;
	int64_t before = loading_time_waits(stage, keeper);
	struct load_source sources;

	if (filling->sources) {
		TRY(stage, load_source_parse(filling->sources, &sources, &stage->why));
		plan.sources = &sources;
		plan.source_count = 1;
	}
	plan.first_port = filling->first_port;
	plan.last_port = filling->last_port;
	TRY(stage, spare_time_waits(stage, keeper));
	TRY(stage, serve(stage, filling, &server));
	TRY(stage, loading_run(stage, filling->client_host, &plan, filling->seconds, ret));
	await_served(server, ret->sum.connected);
	await_time_waits(stage, keeper, before + (int64_t)ret->sum.completed);
	return serving_end(stage, server, LOADING_PATIENCE_S);
}
