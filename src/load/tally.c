#include "load/tally.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/why.h"

/* The own reasons; all others are errnos. */
#define OWN(failure) ((failure)-LOAD_FAIL_TIMEOUT)

static const char *const own_names[] = {
	[OWN(LOAD_FAIL_TIMEOUT)] = "timeout",
	[OWN(LOAD_FAIL_SHORT)] = "short-answer",
	[OWN(LOAD_FAIL_MALFORMED)] = "malformed-answer",
	[OWN(LOAD_FAIL_STATUS)] = "http-status",
};
static_assert(ARRAY_SIZE(own_names) == OWN(LOAD_FAILURES), "a name for each failure of our own");
static_assert(EHWPOISON < LOAD_FAIL_TIMEOUT, "errnos and our own failures are apart");

/* Of those that have one. */
static const char *const meanings[LOAD_FAILURES] = {
	/* what the peer or the way to it says */
	[ECONNREFUSED] = "nobody listens there, or a firewall says so",
	[ECONNRESET] = "the peer reset the connection",
	[EPIPE] = "the peer had closed or reset it before all was sent",
	[ECONNABORTED] = "the connection was aborted on this host",
	[ETIMEDOUT] = "the kernel gave up: SYN or data stayed unanswered through all retries",
	[EHOSTUNREACH] = "no host answers to that address, or a router says so",
	[EHOSTDOWN] = "a router says that it does not know the host",
	[ENETUNREACH] = "no route leads there",
	[ENETDOWN] = "the interface on the way there is down",
	[ENONET] = "a router says that the host is isolated from the network",
	[ENOPROTOOPT] = "the host says that it has no TCP, or this kernel lacks a socket option",
	[EPROTO] = "an ICMP message says that the protocol was broken",
	[EMSGSIZE] = "a packet is too large for the path and may not be split",
	/* what this host lacks */
	[EADDRNOTAVAIL] = "no local port was left towards that destination, or the source "
			  "address is not this host's",
	[EADDRINUSE] = "the local port is taken, perhaps by a connection in TIME-WAIT",
	[EMFILE] = "this process may not open more descriptors",
	[ENFILE] = "the system may not open more files",
	[ENOBUFS] = "the kernel has no buffer left",
	[ENOMEM] = "the kernel has no memory left, or TCP has used up its share (tcp_mem)",
	[EAGAIN] = "the kernel lacks resources for it at the moment",
	/* what was asked wrongly, or is forbidden */
	[EACCES] = "forbidden: a broadcast address, a port below ip_unprivileged_port_start, or "
		   "a route that prohibits",
	[EPERM] = "a firewall rule or a policy of this host forbids it",
	[EINVAL] = "the kernel takes no such address or option, or the route there is a blackhole",
	[EAFNOSUPPORT] = "this host has no such address family",
	[EPROTONOSUPPORT] = "this host has no such protocol",
	[EOPNOTSUPP] = "the kernel cannot do this on such a socket",
	[ENOTCONN] = "the connection was gone already",
	[EISCONN] = "the socket is connected already",
	[EINTR] = "a signal came in between",
	[EBADF] = "the descriptor is closed: an error in contest",
	[EFAULT] = "an address outside of the memory: an error in contest",
	/* what contest finds */
	[LOAD_FAIL_TIMEOUT] = "a step took longer than the timeout allows",
	[LOAD_FAIL_SHORT] = "the peer closed before its answer was complete",
	[LOAD_FAIL_MALFORMED] = "what came is no answer of that protocol",
	[LOAD_FAIL_STATUS] = "the HTTP status is neither 2xx nor 3xx",
};

static const char *const latency_names[] = {
	[LATENCY_CONNECT] = "connect", [LATENCY_FIRST_BYTE] = "first_byte",
	[LATENCY_TOTAL] = "total",     [LATENCY_CLOSE] = "close",
	[LATENCY_LATE] = "late",
};
static_assert(ARRAY_SIZE(latency_names) == LATENCIES, "a name for each latency");

