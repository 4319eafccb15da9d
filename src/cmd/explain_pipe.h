/*
 * What cannot be read twice: pipes, sockets, terminals. Its first bytes are looked at, to see what
 * it is, and it is then read from the beginning all the same.
 */
#ifndef CONTEST_CMD_EXPLAIN_PIPE_H
#define CONTEST_CMD_EXPLAIN_PIPE_H

#include <stdbool.h>
#include <stddef.h>

struct explain_pipe;

/*
 * Reads from @fd (taken over, whatever becomes of it) until @enough says that the bytes read
 * suffice, they are
 * @room, or it ends; they are then at explain_pipe_head(). 0 or -errno. A signal (explain_stop.h)
 * ends it: what was sent by then, and within a second, is the whole of it (whoever writes into the
 * pipe has got the same Ctrl-C and wants to send its rest).
 */
int explain_pipe_open(int fd, size_t room, bool (*enough)(const char *bytes, size_t length),
		      struct explain_pipe **ret);
const char *explain_pipe_head(const struct explain_pipe *source, size_t *ret_length);

/* From now on all of it, head included, comes out of a pipe of our own as it arrives. The
 * descriptor (owned by the caller), or -errno. */
int explain_pipe_flow(struct explain_pipe *source);

/* Instead: waits for its end, and puts all of it into a file without name, which can be read as
 * often as one likes. The descriptor (owned by the caller), or -errno (-ENOSPC …). */
int explain_pipe_spool(struct explain_pipe *source);

/* Ends the thread of explain_pipe_flow(), if there is one. All that reads from its pipe is to be
 * closed before, or this waits for a reader. */
void explain_pipe_close(struct explain_pipe *source);

#endif
