/* The way into a user namespace of our own, and why a system refuses it. */
#ifndef CONTEST_WORLD_USERNS_H
#define CONTEST_WORLD_USERNS_H

#include "base/why.h"

/*
 * Moves the calling process (one thread) into a new user and network namespace, as its root. A
 * privileged caller that may not have a user namespace gets a network namespace alone. The
 * parent-death signal is kept. 0 or -errno with the reason and the way out.
 */
int userns_enter(struct why *why);

/*
 * Says which setting makes namespaces fail with @error, and sudo as the way out; returns @error.
 * @proc is where the settings are read: "/proc".
 */
int userns_blame(const char *proc, int error, struct why *why);

#endif
