/*
 * How several workers share one listener: who has no room leaves it to the others, and what a dead
 * one held is nobody's any more. With an engine that asks for room as engine.h says; and with a
 * real one whom the kernel refuses descriptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/testnet.h"
#include "serve/protocol.h"
#include "serve/server.h"
#include "serve/talk.h"

#define MINUTE (60 * NS_PER_S) /* for what comes at once */

/* ---- an engine that holds what it accepts until the peer closes */

#define WORKERS_MAX 4
#define HELD_MAX    8

/* What workers tell, in shared memory. */
static struct told {
	_Atomic unsigned begun, ready;
	_Atomic pid_t pid[WORKERS_MAX];
	_Atomic unsigned held[WORKERS_MAX];
} * told;

enum { AT_STOP, AT_LISTENER, AT_HELD };

static void take_one(const struct serve_work *work, struct pollfd *held, unsigned me)
{
	int fd = accept4(work->listeners[0], NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!engine_admit(work, work->tallies)) {
		close(fd);
		return;
	}
	while (held->fd >= 0)
		held++;
	held->fd = fd;
	told->held[me]++;
}

static void drop_one(const struct serve_work *work, struct pollfd *held, unsigned me)
{
	const struct talk_step step = {.linger = -1, .ending = ENDED_BY_PEER};

	engine_close(work, work->tallies, held->fd, &step);
	held->fd = -1;
	told->held[me]--;
}

static void hold(const struct serve_work *work, unsigned me)
{
	struct pollfd fds[AT_HELD + HELD_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	fds[AT_STOP].fd = work->stop_fd;
	while (!fds[AT_STOP].revents) {
		fds[AT_LISTENER].fd = engine_has_room(work, work->tallies) ? work->listeners[0]
									   : -1;
		poll(fds, ARRAY_SIZE(fds), -1);
		if (fds[AT_LISTENER].revents & POLLIN)
			take_one(work, &fds[AT_HELD], me);
		for (size_t i = AT_HELD; i < ARRAY_SIZE(fds); i++)
			if (fds[i].revents)
				drop_one(work, &fds[i], me);
	}
	for (size_t i = AT_HELD; i < ARRAY_SIZE(fds); i++)
		if (fds[i].fd >= 0)
			drop_one(work, &fds[i], me);
}

static int holds_run(const struct serve_work *work, struct why *why)
{
	unsigned me = atomic_fetch_add(&told->begun, 1);

	(void)why;
	told->pid[me] = getpid();
	tally_tasks(work->tallies, 1);
	atomic_fetch_add(&told->ready, 1);
	hold(work, me);
	tally_tasks(work->tallies, -1);
	return 0;
}

/* So few descriptors that half of them are for connections (server_processes_for()): two. */
static const struct serve_engine holds = {.name = "holds", .run = holds_run, .descriptors_max = 4};
static const struct serve_engine holds_apart = {
	.name = "apart", .run = holds_run, .descriptors_max = 4, .apart = true};

/* ---- a server on the loopback */

static int listen_somewhere(struct sockaddr_in *ret)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	*ret = at;
	return fd;
}

static struct sockaddr_in where;

static struct server *make(const struct serve_plan *plan, unsigned processes)
{
	struct server *server = NULL;
	struct why why = {""};
	int listener;

	NEEDS_PROCESSES();
	listener = listen_somewhere(&where);
	memset(told, 0, sizeof(*told));
	assert_int_equal(server_new(plan, &listener, 1, processes, NULL, &server, &why), 0);
	assert_int_equal(server_start(server, &why), 0);
	while (told->ready < processes)
		sched_yield();
	return server;
}

static int visit(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	return fd;
}

/* Waits until the sum's @member is @n; what does not come does not hang, but fails. */
#define AWAIT(server, sum, member, n)                                                              \
	do {                                                                                       \
		int64_t until_ns_ = clock_now_ns() + 20 * NS_PER_S;                                \
                                                                                                   \
		do {                                                                               \
			server_sum(server, sum);                                                   \
			sched_yield();                                                             \
		} while ((sum)->member != (n) && clock_now_ns() < until_ns_);                      \
		assert_int_equal((sum)->member, n);                                                \
	} while (0)

