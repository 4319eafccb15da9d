/* The words of `contest states`: names of states as ss has them, times, what groups have in common.
 */
#ifndef CONTEST_CMD_STATES_WORDS_H
#define CONTEST_CMD_STATES_WORDS_H

#include "observe/socket_groups.h"

/* "ESTAB", "TIME-WAIT": as ss spells it. */
const char *states_name(int state);

/* The states in the order in which they are told, ended by -1. */
extern const int states_order[];

#define STATES_TIME_MAX 24
/* "200ms", "9.4s", "54s", "1min20s" of milliseconds. Returns @to, which has room for
 * STATES_TIME_MAX. */
char *states_time(uint64_t ms, char *to);
/* The same, written at @at without a NUL; returns where it ends. */
char *states_put_time(uint64_t ms, char *at);
char *states_put_number(uint64_t number, char *at);

#define STATES_KEY_MAX 96
/* "Peer", above a column of that key. */
const char *states_key_title(enum group_key key);
/* What the sockets of @group have in common by @key: "10.0.0.1:80", "nginx (123)", "-". Not yet
 * cleaned: a process may have any name. Returns @to, which has room for STATES_KEY_MAX. */
char *states_key_text(const struct socket_group *group, enum group_key key,
		      const char *(*netns_name)(const void *context, uint64_t netns),
		      const void *context, char *to);

/* The name of a user, or the number. Returns @to. */
char *states_user(uint32_t uid, char *to, size_t room);

/*
 * How long ago a socket went into TIME-WAIT, in milliseconds, from what its timer has left. How
 * long it lasts is a constant of Linux that no setting changes: TCP_TIMEWAIT_LEN, 60 s
 * (include/net/tcp.h, 6.18).
 */
uint32_t states_time_wait_age_ms(uint32_t left_ms);

#endif
