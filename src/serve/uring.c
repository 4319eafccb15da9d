#include "serve/uring.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define REQUESTS     256 /* queued before they must go to the kernel */
#define BUFFERS	     128 /* a power of 2 */
#define BUFFER_SIZE  (8 * 1024)
#define BUFFER_GROUP 0
#define SCRATCH_SIZE (256 * 1024)
/* Fewer direct descriptors than this are not worth the trouble: see uring_accept(). */
#define FILES_MIN (2 * URING_COMPLETIONS)

/*
 * Linux 6.14, the first flag after 6.13. Before 6.13 the file behind a closed direct descriptor was
 * let go only when all older requests on direct descriptors had ended (io_uring/rsrc.c, the list of
 * rsrc nodes): a FIN would wait for the next idle connection's end.
 */
#define FEATURE_RW_ATTR (1U << 16)

/* ---- making one */

static int too_old(struct why *why)
{
	return why_say(why, -ENOTSUP,
		       "io_uring of this kernel is too old (5.19 is needed); use --engine=epoll");
}

/* Why io_uring_setup(2) refused, or there are no buffers for what it made. */
static int refused(int error, struct why *why)
{
	CLEANUP_FCLOSE FILE *setting = NULL;
	int disabled = 0;

	switch (-error) {
	case ENOSYS:
		return why_say(why, -ENOTSUP,
			       "this kernel has no io_uring, or a seccomp filter hides it; "
			       "use --engine=epoll");
	case EPERM:
		setting = fopen("/proc/sys/kernel/io_uring_disabled", "re");
		if (setting && fscanf(setting, "%d", &disabled) == 1 && disabled)
			return why_say(
				why, -EPERM,
				"io_uring is forbidden: sysctl kernel.io_uring_disabled is %d; "
				"use --engine=epoll",
				disabled);
		return why_say(why, -EPERM,
			       "io_uring is forbidden, by a seccomp filter as containers have it; "
			       "use --engine=epoll");
	case ENOMEM:
		return why_say(why, error,
			       "no memory for an io_uring: it takes %d KiB for each thread of what "
			       "`ulimit -l` allows all programs of a user; raise that, or use "
			       "fewer --threads or --engine=epoll",
			       URING_MEMORY / 1024);
	case EINVAL:
		return too_old(why);
	default:
		return why_set(why, error, "cannot make an io_uring");
	}
}

/*
 * No ring is made for it. The end of a ring interrupts the system calls of those who used it a
 * moment later (io_uring/io_uring.c, io_ring_exit_work()), which a process that only asked need
 * not bear. Joining another ring at descriptor -1 fails after everything else was found well.
 */
int uring_probe(struct why *why)
{
	struct io_uring_params params = {
		/* the first: 5.19 */
		.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_ATTACH_WQ | IORING_SETUP_CQSIZE,
		.cq_entries = URING_COMPLETIONS,
		.wq_fd = UINT32_MAX,
	};
	int r = io_uring_setup(REQUESTS, &params);

	if (r >= 0) {
		close(r);
		return 0;
	}
	return r == -ENXIO || uring_may_come(r) ? 0 : refused(r, why);
}

bool uring_may_come(int error)
{
	struct rlimit limit;

	if (error != -ENOMEM)
		return error == -EMFILE || error == -ENFILE || error == -EAGAIN;
	return getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur >= URING_MEMORY;
}

static int make_ring(struct io_uring *ring, struct io_uring_params *params)
{
	static const unsigned flags[] = {
		/* 6.1: completions are made when we wait for them, by us */
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		/* 5.19 */
		IORING_SETUP_COOP_TASKRUN,
	};
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && r == -EINVAL; i++) {
		*params = (struct io_uring_params){
			.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
			.cq_entries = URING_COMPLETIONS,
		};
		r = io_uring_queue_init_params(REQUESTS, ring, params);
	}
	return r;
}

static void give_back(struct uring *uring, int buffer, int offset)
{
	io_uring_buf_ring_add(uring->buffers, uring->bytes + (size_t)buffer * BUFFER_SIZE,
			      BUFFER_SIZE, (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS),
			      offset);
}

static int make_buffers(struct uring *uring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct io_uring_buf_reg group = {.ring_entries = BUFFERS, .bgid = BUFFER_GROUP};

	uring->scratch = malloc(SCRATCH_SIZE);
	uring->bytes = calloc(BUFFERS, BUFFER_SIZE); /* valgrind does not see what requests write */
	if (!uring->scratch || !uring->bytes ||
	    posix_memalign((void **)&uring->buffers, page, BUFFERS * sizeof(struct io_uring_buf)))
		return -ENOMEM;
	memset(uring->buffers, 0, BUFFERS * sizeof(struct io_uring_buf));
	io_uring_buf_ring_init(uring->buffers);
	for (int i = 0; i < BUFFERS; i++)
		give_back(uring, i, i);
	io_uring_buf_ring_advance(uring->buffers, BUFFERS);
	group.ring_addr = (uintptr_t)uring->buffers;
	return io_uring_register_buf_ring(&uring->ring, &group, 0);
}

/* As many as the process could have plain ones (io_uring/rsrc.c, io_sqe_files_register()). */
static void make_files(struct uring *uring)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < FILES_MIN)
		return;
	if (limit.rlim_cur > 1 << 17)
		limit.rlim_cur = 1 << 17;
	if (io_uring_register_files_sparse(&uring->ring, (unsigned)limit.rlim_cur) == 0)
		uring->files = (unsigned)limit.rlim_cur;
}

