/*
 * contest states --counters: what the kernel has counted of TCP anyhow. No socket is looked at, so
 * that it takes as long beside a million of them as beside none; and it is no answer to who is in
 * which state: counters take several states together, and some are of the whole machine.
 */
#ifndef CONTEST_CMD_STATES_COUNTERS_H
#define CONTEST_CMD_STATES_COUNTERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/why.h"
#include "cmd/states_options.h"
#include "observe/counter_limits.h"
#include "observe/counters.h"
#include "render/screen.h"

struct states_counters_net {
	uint64_t inode;
	char label[64];		  /* "own", what --netns said, or "PROCESS(PID)"; any bytes */
	struct counters counters; /* (owned) */
	struct counter_limit limits[LIMIT_COUNT];
};

struct states_counters {
	int64_t at_ns;			  /* when all were read */
	const char *netns;		  /* (borrowed) as --netns says; NULL: one's own */
	struct states_counters_net *nets; /* (owned) */
	size_t net_count, net_capacity;
	unsigned closed;       /* namespaces that could not be looked into, … */
	struct why closed_why; /* … and why the first could not */
};

/* Reads those of @netns: as --netns says it, NULL for one's own. 0, or -errno with @why; *ret is to
 * be given to states_counters_done() anyway. */
int states_counters_take(struct states_counters *ret, const char *netns, struct why *why);
void states_counters_done(struct states_counters *look);

/* For people; 0 or -ENOMEM. */
int states_counters_text(const struct screen *screen, const struct states_counters *look);
/* For programs: contest.states/1, a line for each namespace. */
void states_counters_json(FILE *out, const struct states_counters *look);

/* The command. An exit status, with complaints printed. */
int states_counters_run(const struct invocation *call, const struct states_options *options);

#endif
