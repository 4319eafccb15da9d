/* The verbs of a stage that open, use and close sockets. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "lab/stage.h"

#define CONNECT_SECONDS 10

/* poll(2) for @events until @end_ns. 0, -ETIMEDOUT or -errno. */
static int wait_for(int fd, short events, int64_t end_ns)
{
	for (;;) {
		struct pollfd waiting = {.fd = fd, .events = events};
		int64_t left = end_ns - clock_now_ns();
		int n = poll(&waiting, 1, left > 0 ? (int)(left / NS_PER_MS) + 1 : 0);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && left <= 0)
			return -ETIMEDOUT;
	}
}

static int64_t deadline(double seconds)
{
	return clock_now_ns() + (int64_t)(seconds * NS_PER_S);
}

static int bind_to(int fd, const struct tcp_address *address, uint16_t port)
{
	struct tcp_endpoint endpoint = {.address = *address, .port = port};
	struct sockaddr_storage name;
	socklen_t length;

	tcp_endpoint_to_sockaddr(&endpoint, &name, &length);
	return bind(fd, (struct sockaddr *)&name, length) < 0 ? -errno : 0;
}

int stage_listen(struct stage *stage, size_t host, int family, uint16_t port, int *ret_fd)
{
	const struct host *on = world_host(stage->world, host);
	const struct tcp_address *address = host_address(on, family, 0);
	CLEANUP_CLOSE int fd = -1;
	int yes = 1;

	if (!address)
		return stage_fail(stage, -EAFNOSUPPORT, "%s has no address of that family",
				  host_name(on));
	fd = host_socket(on, family, SOCK_STREAM, 0);
	TRY(stage, fd);
	TRY_SYS(stage, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)));
	TRY(stage, bind_to(fd, address, port));
	TRY_SYS(stage, listen(fd, 128));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* connect(2) that gives up after @seconds, without leaving a timeout on the socket. */
static int connect_to(int fd, const struct tcp_endpoint *target, double seconds)
{
	int64_t ns = (int64_t)(seconds * NS_PER_S);
	struct timeval limit = {.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / NS_PER_US};
	struct timeval none = {0};
	struct sockaddr_storage name;
	socklen_t length;
	int r = 0;

	tcp_endpoint_to_sockaddr(target, &name, &length);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&name, length) < 0)
		r = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return r;
}

