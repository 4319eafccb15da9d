/*
 * Ctrl-C while packets come in: the first one ends the reading, so that what was seen is told; the
 * second one ends the program.
 */
#ifndef CONTEST_CMD_EXPLAIN_STOP_H
#define CONTEST_CMD_EXPLAIN_STOP_H

#include <stdbool.h>

/* From here on SIGINT, SIGTERM and SIGHUP are taken so, each once; what was ignored when the
 * program began stays so (nohup, a shell's background jobs). Once in a process. 0 or -errno. */
int explain_stop_init(void);

/* Readable from the first signal on, for ever. -1 before explain_stop_init(). */
int explain_stop_fd(void);

bool explain_stop_asked(void);

/* Signals do again what they did before. */
void explain_stop_done(void);

#endif
