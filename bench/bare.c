/*
 * The least that a client of short connections can do: the system calls of one, in one epoll loop,
 * and nothing else. What `contest load` is measured against; a tool of bench/, not installed.
 *
 *	bare PORT [--seconds N] [--concurrency N] [--rst]
 *
 * Prints {"connections": N, "seconds": S, "failed": N} at the end.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The server is not asked to close: this end does, as `contest load --close active` does. */
static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

static int epoll_fd;
static struct sockaddr_in to = {.sin_family = AF_INET};
static bool rst;
static unsigned long connections, failed;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void open_one(void)
{
	const struct linger linger = {.l_onoff = 1};
	struct epoll_event event = {.events = EPOLLIN};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	if (rst)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		err(1, "connect");
	/* Over loopback it is established by now. */
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
		err(1, "send");
	event.data.fd = fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void serve_one(int fd)
{
	char buffer[4096];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		failed++;
	close(fd);
	connections++;
	open_one();
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"seconds", required_argument, NULL, 's'},
		{"concurrency", required_argument, NULL, 'c'},
		{"rst", no_argument, NULL, 'r'},
		{0},
	};
	double seconds = 2, began;
	int concurrency = 64, option;
	struct epoll_event events[256];

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 'c')
			concurrency = atoi(optarg);
		else if (option == 'r')
			rst = true;
		else
			return 2;
	}
	if (optind != argc - 1)
		errx(2, "usage: bare PORT [--seconds N] [--concurrency N] [--rst]");
	to.sin_port = htons((uint16_t)atoi(argv[optind]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	began = now();
	for (int i = 0; i < concurrency; i++)
		open_one();
	while (now() < began + seconds) {
		int n = epoll_wait(epoll_fd, events, 256, 100);

		for (int i = 0; i < n; i++)
			serve_one(events[i].data.fd);
	}
	printf("{\"connections\": %lu, \"seconds\": %.3f, \"failed\": %lu}\n", connections,
	       now() - began, failed);
	return 0;
}
