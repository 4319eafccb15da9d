/*
 * The order of the questions is the order of certainty: what the kernel refused comes before what
 * it did slowly, and that before what merely took its time.
 */
#include "load/limit.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* How long TIME-WAIT lasts: TCP_TIMEWAIT_LEN (include/net/tcp.h); no sysctl changes it. The lab
 * measures it: contest lab run time-wait-length. */
#define TIME_WAIT_S 60

/* Of all attempts: from here on a kind of failure limits a load, and does not only disturb it. */
#define FAILED_SHARE 0.01
/* Of a thread's time: above, there is none left. */
#define BUSY_SHARE 0.9
/* An asked rate counts as met from here on. */
#define MET_SHARE 0.99
/* A connect() is slow that takes so many times as long as in the best interval, and so long. */
#define SLOW_TIMES 8
#define SLOW_US	   150
/* From which share of the range on that is the search for a port. The kernel takes ports of one
 * parity first (net/ipv4/inet_hashtables.c, __inet_hash_connect(), since 4.2). */
#define HALF_SHARE 0.45

static const char *const names[] = {
	[LIMIT_NONE] = "none",
	[LIMIT_HALF_RANGE] = "half-range-cliff",
	[LIMIT_LOCAL_PORTS] = "local-ports",
	[LIMIT_DESCRIPTORS] = "descriptors",
	[LIMIT_PEER_BACKLOG] = "peer-backlog",
	[LIMIT_PEER_REFUSED] = "peer-refused",
	[LIMIT_PEER_RESET] = "peer-reset",
	[LIMIT_UNREACHABLE] = "unreachable",
	[LIMIT_CLIENT_CPU] = "client-cpu",
	[LIMIT_CONCURRENCY] = "concurrency",
	[LIMIT_INTERRUPTED] = "interrupted",
};
static_assert(ARRAY_SIZE(names) == LIMITS, "each limit has a name");

const char *load_limit_name(enum load_limit limit)
{
	return names[limit];
}

/* ---- saying it */

static void __attribute__((format(printf, 2, 3)))
say(struct limit_verdict *verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(verdict->sentence, sizeof(verdict->sentence), format, args);
	va_end(args);
}

static void __attribute__((format(printf, 2, 3)))
cure(struct limit_verdict *verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(verdict->cure, sizeof(verdict->cure), format, args);
	va_end(args);
}

/* What does not fit is left out. */
static void __attribute__((format(printf, 2, 3)))
prove(struct limit_verdict *verdict, const char *format, ...)
{
	va_list args;

	for (size_t i = 0; i < LIMIT_EVIDENCE; i++) {
		if (verdict->evidence[i][0])
			continue;
		va_start(args, format);
		vsnprintf(verdict->evidence[i], sizeof(verdict->evidence[i]), format, args);
		va_end(args);
		return;
	}
}

/* ---- figures */

static uint64_t failed(const struct limit_facts *facts, const unsigned *which, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += facts->sum->failed[which[i]];
	return sum;
}
#define FAILED(facts, ...)                                                                         \
	failed(facts, (const unsigned[]){__VA_ARGS__},                                             \
	       ARRAY_SIZE(((const unsigned[]){__VA_ARGS__})))

static double share(uint64_t part, uint64_t of)
{
	return of ? (double)part / (double)of : 0;
}

static bool limits(const struct limit_facts *facts, uint64_t count)
{
	return count > 0 && share(count, facts->sum->attempted) >= FAILED_SHARE;
}

static unsigned ports(const struct limit_facts *facts)
{
	return facts->last_port - facts->first_port + 1u;
}

/* Local tuples that the load has towards one destination. */
static uint64_t tuples(const struct limit_facts *facts)
{
	uint64_t reserved = facts->plan->ports == LOAD_PORTS_KERNEL ? facts->host->reserved_ports
								    : 0;

	return (ports(facts) > reserved ? ports(facts) - reserved : 1) * facts->sources;
}

