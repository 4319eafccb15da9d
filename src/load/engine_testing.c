#include "load/engine_testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "load/protocol.h"

/* ---- a server in a thread */

const char server_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
_Static_assert(ANSWER == sizeof(server_answer) - 1, "told in the header");

static void reset(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
		   sizeof(struct linger));
	close(fd);
}

static void server_close(struct server *server, int fd)
{
	server->open--;
	close(fd);
}

static void server_say(int fd, const char *bytes, size_t n)
{
	/* The peer may have reset it meanwhile. */
	(void)!send(fd, bytes, n, MSG_NOSIGNAL);
}

static void server_take(struct server *server, int fd, const struct sockaddr_in *from)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	server->accepted++;
	server->ports[ntohs(from->sin_port)]++;
	if (++server->open > server->open_most)
		server->open_most = server->open;
	if (server->mood == RESETS) {
		server->open--;
		reset(fd);
	} else if (server->mood == GREETS) {
		server_say(fd, "now\r\n", 5);
		server_close(server, fd);
	} else {
		epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

static void server_accept(struct server *server)
{
	for (;;) {
		struct sockaddr_in from = {0};
		socklen_t length = sizeof(from);
		int fd = accept4(server->listener, (struct sockaddr *)&from, &length, SOCK_CLOEXEC);

		if (fd < 0)
			return;
		server_take(server, fd, &from);
	}
}

static size_t count_requests(const char *bytes, ssize_t n)
{
	size_t count = 0;

	for (ssize_t i = 0; i + 4 <= n; i++)
		count += memcmp(bytes + i, "\r\n\r\n", 4) == 0;
	return count;
}

static void server_read(struct server *server, int fd)
{
	static char buffer[65536];
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

	if (n <= 0) {
		*(n == 0 ? &server->fins : &server->resets) += 1;
		server_close(server, fd);
		return;
	}
	server->requests += count_requests(buffer, n);
	switch (server->mood) {
	case ANSWERS:
		for (size_t i = count_requests(buffer, n); i > 0; i--)
			server_say(fd, server_answer, ANSWER);
		break;
	case ANSWERS_CLOSES:
		server_say(fd, server_answer, ANSWER);
		server_close(server, fd);
		break;
	case HALF_ANSWERS:
		server_say(fd, server_answer, ANSWER - 2);
		server_close(server, fd);
		break;
	case ECHOES:
		server_say(fd, buffer, (size_t)n);
		break;
	default:
		break;
	}
}

static void *server_run(void *arg)
{
	struct server *server = arg;
	struct epoll_event event;

	for (;;) {
		if (epoll_wait(server->epoll_fd, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == server->end_fd)
			return NULL;
		if (event.data.fd == server->listener)
			server_accept(server);
		else
			server_read(server, event.data.fd);
	}
}

void server_begin(struct server *server)
{
	assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
	server->running = true;
}

static void server_watch(struct server *server, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	assert_int_equal(epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
}

struct server *server_start(enum mood mood, int backlog)
{
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t length = sizeof(at);

	assert_non_null(server);
	server->mood = mood;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&at, length), 0);
	assert_int_equal(listen(server->listener, backlog), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &length), 0);
	assert_int_equal(tcp_endpoint_from_sockaddr((struct sockaddr *)&at, &server->at), 0);
	server->end_fd = eventfd(0, EFD_CLOEXEC);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server_watch(server, server->end_fd);
	server_watch(server, server->listener);
	if (mood != DEAF)
		server_begin(server);
	return server;
}

void await(const _Atomic uint64_t *counter, uint64_t value)
{
	while (*counter < value)
		poll(NULL, 0, 1);
}

void server_stop(struct server *server)
{
	assert_int_equal(write(server->end_fd, &(uint64_t){1}, 8), 8);
	if (server->running)
		pthread_join(server->thread, NULL);
	/* What is still open: descriptors of a test program that goes on. */
	close(server->epoll_fd);
	close(server->end_fd);
	close(server->listener);
	free(server);
}

/* ---- a load on it */

const struct load_engine *engine;

void bench_init(struct bench *bench, enum mood mood, const char *protocol,
		enum load_closing closing)
{
	*bench = (struct bench){.engine = engine, .parts = 1, .first = 1024, .last = 65535};
	bench->server = server_start(mood, 1024);
	bench->plan = (struct load_plan){
		.engine = engine,
		.protocol = load_protocol_find(protocol),
		.destinations = &bench->server->at,
		.destination_count = 1,
		.connections = 100,
		.drain_ns = 60 * NS_PER_S,
		.concurrency = 8,
		.requests = 1,
		.timeout_ns = 60 * NS_PER_S,
		.payload = "hello",
		.payload_length = 5,
		.http_target = "/",
		.http_host = "test",
		.closing = closing,
	};
	assert_non_null(bench->plan.protocol);
	bench->stop_fd = eventfd(0, EFD_CLOEXEC);
	bench->force_fd = eventfd(0, EFD_CLOEXEC);
	bench->tallies = load_tallies_new(PARTS_MAX);
	assert_non_null(bench->tallies);
}

