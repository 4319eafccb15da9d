/* With an engine that does what a test wants of it; the real ones have their own tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/testnet.h"
#include "serve/server.h"

/* ---- the engine */

enum mood {
	SERVES,	 /* accepts and closes until it is told to stop */
	LINGERS, /* goes on until it is forced */
	DEAF,	 /* does not end */
	FAILS,	 /* returns an error at once */
	CRASHES, /* kills itself at once */
	PUZZLED, /* accepts until a listener is broken, and says so */
	LIMPS,	 /* loses a part at once, and returns its error when it is told to stop */
};

#define WORKERS_MAX 8

/* What workers tell, in shared memory; and what they are to do, which they inherit. */
static struct told {
	_Atomic unsigned begun, workers; /* the latter have told all */
	struct {
		pid_t pid;
		unsigned threads, tallies;
	} of[WORKERS_MAX];
} * told;
static enum mood mood, first_mood; /* of the others, and of the first that runs */

static bool readable(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, 0) == 1;
}

static void accept_one(const struct serve_work *work)
{
	int fd = accept4(work->listeners[0], NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	tally_add(&work->tallies[work->tally_count - 1].accepted, 1);
	tally_add(&work->tallies[work->tally_count - 1].closed_by_us, 1);
	close(fd);
}

static void serve_until(const struct serve_work *work, int end_fd)
{
	struct pollfd fds[] = {
		{.fd = end_fd, .events = POLLIN},
		{.fd = work->listeners[0], .events = POLLIN},
	};

	while (!fds[0].revents) {
		poll(fds, 2, -1);
		if (fds[1].revents & POLLIN && !readable(work->stop_fd))
			accept_one(work);
		if (fds[1].revents & (POLLERR | POLLHUP))
			fds[1].fd = -1;
	}
}

static int fake_run(const struct serve_work *work, struct why *why)
{
	unsigned me = atomic_fetch_add(&told->begun, 1);
	enum mood mine = me == 0 ? first_mood : mood;

	told->of[me].pid = getpid();
	told->of[me].threads = work->plan->threads;
	told->of[me].tallies = (unsigned)work->tally_count;
	atomic_fetch_add(&told->workers, 1);
	switch (mine) {
	case SERVES:
		serve_until(work, work->stop_fd);
		return 0;
	case LINGERS:
		serve_until(work, work->force_fd);
		return 0;
	case DEAF:
		for (;;)
			pause();
	case FAILS:
		return why_set(why, -EPERM, "no engine today");
	case CRASHES:
		raise(SIGKILL);
		return 0;
	case PUZZLED:
		while (accept(work->listeners[0], NULL, NULL) >= 0 || errno == EAGAIN)
			;
		return -errno;
	case LIMPS:
		engine_tell(work, EBADF);
		serve_until(work, work->stop_fd);
		return why_set(why, -EBADF, "cannot accept connections");
	}
	return 0;
}

static const struct serve_engine fake_pool = {.name = "pool", .pool = true, .run = fake_run};
static const struct serve_engine fake_task = {.name = "task", .run = fake_run};

/* ---- a server on the loopback */

static struct sockaddr_in where; /* the last server listens */

static int listen_somewhere(void)
{
	socklen_t length = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	where = (struct sockaddr_in){.sin_family = AF_INET};
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, length), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &length), 0);
	return fd;
}

static struct server *make(const struct serve_plan *plan, unsigned processes, enum mood of_first,
			   enum mood of_others)
{
	struct server *server = NULL;
	int listener;
	struct why why = {""};

	NEEDS_PROCESSES();
	listener = listen_somewhere();
	memset(told, 0, sizeof(*told));
	first_mood = of_first;
	mood = of_others;
	assert_int_equal(server_new(plan, &listener, 1, processes, NULL, &server, &why), 0);
	assert_int_equal(server_start(server, &why), 0);
	return server;
}

static const struct serve_plan task_plan = {.engine = &fake_task};

/* Connects, and reads the end: 0, or -errno of the connect. Who is not served gives up some day. */
static int visit(void)
{
	const struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		r = -errno;
	else
		assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	return r;
}

