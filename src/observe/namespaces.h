/*
 * The network namespaces that there are: names of `ip netns`, and those of processes (containers).
 * Not seen are those that only a thread is in, or that only a descriptor or a mount elsewhere
 * keeps.
 */
#ifndef CONTEST_OBSERVE_NAMESPACES_H
#define CONTEST_OBSERVE_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

struct net_namespace {
	uint64_t inode;	  /* what tells it apart: /proc/PID/ns/net */
	char *name;	  /* (owned) of /run/netns, the first of several; or NULL */
	pid_t pid;	  /* the lowest that is seen in it, 0: none (only a name) */
	char process[16]; /* that one's comm: any bytes, terminated */
	unsigned processes;
	bool ours;
};

struct net_namespaces {
	struct net_namespace *at;
	size_t count, capacity;
	unsigned hidden; /* processes that may not be looked at, kernel threads among them */
	unsigned stale;	 /* names in /run/netns behind which there is no namespace (any more) */
};

/* All that can be seen: one's own first, then by pid, then the empty ones by name. 0 or -errno with
 * @why. Nothing is held open: they may go at any time. */
int net_namespaces_read(struct net_namespaces *ret, struct why *why);
void net_namespaces_done(struct net_namespaces *namespaces);

/* One of them, to be entered: its descriptor (owned by the caller), or -errno with @why; -ENOENT
 * when it has gone. */
int net_namespace_open(const struct net_namespace *namespace, struct why *why);

/* One by NAME of `ip netns`, or PID, or a path (with a '/'); NULL: the calling thread's own. Its
 * descriptor (owned by the caller), or -errno with @why. A name of digits comes before a process.
 */
int net_namespace_find(const char *name_or_pid, struct why *why);

/* What people call it: its name, else "PROCESS(PID)". Any bytes, cut where @room is too small. */
void net_namespace_label(const struct net_namespace *namespace, char *to, size_t room);

#endif
