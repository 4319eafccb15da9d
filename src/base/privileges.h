/* Giving up what a process no longer needs once its devices are open. */
#ifndef CONTEST_BASE_PRIVILEGES_H
#define CONTEST_BASE_PRIVILEGES_H

#include "base/why.h"

/*
 * Gives up every capability for good, also for programs started from here (capabilities(7);
 * no_new_privs). Who came by sudo, or runs a program that is setuid root, is the user he was
 * before, with that user's group and no other; of sudo's variables, nonsense is ignored. Real root
 * keeps its user id, and with it what root's files allow to their owner, no more.
 *
 * In a user namespace that does not have the user of sudo, the user id stays as well. To be called
 * before threads are started: capabilities are each thread's own. 0, or -errno with @why: then the
 * process may have given up a part, and should end.
 */
int privileges_drop(struct why *why);

#endif
