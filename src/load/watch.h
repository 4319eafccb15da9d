/*
 * What this host's kernel says while a load runs: samples over time, and the sums at the end
 * that the load's own counts are held against.
 */
#ifndef CONTEST_LOAD_WATCH_H
#define CONTEST_LOAD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"
#include "load/plan.h"
#include "load/tally.h"

/* sysctls that matter, as they were read; -1: this kernel has none of that name. */
struct watch_host {
	uint16_t first_port, last_port; /* ip_local_port_range */
	long tcp_tw_reuse, tcp_tw_reuse_delay, tcp_timestamps, tcp_max_tw_buckets, somaxconn;
	uint64_t reserved_ports; /* of ip_local_reserved_ports, within the range */
};
int watch_host_read(struct watch_host *ret, struct why *why);

/* One look. Counters are those of the namespace, from the beginning of the watch on. */
struct watch_sample {
	double at_s;	     /* since the load began; the end of the interval */
	struct load_sum sum; /* so far */
	double rate;	     /* connected per second in this interval */
	double connect_us;   /* mean time inside connect(2) in this interval; 0: none */
	double cpu;	     /* processor time of the load's threads per second of this interval */
	uint64_t time_wait;  /* sockets in TIME-WAIT in the namespace */
	uint64_t ports_used; /* local ports of the range in use towards the first destination
				(sockets in any state but LISTEN; from the busiest source) */
	bool ports_known;    /* false: as of an earlier look, as looking costs too much */
};

/* Kernel counters since the beginning of the watch. */
struct watch_kernel {
	int64_t active_opens, passive_opens, attempt_fails, estab_resets, retrans_segs, out_rsts;
	int64_t syn_retrans, listen_overflows, listen_drops, time_wait_entered, time_wait_overflow;
	int64_t time_wait_recycled; /* reused by connect(): TWRecycled, and reopened by a SYN */
};

struct watch;
/* Opens what is needed to look at the caller's namespace and takes the first look. */
int watch_new(const struct load_plan *plan, const struct watch_host *host, struct watch **ret,
	      struct why *why);
void watch_free(struct watch *watch);
/* Takes a look now; kept in the series (which halves its resolution when it outgrows 600). */
void watch_look(struct watch *watch, const struct load_sum *sum, int64_t start_ns);
const struct watch_sample *watch_series(const struct watch *watch, size_t *ret_count);
void watch_kernel(struct watch *watch, struct watch_kernel *ret);
/* Ports used towards each destination now, by a dump: for the end. @ret: plan->destination_count
 * numbers of the busiest source each. 0 or -errno. */
int watch_ports(struct watch *watch, uint64_t *ret);

/* ---- the audit */

struct audit_line {
	const char *what;    /* "connections opened" */
	const char *counter; /* "Tcp.ActiveOpens" */
	uint64_t ours;
	int64_t kernels;
	double off;  /* |ours - kernels| / max(ours, 1) */
	bool agrees; /* within 0.1 % (or one) */
};
#define AUDIT_LINES 5
/*
 * Holds our counts against the kernel's; the number of lines. @peers_here: the peers are in the
 * same namespace, and counted too. What else goes on in the namespace is counted as well: that
 * is what a difference mostly means. Pure.
 */
size_t watch_audit(const struct load_plan *plan, const struct load_sum *sum,
		   const struct watch_kernel *kernel, bool peers_here,
		   struct audit_line ret[AUDIT_LINES]);

#endif