int uring_init(struct uring *uring, bool direct, struct why *why)
{
	struct io_uring_params params;
	int r;

	*uring = (struct uring){0};
	r = make_ring(&uring->ring, &params);
	if (r < 0)
		return refused(r, why);
	uring->made = true;
	r = make_buffers(uring);
	if (r < 0)
		return refused(r, why);
	if (direct && params.features & FEATURE_RW_ATTR)
		make_files(uring);
	/* Spares each io_uring_enter(2) the look-up of its descriptor; does without where refused.
	 */
	io_uring_register_ring_fd(&uring->ring);
	return 0;
}

void uring_done(struct uring *uring)
{
	if (uring->made)
		io_uring_queue_exit(&uring->ring);
	free(uring->buffers);
	free(uring->bytes);
	free(uring->scratch);
	*uring = (struct uring){0};
}

/* ---- room, waiting, events */

/* Whether all that was queued is with the kernel now. Sends have copied their bytes then: they
 * never wait (MSG_DONTWAIT), and are carried out when they are handed over. */
static bool hand_over(struct uring *uring)
{
	io_uring_submit(&uring->ring);
	if (io_uring_sq_ready(&uring->ring))
		return false;
	uring->scratch_used = 0;
	return true;
}

bool uring_room(struct uring *uring)
{
	if (io_uring_sq_space_left(&uring->ring) >= 2 &&
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
	int64_t rest_ns = until_ns - clock_now_ns();
	struct timespec rest = clock_timespec(rest_ns > 0 ? rest_ns : 0);
	struct __kernel_timespec timeout = {.tv_sec = rest.tv_sec, .tv_nsec = rest.tv_nsec};
	struct io_uring_cqe *cqe;
	int r;

	if (until_ns == INT64_MAX)
		r = io_uring_submit_and_wait(&uring->ring, 1);
	else
		r = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
	if (!io_uring_sq_ready(&uring->ring))
		uring->scratch_used = 0;
	if (r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY)
		return 0;
	return r;
}

bool uring_next(struct uring *uring, struct uring_event *ret)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(&uring->ring, &cqe) < 0)
		return false;
	*ret = (struct uring_event){
		.tag = cqe->user_data,
		.result = cqe->res,
		.more = cqe->flags & IORING_CQE_F_MORE,
		.buffer = -1,
	};
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		ret->buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		ret->bytes = uring->bytes + (size_t)ret->buffer * BUFFER_SIZE;
	}
	io_uring_cqe_seen(&uring->ring, cqe);
	return true;
}

void uring_release(struct uring *uring, const struct uring_event *event)
{
	if (event->buffer < 0)
		return;
	give_back(uring, event->buffer, 0);
	io_uring_buf_ring_advance(uring->buffers, 1);
}

/* ---- requests */

static struct io_uring_sqe *request(struct uring *uring, int op, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	io_uring_prep_rw(op, sqe, fd, NULL, 0, 0);
	io_uring_sqe_set_data64(sqe, tag);
	return sqe;
}

static struct io_uring_sqe *of_connection(struct uring *uring, int op, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = request(uring, op, fd, tag);

	if (uring->files)
		sqe->flags |= IOSQE_FIXED_FILE;
	return sqe;
}

void uring_accept(struct uring *uring, int listener, bool many, uint64_t tag)
{
	struct io_uring_sqe *sqe = request(uring, IORING_OP_ACCEPT, listener, tag);

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
	struct io_uring_sqe *sqe = of_connection(uring, IORING_OP_RECV, fd, tag);

	sqe->msg_flags = (unsigned)flags;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
}

void uring_peek(struct uring *uring, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = of_connection(uring, IORING_OP_RECV, fd, tag);

	sqe->addr = (uintptr_t)&uring->peeked;
	sqe->len = 1;
	sqe->msg_flags = MSG_PEEK;
}

void uring_send(struct uring *uring, int fd, size_t length, bool link, uint64_t tag)
{
	struct io_uring_sqe *sqe = of_connection(uring, IORING_OP_SEND, fd, tag);

	sqe->addr = (uintptr_t)uring_scratch(uring);
	sqe->len = (unsigned)length;
	sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	if (link) {
		/* With MSG_WAITALL too few bytes are a failure, which cuts the link. */
		sqe->msg_flags |= MSG_WAITALL;
		sqe->flags |= IOSQE_IO_LINK;
	}
	uring->scratch_used += length;
}

static void poll_for(struct io_uring_sqe *sqe, unsigned events)
{
	sqe->poll32_events = __io_uring_prep_poll_mask(events);
}

void uring_poll(struct uring *uring, int fd, uint64_t tag)
{
	poll_for(of_connection(uring, IORING_OP_POLL_ADD, fd, tag), POLLOUT);
}

void uring_poll_plain(struct uring *uring, int fd, uint64_t tag)
{
	poll_for(request(uring, IORING_OP_POLL_ADD, fd, tag), POLLIN);
}

void uring_shutdown(struct uring *uring, int fd, uint64_t tag)
{
	of_connection(uring, IORING_OP_SHUTDOWN, fd, tag)->len = SHUT_WR;
}

void uring_cancel(struct uring *uring, uint64_t tag, uint64_t own)
{
	request(uring, IORING_OP_ASYNC_CANCEL, -1, own)->addr = tag;
}

void uring_close(struct uring *uring, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = request(uring, IORING_OP_CLOSE, uring->files ? 0 : fd, tag);

	if (uring->files)
		sqe->file_index = (unsigned)fd + 1;
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void uring_close_now(struct uring *uring, int fd)
{
	int none = -1;

	if (uring->files)
		io_uring_register_files_update(&uring->ring, (unsigned)fd, &none, 1);
	else
		close(fd);
}
