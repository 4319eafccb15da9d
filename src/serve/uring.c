#include "serve/uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define BUFFERS	     128 /* a power of 2 */
#define BUFFER_SIZE  (8 * 1024)
#define SCRATCH_SIZE (256 * 1024)
/* Fewer direct descriptors than this are not worth the trouble: see uring_accept(). */
#define FILES_MIN (2 * RING_EVENTS)

/*
 * Linux 6.14, the first flag after 6.13. Before 6.13 the file behind a closed direct descriptor was
 * let go only when all older requests on direct descriptors had ended (io_uring/rsrc.c, the list of
 * rsrc nodes): a FIN would wait for the next idle connection's end.
 */
#define FEATURE_RW_ATTR (1U << 16)

/* ---- making one */

/* As many as the process could have plain ones (io_uring/rsrc.c, io_sqe_files_register()). */
static void make_files(struct uring *uring)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < FILES_MIN)
		return;
	if (limit.rlim_cur > 1 << 17)
		limit.rlim_cur = 1 << 17;
	if (io_uring_register_files_sparse(&uring->ring.io, (unsigned)limit.rlim_cur) == 0)
		uring->files = (unsigned)limit.rlim_cur;
}

int uring_init(struct uring *uring, bool direct, struct why *why)
{
	int r;

	*uring = (struct uring){0};
	r = ring_init(&uring->ring, BUFFERS, BUFFER_SIZE, why);
	if (r < 0)
		return r;
	uring->scratch = malloc(SCRATCH_SIZE);
	if (!uring->scratch)
		return ring_refused(-ENOMEM, why);
	if (direct && uring->ring.io.features & FEATURE_RW_ATTR)
		make_files(uring);
	return 0;
}

void uring_done(struct uring *uring)
{
	ring_done(&uring->ring);
	free(uring->scratch);
	*uring = (struct uring){0};
}

/* ---- room, waiting */

/* Whether all that was queued is with the kernel now. Sends have copied their bytes then: they
 * never wait (MSG_DONTWAIT), and are carried out when they are handed over. */
static bool hand_over(struct uring *uring)
{
	if (!ring_flush(&uring->ring))
		return false;
	uring->scratch_used = 0;
	return true;
}

bool uring_room(struct uring *uring)
{
	if (io_uring_sq_space_left(&uring->ring.io) >= 2 &&
	    SCRATCH_SIZE - uring->scratch_used >= 2 * URING_ROOM)
		return true;
	return hand_over(uring);
}

void uring_flush(struct uring *uring)
{
	hand_over(uring);
}

char *uring_scratch(struct uring *uring)
{
	return uring->scratch + uring->scratch_used;
}

int uring_wait(struct uring *uring, int64_t until_ns)
{
	int64_t rest_ns = until_ns;
	int r;

	if (until_ns != INT64_MAX)
		rest_ns -= clock_now_ns();
	r = ring_wait(&uring->ring, rest_ns > 0 ? rest_ns : 0);
	if (!ring_queued(&uring->ring))
		uring->scratch_used = 0;
	return r;
}

/* ---- requests */

static struct io_uring_sqe *of_connection(const struct uring *uring, struct io_uring_sqe *sqe)
{
	if (uring->files)
		sqe->flags |= IOSQE_FIXED_FILE;
	return sqe;
}

static struct io_uring_sqe *request(struct uring *uring, int op, int fd, uint64_t tag)
{
	return of_connection(uring, ring_request(&uring->ring, op, fd, tag));
}

void uring_accept(struct uring *uring, int listener, bool many, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_request(&uring->ring, IORING_OP_ACCEPT, listener, tag);

	/* Not SOCK_NONBLOCK: requests on such a socket would fail instead of waiting. */
	if (uring->files)
		sqe->file_index = IORING_FILE_INDEX_ALLOC;
	else
		sqe->accept_flags = SOCK_CLOEXEC;
	if (many)
		sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
}

void uring_receive(struct uring *uring, int fd, int flags, uint64_t tag)
{
	of_connection(uring, ring_receive(&uring->ring, fd, flags, tag));
}

void uring_peek(struct uring *uring, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = request(uring, IORING_OP_RECV, fd, tag);

	sqe->addr = (uintptr_t)&uring->peeked;
	sqe->len = 1;
	sqe->msg_flags = MSG_PEEK;
}

void uring_send(struct uring *uring, int fd, size_t length, bool link, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_send(&uring->ring, fd, uring_scratch(uring), length,
					     MSG_DONTWAIT | MSG_NOSIGNAL, tag);

	of_connection(uring, sqe);
	if (link) {
		/* With MSG_WAITALL too few bytes are a failure, which cuts the link. */
		sqe->msg_flags |= MSG_WAITALL;
		sqe->flags |= IOSQE_IO_LINK;
	}
	uring->scratch_used += length;
}

void uring_poll(struct uring *uring, int fd, uint64_t tag)
{
	of_connection(uring, ring_poll(&uring->ring, fd, POLLOUT, tag));
}

void uring_shutdown(struct uring *uring, int fd, uint64_t tag)
{
	request(uring, IORING_OP_SHUTDOWN, fd, tag)->len = SHUT_WR;
}

void uring_close(struct uring *uring, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_request(&uring->ring, IORING_OP_CLOSE,
						uring->files ? 0 : fd, tag);

	if (uring->files)
		sqe->file_index = (unsigned)fd + 1;
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void uring_close_now(struct uring *uring, int fd)
{
	int none = -1;

	if (uring->files)
		io_uring_register_files_update(&uring->ring.io, (unsigned)fd, &none, 1);
	else
		close(fd);
}
