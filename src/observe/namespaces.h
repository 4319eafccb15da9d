/* The network namespaces that there are: names of `ip netns`, and those of processes (containers).
 */
#ifndef CONTEST_OBSERVE_NAMESPACES_H
#define CONTEST_OBSERVE_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

struct net_namespace {
	uint64_t inode;	  /* what names it: /proc/PID/ns/net */
	char *name;	  /* (owned) of /run/netns, or NULL */
	pid_t pid;	  /* the lowest that is seen in it, 0: none (only a name) */
	char process[16]; /* that one's comm */
	unsigned processes;
	bool ours;
	int fd;	   /* (owned) to be entered with, or -1 with … */
	int error; /* … -errno that opening it gave */
};

struct net_namespaces {
	struct net_namespace *at;
	size_t count, capacity;
};

/* All that can be seen, one's own first, then by pid. 0 or -errno with @why. */
int net_namespaces_read(struct net_namespaces *ret, struct why *why);
void net_namespaces_done(struct net_namespaces *namespaces);

/* One by NAME of `ip netns`, or PID: its descriptor (owned by the caller), or -errno with @why. */
int net_namespace_open(const char *name_or_pid, struct why *why);

#endif
