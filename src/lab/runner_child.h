/*
 * One experiment in a process of its own, as the runner sees it: a process group to signal, a
 * pipe that brings lines, a wait status at the end. Private to the runner.
 */
#ifndef CONTEST_LAB_RUNNER_CHILD_H
#define CONTEST_LAB_RUNNER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lab/line_reader.h"
#include "lab/play.h"

struct runner_child {
	pid_t pid;     /* leader of its process group; 0: none */
	int report_fd; /* read end (owned), or -1 */
	struct line_reader reader;
};

#define RUNNER_CHILD_NONE ((struct runner_child){.report_fd = -1})

/*
 * Forks a process that plays @experiment. It leads a process group of its own, so that the Ctrl-C
 * of a terminal reaches the runner alone, and dies with the runner. It has standard input, output
 * and error, the pipe, and no other descriptor. 0 or -errno.
 */
int runner_child_start(struct runner_child *child, const struct experiment *experiment,
		       const struct play_options *options);

/*
 * Reads what the pipe holds, a bounded amount, and calls @line for each complete line. 1 when
 * there may be more right now, -EAGAIN when there is no more yet, 0 when the pipe has ended,
 * -errno (-EMSGSIZE: a line without end).
 */
int runner_child_read(struct runner_child *child,
		      void (*line)(const char *text, size_t length, void *context), void *context);

/* Signals the leader alone, which ends its arms; or the whole group. */
void runner_child_signal(const struct runner_child *child, int signal);
void runner_child_kill(const struct runner_child *child);

/*
 * Whether it has ended. If so, whatever is left of its group is killed, it is reaped, and *ret is
 * its wait status; the pipe may still hold lines.
 */
bool runner_child_ended(struct runner_child *child, int *ret);

/* Closes the pipe: nothing more is wanted, or nothing more will come. */
void runner_child_hang_up(struct runner_child *child);

/* Closes and frees. The process must have ended. */
void runner_child_done(struct runner_child *child);

#endif
