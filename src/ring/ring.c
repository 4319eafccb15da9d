#include "ring/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define REQUESTS     256	 /* queued before they must go to the kernel */
#define RING_MEMORY  (88 * 1024) /* of a ring, as far as it counts as locked */
#define BUFFER_GROUP 0

/* Rings that have ended are gone long before; beyond it, their memory is others' to keep. */
#define PATIENCE_NS (10 * NS_PER_S)
#define PAUSE_MS    50

/* ---- making one */

/* io_uring_setup(2) refused, or there are no buffers for what it made. */
int ring_refused(int error, struct why *why)
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
			       RING_MEMORY / 1024);
	case EINVAL:
		return why_say(why, -ENOTSUP,
			       "io_uring of this kernel is too old (5.19 is needed); "
			       "use --engine=epoll");
	default:
		return why_set(why, error, "cannot make an io_uring");
	}
}

/* Whether that may be over in a moment. */
static bool is_passing(int error)
{
	struct rlimit limit;

	if (error != -ENOMEM)
		return error == -EMFILE || error == -ENFILE || error == -EAGAIN;
	return getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur >= RING_MEMORY;
}

bool ring_may_come(int error, int64_t since_ns)
{
	return is_passing(error) && clock_now_ns() - since_ns <= PATIENCE_NS;
}

bool ring_pause(int stop_fd, int force_fd)
{
	struct pollfd fds[] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = force_fd, .events = POLLIN},
	};

	return poll(fds, ARRAY_SIZE(fds), PAUSE_MS) > 0;
}

/*
 * No ring is made for it. The end of a ring interrupts the system calls of those who used it a
 * moment later (io_uring/io_uring.c, io_ring_exit_work()), which a process that only asked need
 * not bear. Joining another ring at descriptor -1 fails after everything else was found well.
 */
int ring_probe(struct why *why)
{
	struct io_uring_params params = {
		/* the first: 5.19 */
		.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_ATTACH_WQ | IORING_SETUP_CQSIZE,
		.cq_entries = RING_EVENTS,
		.wq_fd = UINT32_MAX,
	};
	int r = io_uring_setup(REQUESTS, &params);

	if (r >= 0) {
		close(r);
		return 0;
	}
	return r == -ENXIO || is_passing(r) ? 0 : ring_refused(r, why);
}

static int make_io(struct io_uring *io)
{
	static const unsigned flags[] = {
		/* 6.1: the kernel goes on with requests when we wait for them, not in between */
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		/* 5.19 */
		IORING_SETUP_COOP_TASKRUN,
	};
	int r = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(flags) && r == -EINVAL; i++) {
		struct io_uring_params params = {
			/* one request that is refused is not to hold back those behind it */
			.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
			.cq_entries = RING_EVENTS,
		};

		r = io_uring_queue_init_params(REQUESTS, io, &params);
	}
	return r;
}

static void give_back(struct ring *ring, int buffer, int offset)
{
	io_uring_buf_ring_add(ring->buffers, ring->bytes + (size_t)buffer * ring->buffer_size,
			      ring->buffer_size, (unsigned short)buffer,
			      io_uring_buf_ring_mask(ring->buffer_count), offset);
}

static int make_buffers(struct ring *ring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t length = ring->buffer_count * sizeof(struct io_uring_buf);
	struct io_uring_buf_reg group = {.ring_entries = ring->buffer_count, .bgid = BUFFER_GROUP};

	/* valgrind does not see what requests write */
	ring->bytes = calloc(ring->buffer_count, ring->buffer_size);
	if (!ring->bytes || posix_memalign((void **)&ring->buffers, page, length))
		return -ENOMEM;
	memset(ring->buffers, 0, length);
	io_uring_buf_ring_init(ring->buffers);
	for (unsigned i = 0; i < ring->buffer_count; i++)
		give_back(ring, (int)i, (int)i);
	io_uring_buf_ring_advance(ring->buffers, (int)ring->buffer_count);
	group.ring_addr = (uintptr_t)ring->buffers;
	return io_uring_register_buf_ring(&ring->io, &group, 0);
}

int ring_init(struct ring *ring, unsigned buffer_count, unsigned buffer_size, struct why *why)
{
	int r;

	*ring = (struct ring){.buffer_count = buffer_count, .buffer_size = buffer_size};
	r = make_io(&ring->io);
	ring->made = r >= 0;
	if (r >= 0)
		r = make_buffers(ring);
	if (r < 0)
		return ring_refused(r, why);
	/* Spares each io_uring_enter(2) the look-up of its descriptor; does without where refused.
	 */
	io_uring_register_ring_fd(&ring->io);
	return 0;
}

