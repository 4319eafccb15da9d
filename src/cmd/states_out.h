/* Standard output, where whoever reads may be slow, or the disk full. */
#ifndef CONTEST_CMD_STATES_OUT_H
#define CONTEST_CMD_STATES_OUT_H

#include <stddef.h>

#include "base/why.h"
#include "cmd/signal_watch.h"

/*
 * Writes all of @text to standard output, past stdio. 0; 1 when nobody takes it and a signal that
 * is watched for came meanwhile (it is left to be read): then a part may be missing; or -errno,
 * told.
 */
int states_out_write(const struct signal_watch *signals, const char *text, size_t length,
		     struct why *why);

/* Says why a write failed, and has stdio forget that it did: the end of the program would say it
 * once more, without the reason. Returns -@error. */
int states_out_failed(int error, struct why *why);

#endif
