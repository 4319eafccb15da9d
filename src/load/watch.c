#include "load/watch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/netns.h"
#include "observe/counters.h"
#include "observe/sockdiag.h"
#include "tcp/state.h"

#define SAMPLES 600
/* Of the time: a look at all sockets may take no more. It takes some 3 ms by itself where the
 * namespace shares the machine's hash of sockets, and keeps a load on the same core from its
 * schedule: well below the one in a hundred that its p99 is about. */
#define DUMP_SHARE 0.004
/* Above so many pairs of destination and source, only destinations are told apart. */
#define PAIRS_MOST (1u << 20)

/* ---- the host */

static int read_sysctl(const char *name, char **ret)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	return file_read(path, 1 << 16, ret, NULL);
}

static long number(const char *name)
{
	CLEANUP_FREE char *text = NULL;

	return read_sysctl(name, &text) < 0 ? -1 : strtol(text, NULL, 10);
}

/* "8080,9148-9150": how many of them lie in the range. */
static uint64_t count_reserved(const char *text, unsigned first, unsigned last)
{
	uint64_t count = 0;

	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (from < first)
			from = first;
		if (to > last)
			to = last;
		if (from <= to)
			count += to - from + 1;
		text = *end == ',' ? end + 1 : end;
	}
	return count;
}

int watch_host_read(struct watch_host *ret, struct why *why)
{
	CLEANUP_FREE char *range = NULL, *reserved = NULL;
	struct watch_host host = {
		.tcp_tw_reuse = number("ipv4/tcp_tw_reuse"),
		.tcp_tw_reuse_delay = number("ipv4/tcp_tw_reuse_delay"),
		.tcp_timestamps = number("ipv4/tcp_timestamps"),
		.tcp_max_tw_buckets = number("ipv4/tcp_max_tw_buckets"),
		.somaxconn = number("core/somaxconn"),
	};
	unsigned first, last;
	int r = read_sysctl("ipv4/ip_local_port_range", &range);

	if (r < 0)
		return why_set(why, r, "cannot read net.ipv4.ip_local_port_range");
	if (sscanf(range, "%u %u", &first, &last) != 2 || first == 0 || first > last ||
	    last > UINT16_MAX)
		return why_say(why, -EBADMSG, "net.ipv4.ip_local_port_range is no range: %s",
			       range);
	host.first_port = (uint16_t)first;
	host.last_port = (uint16_t)last;
	if (read_sysctl("ipv4/ip_local_reserved_ports", &reserved) == 0)
		host.reserved_ports = count_reserved(reserved, first, last);
	*ret = host;
	return 0;
}

/* ---- the watch */

struct watch {
	const struct load_plan *plan;
	uint16_t first_port, last_port;
	int netns_fd;		      /* (owned) */
	struct sockdiag *diag;	      /* (owned) NULL: this kernel has none */
	struct counters before;	      /* (owned) */
	uint64_t sources;	      /* told apart; 1: not */
	uint32_t *pairs;	      /* (owned) sockets by destination and source, of one look */
	uint64_t time_wait;	      /* of that look */
	double look_s;		      /* what it took */
	int64_t looked_ns;	      /* when it was over */
	struct watch_sample *samples; /* (owned) */
	size_t count, every, skipped; /* of the looks only each every-th is kept */
	struct load_sum last;	      /* of the look before, for what is told by interval */
	double last_s;
};

int watch_new(const struct load_plan *plan, const struct watch_host *host, struct watch **ret,
	      struct why *why)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	uint64_t sources = load_sources_total(plan->sources, plan->source_count);
	int r;

	if (!watch)
		return why_set(why, -ENOMEM, "cannot watch this host");
	watch->plan = plan;
	watch->first_port = plan->first_port ? plan->first_port : host->first_port;
	watch->last_port = plan->last_port ? plan->last_port : host->last_port;
	watch->every = 1;
	watch->sources = sources && sources * plan->destination_count <= PAIRS_MOST ? sources : 1;
	watch->pairs = calloc(watch->sources * plan->destination_count, sizeof(*watch->pairs));
	watch->samples = calloc(SAMPLES, sizeof(*watch->samples));
	watch->netns_fd = netns_open_current();
	r = watch->netns_fd < 0 ? watch->netns_fd : 0;
	if (!watch->pairs || !watch->samples)
		r = -ENOMEM;
	if (r == 0)
		r = counters_read(watch->netns_fd, &watch->before);
	/* Without inet_diag there are the counters still. */
	if (r == 0 && sockdiag_open(watch->netns_fd, &watch->diag, NULL) < 0)
		watch->diag = NULL;
	if (r < 0) {
		watch_free(watch);
		return why_set(why, r, "cannot read this host's counters");
	}
	*ret = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	sockdiag_close(watch->diag);
	counters_done(&watch->before);
	if (watch->netns_fd >= 0)
		close(watch->netns_fd);
	free(watch->pairs);
	free(watch->samples);
	free(watch);
}

/* ---- sockets */