static uint64_t ports_used(const struct limit_facts *facts)
{
	uint64_t most = 0;

	for (size_t i = 0; facts->ports_used && i < facts->plan->destination_count; i++)
		if (facts->ports_used[i] > most)
			most = facts->ports_used[i];
	return most;
}

static double opening_s(const struct limit_facts *facts)
{
	return facts->seconds > 0 ? facts->seconds : 1e-9;
}

static double cpu_share(const struct limit_facts *facts)
{
	double time = opening_s(facts) * (facts->threads ? facts->threads : 1);

	return (double)facts->sum->cpu_ns / 1e9 / time;
}

/* ---- the half-range cliff */

struct cliff {
	const struct watch_sample *first; /* slow interval; NULL: none */
	double before_us, after_us;	  /* mean time inside connect(2), best and worst */
	double before_rate, after_rate;	  /* best, and worst after the first slow one */
};

static void look_for_cliff(const struct limit_facts *facts, struct cliff *ret)
{
	*ret = (struct cliff){.before_us = 1e12, .after_rate = 1e12};
	for (size_t i = 0; i < facts->series_count; i++) {
		const struct watch_sample *sample = &facts->series[i];

		if (sample->connect_us > 0 && sample->connect_us < ret->before_us && !ret->first)
			ret->before_us = sample->connect_us;
		if (sample->rate > ret->before_rate && !ret->first)
			ret->before_rate = sample->rate;
		if (sample->connect_us > SLOW_US &&
		    sample->connect_us > SLOW_TIMES * ret->before_us &&
		    (double)sample->ports_used >= HALF_SHARE * ports(facts)) {
			ret->first = ret->first ? ret->first : sample;
			if (sample->connect_us > ret->after_us)
				ret->after_us = sample->connect_us;
			if (sample->rate < ret->after_rate)
				ret->after_rate = sample->rate;
		}
	}
}

static void prove_cliff(const struct cliff *cliff, const struct limit_facts *facts,
			struct limit_verdict *ret)
{
	prove(ret, "connect() took %.0f us each before, and up to %.0f us from %.1f s on",
	      cliff->before_us, cliff->after_us, cliff->first->at_s);
	prove(ret, "%llu of %u ports were in use towards %s then (%.0f %%)",
	      (unsigned long long)cliff->first->ports_used, ports(facts),
	      facts->plan->destination_count > 1 ? "the busiest destination" : "the destination",
	      100 * share(cliff->first->ports_used, ports(facts)));
}

static bool half_range(const struct limit_facts *facts, struct limit_verdict *ret)
{
	struct cliff cliff;

	if (facts->plan->ports != LOAD_PORTS_KERNEL)
		return false;
	look_for_cliff(facts, &cliff);
	if (!cliff.first)
		return false;
	say(ret,
	    "Half of the local ports were used up, and the rate fell from %.0f/s to %.0f/s: the "
	    "kernel takes ports of one parity first, and searches the whole range for each of the "
	    "others",
	    cliff.before_rate, cliff.after_rate);
	prove_cliff(&cliff, facts, ret);
	prove(ret, "the client's threads were busy for %.0f %% of the time",
	      100 * cpu_share(facts));
	cure(ret, "--ports range chooses ports without the search; more --source addresses or "
		  "destinations, or a wider net.ipv4.ip_local_port_range put the cliff off");
	return true;
}

/* ---- local ports */

static void ports_cure(const struct limit_facts *facts, struct limit_verdict *ret)
{
	const struct watch_host *host = facts->host;

	if (facts->plan->ports == LOAD_PORTS_RING) {
		cure(ret,
		     "ports of the ring are held by something else than this load's TIME-WAIT: "
		     "see ss -tan, or give other --source-ports");
		return;
	}
	cure(ret,
	     "the ports come back %d s after their connections were closed here; more go at once "
	     "with more --source addresses or destinations (each has %u ports of its own)%s%s, "
	     "with --close passive or rst (no TIME-WAIT here), or with --ports ring",
	     TIME_WAIT_S, ports(facts),
	     ports(facts) < 60000 && !facts->plan->first_port
		     ? ", with a wider net.ipv4.ip_local_port_range"
		     : "",
	     host->tcp_tw_reuse == 0 || (host->tcp_tw_reuse == 2 && !facts->peer_is_here)
		     ? ", with net.ipv4.tcp_tw_reuse=1 (needs timestamps on both ends)"
		     : "");
}

