/*
 * One look at the sockets: all that `contest states` counts, in one walk over each namespace.
 * Nothing is kept of a socket but what it adds to a count; of those in CLOSE-WAIT the inode, since
 * whose they are is looked up afterwards, and only when there are any.
 */
#ifndef CONTEST_CMD_STATES_LOOK_H
#define CONTEST_CMD_STATES_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "cmd/states_options.h"
#include "observe/owners.h"
#include "observe/socket_groups.h"
#include "tcp/state.h"

struct states_tally {
	uint64_t count, minisocks, timers;
	uint32_t least_ms, most_ms; /* left, of those whose timer runs */
};

/* A network namespace that was looked at. */
struct states_net {
	uint64_t inode;
	char label[64];			/* its name, or "PROCESS(PID)"; any bytes */
	uint16_t first_port, last_port; /* net.ipv4.ip_local_port_range; 0: not read */
	uint64_t ports_available;	/* of it, without reserved ones */
	uint64_t sockets;
};

struct states_leak {
	uint32_t inode, uid;
};

struct states_look {
	const struct states_options *options; /* (borrowed) */
	int64_t at_ns;			      /* when it was over */
	uint64_t total;
	struct states_tally states[TCP_STATE_COUNT];
	uint64_t served; /* in TIME-WAIT at a port that is listened at: they take none */

	/* Counts by what was asked for (NULL: nothing was), and for the summary and JSON: local
	 * ports by local address and destination; TIME-WAIT by peer; CLOSE-WAIT by process. (owned)
	 */
	struct socket_groups *groups, *ports, *peers, *holders;
	struct states_leak *leaks; /* (owned) */
	size_t leak_count, leak_capacity;

	struct owners *owners; /* (owned) NULL: not looked for */
	unsigned hidden;       /* processes that could not be looked into */

	struct states_net *nets; /* (owned) */
	size_t net_count, net_capacity;
	unsigned closed;       /* namespaces that could not be looked into, … */
	struct why closed_why; /* … and why the first could not */

	unsigned repeated; /* walks that were begun again */
	bool torn;	   /* one was interrupted until the end: sockets may be missing, or twice */
};

/* Who is told of each socket, besides. Any may be NULL. */
struct states_sink {
	/* @owner: NULL for nobody, or not looked for. Not 0 ends the look, and is handed back. */
	int (*row)(void *context, const struct socket_status *status, const struct owner *owner,
		   const struct states_net *net);
	/* What was told so far does not count. */
	void (*again)(void *context);
	void *context;
};

/* 0 or -ENOMEM; to be given to states_look_done() anyway. */
int states_look_init(struct states_look *look, const struct states_options *options);
void states_look_done(struct states_look *look);

/* Looks; what an earlier look counted is forgotten. 0, what the sink returned, or -errno with @why.
 */
int states_look_take(struct states_look *look, const struct states_sink *sink, struct why *why);

/* Minisocks in FIN-WAIT-2: orphans that are shorter than a socket, as TIME-WAIT is. */
static inline uint64_t states_look_fin_wait2_minisocks(const struct states_look *look)
{
	return look->states[TCP_FIN_WAIT2].minisocks;
}

/* The namespace's label, or its inode's number; for states_key_text(), with the look as context. */
const char *states_look_net_name(const void *context, uint64_t netns);

#endif