static void end(struct server *server)
{
	struct why why = {""};

	server_drain(server);
	assert_int_equal(server_wait(server, MINUTE, &why), 0);
	server_free(server);
}

/* How many of these clients the server has closed. */
static unsigned count_closed(const int *clients, unsigned count)
{
	unsigned closed = 0;

	for (unsigned i = 0; i < count; i++) {
		struct pollfd one = {.fd = clients[i], .events = POLLIN};

		closed += poll(&one, 1, 0) == 1;
	}
	return closed;
}

static void close_all(const int *clients, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(clients[i]);
}

/* ---- tests */

static void who_is_full_leaves_the_rest_to_others(void **state)
{
	const struct serve_plan plan = {.engine = &holds};
	struct server *server = make(&plan, 2);
	struct tally_sum sum;
	int clients[5];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		clients[i] = visit(&where);
	AWAIT(server, &sum, open, 3); /* so that one of the two is full, and nobody need know */
	assert_int_equal(sum.paused, 0);
	clients[3] = visit(&where);
	AWAIT(server, &sum, open, 4);
	assert_int_equal(told->held[0], 2);
	assert_int_equal(told->held[1], 2);
	/* Twice when both became full in the same moment. */
	AWAIT(server, &sum, paused, sum.paused ? sum.paused : 1);
	assert_in_range(sum.paused, 1, 2);
	clients[4] = visit(&where); /* waits in the backlog */
	close(clients[0]);
	AWAIT(server, &sum, accepted, 5);
	assert_int_equal(sum.errors[EMFILE], 0);
	close_all(clients + 1, 4);
	end(server);
}

/* With no other to leave them to, only accept() knows how many there may be. */
static void one_process_has_no_bound(void **state)
{
	const struct serve_plan plans[] = {{.engine = &holds}, {.engine = &holds_apart}};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct server *server = make(&plans[i], i + 1);
		struct tally_sum sum;
		int clients[6];

		for (unsigned j = 0; j < 6; j++)
			clients[j] = visit(&where);
		AWAIT(server, &sum, open, 6);
		assert_int_equal(sum.paused, 0);
		close_all(clients, 6);
		end(server);
	}
}

static void a_killed_worker_has_nothing_open(void **state)
{
	const struct serve_plan plan = {.engine = &holds, .max_connections = 3};
	struct server *server = make(&plan, 2);
	struct tally_sum sum;
	struct why why;
	int clients[4];
	unsigned victim;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		clients[i] = visit(&where);
	AWAIT(server, &sum, open, 3);
	victim = told->held[0] == 2 ? 0 : 1;
	assert_int_equal(kill(told->pid[victim], SIGKILL), 0);
	assert_int_equal(server_wait(server, MINUTE, &why), -ECHILD);
	server_sum(server, &sum);
	assert_int_equal(sum.accepted, 3);
	assert_int_equal(sum.closed_by_us, 2);
	assert_int_equal(sum.open, 1);
	assert_int_equal(sum.tasks, 1);
	assert_int_equal(sum.tasks_max, 2);
	assert_int_equal(count_closed(clients, 3), 2);
	/* There is room for them again, up to max_connections. */
	clients[3] = visit(&where);
	AWAIT(server, &sum, accepted, 4);
	assert_int_equal(sum.refused, 0);
	assert_int_equal(sum.open, 2);
	close_all(clients, 4);
	end(server);
}

/* One worker that is full is all of them, when the other is dead. */
static void the_dead_have_no_room(void **state)
{
	const struct serve_plan plan = {.engine = &holds};
	struct server *server = make(&plan, 2);
	struct tally_sum sum;
	struct why why;
	int clients[2];

	(void)state;
	assert_int_equal(kill(told->pid[0], SIGKILL), 0);
	assert_int_equal(server_wait(server, MINUTE, &why), -ECHILD);
	for (unsigned i = 0; i < 2; i++)
		clients[i] = visit(&where);
	AWAIT(server, &sum, paused, 1);
	assert_int_equal(sum.open, 2);
	close_all(clients, 2);
	end(server);
}

