/*
 * What a load has come to, as plain data: made of a run (load.c), read from JSON, or merged of
 * several; written as JSON and told as text. Whatever can be added is kept as whole numbers, so
 * that merging is exact, in any order and grouping.
 */
#ifndef CONTEST_CMD_LOAD_RESULT_H
#define CONTEST_CMD_LOAD_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/histogram.h"
#include "load/limit.h"
#include "load/tally.h"
#include "load/watch.h"

/* Times are counted in units of 10 us: as seconds since the epoch they have the 15 digits that a
 * double holds whatever they are. Clocks of two hosts agree less. */
#define LOAD_TICKS_PER_S 100000

/* A stretch of time, and what came about in it. */
struct load_slot {
	int64_t end;	/* in ticks since the epoch */
	int64_t length; /* in ticks; > 0 */
	uint64_t connected, failed, connect_calls, connect_ns, cpu_ns;
	uint64_t in_flight, time_wait; /* at its end */
	uint64_t ports_used;	       /* … towards the first destination */
	bool ports_known;
};

struct load_destination {
	char name[56]; /* "127.0.0.1:5000" */
	uint64_t ports_used, ports_available;
};

struct load_audit {
	char what[64], counter[64];
	uint64_t ours;
	int64_t kernels;
	bool agrees;
};

#define LOAD_AUDIT_MAX 16

/* sysctls; -1: this kernel has none of that name; LOAD_SYSCTL_DIFFERS: runs had different ones. */
enum load_sysctl {
	SYSCTL_FIRST_PORT,
	SYSCTL_LAST_PORT,
	SYSCTL_RESERVED_PORTS,
	SYSCTL_TW_REUSE,
	SYSCTL_TW_REUSE_DELAY,
	SYSCTL_TIMESTAMPS,
	SYSCTL_MAX_TW_BUCKETS,
	SYSCTL_SOMAXCONN,
	LOAD_SYSCTLS,
};
#define LOAD_SYSCTL_DIFFERS (-2)
const char *load_sysctl_name(enum load_sysctl sysctl);

struct load_result {
	uint64_t runs; /* that were merged; 1: a run as it was */
	/* (owned) as the options say it; "several" where runs had different ones */
	char *engine, *protocol, *closing, *ports;
	char *command;		/* (owned) */
	int64_t started, ended; /* in ticks since the epoch */
	struct load_sum sum;	/* but for the times in it */
	struct histogram latency[LATENCIES];
	struct watch_kernel kernel;
	uint64_t time_wait;
	uint64_t processes, processes_died, threads;
	int64_t sysctls[LOAD_SYSCTLS];
	int64_t forecast;    /* thousandths of a connection per second; 0: nothing to forecast */
	char *forecast_text; /* (owned) */
	bool interrupted;

	enum load_limit limit;
	char *sentence, *cure; /* (owned) */
	char **evidence;       /* (owned) and each */
	size_t evidence_count, evidence_capacity;
	uint64_t limits[LIMITS]; /* runs that were limited so */

	struct load_destination *destinations; /* (owned) */
	size_t destination_count, destination_capacity;
	struct load_slot *series; /* (owned) in the order of time */
	size_t series_count, series_capacity;
	struct load_audit audit[LOAD_AUDIT_MAX];
	size_t audit_count;
};

/* An empty one (runs 0); NULL when memory is short. NULL is allowed to _free(). */
struct load_result *load_result_new(void);
void load_result_free(struct load_result *result);

/* Appends. 0 or -ENOMEM. */
int load_result_prove(struct load_result *result, const char *evidence);
int load_result_sample(struct load_result *result, const struct load_slot *slot);
struct load_destination *load_result_destination(struct load_result *result, const char *name);

double load_result_seconds(const struct load_result *result);
double load_result_rate(const struct load_result *result); /* connected per second */
double load_slot_rate(const struct load_slot *slot);
/* |ours - kernels| / max(ours, 1) */
double load_audit_off(const struct load_audit *audit);
/* Whether the exit status is 1: attempts failed, it was interrupted, a worker died, or something
 * ran out that is none of the ordinary limits. */
bool load_result_is_bad(const struct load_result *result);

/*
 * Adds @from, which is left as it was, to @to (both of load_result_new(); @to with runs 0 becomes
 * a copy, with its series in slots of a second). @name: how evidence calls @from, unless that is
 * itself merged. Numbers come out the same whatever the grouping. 0 or -ENOMEM.
 */
int load_result_merge(struct load_result *to, const struct load_result *from, const char *name);

#endif