static bool local_ports(const struct limit_facts *facts, struct limit_verdict *ret)
{
	uint64_t count = FAILED(facts, EADDRNOTAVAIL, EADDRINUSE), used = ports_used(facts);
	struct cliff cliff = {0};

	if (count == 0 && facts->sum->port_waits_ns == 0)
		return false;
	if (facts->ports_used && used < ports(facts) / 2 && facts->sum->connected == 0) {
		say(ret, "No local address or port could be had: %s",
		    load_failure_meaning(EADDRNOTAVAIL));
		cure(ret, "see that the --source addresses are this host's (ip addr)");
		return true;
	}
	say(ret,
	    "The local ports ran out: %llu connections came about, then nothing could be opened "
	    "towards %s for %.1f s of %.1f s",
	    (unsigned long long)facts->sum->connected,
	    facts->plan->destination_count > 1 ? "the destinations" : "the destination",
	    (double)facts->sum->port_waits_ns / 1e9 / (facts->threads ? facts->threads : 1),
	    facts->seconds);
	prove(ret, "%llu attempts failed with EADDRNOTAVAIL or EADDRINUSE",
	      (unsigned long long)count);
	prove(ret, "ports %u to %u, %llu source address%s: %llu tuples per destination%s",
	      facts->first_port, facts->last_port, (unsigned long long)facts->sources,
	      facts->sources == 1 ? "" : "es", (unsigned long long)tuples(facts),
	      facts->host->reserved_ports ? " (reserved ones left out)" : "");
	if (facts->ports_used)
		prove(ret, "%llu of the %u were in use at the end", (unsigned long long)used,
		      ports(facts));
	if (facts->series_count)
		prove(ret, "%llu sockets were in TIME-WAIT at the end",
		      (unsigned long long)facts->series[facts->series_count - 1].time_wait);
	prove(ret, "net.ipv4.tcp_tw_reuse = %ld, tcp_timestamps = %ld", facts->host->tcp_tw_reuse,
	      facts->host->tcp_timestamps);
	if (facts->plan->ports == LOAD_PORTS_KERNEL)
		look_for_cliff(facts, &cliff);
	if (cliff.first)
		prove(ret,
		      "before that, from %.1f s on, the half-range cliff: connect() took up to "
		      "%.0f us",
		      cliff.first->at_s, cliff.after_us);
	ports_cure(facts, ret);
	return true;
}

/* ---- what else was refused */

static bool unreachable(const struct limit_facts *facts, struct limit_verdict *ret)
{
	uint64_t count = FAILED(facts, EHOSTUNREACH, ENETUNREACH, EACCES, EPERM, ENETDOWN);

	if (!limits(facts, count))
		return false;
	say(ret, "The destination cannot be reached: %llu of %llu attempts",
	    (unsigned long long)count, (unsigned long long)facts->sum->attempted);
	cure(ret, "see ip route get ADDRESS, and firewalls");
	return true;
}

static bool refused(const struct limit_facts *facts, struct limit_verdict *ret)
{
	uint64_t count = FAILED(facts, ECONNREFUSED);

	if (!limits(facts, count))
		return false;
	say(ret, "The peer refused %llu of %llu connections: %s", (unsigned long long)count,
	    (unsigned long long)facts->sum->attempted, load_failure_meaning(ECONNREFUSED));
	prove(ret, "Tcp.AttemptFails moved by %lld", (long long)facts->kernel->attempt_fails);
	cure(ret, "start the server, or see on which address and port it listens (ss -tln)");
	return true;
}