/* A child that nobody has reaped yet. */
static bool is_dead(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

static void wait_for_workers(unsigned count)
{
	while (atomic_load(&told->workers) < count)
		sched_yield();
}

#define MINUTE (60 * NS_PER_S) /* for what comes at once */

/* ---- tests */

static void workers_serve_and_drain(void **state)
{
	struct server *server = make(&task_plan, 3, SERVES, SERVES);
	struct tally_sum sum;
	struct why why;

	(void)state;
	assert_int_equal(server_processes(server), 3);
	assert_int_equal(server_running(server), 3);
	for (int i = 0; i < 20; i++)
		assert_int_equal(visit(), 0);
	assert_int_equal(server_wait(server, 0, &why), -ETIMEDOUT);
	assert_false(readable(server_ended_fd(server)));
	server_drain(server);
	assert_int_equal(server_wait(server, MINUTE, &why), 0);
	assert_int_equal(server_running(server), 0);
	server_sum(server, &sum);
	assert_int_equal(sum.accepted, 20);
	assert_int_equal(sum.closed_by_us, 20);
	assert_int_equal(sum.open, 0);
	server_free(server);
}

static void threads_are_spread(void **state)
{
	const struct serve_plan plan = {.engine = &fake_pool, .threads = 5};
	struct server *server = make(&plan, 3, SERVES, SERVES);
	unsigned threads = 0, most = 0;

	(void)state;
	wait_for_workers(3);
	server_force(server);
	assert_int_equal(server_wait(server, MINUTE, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(told->of[i].threads, told->of[i].tallies);
		threads += told->of[i].threads;
		if (told->of[i].threads > most)
			most = told->of[i].threads;
	}
	assert_int_equal(threads, 5);
	assert_int_equal(most, 2);
	server_free(server);
}

static void a_worker_has_a_thread_at_least(void **state)
{
	const struct serve_plan plan = {.engine = &fake_pool, .threads = 1};
	struct server *server = make(&plan, 3, SERVES, SERVES);

	(void)state;
	wait_for_workers(3);
	server_force(server);
	assert_int_equal(server_wait(server, MINUTE, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(told->of[i].tallies, 1);
	server_free(server);
}

static void what_lingers_is_forced(void **state)
{
	struct server *server = make(&task_plan, 2, LINGERS, LINGERS);

	(void)state;
	wait_for_workers(2);
	server_drain(server);
	assert_int_equal(server_wait(server, NS_PER_MS, NULL), -ETIMEDOUT);
	assert_int_equal(server_running(server), 2);
	server_force(server);
	assert_int_equal(server_wait(server, MINUTE, NULL), 0);
	server_free(server);
}

static void a_draining_server_refuses(void **state)
{
	struct server *server = make(&task_plan, 1, LINGERS, LINGERS);

	(void)state;
	assert_int_equal(visit(), 0);
	server_drain(server);
	assert_int_equal(visit(), -ECONNREFUSED);
	server_free(server);
}

static void a_listener_that_went_is_no_error_at_the_end(void **state)
{
	struct server *server = make(&task_plan, 1, PUZZLED, PUZZLED);
	struct why why = {""};

	(void)state;
	wait_for_workers(1);
	server_drain(server);
	assert_int_equal(server_wait(server, MINUTE, &why), 0);
	server_free(server);
}

static void the_others_go_on(void **state)
{
	struct server *server = make(&task_plan, 3, CRASHES, SERVES);
	struct pollfd ended = {.fd = server_ended_fd(server), .events = POLLIN};
	struct why why = {""};
	char wanted[64];

	(void)state;
	assert_int_equal(poll(&ended, 1, 60000), 1);
	assert_int_equal(server_wait(server, MINUTE, &why), -ECHILD);
	snprintf(wanted, sizeof(wanted), "worker process %d was killed by SIGKILL",
		 (int)told->of[0].pid);
	assert_string_equal(why.text, wanted);
	assert_int_equal(server_running(server), 2);
	assert_false(readable(ended.fd));
	assert_int_equal(visit(), 0);
	server_drain(server);
	assert_int_equal(server_wait(server, MINUTE, &why), 0);
	server_free(server);
}

static void an_engine_says_why(void **state)
{
	struct server *server = make(&task_plan, 1, FAILS, FAILS);
	struct why why = {""};

	(void)state;
	assert_int_equal(server_wait(server, MINUTE, &why), -ECHILD);
	assert_non_null(strstr(why.text, "ended: no engine today: Operation not permitted"));
	assert_int_equal(server_wait(server, MINUTE, &why), 0);
	server_free(server);
}

static void each_death_is_told(void **state)
{
	struct server *server = make(&task_plan, 3, CRASHES, CRASHES);
	char wanted[64];

	(void)state;
	wait_for_workers(3);
	for (int i = 0; i < 3; i++)
		while (!is_dead(told->of[i].pid))
			sched_yield();
	for (int i = 0; i < 3; i++) {
		struct why why = {""};
		int told_pid = 0;

		assert_int_equal(server_wait(server, MINUTE, &why), -ECHILD);
		assert_int_equal(sscanf(why.text, "worker process %d", &told_pid), 1);
		snprintf(wanted, sizeof(wanted), "worker process %d was killed by SIGKILL",
			 told_pid);
		assert_string_equal(why.text, wanted);
		assert_int_equal(server_running(server), 2 - i);
	}
	assert_int_equal(server_wait(server, MINUTE, NULL), 0);
	server_free(server);
}

/* A loop of a pool that ends is told when it ends, not with the last connection of the others. */
static void a_part_that_ends_is_told_at_once(void **state)
{
	struct server *server = make(&task_plan, 2, LIMPS, LIMPS);
	struct pollfd news = {.fd = server_ended_fd(server), .events = POLLIN};
	struct why why = {""};

	(void)state;
	wait_for_workers(2);
	for (int i = 0; i < 2; i++) {
		int pid = 0;

		assert_int_equal(poll(&news, 1, 20000), 1);
		assert_int_equal(server_wait(server, MINUTE, &why), -EIO);
		assert_int_equal(sscanf(why.text, "a part of worker process %d", &pid), 1);
		assert_true(pid == told->of[0].pid || pid == told->of[1].pid);
		assert_non_null(strstr(why.text, " has ended: Bad file descriptor"));
	}
	assert_int_equal(server_wait(server, NS_PER_MS, &why), -ETIMEDOUT);
	assert_false(readable(news.fd));
	assert_int_equal(server_running(server), 2);
	assert_int_equal(visit(), 0);
	server_drain(server);
	assert_int_equal(server_wait(server, MINUTE, &why), -ECHILD);
	assert_non_null(strstr(why.text, "ended: cannot accept connections"));
	server_free(server);
}

static void nothing_is_left_behind(void **state)
{
	struct server *server = make(&task_plan, 3, DEAF, DEAF);

	(void)state;
	wait_for_workers(3);
	server_force(server);
	assert_int_equal(server_wait(server, NS_PER_MS, NULL), -ETIMEDOUT);
	server_free(server);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void signals_for_the_group_end_no_worker(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
	struct server *server = make(&task_plan, 1, LINGERS, LINGERS);

	(void)state;
	wait_for_workers(1);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		assert_int_equal(kill(told->of[0].pid, signals[i]), 0);
	assert_int_equal(visit(), 0);
	server_force(server);
	assert_int_equal(server_wait(server, MINUTE, NULL), 0);
	server_free(server);
}

static void workers_keep_no_strange_descriptors(void **state)
{
	struct server *server;
	int pair[2];
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	server = make(&task_plan, 2, LINGERS, LINGERS);
	wait_for_workers(2);
	close(pair[1]);
	/* A copy in a worker would keep the end from coming, for ever. */
	assert_int_equal(poll(&(struct pollfd){.fd = pair[0], .events = POLLIN}, 1, 30000), 1);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
	server_free(server);
}

static void workers_die_with_the_caller(void **state)
{
	struct pollfd end = {.events = POLLIN};
	int status;
	pid_t pid;

	(void)state;
	NEEDS_PROCESSES();
	memset(told, 0, sizeof(*told));
	pid = fork();
	if (pid == 0) {
		make(&task_plan, 1, DEAF, DEAF);
		wait_for_workers(1);
		pause();
		_exit(0);
	}
	wait_for_workers(1);
	end.fd = pidfd_open(told->of[0].pid, 0);
	assert_true(end.fd >= 0);
	assert_int_equal(poll(&end, 1, 0), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(poll(&end, 1, 20000), 1);
	close(end.fd);
}

static void how_many_processes(void **state)
{
	(void)state;
	assert_int_equal(server_processes_for(0, 20000, 1, 2), 1);
	assert_int_equal(server_processes_for(1, 20000, 1, 2), 1);
	assert_int_equal(server_processes_for(19900, 20000, 1, 2), 1);
	assert_int_equal(server_processes_for(20000, 20000, 1, 2), 2);
	assert_int_equal(server_processes_for(100000, 20000, 1, 2), 6);
	assert_int_equal(server_processes_for(100000, 1048576, 1, 2), 1);
	/* Where there is hardly room for the server itself, half of it is taken. */
	assert_int_equal(server_processes_for(100, 64, 4, 2), 4);
	assert_int_equal(server_processes_for(100, 0, 4, 2), 100);
	assert_int_equal(server_processes_for(UINT64_MAX, 16, 1, 1), 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_serve_and_drain),
		cmocka_unit_test(threads_are_spread),
		cmocka_unit_test(a_worker_has_a_thread_at_least),
		cmocka_unit_test(what_lingers_is_forced),
		cmocka_unit_test(a_draining_server_refuses),
		cmocka_unit_test(a_listener_that_went_is_no_error_at_the_end),
		cmocka_unit_test(the_others_go_on),
		cmocka_unit_test(an_engine_says_why),
		cmocka_unit_test(each_death_is_told),
		cmocka_unit_test(a_part_that_ends_is_told_at_once),
		cmocka_unit_test(nothing_is_left_behind),
		cmocka_unit_test(signals_for_the_group_end_no_worker),
		cmocka_unit_test(workers_keep_no_strange_descriptors),
		cmocka_unit_test(workers_die_with_the_caller),
		cmocka_unit_test(how_many_processes),
	};

	be_alone();
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
