/*
 * Which process a socket is of: from the inode to the processes that hold it open. By the BPF
 * iterator over tasks' files, or by reading /proc; the same answer from both. The best way is /proc
 * where there is little to be read, else BPF where that is allowed.
 *
 * A process is a thread group. Descriptors that a thread alone has (unshare(2), CLONE_FILES) are
 * not looked for. Memory grows with the sockets (16 bytes each, with room to grow) and with the
 * processes that have one.
 */
#ifndef CONTEST_OBSERVE_OWNERS_H
#define CONTEST_OBSERVE_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/why.h"

struct owner {
	pid_t pid;
	uid_t uid;     /* effective */
	int fd;	       /* the lowest by which it holds the socket */
	char name[16]; /* comm: any bytes, terminated */
	unsigned more; /* other processes hold it, too (forked) */
};

struct owners;

enum owners_way { OWNERS_BEST, OWNERS_BPF, OWNERS_PROC };

/*
 * Looks at all processes that may be looked at: one's own, for root all. 0 or -errno with @why;
 * *ret_hidden (may be NULL): how many processes could not be looked into. Processes that end or
 * begin meanwhile may be there or not.
 */
int owners_read(enum owners_way way, struct owners **ret, unsigned *ret_hidden, struct why *why);
void owners_free(struct owners *owners);

/* Who holds the socket with that inode, the one with the lowest pid where there are several. False:
 * nobody that may be seen (or inode 0). */
bool owners_find(const struct owners *owners, uint32_t inode, struct owner *ret);

size_t owners_count(const struct owners *owners); /* sockets with an owner */

#endif
