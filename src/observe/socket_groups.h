/*
 * Sockets counted by what they have in common: state, peer, port, process … Memory grows with the
 * number of groups, never with that of sockets: 48 bytes each and 4 to 20 for every key.
 */
#ifndef CONTEST_OBSERVE_SOCKET_GROUPS_H
#define CONTEST_OBSERVE_SOCKET_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "observe/owners.h"
#include "observe/sockdiag.h"
#include "observe/socket_sum.h"

enum group_key {
	GROUP_STATE,
	GROUP_PEER, /* remote address */
	GROUP_PEER_PORT,
	GROUP_LOCAL, /* local address */
	GROUP_LOCAL_PORT,
	GROUP_DESTINATION, /* remote address and port */
	GROUP_PROCESS,	   /* name and pid */
	GROUP_USER,
	GROUP_NETNS,
	GROUP_TIMER, /* kind */
	GROUP_KEY_COUNT,
};

/* "state", "peer", "peer-port", … as in --by. -EINVAL. */
int group_key_parse(const char *name);
const char *group_key_name(enum group_key key);

#define GROUP_KEYS_MAX 4

/* Whose a minisock or an embryonic connection is, the kernel does not say (inet_diag shows 0). */
#define GROUP_NO_USER UINT32_MAX

struct socket_group {
	/* What its sockets have in common; only the members of the chosen keys mean something. */
	int state;
	struct tcp_endpoint peer, local;
	enum socket_timer timer;
	uint32_t uid;	    /* or GROUP_NO_USER */
	uint64_t netns;	    /* its inode */
	struct owner owner; /* pid and name; pid 0: none, or not to be seen */
	uint64_t count, minisocks;
	uint64_t timers;			/* sockets with a timer that runs, and … */
	uint32_t timer_least_ms, timer_most_ms; /* … how long these have left; 0 without any */
	/* By how many there are more, or less, than in the look before (socket_groups_compare()).
	 * What came while as many went is not seen. */
	uint64_t born, gone;
};

/* Whose a socket is, as its group has it: GROUP_NO_USER of a minisock and of a request socket (not
 * accepted yet, it has no inode), of which the kernel says 0. */
uint32_t socket_group_user(const struct socket_status *status);

struct socket_groups;

/* @keys: @count (1 to GROUP_KEYS_MAX), each once. NULL when memory is short. */
struct socket_groups *socket_groups_new(const enum group_key *keys, size_t count);
void socket_groups_free(struct socket_groups *groups);
void socket_groups_clear(struct socket_groups *groups); /* keeps its memory */

/* Counts one socket; @owner may be NULL. 0 or -ENOMEM. */
int socket_groups_add(struct socket_groups *groups, const struct socket_status *status,
		      const struct owner *owner, uint64_t netns);

/* Counts all sockets of a sum, which must be alike in socket_groups_fields(). 0 or -ENOMEM. */
int socket_groups_add_sum(struct socket_groups *groups, const struct socket_sum *sum,
			  uint64_t netns);

/* SOCKET_FIELD_… that tell the groups apart; -ENOTSUP: sums cannot tell them (processes, users). */
int socket_groups_fields(const struct socket_groups *groups);

/*
 * Says of each group in @now what has changed since @before, which has the same keys. Groups that
 * are not there any more are added, with a count of 0, until @now is cleared. To watch takes two,
 * in turn: clear the older one, count into it, compare it with the other. 0 or -ENOMEM.
 */
int socket_groups_compare(struct socket_groups *now, const struct socket_groups *before);

/* Groups, those with a count of 0 among them; and sockets. */
size_t socket_groups_count(const struct socket_groups *groups);
uint64_t socket_groups_sockets(const struct socket_groups *groups);

/* The largest @room groups, by count, ties by the keys as they were given (numbers, not text); 0:
 * all. A new array, owned by the caller, its length in *ret_count; NULL when memory is short. */
struct socket_group *socket_groups_top(const struct socket_groups *groups, size_t room,
				       size_t *ret_count);

#endif
