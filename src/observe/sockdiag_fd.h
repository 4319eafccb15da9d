/* sockdiag over a descriptor that is open already: for tests, which play the kernel at its other
 * end. */
#ifndef CONTEST_OBSERVE_SOCKDIAG_FD_H
#define CONTEST_OBSERVE_SOCKDIAG_FD_H

#include "observe/sockdiag.h"

/* As sockdiag_open(), over a socket that keeps messages apart; owned by *ret when it is 0. */
int sockdiag_open_fd(int fd, struct sockdiag **ret, struct why *why);

#endif