void ring_done(struct ring *ring)
{
	if (ring->made)
		io_uring_queue_exit(&ring->io);
	free(ring->buffers);
	free(ring->bytes);
	*ring = (struct ring){0};
}

/* ---- room, waiting, events */

unsigned ring_queued(const struct ring *ring)
{
	return io_uring_sq_ready(&ring->io);
}

bool ring_flush(struct ring *ring)
{
	io_uring_submit(&ring->io);
	return !ring_queued(ring);
}

bool ring_room(struct ring *ring)
{
	if (io_uring_sq_space_left(&ring->io) >= 2)
		return true;
	ring_flush(ring);
	return io_uring_sq_space_left(&ring->io) >= 2;
}

/* The kernel may be short of memory, or have events for us first (EBUSY): what it has not taken
 * stays queued, and goes with the next call. */
static int told(int r)
{
	if (r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY)
		return 0;
	return r;
}

int ring_enter(struct ring *ring)
{
	return told(io_uring_submit_and_get_events(&ring->io));
}

int ring_wait(struct ring *ring, int64_t most_ns)
{
	struct timespec most = clock_timespec(most_ns);
	struct __kernel_timespec timeout = {.tv_sec = most.tv_sec, .tv_nsec = most.tv_nsec};
	struct io_uring_cqe *cqe;

	/* With an event at hand liburing would only hand over: what the kernel is to go on with
	 * would have to wait. */
	if (ring_events(ring))
		return ring_enter(ring);
	if (most_ns == INT64_MAX)
		return told(io_uring_submit_and_wait(&ring->io, 1));
	return told(io_uring_submit_and_wait_timeout(&ring->io, &cqe, 1, &timeout, NULL));
}

unsigned ring_events(const struct ring *ring)
{
	return io_uring_cq_ready(&ring->io);
}

bool ring_next(struct ring *ring, struct ring_event *ret)
{
	struct io_uring_cqe *cqe;

	if (io_uring_peek_cqe(&ring->io, &cqe) < 0)
		return false;
	*ret = (struct ring_event){
		.tag = cqe->user_data,
		.result = cqe->res,
		.more = cqe->flags & IORING_CQE_F_MORE,
		.rest = cqe->flags & IORING_CQE_F_SOCK_NONEMPTY,
		.buffer = -1,
	};
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		ret->buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		ret->bytes = ring->bytes + (size_t)ret->buffer * ring->buffer_size;
	}
	io_uring_cqe_seen(&ring->io, cqe);
	return true;
}

void ring_release(struct ring *ring, const struct ring_event *event)
{
	if (event->buffer < 0)
		return;
	give_back(ring, event->buffer, 0);
	io_uring_buf_ring_advance(ring->buffers, 1);
}

/* ---- requests */

struct io_uring_sqe *ring_request(struct ring *ring, int op, int fd, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

	io_uring_prep_rw(op, sqe, fd, NULL, 0, 0);
	io_uring_sqe_set_data64(sqe, tag);
	return sqe;
}

struct io_uring_sqe *ring_send(struct ring *ring, int fd, const char *bytes, size_t length,
			       int flags, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_request(ring, IORING_OP_SEND, fd, tag);

	sqe->addr = (uintptr_t)bytes;
	sqe->len = (unsigned)length;
	sqe->msg_flags = (unsigned)flags;
	return sqe;
}

struct io_uring_sqe *ring_receive(struct ring *ring, int fd, int flags, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_request(ring, IORING_OP_RECV, fd, tag);

	sqe->msg_flags = (unsigned)flags;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	return sqe;
}

struct io_uring_sqe *ring_poll(struct ring *ring, int fd, unsigned events, uint64_t tag)
{
	struct io_uring_sqe *sqe = ring_request(ring, IORING_OP_POLL_ADD, fd, tag);

	sqe->poll32_events = __io_uring_prep_poll_mask(events);
	return sqe;
}

void ring_cancel(struct ring *ring, uint64_t tag, uint64_t own)
{
	ring_request(ring, IORING_OP_ASYNC_CANCEL, -1, own)->addr = tag;
}
