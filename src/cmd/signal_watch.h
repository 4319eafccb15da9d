/*
 * Signals as something to be read, for a command that ends what it does in order. What was ignored
 * when the program began stays so (nohup, a shell's background jobs).
 */
#ifndef CONTEST_CMD_SIGNAL_WATCH_H
#define CONTEST_CMD_SIGNAL_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct signal_watch {
	int fd; /* (owned) readable when a signal waits; -1: not watching */
	sigset_t before;
};

#define SIGNAL_WATCH_NONE ((struct signal_watch){.fd = -1})

/* Whether the program was told to ignore it. */
bool signal_is_ignored(int signal);

/* From here on SIGINT, SIGTERM and SIGHUP, where they are not ignored, and the @count signals of
 * @more come through @watch->fd. 0, or -errno and nothing has changed. */
int signal_watch_open(struct signal_watch *watch, const int *more, size_t count);

/* The next one without waiting; 0: none. */
int signal_watch_next(const struct signal_watch *watch);

/* From here on signals do what they did before; what has come by then counts as heard, or a second
 * Ctrl-C would end the program before it has told its result. May be called twice. */
void signal_watch_close(struct signal_watch *watch);

#endif
