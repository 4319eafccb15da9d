/*
 * A byte stream that still has something in it when an end closes: what the experiments about
 * SO_LINGER and unread data share. The bytes go from the client to the server.
 */
#ifndef CONTEST_LAB_EXPERIMENTS_STREAM_H
#define CONTEST_LAB_EXPERIMENTS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "lab/stage.h"

/* What stream_clog() queues: more than the server's receive buffer and one flight hold. */
#define STREAM_CLOG_BYTES 100000

/*
 * A connected pair whose client has written STREAM_CLOG_BYTES, and whose server, with a small
 * receive buffer, does not read: its window is closed, and most of the bytes wait unsent at the
 * client. On return the client's zero-window timer runs, so nothing moves until the server reads.
 */
int stream_clog(struct stage *stage, struct pair *ret);

/* How close() went. */
struct stream_closed {
	double after_s; /* it returned after so many seconds */
	int error;	/* errno, or 0 */
};

#define STREAM_NO_LINGER (-1)

/* close(2) of *fd, timed; SO_LINGER on with @linger seconds, or left alone: STREAM_NO_LINGER. */
int stream_close(struct stage *stage, int *fd, int linger, struct stream_closed *ret);

/* What came out of a stream, and how it ended. */
struct stream_drained {
	size_t bytes;
	int error; /* 0: end of file; ETIMEDOUT: it has not ended; else the errno of recv(2) */
};

/* Reads all that comes until the stream ends, at most @seconds. Never fails. */
void stream_drain(struct stage *stage, int fd, double seconds, struct stream_drained *ret);

/* "ECONNRESET"; "none" for 0. */
const char *stream_error_name(int error);

/* Segments that @host has sent so far with all of @flags. */
int stream_count(struct stage *stage, int host, uint8_t flags);

/* Waits until @host has bytes in its receive queue that its application has not read. */
int stream_await_unread(struct stage *stage, size_t host, const struct tcp_key *key);

#endif