static void what_is_killed_at_the_end_is_closed(void **state)
{
	const struct serve_plan plan = {.engine = &holds};
	struct server *server = make(&plan, 2);
	int client = visit(&where);
	struct tally_sum sum;

	(void)state;
	AWAIT(server, &sum, open, 1);
	assert_int_equal(server_kill(server), 2);
	assert_int_equal(server_running(server), 0);
	server_sum(server, &sum);
	assert_int_equal(sum.closed_by_us, 1);
	assert_int_equal(sum.open, 0);
	assert_int_equal(sum.tasks, 0);
	assert_int_equal(server_kill(server), 0);
	close(client);
	server_free(server);
}

static unsigned processes_of(const struct serve_engine *engine, size_t connections)
{
	const struct serve_plan plan = {
		.engine = engine, .max_connections = connections, .threads = 1};
	struct server *server = NULL;
	unsigned processes;

	assert_int_equal(server_new(&plan, NULL, 0, 0, NULL, &server, NULL), 0);
	processes = server_processes(server);
	server_free(server);
	return processes;
}

static void an_engine_may_know_few_descriptors(void **state)
{
	(void)state;
	assert_int_equal(processes_of(&holds, 6), 3);
	/* 984 of 1024 each; fewer where the limit is lower yet */
	assert_true(processes_of(engine_find("select"), 2000) >= 3);
}

/* ---- a system without room: a filter that has accept4() of one listener fail */

#define LOW_HALF (__BYTE_ORDER == __BIG_ENDIAN ? 4 : 0) /* of a filter's 64 bits */

static int refuse_accepts(int listener)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_accept4, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[0]) + LOW_HALF),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)listener, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENFILE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* In a process of its own, which the filter stays with; exit status 0: as it should be. */
static int served_beside_refusals(const int listeners[2], const struct sockaddr_in at[2])
{
	const struct serve_plan plan = {
		.engine = engine_find("epoll"), .protocol = protocol_find("daytime"), .threads = 1};
	struct server *server;
	struct tally_sum sum;
	char answer[64];
	int visitor, refused = visit(&at[1]);

	if (server_new(&plan, listeners, 2, 1, NULL, &server, NULL) < 0 ||
	    server_start(server, NULL) < 0)
		return 1;
	do { /* tried again and again, but not in a hurry */
		server_sum(server, &sum);
		sched_yield();
	} while (sum.errors[ENFILE] < 3 && server_wait(server, 0, NULL) == -ETIMEDOUT);
	if (sum.paused != 1 || sum.accepted != 0)
		return 2;
	visitor = visit(&at[0]);
	if (read(visitor, answer, sizeof(answer)) <= 0)
		return 3;
	close(visitor);
	server_force(server);
	if (server_wait(server, MINUTE, NULL) < 0)
		return 4;
	server_sum(server, &sum);
	close(refused);
	return sum.accepted == 1 && sum.closed_by_us == 1 ? 0 : 5;
}

static void no_files_in_the_system_is_a_pause(void **state)
{
	struct sockaddr_in at[2];
	int listeners[2], status;
	pid_t pid;

	(void)state;
	NEEDS_PROCESSES();
	for (int i = 0; i < 2; i++)
		listeners[i] = listen_somewhere(&at[i]);
	pid = fork();
	if (pid == 0) {
		if (refuse_accepts(listeners[1]) < 0)
			_exit(77);
		_exit(served_beside_refusals(listeners, at));
	}
	close_all(listeners, 2);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("no seccomp filters\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_full_leaves_the_rest_to_others),
		cmocka_unit_test(one_process_has_no_bound),
		cmocka_unit_test(a_killed_worker_has_nothing_open),
		cmocka_unit_test(the_dead_have_no_room),
		cmocka_unit_test(what_is_killed_at_the_end_is_closed),
		cmocka_unit_test(an_engine_may_know_few_descriptors),
		cmocka_unit_test(no_files_in_the_system_is_a_pause),
	};

	be_alone();
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
