/*
 * What counters are measured by: settings of the kernel that some of them cannot pass. Settings of
 * the whole machine are shown in its first network namespace only (net/ipv4/sysctl_net_ipv4.c,
 * ipv4_table, 6.18), though what they limit is counted in each: see counter_is_machine_wide().
 */
#ifndef CONTEST_OBSERVE_COUNTER_LIMITS_H
#define CONTEST_OBSERVE_COUNTER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/why.h"

enum counter_limit_name {
	LIMIT_TW_BUCKETS, /* minisocks of a namespace */
	LIMIT_SOMAXCONN,  /* connections that wait for accept(), of a listener */
	LIMIT_ORPHANS,	  /* of the machine */
	LIMIT_MEMORY,	  /* of the machine, three numbers of pages: below the first there is no
			   * pressure any more, above the second it begins, the third is all */
	LIMIT_COUNT,
};

struct counter_limit {
	int64_t values[3];
	unsigned count; /* 0: not shown in this namespace, or by this kernel */
};

/* "net.ipv4.tcp_max_tw_buckets". */
const char *counter_limit_name(enum counter_limit_name limit);
bool counter_limit_is_machine_wide(enum counter_limit_name limit);

/* Reads those of the namespace that the calling thread is in. 0, or -errno with @why: -EBADMSG for
 * one that is no number, or fewer or more than there should be. */
int counter_limits_read_here(struct counter_limit ret[LIMIT_COUNT], struct why *why);

/* @text as @count numbers that are not negative, or -EBADMSG. */
int counter_limit_parse(const char *text, unsigned count, struct counter_limit *ret);

#endif
