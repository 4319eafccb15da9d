#include "cmd/explain_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "cmd/explain_stop.h"

#define BLOCK	  (64 * 1024)
#define LINGER_NS NS_PER_S /* after a signal */

struct explain_pipe {
	int from;   /* (owned) */
	char *head; /* (owned) */
	size_t head_length;
	bool ended;
	int64_t until_ns; /* after a signal: nothing is awaited beyond */
	int to;		  /* (owned) the write end of our own pipe, or the file */
	int quit;	  /* (owned) eventfd: explain_pipe_close() was called */
	bool running;
	pthread_t thread;
};

static int wait_ms(struct explain_pipe *source)
{
	int64_t left_ns;

	if (!source->until_ns)
		return -1;
	left_ns = source->until_ns - clock_now_ns();
	return left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0;
}

/* Bytes read, 0 at the end or when nothing more is awaited, or -errno. */
static ssize_t take(struct explain_pipe *source, char *to, size_t room)
{
	for (;;) {
		struct pollfd fds[] = {
			{.fd = source->from, .events = POLLIN},
			/* Readable for ever, once it is: asked only until then. */
			{.fd = source->until_ns ? -1 : explain_stop_fd(), .events = POLLIN},
			{.fd = source->quit, .events = POLLIN},
		};
		int n = poll(fds, ARRAY_SIZE(fds), wait_ms(source));
		ssize_t length;

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 || (n > 0 && fds[2].revents))
			return 0;
		if (n > 0 && fds[1].revents)
			source->until_ns = clock_now_ns() + LINGER_NS;
		if (n < 0 || !fds[0].revents)
			continue;
		length = read(source->from, to, room);
		if (length >= 0)
			return length;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

static int fill_head(struct explain_pipe *source, size_t room,
		     bool (*enough)(const char *bytes, size_t length))
{
	while (source->head_length < room && !enough(source->head, source->head_length)) {
		ssize_t n = take(source, source->head + source->head_length,
				 room - source->head_length);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			source->ended = true;
			break;
		}
		source->head_length += (size_t)n;
	}
	return 0;
}

int explain_pipe_open(int fd, size_t room, bool (*enough)(const char *bytes, size_t length),
		      struct explain_pipe **ret)
{
	struct explain_pipe *source = calloc(1, sizeof(*source));
	int r;

	if (!source) {
		close(fd);
		return -ENOMEM;
	}
	source->from = fd;
	source->to = -1;
	source->quit = eventfd(0, EFD_CLOEXEC);
	source->head = malloc(room);
	r = !source->head ? -ENOMEM : source->quit < 0 ? -errno : fill_head(source, room, enough);
	if (r < 0) {
		explain_pipe_close(source);
		return r;
	}
	*ret = source;
	return 0;
}

const char *explain_pipe_head(const struct explain_pipe *source, size_t *ret_length)
{
	*ret_length = source->head_length;
	return source->head;
}

/* 0, or -errno of either side. */
static int copy_all(struct explain_pipe *source)
{
	CLEANUP_FREE char *block = malloc(BLOCK);
	ssize_t n = 0;
	int r;

	if (!block)
		return -ENOMEM;
	r = fd_write_all(source->to, source->head, source->head_length);
	while (r == 0 && !source->ended) {
		n = take(source, block, BLOCK);
		if (n <= 0)
			return (int)n;
		r = fd_write_all(source->to, block, (size_t)n);
	}
	return r;
}

/* A read error looks like the end: the reader of our pipe sees a capture that is cut off. */
static void *flow(void *context)
{
	struct explain_pipe *source = context;

	copy_all(source);
	close(TAKE_FD(source->to));
	return NULL;
}

/* Signals are for the other thread; SIGPIPE, when the reader has gone, is for nobody. */
static int start(struct explain_pipe *source)
{
	sigset_t all, usual;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &usual);
	r = -pthread_create(&source->thread, NULL, flow, source);
	pthread_sigmask(SIG_SETMASK, &usual, NULL);
	source->running = r == 0;
	return r;
}

int explain_pipe_flow(struct explain_pipe *source)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	source->to = ends[1];
	r = start(source);
	if (r == 0)
		return ends[0];
	close(ends[0]);
	return r;
}

static int unnamed_file(void)
{
	const char *folder = getenv("TMPDIR");
	char path[] = "/tmp/contest-XXXXXX";
	int fd;

	fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

int explain_pipe_spool(struct explain_pipe *source)
{
	int r;

	r = unnamed_file();
	if (r < 0)
		return r;
	source->to = r;
	r = copy_all(source);
	if (r < 0)
		return r;
	if (lseek(source->to, 0, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(source->to);
}

void explain_pipe_close(struct explain_pipe *source)
{
	const uint64_t one = 1;

	if (!source)
		return;
	if (source->running) {
		(void)!write(source->quit, &one, sizeof(one));
		pthread_join(source->thread, NULL);
	}
	close(source->from);
	if (source->to >= 0)
		close(source->to);
	if (source->quit >= 0)
		close(source->quit);
	free(source->head);
	free(source);
}