/* Which of the sources it is, where they are told apart. */
static bool find_source(const struct watch *watch, const struct tcp_address *address, uint64_t *ret)
{
	uint64_t before = 0;

	*ret = 0;
	if (watch->sources == 1)
		return true;
	for (size_t i = 0; i < watch->plan->source_count; i++) {
		const struct load_source *source = &watch->plan->sources[i];
		uint64_t at;

		if (load_source_find(source, address, &at)) {
			*ret = before + at;
			return true;
		}
		before += source->count;
	}
	return false;
}

static int count_socket(const struct socket_status *status, void *context)
{
	struct watch *watch = context;
	uint64_t source;

	if (status->state == TCP_TIME_WAIT)
		watch->time_wait++;
	if (status->key.local.port < watch->first_port || status->key.local.port > watch->last_port)
		return 0;
	for (size_t i = 0; i < watch->plan->destination_count; i++)
		if (tcp_endpoint_equal(&status->key.remote, &watch->plan->destinations[i]) &&
		    find_source(watch, &status->key.local.address, &source))
			watch->pairs[i * watch->sources + source]++;
	return 0;
}

static int look_at_sockets(struct watch *watch)
{
	int64_t began_ns = clock_now_ns();
	int r;

	if (!watch->diag)
		return -ENOTSUP;
	memset(watch->pairs, 0,
	       watch->sources * watch->plan->destination_count * sizeof(*watch->pairs));
	watch->time_wait = 0;
	r = sockdiag_dump(watch->diag, AF_UNSPEC, ~(1u << TCP_LISTEN), count_socket, watch);
	watch->looked_ns = clock_now_ns();
	watch->look_s = clock_seconds(watch->looked_ns - began_ns);
	return r;
}

static uint64_t busiest(const struct watch *watch, size_t destination)
{
	uint64_t most = 0;

	for (uint64_t i = 0; i < watch->sources; i++) {
		uint32_t count = watch->pairs[destination * watch->sources + i];

		if (count > most)
			most = count;
	}
	return most;
}

int watch_ports(struct watch *watch, uint64_t *ret)
{
	int r = look_at_sockets(watch);

	if (r < 0)
		return r;
	for (size_t i = 0; i < watch->plan->destination_count; i++)
		ret[i] = busiest(watch, i);
	return 0;
}

static void sample_sockets(struct watch *watch, struct watch_sample *sample)
{
	int64_t rest_ns = (int64_t)(watch->look_s / DUMP_SHARE * 1e9);
	struct counters now = {0};

	if (clock_now_ns() - watch->looked_ns >= rest_ns && look_at_sockets(watch) >= 0) {
		sample->ports_known = true;
		sample->ports_used = busiest(watch, 0);
		sample->time_wait = watch->time_wait;
		return;
	}
	if (watch->count)
		sample->ports_used = watch->samples[watch->count - 1].ports_used;
	if (counters_read(watch->netns_fd, &now) == 0)
		sample->time_wait = (uint64_t)counters_value(&now, "sockstat.TCP.tw", 0);
	counters_done(&now);
}

/* ---- the series */

static void fill(struct watch_sample *sample, const struct load_sum *before, double before_s)
{
	double seconds = sample->at_s - before_s;
	uint64_t calls = sample->sum.connect_calls - before->connect_calls;

	sample->rate = sample->connect_us = sample->cpu = 0;
	if (seconds > 0) {
		sample->rate = (double)(sample->sum.connected - before->connected) / seconds;
		sample->cpu = (double)(sample->sum.cpu_ns - before->cpu_ns) / 1e9 / seconds;
	}
	if (calls)
		sample->connect_us = (double)(sample->sum.connect_ns - before->connect_ns) / 1e3 /
				     (double)calls;
}

/* Every second one goes; what is told by interval is told of the longer ones. */
static void halve(struct watch *watch)
{
	static const struct load_sum nothing;

	watch->count /= 2;
	for (size_t i = 0; i < watch->count; i++) {
		watch->samples[i] = watch->samples[2 * i + 1];
		fill(&watch->samples[i], i ? &watch->samples[i - 1].sum : &nothing,
		     i ? watch->samples[i - 1].at_s : 0);
	}
	watch->every *= 2;
	watch->skipped = 0;
}

void watch_look(struct watch *watch, const struct load_sum *sum, int64_t start_ns)
{
	struct watch_sample *sample = &watch->samples[watch->count];

	if (++watch->skipped < watch->every)
		return;
	watch->skipped = 0;
	*sample = (struct watch_sample){
		.at_s = clock_seconds(clock_now_ns() - start_ns),
		.sum = *sum,
	};
	fill(sample, &watch->last, watch->last_s);
	sample_sockets(watch, sample);
	watch->last = *sum;
	watch->last_s = sample->at_s;
	if (++watch->count == SAMPLES)
		halve(watch);
}

const struct watch_sample *watch_series(const struct watch *watch, size_t *ret_count)
{
	*ret_count = watch->count;
	return watch->samples;
}

/* ---- the kernel's counts */

