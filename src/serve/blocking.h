/*
 * One connection from its first byte to its end, by a task that has nothing else to do: what the
 * engines with a task per connection ("thread", "fork") run in each of their tasks.
 */
#ifndef CONTEST_SERVE_BLOCKING_H
#define CONTEST_SERVE_BLOCKING_H

#include "serve/engine.h"

#define BLOCKING_ROOM 4096 /* bytes of scratch that a task needs; what talk_next() asks for */

/*
 * Serves the accepted and admitted socket @fd to the end of its talk, the server's stop and force
 * included, then closes and counts it. @fd must be in blocking mode; nothing here blocks in a read
 * or write, because stop_fd and force_fd are to be seen at any moment. @scratch has BLOCKING_ROOM
 * bytes: the caller's, because a task may have a stack that is hardly larger than that.
 */
void blocking_serve(const struct serve_work *work, struct tally *tally, int fd, char *scratch);

#endif
