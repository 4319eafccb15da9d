/*
 * The kernel's protocol counters of one namespace: /proc/net/netstat, snmp, sockstat and sockstat6.
 * The kernel keeps them as it goes: to read them it walks no socket, however many there are.
 */
#ifndef CONTEST_OBSERVE_COUNTERS_H
#define CONTEST_OBSERVE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

struct counter {
	char name[48]; /* "Tcp.RetransSegs", "TcpExt.TCPAbortOnData", "sockstat.TCP.tw" */
	int64_t value;
};

struct counters {
	struct counter *items; /* sorted by name */
	size_t count, capacity;
};

/* Reads all counters of the namespace of @netns_fd, which the thread visits (that needs
 * CAP_SYS_ADMIN, even for its own). 0 or -errno; *ret is for counters_done(). */
int counters_read(int netns_fd, struct counters *ret);
/* The same of the one that the calling thread is in, for which it needs no privilege. @why may be
 * NULL. */
int counters_read_here(struct counters *ret, struct why *why);
void counters_done(struct counters *counters);

/*
 * Parsers of the texts, appending to @counters (unsorted: counters_sort() has to follow). -EBADMSG
 * for another form, a name that has no room or more in it than letters, digits and '_', or columns
 * that do not pair; -ENOMEM. Nothing is appended on failure.
 */
int counters_parse_table(struct counters *counters, const char *text);	  /* netstat, snmp */
int counters_parse_sockstat(struct counters *counters, const char *text); /* sockstat6, too */
void counters_sort(struct counters *counters);

/* The value of one, or @otherwise when this kernel has none of that name. */
int64_t counters_value(const struct counters *counters, const char *name, int64_t otherwise);

/*
 * What moved from @before to @after (both sorted): only names whose value differs, with the
 * difference. A name that only one of them has counts as 0 in the other: the kernel shows the
 * types of IcmpMsg only once they have been counted. 0 or -ENOMEM; *ret is for counters_done().
 */
int counters_moved(const struct counters *before, const struct counters *after,
		   struct counters *ret);

/*
 * Whether the kernel counts @name for the whole machine, though it shows it in each namespace:
 * orphans, allocated sockets and memory in sockstat (net/ipv4/proc.c, sockstat_seq_show(), 6.18).
 */
bool counter_is_machine_wide(const char *name);

#endif
