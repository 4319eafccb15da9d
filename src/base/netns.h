/* Visits of the calling thread to another network namespace. */
#ifndef CONTEST_BASE_NETNS_H
#define CONTEST_BASE_NETNS_H

#include <sys/types.h>

/* A descriptor of the namespace that the calling thread is in now (owned), or -errno. */
int netns_open_current(void);

/*
 * Moves the calling thread into the namespace of @netns_fd. Returns a descriptor of the one it
 * was in, to be given to netns_leave(), or -errno. A socket made meanwhile stays where it was
 * made (net/socket.c, sock_create(): current->nsproxy->net_ns), /proc/thread-self/net and
 * /proc/sys/net show this namespace. Into the one that it is in, it needs no privilege.
 */
int netns_enter(int netns_fd);

/* Back to the namespace of @home_fd, which it closes. Aborts when the kernel refuses: a thread
 * lost in the wrong namespace would touch what it must not. */
void netns_leave(int home_fd);

/* socket(2) in the namespace of @netns_fd: a descriptor (owned, close-on-exec), or -errno. */
int netns_socket(int netns_fd, int family, int type, int protocol);

/* open(2), close-on-exec, in the namespace of @netns_fd: for /proc/thread-self/net and
 * /proc/sys/net. */
int netns_open(int netns_fd, const char *path, int flags);

#endif