const char *load_failure_name(unsigned failure)
{
	if (failure == 0 || failure >= LOAD_FAILURES)
		return NULL;
	if (failure >= LOAD_FAIL_TIMEOUT)
		return own_names[OWN(failure)];
	return errno_name((int)failure);
}

const char *load_failure_meaning(unsigned failure)
{
	if (failure == 0 || failure >= LOAD_FAILURES)
		return NULL;
	return meanings[failure] ? meanings[failure] : "a system call failed with this error";
}

int load_failure_find(const char *name)
{
	char wanted[32];

	/* @name may be in the buffer that errno_name() writes to. */
	if (strlen(name) >= sizeof(wanted))
		return -EINVAL;
	strcpy(wanted, name);
	for (unsigned i = 1; i < LOAD_FAILURES; i++)
		if (strcmp(load_failure_name(i), wanted) == 0)
			return (int)i;
	return -EINVAL;
}

const char *load_latency_name(enum load_latency latency)
{
	return (size_t)latency < ARRAY_SIZE(latency_names) ? latency_names[latency] : NULL;
}

struct load_tally *load_tallies_new(size_t count)
{
	struct load_tally *tallies;
	size_t size;

	if (!count || __builtin_mul_overflow(count, sizeof(*tallies), &size))
		return NULL;
	/* Zero pages: all counters begin at 0, histograms are empty. */
	tallies = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return tallies == MAP_FAILED ? NULL : tallies;
}

void load_tallies_free(struct load_tally *tallies, size_t count)
{
	if (tallies)
		munmap(tallies, count * sizeof(*tallies));
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit((_Atomic uint64_t *)counter, memory_order_acquire);
}

static int64_t later(int64_t time, const _Atomic int64_t *other)
{
	int64_t told = atomic_load_explicit((_Atomic int64_t *)other, memory_order_relaxed);

	return told > time ? told : time;
}

/* Endings before beginnings: load_add() stores with release, so none is seen without the other. */
static void sum_accounts(const struct load_tally *tally, struct load_sum *sum)
{
	uint64_t n;

	sum->completed += get(&tally->completed);
	for (unsigned i = 0; i < LOAD_FAILURES; i++) {
		n = get(&tally->failed[i]);
		sum->failed[i] += n;
		sum->failed_all += n;
	}
	for (unsigned i = 0; i < LOAD_STEPS; i++)
		sum->failed_at[i] += get(&tally->failed_at[i]);
	sum->connected += get(&tally->connected);
	sum->attempted += get(&tally->attempted);
}

static void sum_rest(const struct load_tally *tally, struct load_sum *sum)
{
	sum->answers += get(&tally->answers);
	sum->bytes_in += get(&tally->bytes_in);
	sum->bytes_out += get(&tally->bytes_out);
	sum->closed_by_us += get(&tally->closed_by_us);
	sum->closed_by_peer += get(&tally->closed_by_peer);
	sum->reset_by_us += get(&tally->reset_by_us);
	sum->reset_by_peer += get(&tally->reset_by_peer);
	sum->connect_calls += get(&tally->connect_calls);
	sum->connect_ns += get(&tally->connect_ns);
	sum->port_retries += get(&tally->port_retries);
	sum->port_waits_ns += get(&tally->port_waits_ns);
	sum->descriptor_waits += get(&tally->descriptor_waits);
	sum->late += get(&tally->late);
	sum->cpu_ns += get(&tally->cpu_ns);
	sum->opening_ended_ns = later(sum->opening_ended_ns, &tally->opening_ended_ns);
	sum->last_end_ns = later(sum->last_end_ns, &tally->last_end_ns);
}

void load_tallies_sum(const struct load_tally *tallies, size_t count, struct load_sum *ret)
{
	struct load_sum sum = {0};

	for (size_t i = 0; i < count; i++) {
		sum_accounts(&tallies[i], &sum);
		sum_rest(&tallies[i], &sum);
	}
	sum.in_flight = sum.attempted - sum.completed - sum.failed_all;
	*ret = sum;
}

void load_tallies_latency(const struct load_tally *tallies, size_t count, enum load_latency latency,
			  struct histogram *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		histogram_add(ret, &tallies[i].latency[latency]);
}