static bool descriptors(const struct limit_facts *facts, struct limit_verdict *ret)
{
	if (facts->sum->descriptor_waits == 0 && !limits(facts, FAILED(facts, EMFILE, ENFILE)))
		return false;
	say(ret, "Descriptors ran out %llu times, and nothing could be opened meanwhile",
	    (unsigned long long)facts->sum->descriptor_waits);
	cure(ret, "raise the hard limit (ulimit -Hn), or let the load have more --processes");
	return true;
}

/* SYNs that had to be repeated, or that were never answered. */
static bool backlog(const struct limit_facts *facts, struct limit_verdict *ret)
{
	const struct watch_kernel *kernel = facts->kernel;
	uint64_t silent = facts->sum->failed_at[LOAD_STEP_CONNECT] <
					  FAILED(facts, LOAD_FAIL_TIMEOUT)
				  ? facts->sum->failed_at[LOAD_STEP_CONNECT]
				  : FAILED(facts, LOAD_FAIL_TIMEOUT);
	uint64_t lost = (uint64_t)(kernel->syn_retrans > 0 ? kernel->syn_retrans : 0);

	silent += FAILED(facts, ETIMEDOUT);
	if (!limits(facts, silent) && share(lost, facts->sum->attempted) < FAILED_SHARE / 10)
		return false;
	say(ret,
	    "The peer did not take connections as fast as they came: %llu SYNs had to be repeated "
	    "(the first time after 1 s), %llu connections were never answered",
	    (unsigned long long)lost, (unsigned long long)silent);
	prove(ret, "TcpExt.TCPSynRetrans moved by %lld", (long long)kernel->syn_retrans);
	if (facts->peer_is_here)
		prove(ret, "TcpExt.ListenOverflows moved by %lld, ListenDrops by %lld",
		      (long long)kernel->listen_overflows, (long long)kernel->listen_drops);
	cure(ret,
	     "a larger backlog of the server (listen(2); net.core.somaxconn is %ld here), or a "
	     "server that accepts faster; without ListenOverflows there: packets are lost on the way",
	     facts->host->somaxconn);
	return true;
}

static bool reset(const struct limit_facts *facts, struct limit_verdict *ret)
{
	uint64_t count = FAILED(facts, ECONNRESET, EPIPE);

	if (!limits(facts, count))
		return false;
	say(ret, "The peer reset %llu of %llu connections: %s", (unsigned long long)count,
	    (unsigned long long)facts->sum->attempted, load_failure_meaning(ECONNRESET));
	prove(ret, "Tcp.EstabResets moved by %lld", (long long)facts->kernel->estab_resets);
	cure(ret, "the server's log says why it closed them");
	return true;
}

/* ---- what took its time */

static double rate(const struct limit_facts *facts)
{
	return (double)facts->sum->connected / opening_s(facts);
}

/* The rate that could be reached: a ramp takes half of its time away. */
static double asked(const struct limit_facts *facts)
{
	double all = facts->plan->rate * (opening_s(facts) - (double)facts->plan->ramp_ns / 2e9);

	return all / opening_s(facts);
}

static bool is_met(const struct limit_facts *facts)
{
	return facts->plan->rate > 0 && rate(facts) >= MET_SHARE * asked(facts);
}

static void none(const struct limit_facts *facts, struct limit_verdict *ret)
{
	ret->limit = LIMIT_NONE;
	if (facts->plan->rate > 0)
		say(ret, "Nothing: the asked rate of %.0f/s was met (%.1f/s)", facts->plan->rate,
		    rate(facts));
	else
		say(ret, "Nothing: all %llu connections were made",
		    (unsigned long long)facts->sum->attempted);
	prove(ret, "the client's threads were busy for %.0f %% of the time",
	      100 * cpu_share(facts));
}

static bool client_cpu(const struct limit_facts *facts, struct limit_verdict *ret)
{
	if (cpu_share(facts) < BUSY_SHARE)
		return false;
	say(ret, "The client's processor: its threads were busy for %.0f %% of the time",
	    100 * cpu_share(facts));
	prove(ret, "%.1f us of processor time per connection, %u thread%s",
	      (double)facts->sum->cpu_ns / 1e3 /
		      (double)(facts->sum->attempted + !facts->sum->attempted),
	      facts->threads, facts->threads == 1 ? "" : "s");
	cure(ret, "more --threads where there are more cores, or more hosts");
	return true;
}

