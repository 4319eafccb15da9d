/*
 * One file or pipe with packets: a capture, read by libwiretap, or what tcpdump printed. Which of
 * both it is, its first bytes tell.
 */
#ifndef CONTEST_CMD_EXPLAIN_SOURCE_H
#define CONTEST_CMD_EXPLAIN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"
#include "capture/stream.h"
#include "cmd/explain_pipe.h"
#include "cmd/explain_text.h"

struct explain_source {
	const char *path; /* (borrowed) "-": standard input */
	off_t start;	  /* of standard input, when it is a file: where it stood */
	int spool;	  /* (owned) all that came out of a pipe, to be read again; -1 */

	char opened_as[32]; /* what the library was told, where that is not @path; or "" */

	/* Open: one of both. */
	struct capture_stream *stream;
	struct explain_text *text;
	struct explain_pipe *pipe; /* (owned) what feeds it, or NULL */
};

/* "FILE", "standard input" */
const char *explain_source_name(const struct explain_source *source);

void explain_source_init(struct explain_source *source, const char *path);
void explain_source_done(struct explain_source *source);

/*
 * Opens it at its beginning. @again: it will be opened again, so a pipe is read to its end now and
 * put aside. @meaning (borrowed) is for texts. 0 or -errno with @why.
 */
int explain_source_open(struct explain_source *source, bool again, struct tcpdump_text *meaning,
			struct why *why);
/* Its next packet, of one that has a stream; as capture_stream_next(). */
int explain_source_next(struct explain_source *source, struct passing_packet *ret, struct why *why);
/* To be opened anew. */
void explain_source_close(struct explain_source *source);

/* Whether it is a file that can be opened as often as one likes. */
bool explain_source_is_file(const struct explain_source *source);
/* Of one that is open: whether it comes, or came, out of a pipe. */
bool explain_source_is_pipe(const struct explain_source *source);

#endif
