/*
 * Which process a socket is of: from the inode to the processes that hold it open. By the BPF
 * iterator over tasks' files where BPF is allowed, else by reading /proc; the same answer from
 * both.
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
	uid_t uid;
	int fd;	       /* the lowest by which it holds the socket */
	char name[16]; /* comm: any bytes, terminated */
	unsigned more; /* other processes hold it, too (forked) */
};

struct owners;

enum owners_way { OWNERS_BEST, OWNERS_BPF, OWNERS_PROC };

/*
 * Looks at all processes that may be looked at: one's own, for root all. 0 or -errno with @why;
 * *ret_hidden (may be NULL): how many processes could not be looked into.
 */
int owners_read(enum owners_way way, struct owners **ret, unsigned *ret_hidden, struct why *why);
void owners_free(struct owners *owners);

/* Who holds the socket with that inode; NULL: nobody that may be seen (or inode 0). Borrowed. The
 * one with the lowest pid where there are several. */
const struct owner *owners_find(const struct owners *owners, uint32_t inode);

size_t owners_count(const struct owners *owners); /* sockets with an owner */

#endif