/* A client's socket, bound where the options ask for it. */
static int open_client(struct stage *stage, const struct pair_options *options, int *ret_fd)
{
	const struct host *on = world_host(stage->world, options->client_host);
	const struct tcp_address *address = options->client_address;
	CLEANUP_CLOSE int fd = host_socket(on, options->family, SOCK_STREAM, 0);
	int r, yes = 1;

	if (fd < 0)
		return fd;
	if (options->prepare) {
		r = options->prepare(fd, options->context);
		if (r < 0)
			return r;
	}
	if (options->client_port || options->client_address) {
		if (!address)
			address = host_address(on, options->family, 0);
		/* A port that an earlier connection of the arm holds in TIME-WAIT is no obstacle
		 * to naming it again; whether the connection may be made is what is tested. */
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
			return -errno;
		r = bind_to(fd, address, options->client_port);
		if (r < 0)
			return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int stage_connect(struct stage *stage, const struct pair_options *options, double seconds,
		  int *ret_fd, struct tcp_key *ret_key)
{
	const struct pair_options chosen = options ? *options : PAIR_DEFAULT;
	const struct tcp_address *address =
		host_address(world_host(stage->world, chosen.server_host), chosen.family, 0);
	CLEANUP_CLOSE int fd = -1;
	struct tcp_endpoint target;
	int r;

	if (!address)
		return -EAFNOSUPPORT;
	target = (struct tcp_endpoint){.address = *address, .port = chosen.port};
	r = open_client(stage, &chosen, &fd);
	if (r == 0)
		r = connect_to(fd, &target, seconds);
	if (r == 0 && ret_key)
		r = tcp_key_of_socket(fd, ret_key);
	observer_kick(stage->observer);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int stage_accept(struct stage *stage, int listener, double seconds, int *ret_fd)
{
	int r = wait_for(listener, POLLIN, deadline(seconds));
	int fd;

	if (r < 0)
		return r;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	observer_kick(stage->observer);
	*ret_fd = fd;
	return 0;
}

int stage_pair(struct stage *stage, const struct pair_options *options, struct pair *ret)
{
	struct pair_options chosen = options ? *options : PAIR_DEFAULT;
	struct pair pair = {.client = -1,
			    .server = -1,
			    .listener = -1,
			    .client_host = chosen.client_host,
			    .server_host = chosen.server_host};
	int r = 0;

	if (chosen.listener < 0)
		r = stage_listen(stage, chosen.server_host, chosen.family, chosen.port,
				 &pair.listener);
	if (r == 0) {
		r = stage_connect(stage, &chosen, CONNECT_SECONDS, &pair.client, &pair.client_key);
		if (r < 0)
			stage_fail(stage, r, "connect() to port %u", chosen.port);
	}
	if (r == 0) {
		r = stage_accept(stage, chosen.listener < 0 ? pair.listener : chosen.listener,
				 CONNECT_SECONDS, &pair.server);
		if (r < 0)
			stage_fail(stage, r, "accept() on port %u", chosen.port);
	}
	if (r == 0) {
		pair.server_key = tcp_key_reverse(&pair.client_key);
		r = observer_look(stage->observer);
	}
	if (r < 0) {
		pair_close(&pair);
		return r;
	}
	*ret = pair;
	return 0;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void pair_close(struct pair *pair)
{
	shut(&pair->client);
	shut(&pair->server);
	shut(&pair->listener);
}

int stage_shut(struct stage *stage, int *fd)
{
	int r = close(TAKE_FD(*fd)) < 0 ? -errno : 0;

	observer_kick(stage->observer);
	return r;
}

int stage_shut_write(struct stage *stage, int fd)
{
	int r = shutdown(fd, SHUT_WR) < 0 ? -errno : 0;

	observer_kick(stage->observer);
	return r;
}

int stage_shut_linger(struct stage *stage, int *fd, int seconds)
{
	struct linger linger = {.l_onoff = 1, .l_linger = seconds};

	TRY_SYS(stage, setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	return stage_shut(stage, fd);
}

int stage_send(struct stage *stage, int fd, size_t length)
{
	char pattern[4096];

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)('a' + i % 26);
	while (length > 0) {
		size_t part = length < sizeof(pattern) ? length : sizeof(pattern);
		ssize_t n = send(fd, pattern, part, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stage_fail(stage, -errno, "send()");
		length -= (size_t)n;
	}
	observer_kick(stage->observer);
	return 0;
}

int stage_receive(struct stage *stage, int fd, size_t length, double seconds)
{
	int64_t end = deadline(seconds);
	char text[4096];

	while (length > 0) {
		size_t part = length < sizeof(text) ? length : sizeof(text);
		ssize_t n;
		int r = wait_for(fd, POLLIN, end);

		if (r < 0)
			return stage_fail(stage, r, "%zu bytes have not come", length);
		n = recv(fd, text, part, 0);
		if (n < 0)
			return stage_fail(stage, -errno, "recv()");
		if (n == 0)
			return stage_fail(stage, -ENODATA,
					  "the peer ended before its last %zu bytes", length);
		length -= (size_t)n;
	}
	observer_kick(stage->observer);
	return 0;
}

int stage_read_error(struct stage *stage, int fd, double seconds, int *ret_errno)
{
	char byte;
	ssize_t n;
	int r = wait_for(fd, POLLIN, deadline(seconds));

	if (r < 0)
		return stage_fail(stage, r, "the connection has not ended");
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	if (n > 0)
		return stage_fail(stage, -EBADMSG, "data came where the end was expected");
	*ret_errno = n < 0 ? errno : 0;
	observer_kick(stage->observer);
	return 0;
}

int stage_receive_end(struct stage *stage, int fd, double seconds)
{
	int error = 0;

	TRY(stage, stage_read_error(stage, fd, seconds, &error));
	if (error)
		return stage_fail(stage, -error, "the connection ended with an error");
	return 0;
}
