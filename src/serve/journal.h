/* The event log of a server: a line per event, text or JSON, written whole by any task. */
#ifndef CONTEST_SERVE_JOURNAL_H
#define CONTEST_SERVE_JOURNAL_H

#include <stdint.h>

#include "base/why.h"
#include "serve/tally.h"
#include "tcp/key.h"

struct journal;

enum journal_form { JOURNAL_TEXT, JOURNAL_JSON };

/* Opens @path for appending ("-": standard output). 0 or -errno with @why. */
int journal_open(const char *path, enum journal_form form, struct journal **ret, struct why *why);
void journal_close(struct journal *journal);
/*
 * Opens the path anew (SIGHUP): a rotated log is let go, by other processes with the next line
 * that they write. The old one stays when that fails. Standard output stays in any case.
 */
int journal_reopen(struct journal *journal, struct why *why);

/* Lines that could not be written (a full disk, a reader that went away), by any task; the errno
 * of the last of them in *ret_error when there is one. */
uint64_t journal_lost(const struct journal *journal, int *ret_error);

/* The descriptor (borrowed), for who closes all others; -1 for NULL. */
int journal_fd(const struct journal *journal);

/* Events. @id numbers connections from 1 in the order of accepting, over all tasks. NULL journal:
 * nothing happens (0 is returned). Thread and fork safe: each line is one write(2) of at most
 * PIPE_BUF bytes. */
uint64_t journal_accepted(struct journal *journal, const struct tcp_endpoint *peer,
			  const struct tcp_endpoint *local);
void journal_ended(struct journal *journal, uint64_t id, enum tally_ending ending,
		   uint64_t bytes_in, uint64_t bytes_out, double seconds, int error);
/* chat: what a client said. Control bytes, invalid UTF-8 and the like are written as \xNN, and what
 * is longer than about 1 kB is cut. */
void journal_said(struct journal *journal, uint64_t id, const char *text, size_t length,
		  uint64_t running_total);

#endif
