#include "cmd/load_summary.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "load/protocol.h"

#define SETTLE_NS      (2 * NS_PER_S)
#define SETTLE_REST_NS (300 * NS_PER_MS)
#define SETTLE_LOOK_MS 20
#define TICKS_NS       (NS_PER_S / LOAD_TICKS_PER_S)

uint64_t load_ports_available(const struct load_facts *facts)
{
	struct generator_facts used;
	uint64_t count, reserved;

	generator_facts(facts->generator, &used);
	count = used.last_port - used.first_port + 1u;
	/* Only connect()'s own choice minds them (net/ipv4/inet_hashtables.c). */
	reserved = facts->plan->ports == LOAD_PORTS_KERNEL && !facts->plan->first_port
			   ? facts->host->reserved_ports
			   : 0;
	return count > reserved ? count - reserved : 0;
}

/* When the load was over: with its last connection, and not before the time that it was given. */
static int64_t over_ns(const struct load_facts *facts, const struct load_sum *sum)
{
	int64_t start_ns = generator_start_ns(facts->generator), until_ns = sum->last_end_ns;
	int64_t now_ns = facts->ended_ns ? facts->ended_ns : clock_now_ns(), given_ns;

	if (!facts->ended_ns)
		return now_ns > start_ns ? now_ns : start_ns;
	if (!facts->plan->connections || sum->attempted < facts->plan->connections) {
		given_ns = facts->stopped_ns	      ? facts->stopped_ns
			   : facts->plan->duration_ns ? start_ns + facts->plan->duration_ns
						      : now_ns;
		until_ns = given_ns > until_ns ? given_ns : until_ns;
	}
	if (until_ns > now_ns)
		until_ns = now_ns;
	return until_ns > start_ns ? until_ns : start_ns;
}

void load_summary_limit(const struct load_facts *facts, const uint64_t *ports_used,
			struct limit_verdict *ret)
{
	uint64_t sources = load_sources_total(facts->plan->sources, facts->plan->source_count);
	int64_t start_ns = generator_start_ns(facts->generator);
	struct generator_facts used;
	struct watch_kernel kernel;
	struct load_sum sum;
	struct limit_facts limit = {
		.plan = facts->plan,
		.sum = &sum,
		.host = facts->host,
		.kernel = &kernel,
		.ports_used = ports_used,
		.sources = sources ? sources : 1,
		.interrupted = facts->stopped_ns != 0,
		.peer_is_here = facts->targets->are_here,
	};

	generator_sum(facts->generator, &sum);
	generator_facts(facts->generator, &used);
	watch_kernel(facts->watch, &kernel);
	limit.series = watch_series(facts->watch, &limit.series_count);
	limit.first_port = used.first_port;
	limit.last_port = used.last_port;
	limit.threads = used.threads;
	limit.seconds = clock_seconds(over_ns(facts, &sum) - start_ns);
	load_limit_decide(&limit, ret);
}

/* ---- settling */

static bool agrees(const struct load_facts *facts, const struct watch_kernel *kernel)
{
	struct audit_line lines[AUDIT_LINES];
	struct load_sum sum;
	size_t count;

	generator_sum(facts->generator, &sum);
	count = watch_audit(facts->plan, &sum, kernel, facts->targets->are_here, lines);
	for (size_t i = 0; i < count; i++)
		if (!lines[i].agrees)
			return false;
	return true;
}

void load_summary_settle(const struct load_facts *facts)
{
	int64_t began_ns = clock_now_ns(), moved_ns = began_ns, now_ns = began_ns;
	struct watch_kernel before = {0}, kernel;

	while (now_ns - began_ns < SETTLE_NS && now_ns - moved_ns < SETTLE_REST_NS) {
		watch_kernel(facts->watch, &kernel);
		if (agrees(facts, &kernel))
			return;
		if (memcmp(&before, &kernel, sizeof(kernel)) != 0)
			moved_ns = now_ns;
		before = kernel;
		poll(NULL, 0, SETTLE_LOOK_MS);
		now_ns = clock_now_ns();
	}
}

/* ---- the result */

static int64_t to_ticks(int64_t ns)
{
	return (ns + TICKS_NS / 2) / TICKS_NS;
}

static int take_words(const struct load_facts *facts, struct load_result *result)
{
	char forecast[512] = "";

	result->engine = strdup(facts->plan->engine->name);
	result->protocol = strdup(facts->plan->protocol->name);
	result->closing = strdup(load_closing_name(facts->plan->closing));
	result->ports = strdup(load_ports_name(facts->plan->ports));
	result->command = strdup(facts->command);
	result->forecast =
		(int64_t)(load_forecast(facts->plan, facts->host, forecast, sizeof(forecast)) *
				  1000 +
			  0.5);
	result->forecast_text = strdup(forecast);
	return result->engine && result->protocol && result->closing && result->ports &&
			       result->command && result->forecast_text
		       ? 0
		       : -ENOMEM;
}

static void take_host(const struct watch_host *host, struct load_result *result)
{
	const int64_t values[LOAD_SYSCTLS] = {
		[SYSCTL_FIRST_PORT] = host->first_port,
		[SYSCTL_LAST_PORT] = host->last_port,
		[SYSCTL_RESERVED_PORTS] = (int64_t)host->reserved_ports,
		[SYSCTL_TW_REUSE] = host->tcp_tw_reuse,
		[SYSCTL_TW_REUSE_DELAY] = host->tcp_tw_reuse_delay,
		[SYSCTL_TIMESTAMPS] = host->tcp_timestamps,
		[SYSCTL_MAX_TW_BUCKETS] = host->tcp_max_tw_buckets,
		[SYSCTL_SOMAXCONN] = host->somaxconn,
	};

	memcpy(result->sysctls, values, sizeof(values));
}

