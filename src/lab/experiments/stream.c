#include "lab/experiments/stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Per socket, and inherited by accept(); the kernel doubles it (net/core/sock.c, 6.18). */
#define SMALL_RECEIVE_BUFFER 8192

/* Only ends the wait when all is wrong. */
#define SETTLE_SECONDS 10

/* Room for all that is queued, so that send() does not block. */
static int enlarge_send_buffer(int fd, void *context)
{
	int bytes = 2 * STREAM_CLOG_BYTES;

	(void)context;
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ? -errno : 0;
}

static bool is_probing(const struct observer_change *change, void *context)
{
	(void)context;
	return change->status.timer == SOCKET_TIMER_PROBE;
}

int stream_clog(struct stage *stage, struct pair *ret)
{
	struct pair_options options = PAIR_DEFAULT;
	CLEANUP_CLOSE int listener = -1;
	int bytes = SMALL_RECEIVE_BUFFER;
	struct pair pair;

	TRY(stage, stage_listen(stage, STAGE_SERVER, AF_INET, options.port, &listener));
	TRY_SYS(stage, setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)));
	options.listener = listener;
	options.prepare = enlarge_send_buffer;
	TRY(stage, stage_pair(stage, &options, &pair));
	TRY(stage, stage_send(stage, pair.client, STREAM_CLOG_BYTES));
	TRY(stage, observer_wait_for(stage->observer, STAGE_CLIENT, &pair.client_key, is_probing,
				     NULL, 0, SETTLE_SECONDS * NS_PER_S, NULL));
	pair.listener = TAKE_FD(listener);
	*ret = pair;
	return 0;
}

int stream_close(struct stage *stage, int *fd, int linger, struct stream_closed *ret)
{
	struct linger option = {.l_onoff = 1, .l_linger = linger};
	int64_t before;
	int r;

	if (linger != STREAM_NO_LINGER)
		TRY_SYS(stage, setsockopt(*fd, SOL_SOCKET, SO_LINGER, &option, sizeof(option)));
	before = clock_now_ns();
	r = stage_shut(stage, fd);
	*ret = (struct stream_closed){.after_s = clock_seconds(clock_now_ns() - before),
				      .error = -r};
	return 0;
}

void stream_drain(struct stage *stage, int fd, double seconds, struct stream_drained *ret)
{
	int64_t end = clock_now_ns() + (int64_t)(seconds * NS_PER_S);
	char text[4096];

	*ret = (struct stream_drained){0};
	for (;;) {
		struct pollfd waiting = {.fd = fd, .events = POLLIN};
		ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
		int64_t left = end - clock_now_ns();

		if (n > 0) {
			ret->bytes += (size_t)n;
			continue;
		}
		if (n == 0)
			break;
		if (errno != EAGAIN && errno != EINTR) {
			ret->error = errno;
			break;
		}
		if (left <= 0) {
			ret->error = ETIMEDOUT;
			break;
		}
		poll(&waiting, 1, (int)(left / NS_PER_MS) + 1);
	}
	observer_kick(stage->observer);
}

const char *stream_error_name(int error)
{
	const char *name = error ? strerrorname_np(error) : "none";

	return name ? name : "?";
}

int stream_count(struct stage *stage, int host, uint8_t flags)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.from = host;
	match.flags_set = flags;
	return stage_segments(stage, &match, NULL, 0);
}

static bool has_unread(const struct observer_change *change, void *context)
{
	(void)context;
	return change->status.receive_queue > 0;
}

int stream_await_unread(struct stage *stage, size_t host, const struct tcp_key *key)
{
	int r = observer_wait_for(stage->observer, host, key, has_unread, NULL, 0,
				  SETTLE_SECONDS * NS_PER_S, NULL);

	if (r < 0)
		return stage_fail(stage, r, "no data have come to the %s",
				  host_name(world_host(stage->world, host)));
	return 0;
}