static void concurrency(const struct limit_facts *facts, struct limit_verdict *ret)
{
	ret->limit = LIMIT_CONCURRENCY;
	say(ret,
	    "The peer's answers: the %u connections that may be under way at once waited for them "
	    "most of the time",
	    facts->plan->concurrency);
	prove(ret, "the client's threads were busy for %.0f %% of the time",
	      100 * cpu_share(facts));
	if (facts->sum->late)
		prove(ret, "%llu arrivals came later than they should have",
		      (unsigned long long)facts->sum->late);
	cure(ret, "a faster server, or more --concurrency if it can take it");
}

void load_limit_decide(const struct limit_facts *facts, struct limit_verdict *ret)
{
	static const struct {
		enum load_limit limit;
		bool (*is)(const struct limit_facts *facts, struct limit_verdict *ret);
	} questions[] = {
		{LIMIT_UNREACHABLE, unreachable}, {LIMIT_PEER_REFUSED, refused},
		{LIMIT_LOCAL_PORTS, local_ports}, {LIMIT_HALF_RANGE, half_range},
		{LIMIT_DESCRIPTORS, descriptors}, {LIMIT_PEER_BACKLOG, backlog},
		{LIMIT_PEER_RESET, reset},
	};

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		if (questions[i].is(facts, ret)) {
			ret->limit = questions[i].limit;
			return;
		}
	}
	if (is_met(facts)) {
		none(facts, ret);
	} else if (facts->interrupted) {
		ret->limit = LIMIT_INTERRUPTED;
		say(ret, "It was interrupted after %.1f s", facts->seconds);
	} else if (client_cpu(facts, ret)) {
		ret->limit = LIMIT_CLIENT_CPU;
	} else {
		concurrency(facts, ret);
	}
}

/* ---- before the start */

/* The addresses towards each destination, each with a range of ports of its own. */
static uint64_t addresses(const struct load_plan *plan)
{
	uint64_t total = load_sources_total(plan->sources, plan->source_count);

	return total ? total : 1;
}

double load_forecast(const struct load_plan *plan, const struct watch_host *host, char *text,
		     size_t room)
{
	uint16_t first = plan->first_port ? plan->first_port : host->first_port;
	uint16_t last = plan->last_port ? plan->last_port : host->last_port;
	unsigned count = last - first + 1u;
	uint64_t pairs = addresses(plan) * plan->destination_count;
	double rate = (double)(count * pairs) / TIME_WAIT_S;

	if (plan->closing == LOAD_CLOSE_RST) {
		snprintf(text, room, "RST leaves no TIME-WAIT: ports come back at once");
		return 0;
	}
	if (plan->closing == LOAD_CLOSE_PASSIVE) {
		snprintf(
			text, room,
			"the server closes first and keeps TIME-WAIT: ports come back at once here");
		return 0;
	}
	if (plan->ports == LOAD_PORTS_RING) {
		snprintf(text, room,
			 "a ring of %u ports that takes TIME-WAIT sockets again: unlike clients do "
			 "it, and without their protection against old duplicates",
			 count);
		return 0;
	}
	if (host->tcp_tw_reuse == 1) {
		snprintf(text, room,
			 "%u ports, and tcp_tw_reuse takes them again after a second: %.0f "
			 "connections/s can be sustained while we close first",
			 count, (double)(count * pairs));
		return (double)(count * pairs);
	}
	snprintf(
		text, room,
		"%u ports%s / %d s: %.0f connections/s can be sustained to %s while we close first",
		count, pairs > 1 ? " of each pair of addresses" : "", TIME_WAIT_S, rate,
		plan->destination_count > 1 ? "these destinations" : "this destination");
	return rate;
}