static int take_limit(const struct load_facts *facts, const uint64_t *ports_used,
		      struct load_result *result)
{
	struct limit_verdict verdict;

	load_summary_limit(facts, ports_used, &verdict);
	result->limit = verdict.limit;
	result->limits[verdict.limit] = 1;
	result->sentence = strdup(verdict.sentence);
	result->cure = strdup(verdict.cure);
	for (size_t i = 0; i < LIMIT_EVIDENCE && verdict.evidence[i][0]; i++)
		if (load_result_prove(result, verdict.evidence[i]) < 0)
			return -ENOMEM;
	return result->sentence && result->cure ? 0 : -ENOMEM;
}

static int take_destinations(const struct load_facts *facts, const uint64_t *ports_used,
			     struct load_result *result)
{
	char name[TCP_ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < facts->targets->count; i++) {
		struct load_destination *at = load_result_destination(
			result, tcp_endpoint_format(&facts->targets->at[i], name));

		if (!at)
			return -ENOMEM;
		at->ports_used = ports_used ? ports_used[i] : 0;
		at->ports_available = load_ports_available(facts);
	}
	return 0;
}

static int take_series(const struct load_facts *facts, int64_t epoch_ns, struct load_result *result)
{
	static const struct load_sum nothing;
	const struct load_sum *before = &nothing;
	const struct watch_sample *samples;
	int64_t until = result->started;
	size_t count;

	samples = watch_series(facts->watch, &count);
	for (size_t i = 0; i < count; i++) {
		const struct watch_sample *sample = &samples[i];
		int64_t end = to_ticks(epoch_ns + (int64_t)(sample->at_s * 1e9));
		struct load_slot slot = {
			.end = end > until ? end : until + 1,
			.connected = sample->sum.connected - before->connected,
			.failed = sample->sum.failed_all - before->failed_all,
			.connect_calls = sample->sum.connect_calls - before->connect_calls,
			.connect_ns = sample->sum.connect_ns - before->connect_ns,
			.cpu_ns = sample->sum.cpu_ns - before->cpu_ns,
			.in_flight = sample->sum.in_flight,
			.time_wait = sample->time_wait,
			.ports_used = sample->ports_used,
			.ports_known = sample->ports_known,
		};

		slot.length = slot.end - until;
		until = slot.end;
		before = &sample->sum;
		if (load_result_sample(result, &slot) < 0)
			return -ENOMEM;
	}
	result->time_wait = count ? samples[count - 1].time_wait : 0;
	return 0;
}

static void take_audit(const struct load_facts *facts, struct load_result *result)
{
	struct audit_line lines[AUDIT_LINES];
	size_t count = watch_audit(facts->plan, &result->sum, &result->kernel,
				   facts->targets->are_here, lines);

	for (size_t i = 0; i < count; i++) {
		struct load_audit *line = &result->audit[result->audit_count++];

		*line = (struct load_audit){
			.ours = lines[i].ours,
			.kernels = lines[i].kernels,
			.agrees = lines[i].agrees,
		};
		snprintf(line->what, sizeof(line->what), "%s", lines[i].what);
		snprintf(line->counter, sizeof(line->counter), "%s", lines[i].counter);
	}
}

static void take_counts(const struct load_facts *facts, struct load_result *result)
{
	struct generator_facts used;

	generator_facts(facts->generator, &used);
	result->runs = 1;
	result->processes = used.processes;
	result->processes_died = facts->died;
	result->threads = used.threads;
	result->interrupted = facts->stopped_ns != 0;
	generator_sum(facts->generator, &result->sum);
	for (size_t i = 0; i < LATENCIES; i++)
		generator_latency(facts->generator, (enum load_latency)i, &result->latency[i]);
	watch_kernel(facts->watch, &result->kernel);
}

static int take_all(const struct load_facts *facts, const uint64_t *ports_used,
		    struct load_result *result)
{
	int64_t start_ns = generator_start_ns(facts->generator);
	int64_t epoch_ns = start_ns + clock_epoch_offset_ns();

	take_counts(facts, result);
	result->started = to_ticks(epoch_ns);
	result->ended = result->started + to_ticks(over_ns(facts, &result->sum) - start_ns);
	take_host(facts->host, result);
	take_audit(facts, result);
	if (take_words(facts, result) < 0 || take_limit(facts, ports_used, result) < 0 ||
	    take_destinations(facts, ports_used, result) < 0)
		return -ENOMEM;
	return take_series(facts, epoch_ns, result);
}

int load_summary_make(const struct load_facts *facts, struct load_result **ret)
{
	CLEANUP_FREE uint64_t *ports = calloc(facts->targets->count, sizeof(*ports));
	struct load_result *result = load_result_new();
	struct load_sum sum;

	if (!ports || !result) {
		load_result_free(result);
		return -ENOMEM;
	}
	generator_sum(facts->generator, &sum);
	watch_look(facts->watch, &sum, generator_start_ns(facts->generator));
	if (take_all(facts, watch_ports(facts->watch, ports) == 0 ? ports : NULL, result) < 0) {
		load_result_free(result);
		return -ENOMEM;
	}
	*ret = result;
	return 0;
}