void watch_kernel(struct watch *watch, struct watch_kernel *ret)
{
	struct counters now = {0};
	int64_t overflow;

	memset(ret, 0, sizeof(*ret));
	if (counters_read(watch->netns_fd, &now) < 0)
		return;
#define MOVED(name) (counters_value(&now, name, 0) - counters_value(&watch->before, name, 0))
	ret->active_opens = MOVED("Tcp.ActiveOpens");
	ret->passive_opens = MOVED("Tcp.PassiveOpens");
	ret->attempt_fails = MOVED("Tcp.AttemptFails");
	ret->estab_resets = MOVED("Tcp.EstabResets");
	ret->retrans_segs = MOVED("Tcp.RetransSegs");
	ret->out_rsts = MOVED("Tcp.OutRsts");
	ret->syn_retrans = MOVED("TcpExt.TCPSynRetrans");
	ret->listen_overflows = MOVED("TcpExt.ListenOverflows");
	ret->listen_drops = MOVED("TcpExt.ListenDrops");
	overflow = MOVED("TcpExt.TCPTimeWaitOverflow");
	ret->time_wait_overflow = overflow;
	ret->time_wait_recycled = MOVED("TcpExt.TWRecycled");
	/* Counted when the timer is first set, as the one or the other by its length
	 * (net/ipv4/inet_timewait_sock.c, __inet_twsk_schedule(), 6.18); orphans in FIN-WAIT-2
	 * are counted then, and not again when the FIN comes. */
	ret->time_wait_entered = MOVED("TcpExt.TW") + MOVED("TcpExt.TWKilled");
#undef MOVED
	counters_done(&now);
}

/* ---- the audit */

static bool within(uint64_t ours, int64_t kernels)
{
	double off = fabs((double)kernels - (double)ours);

	return off <= 1 || off <= 0.001 * (double)ours;
}

static void line(struct audit_line *ret, const char *what, const char *counter, uint64_t ours,
		 int64_t kernels)
{
	*ret = (struct audit_line){
		.what = what,
		.counter = counter,
		.ours = ours,
		.kernels = kernels,
		.off = fabs((double)kernels - (double)ours) / (ours ? (double)ours : 1),
		.agrees = within(ours, kernels),
	};
}

/* Attempts that ended before a SYN was sent (net/ipv4/tcp_output.c, tcp_connect(), counts). */
static uint64_t never_sent(const struct load_sum *sum)
{
	static const unsigned early[] = {EADDRNOTAVAIL, EADDRINUSE, ENETUNREACH, EACCES,
					 EPERM,		EINVAL,	    EAFNOSUPPORT};
	uint64_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(early); i++)
		count += sum->failed[early[i]];
	for (unsigned i = 0; i < LOAD_FAILURES; i++)
		if (i == EMFILE || i == ENFILE || i == ENOBUFS || i == ENOMEM)
			count += sum->failed[i];
	return count;
}

size_t watch_audit(const struct load_plan *plan, const struct load_sum *sum,
		   const struct watch_kernel *kernel, bool peers_here,
		   struct audit_line ret[AUDIT_LINES])
{
	/* What was left open is reset at the end of the load. */
	bool by_rst = plan->closing == LOAD_CLOSE_RST || plan->closing == LOAD_CLOSE_ABANDON;
	uint64_t early = never_sent(sum), resets = sum->reset_by_us + sum->reset_by_peer;
	size_t n = 0;

	line(&ret[n++], "connections opened", "Tcp.ActiveOpens",
	     sum->attempted > early ? sum->attempted - early : 0, kernel->active_opens);
	line(&ret[n++], "connections that did not come about", "Tcp.AttemptFails",
	     sum->failed[ECONNREFUSED] + sum->failed[ETIMEDOUT], kernel->attempt_fails);
	if (peers_here)
		line(&ret[n++], "connections established, at the other end", "Tcp.PassiveOpens",
		     sum->connected, kernel->passive_opens);
	/* An RST in answer to the peer's FIN is one, too: from CLOSE-WAIT (tcp_set_state()). */
	if (by_rst)
		resets += sum->closed_by_peer;
	line(&ret[n], "connections reset", "Tcp.EstabResets", resets, kernel->estab_resets);
	/* Both ends count it, unless one had sent its FIN. */
	if (peers_here && kernel->estab_resets >= (int64_t)resets &&
	    kernel->estab_resets <= 2 * (int64_t)resets) {
		ret[n].agrees = true;
		ret[n].off = 0;
	}
	n++;
	/* Peers here whose FIN was acknowledged before our RST came were in TIME-WAIT for a moment:
	 * how many, nobody can tell. */
	if (by_rst && peers_here && sum->closed_by_peer)
		return n;
	/* A peer elsewhere keeps the TIME-WAIT of those that it closed first. */
	line(&ret[n++], "connections that entered TIME-WAIT", "TcpExt.TW, TcpExt.TWKilled",
	     sum->closed_by_us + (peers_here && !by_rst ? sum->closed_by_peer : 0),
	     kernel->time_wait_entered + kernel->time_wait_overflow);
	return n;
}