void bench_prepare(struct bench *bench)
{
	int64_t start_ns = clock_now_ns() + NS_PER_MS;

	assert_int_equal(course_plan_init(&bench->course_plan, &bench->plan), 0);
	for (unsigned i = 0; i < bench->parts; i++) {
		struct load_work *work = &bench->works[i];

		*work = (struct load_work){
			.plan = &bench->plan,
			.course_plan = &bench->course_plan,
			.tally = &bench->tallies[i],
			.start_ns = start_ns,
			.stop_fd = bench->stop_fd,
			.force_fd = bench->force_fd,
		};
		schedule_init(&work->schedule, &bench->plan, i, bench->parts);
		assert_int_equal(tuples_init(&work->tuples, &bench->plan, bench->first, bench->last,
					     i, bench->parts),
				 0);
	}
}

static void *bench_thread(void *arg)
{
	struct load_work *work = arg;
	struct why why = {""};

	if (work->plan->engine->run(work, &why) == 0)
		return NULL;
	fprintf(stderr, "%s\n", why.text);
	abort(); /* a failed assertion belongs to the first thread */
}

void tell(int fd)
{
	assert_int_equal(write(fd, &(uint64_t){1}, 8), 8);
}

void bench_start(struct bench *bench)
{
	bench_prepare(bench);
	for (unsigned i = 0; i < bench->parts; i++)
		assert_int_equal(
			pthread_create(&bench->threads[i], NULL, bench_thread, &bench->works[i]),
			0);
}

void assert_accounted(const struct load_sum *sum)
{
	uint64_t failed = 0, failed_at = 0;

	for (unsigned i = 0; i < LOAD_FAILURES; i++)
		failed += sum->failed[i];
	for (unsigned i = 0; i < LOAD_STEPS; i++)
		failed_at += sum->failed_at[i];
	assert_int_equal(sum->failed_all, failed);
	assert_int_equal(failed_at, failed);
	assert_int_equal(sum->attempted, sum->completed + failed + sum->in_flight);
}

void bench_join(struct bench *bench)
{
	for (unsigned i = 0; i < bench->parts; i++)
		pthread_join(bench->threads[i], NULL);
	for (unsigned i = 0; i < bench->parts; i++) {
		load_tallies_sum(&bench->tallies[i], 1, &bench->sum);
		assert_accounted(&bench->sum);
		assert_int_equal(bench->tallies[i].in_flight, bench->sum.in_flight);
	}
	load_tallies_sum(bench->tallies, bench->parts, &bench->sum);
	assert_true(bench->sum.cpu_ns > 0);
	assert_true(bench->sum.opening_ended_ns >= bench->works[0].start_ns);
}

void bench_run(struct bench *bench)
{
	bench_start(bench);
	bench_join(bench);
}

void bench_done(struct bench *bench)
{
	server_stop(bench->server);
	course_plan_done(&bench->course_plan);
	load_tallies_free(bench->tallies, PARTS_MAX);
	close(bench->stop_fd);
	close(bench->force_fd);
}

const struct histogram *latency(const struct bench *bench, enum load_latency which)
{
	static struct histogram histogram;

	memset(&histogram, 0, sizeof(histogram));
	load_tallies_latency(bench->tallies, bench->parts, which, &histogram);
	return &histogram;
}

uint64_t ended(const struct load_sum *sum)
{
	return sum->closed_by_us + sum->closed_by_peer + sum->reset_by_us + sum->reset_by_peer;
}

/* ---- both */

void set_sysctl(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(value, file);
	assert_int_equal(fclose(file), 0);
}

/* valgrind (3.19) lets no other thread run while one waits in io_uring_enter(2), and the server is
 * one: the engine would wait for ever. */
static bool is_hung_by_valgrind(const struct load_engine *candidate)
{
	return getenv("CONTEST_VALGRIND") && strcmp(candidate->name, "uring") == 0;
}

int run_for_engines(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;

	for (size_t i = 0; load_engines[i]; i++) {
		struct why why = {""};

		engine = load_engines[i];
		if (engine->probe(&why) < 0)
			print_message("engine %s is left out: %s\n", engine->name, why.text);
		else if (is_hung_by_valgrind(engine))
			print_message("engine %s is left out: valgrind\n", engine->name);
		else
			failed += _cmocka_run_group_tests(engine->name, tests, count, NULL, NULL);
	}
	return failed;
}
