/*
 * The contract of engines, for all of them alike: real sockets on the loopback of a network
 * namespace of our own, the engine in a process of its own, its counters in shared memory.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "serve/engine.h"
#include "serve/protocol.h"

/* Long beyond anything but a hang: a valgrind on a busy machine is slow. */
#define PATIENCE_NS (60 * NS_PER_S)
#define TALLIES	    4

/* ---- a server in a process of its own */

struct served {
	struct serve_plan plan;
	const struct serve_engine *engine;
	struct tally *tallies;
	_Atomic uint64_t *open_all; /* in the last tally's memory: nobody counts there */
	struct journal *journal;
	rlim_t descriptors;   /* RLIMIT_NOFILE of the server; 0: as it is */
	int first_descriptor; /* lower ones are occupied; 0: as it is */
	int listener, stop_fd, force_fd;
	struct sockaddr_in at;
	pid_t pid;
};

static struct serve_plan plan_for(const char *protocol, enum serve_closing closing)
{
	struct serve_plan plan = {.protocol = protocol_find(protocol), .closing = closing};

	assert_non_null(plan.protocol);
	plan.threads = 2;
	plan.http_body = 100;
	return plan;
}

static int work(struct served *served)
{
	struct serve_work work = {
		.plan = &served->plan,
		.listeners = &served->listener,
		.listener_count = 1,
		.stop_fd = served->stop_fd,
		.force_fd = served->force_fd,
		.tallies = served->tallies,
		.tally_count = TALLIES,
		.open_all = served->open_all,
		.journal = served->journal,
	};
	struct why why = {""};
	int r;

	if (served->first_descriptor)
		while (open("/dev/null", O_RDONLY | O_CLOEXEC) < served->first_descriptor - 1)
			continue;
	if (served->descriptors)
		setrlimit(RLIMIT_NOFILE,
			  &(struct rlimit){served->descriptors, served->descriptors});
	r = served->engine->run(&work, &why);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", served->engine->name, why.text);
	return r;
}

static void start(struct served *served, const struct serve_engine *engine)
{
	socklen_t length = sizeof(served->at);

	served->engine = engine;
	served->plan.engine = engine;
	served->tallies = tallies_new(TALLIES + 1);
	assert_non_null(served->tallies);
	served->open_all = &served->tallies[TALLIES].accepted;
	served->at = (struct sockaddr_in){.sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	served->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(served->listener >= 0);
	assert_int_equal(bind(served->listener, (struct sockaddr *)&served->at, sizeof(served->at)),
			 0);
	assert_int_equal(listen(served->listener, 4096), 0);
	getsockname(served->listener, (struct sockaddr *)&served->at, &length);
	served->stop_fd = eventfd(0, EFD_CLOEXEC);
	served->force_fd = eventfd(0, EFD_CLOEXEC);
	fflush(NULL);
	served->pid = fork();
	assert_true(served->pid >= 0);
	if (served->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(work(served) < 0); /* not _exit(): a leak checker looks now */
	}
}

static struct tally_sum sum(const struct served *served)
{
	struct tally_sum sum;

	tallies_sum(served->tallies, TALLIES, &sum);
	return sum;
}

static void tell(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

/* As server_drain() does it. */
static void stop(struct served *served)
{
	tell(served->stop_fd);
	shutdown(served->listener, SHUT_RD);
}

/* The engine returned 0, and nothing is left over. */
static struct tally_sum ended(struct served *served)
{
	struct tally_sum told;
	int status;

	assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s ended with wait status %#x", served->engine->name, (unsigned)status);
	told = sum(served);
	assert_int_equal(told.accepted, told.closed_by_us + told.closed_by_peer + told.reset);
	assert_int_equal(told.open, 0);
	assert_int_equal(told.tasks, 0);
	assert_true(told.tasks_max >= 1);
	assert_int_equal(atomic_load(served->open_all), 0);
	tallies_free(served->tallies, TALLIES + 1);
	close(served->listener);
	close(served->stop_fd);
	close(served->force_fd);
	return told;
}

static struct tally_sum finish(struct served *served)
{
	stop(served);
	tell(served->force_fd);
	return ended(served);
}

/* Until a counter (its offset in struct tally_sum) has come to @value. */
static void await_sum(const struct served *served, size_t counter, uint64_t value)
{
	int64_t end = clock_now_ns() + PATIENCE_NS;

	for (;;) {
		struct tally_sum now = sum(served);
		uint64_t is = *(uint64_t *)((char *)&now + counter);

		if (is >= value)
			return;
		if (clock_now_ns() > end)
			fail_msg("%s: a counter stays at %ju", served->engine->name, (uintmax_t)is);
		poll(NULL, 0, 1);
	}
}
#define AWAIT(served, member, value)                                                               \
	await_sum((served), offsetof(struct tally_sum, member), (value))

/* Whether no thread of the server runs or wants to, now. */
static bool asleep(const struct served *served)
{
	struct dirent *task;
	bool all = true;
	char path[300];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)served->pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((task = readdir(tasks))) {
		CLEANUP_FREE char *text = NULL;
		size_t length;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)served->pid,
			 task->d_name);
		if (task->d_name[0] != '.' && file_read(path, 4096, &text, &length) == 0)
			all = all && strstr(text, ") S ");
	}
	closedir(tasks);
	return all;
}

/* Who spins never sleeps: seen at rest many times in a row is proof enough. */
static void assert_no_spin(const struct served *served)
{
	int64_t end = clock_now_ns() + PATIENCE_NS;

	for (int times = 0; times < 40; poll(NULL, 0, 1)) {
		times = asleep(served) ? times + 1 : 0;
		if (clock_now_ns() > end)
			fail_msg("%s does not come to rest", served->engine->name);
	}
}

/* ---- clients */

static int dial(const struct served *served)
{
	struct timeval patience = {.tv_sec = PATIENCE_NS / NS_PER_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (const struct sockaddr *)&served->at, sizeof(served->at)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads to the end. Returns the number of bytes, or -errno; @to holds the first of them. */
static ssize_t hear(int fd, char *to, size_t room)
{
	size_t length = 0;
	char buffer[4096];

	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (length < room)
			memcpy(to + length, buffer,
			       (size_t)n < room - length ? (size_t)n : room - length);
		length += (size_t)n;
	}
	return (ssize_t)length;
}

/* Exactly so much, without waiting for the end. */
static void hear_text(int fd, const char *text)
{
	char buffer[256];
	size_t length = strlen(text);

	assert_true(length <= sizeof(buffer));
	assert_int_equal(recv(fd, buffer, length, MSG_WAITALL), length);
	assert_memory_equal(buffer, text, length);
}

static void hang_up_rst(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* ---- the contract */

static const struct conversation {
	const char *protocol, *request, *answer; /* answer: how it begins */
	size_t least;				 /* bytes of the answer */
} conversations[] = {
	{"daytime", NULL, "", 10},
	{"echo", "hello\n", "hello\n", 6},
	{"discard", "nothing\n", "", 0},
	{"chargen", NULL, " !\"#$%&'()*+,-./0123", 74},
	{"chat", "quit\r\n", "", 0},
	{"http", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", 100},
};

static void converse(const struct serve_engine *engine, const struct conversation *c)
{
	struct served served = {.plan = plan_for(c->protocol, SERVE_CLOSE_ACTIVE)};
	struct tally_sum told;
	char text[64];

	start(&served, engine);
	for (int i = 0; i < 3; i++) {
		CLEANUP_CLOSE int fd = dial(&served);
		ssize_t n;

		if (c->request)
			say(fd, c->request);
		n = hear(fd, text, sizeof(text));
		assert_true(n >= (ssize_t)c->least);
		assert_memory_equal(text, c->answer, strlen(c->answer));
	}
	AWAIT(&served, closed_by_us, 3);
	told = finish(&served);
	assert_int_equal(told.accepted, 3);
	assert_int_equal(told.closed_by_us, 3);
	assert_int_equal(told.bytes_in, c->request ? 3 * strlen(c->request) : 0);
	assert_true(told.bytes_out >= 3 * c->least);
	assert_true(told.answers >= 3);
}

static void every_protocol_answers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(conversations); i++)
		if (protocol_find(conversations[i].protocol))
			converse(*state, &conversations[i]);
}

enum leaving { LEAVE_FIN, LEAVE_HALF, LEAVE_RST, LEAVE_SILENT, LEAVINGS };

/* One connection that asks, and goes in a way of its own without regard to the server's. */
static void come_and_go(const struct served *served, enum leaving leaving)
{
	char text[16];
	int fd = dial(served);

	if (leaving != LEAVE_SILENT)
		say(fd, "a\n");
	if (leaving == LEAVE_HALF) {
		shutdown(fd, SHUT_WR);
		/* never: nothing would come */
		if (served->plan.closing != SERVE_CLOSE_NEVER)
			hear(fd, text, sizeof(text));
	}
	if (leaving == LEAVE_RST)
		hang_up_rst(fd);
	else
		close(fd);
}

static void counters_add_up(void **state)
{
	for (int closing = 0; closing < SERVE_CLOSING_COUNT; closing++) {
		struct served served = {.plan = plan_for("echo", closing)};
		uint64_t count = 0;

		served.plan.linger_s = 1;
		start(&served, *state);
		for (int round = 0; round < 3; round++)
			for (int leaving = 0; leaving < LEAVINGS; leaving++, count++)
				come_and_go(&served, leaving);
		AWAIT(&served, accepted, count);
		assert_int_equal(finish(&served).accepted, count);
	}
}

static void hear_line(int fd)
{
	char byte;

	do
		assert_int_equal(recv(fd, &byte, 1, 0), 1);
	while (byte != '\n');
}

static void who_closes_first_is_told(void **state)
{
	struct served passive = {.plan = plan_for("daytime", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;

	start(&passive, *state);
	for (int i = 0; i < 4; i++) {
		int fd = dial(&passive);

		hear_line(fd); /* with something unread, close() would send RST instead of FIN */
		if (i < 3)
			close(fd);
		else
			hang_up_rst(fd);
	}
	AWAIT(&passive, closed_by_peer, 3);
	AWAIT(&passive, reset, 1);
	told = finish(&passive);
	assert_int_equal(told.closed_by_peer, 3);
	assert_int_equal(told.reset, 1);
	assert_int_equal(told.closed_by_us, 0);
}

static void closing_reaches_the_peer(void **state)
{
	static const struct {
		enum serve_closing closing;
		ssize_t end; /* of what the client hears: bytes, or -errno */
	} cases[] = {
		{SERVE_CLOSE_ACTIVE, 2},	   {SERVE_CLOSE_HALF, 2},
		{SERVE_CLOSE_RST, -ECONNRESET},	   {SERVE_CLOSE_LINGER, 2},
		{SERVE_CLOSE_UNREAD, -ECONNRESET},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct served served = {.plan = plan_for("echo", cases[i].closing)};
		char text[8];
		int fd;

		served.plan.linger_s = 1;
		start(&served, *state);
		fd = dial(&served);
		say(fd, "a\n");
		if (cases[i].end < 0)
			hear_text(fd, "a\n");
		if (cases[i].closing == SERVE_CLOSE_UNREAD)
			say(fd, "b\n");
		assert_int_equal(hear(fd, text, sizeof(text)), cases[i].end);
		if (cases[i].closing == SERVE_CLOSE_HALF)
			say(fd, "more"); /* is read */
		close(fd);
		AWAIT(&served, closed_by_us, 1);
		assert_int_equal(finish(&served).closed_by_us, 1);
	}
}

static void before_the_answer(void **state)
{
	struct served served = {.plan = plan_for("daytime", SERVE_CLOSE_ACTIVE)};
	char text[8];
	int fd;

	served.plan.before_answer = true;
	start(&served, *state);
	fd = dial(&served);
	assert_int_equal(hear(fd, text, sizeof(text)), 0);
	close(fd);
	assert_int_equal(finish(&served).bytes_out, 0);
}

static void close_after_a_time(void **state)
{
	struct served served = {.plan = plan_for("daytime", SERVE_CLOSE_ACTIVE)};
	int64_t began_ns = clock_now_ns();
	char text[8];
	int fds[8];

	served.plan.close_after_ns = 100 * NS_PER_MS;
	start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_true(hear(fds[i], text, sizeof(text)) > 0);
		close(fds[i]);
	}
	assert_true(clock_now_ns() - began_ns >= 100 * NS_PER_MS);
	AWAIT(&served, closed_by_us, ARRAY_SIZE(fds));
	finish(&served);
}

/* ---- bad days */

static void silent_peers_are_closed(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	char text[8];
	int fds[5];

	served.plan.idle_timeout_ns = 20 * NS_PER_MS;
	start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(hear(fds[i], text, sizeof(text)), 0);
		close(fds[i]);
	}
	told = finish(&served);
	assert_int_equal(told.idle_closed, ARRAY_SIZE(fds));
	assert_int_equal(told.closed_by_us, ARRAY_SIZE(fds));
}

/* A byte now and then keeps a connection, also one that takes longer in all than the timeout. */
static void slow_peers_are_kept(void **state)
{
	const int64_t timeout_ns = 400 * NS_PER_MS;
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE)};
	int64_t began_ns, last_ns, gap_ns = 0;
	bool closed = false;
	int fd;

	served.plan.idle_timeout_ns = timeout_ns;
	start(&served, *state);
	fd = dial(&served);
	began_ns = last_ns = clock_now_ns();
	while (!closed && clock_now_ns() - began_ns < 3 * timeout_ns) {
		char byte = 'x';

		poll(NULL, 0, (int)(timeout_ns / NS_PER_MS / 8));
		closed = send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1;
		if (clock_now_ns() - last_ns > gap_ns)
			gap_ns = clock_now_ns() - last_ns;
		last_ns = clock_now_ns();
	}
	close(fd);
	finish(&served);
	/* It is not the server's fault when this process did not get to run for so long. */
	assert_true(!closed || gap_ns > timeout_ns / 2);
}

static void much_comes_and_goes(void **state)
{
	struct served served = {.plan = plan_for("discard", SERVE_CLOSE_PASSIVE)};
	const size_t length = 10 << 20;
	CLEANUP_FREE char *much = malloc(length);
	size_t sent = 0;
	int fd;

	assert_non_null(much);
	memset(much, 'x', length);
	start(&served, *state);
	fd = dial(&served);
	while (sent < length) {
		ssize_t n = send(fd, much + sent, length - sent, MSG_NOSIGNAL);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	close(fd);
	AWAIT(&served, closed_by_peer, 1);
	assert_int_equal(finish(&served).bytes_in, length);
}

/* chargen without end, to one that reads and one that does not; others are served meanwhile. */
static void one_who_does_not_read_stops_nobody(void **state)
{
	struct served served = {.plan = plan_for("chargen", SERVE_CLOSE_PASSIVE)};
	CLEANUP_FREE char *text = malloc(1 << 20);
	int deaf, fd;

	assert_non_null(text);
	start(&served, *state);
	deaf = dial(&served);
	AWAIT(&served, bytes_out, 1);
	fd = dial(&served);
	assert_int_equal(recv(fd, text, 1 << 20, MSG_WAITALL), 1 << 20);
	hang_up_rst(fd);
	AWAIT(&served, reset, 1);
	close(deaf);
	finish(&served);
}

static void stop_drains(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_ACTIVE)};
	char text[8];
	int idle, waiting;

	served.plan.close_after_ns = 300 * NS_PER_MS;
	start(&served, *state);
	idle = dial(&served);
	waiting = dial(&served);
	say(waiting, "a\n");
	hear_text(waiting, "a\n");
	AWAIT(&served, accepted, 2);
	stop(&served);
	/* One that asked for nothing is closed at once, one that waits for its end gets that. */
	assert_int_equal(hear(idle, text, sizeof(text)), 0);
	assert_int_equal(hear(waiting, text, sizeof(text)), 0);
	assert_int_equal(ended(&served).closed_by_us, 2);
	close(idle);
	close(waiting);
}

static void force_closes(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_ACTIVE)};
	char text[8];
	int fds[10];

	served.plan.close_after_ns = 3600 * NS_PER_S;
	start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(&served);
		say(fds[i], "a\n");
		hear_text(fds[i], "a\n");
	}
	stop(&served);
	tell(served.force_fd);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(hear(fds[i], text, sizeof(text)), 0);
		close(fds[i]);
	}
	assert_int_equal(ended(&served).closed_by_us, ARRAY_SIZE(fds));
}

static void leaks_last_until_the_end(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_NEVER)};
	struct tally_sum told;
	int fd;

	start(&served, *state);
	fd = dial(&served);
	say(fd, "a\n");
	hear_text(fd, "a\n");
	close(fd);
	fd = dial(&served);
	say(fd, "b\n");
	hear_text(fd, "b\n");
	close(fd);
	assert_no_spin(&served); /* the FIN that nobody answers may be told without end */
	told = sum(&served);
	assert_int_equal(told.open, 2);
	told = finish(&served);
	assert_int_equal(told.accepted, 2);
}

/* What happens to a connection that waits for its time is not looked at, and wakes nobody. */
static void waiting_is_no_spin(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_ACTIVE)};

	served.plan.close_after_ns = 3600 * NS_PER_S;
	start(&served, *state);
	for (int leaving = 0; leaving < LEAVINGS; leaving++) {
		int fd = dial(&served);

		say(fd, "a\n");
		hear_text(fd, "a\n");
		say(fd, "b\n");
		if (leaving == LEAVE_RST)
			hang_up_rst(fd);
		else
			close(fd);
	}
	assert_no_spin(&served);
	assert_int_equal(finish(&served).accepted, LEAVINGS);
}

/* Engines whose connections take descriptors of the process that accepts. */
static bool holds_descriptors(const struct serve_engine *engine)
{
	return strcmp(engine->name, "fork") != 0 && strcmp(engine->name, "uring") != 0;
}

/* valgrind does not let its guests lower the hard limit, and loses connections at the soft one. */
static bool can_limit_descriptors(void)
{
	int status = 1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(setrlimit(RLIMIT_NOFILE, &(struct rlimit){32, 32}) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void no_descriptors_left(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE), .descriptors = 32};
	const struct serve_engine *engine = *state;
	struct tally_sum told;
	int fds[40];

	if (!can_limit_descriptors()) {
		print_message("cannot set RLIMIT_NOFILE (valgrind?)\n");
		skip();
	}
	served.plan.threads = 1;
	start(&served, engine);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	if (holds_descriptors(engine)) {
		int64_t began_ns;

		AWAIT(&served, errors[EMFILE], 1);
		began_ns = clock_now_ns();
		AWAIT(&served, errors[EMFILE], 6);
		/* A try now and then, no spin. */
		assert_true(clock_now_ns() - began_ns > 4 * ENGINE_PAUSE_MS * NS_PER_MS);
		told = sum(&served);
		assert_int_equal(told.paused, 1);
		assert_true(told.accepted < ARRAY_SIZE(fds));
	}
	/* With each that goes, the next is let in. */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		say(fds[i], "a\n");
		hear_text(fds[i], "a\n");
		close(fds[i]);
	}
	AWAIT(&served, closed_by_peer, ARRAY_SIZE(fds));
	/* The listener is as good as ever. */
	fds[0] = dial(&served);
	say(fds[0], "b\n");
	hear_text(fds[0], "b\n");
	close(fds[0]);
	told = finish(&served);
	assert_int_equal(told.accepted, ARRAY_SIZE(fds) + 1);
}

static void no_more_than_allowed(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	char text[8];
	int fds[3], over, again;

	served.plan.max_connections = ARRAY_SIZE(fds);
	start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(&served);
		say(fds[i], "a\n");
		hear_text(fds[i], "a\n");
	}
	over = dial(&served);
	assert_int_equal(hear(over, text, sizeof(text)), 0);
	close(over);
	close(fds[0]);
	AWAIT(&served, closed_by_peer, 1);
	/* The counter that decides follows that of the endings. */
	while (atomic_load(served.open_all) > 2)
		sched_yield();
	again = dial(&served);
	say(again, "a\n");
	hear_text(again, "a\n");
	told = sum(&served);
	assert_int_equal(told.refused, 1);
	assert_int_equal(told.closed_by_us, 1);
	assert_int_equal(told.open, 3);
	finish(&served);
	close(again);
	close(fds[1]);
	close(fds[2]);
}

static void many_at_once(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE)};
	int fds[300];

	served.plan.threads = 3;
	start(&served, *state);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			fds[i] = dial(&served);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			say(fds[i], "a\n");
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			hear_text(fds[i], "a\n");
			if (i % 3 == 0)
				hang_up_rst(fds[i]);
			else
				close(fds[i]);
		}
	}
	AWAIT(&served, closed_by_peer, 400);
	AWAIT(&served, reset, 200);
	assert_int_equal(finish(&served).answers, 600);
}

static void a_broken_listener_is_told(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE)};
	int status;

	start(&served, *state);
	close(dial(&served));
	AWAIT(&served, closed_by_peer, 1);
	shutdown(served.listener, SHUT_RD); /* and nobody said stop */
	assert_int_equal(waitpid(served.pid, &status, 0), served.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(sum(&served).open, 0);
	tallies_free(served.tallies, TALLIES + 1);
	close(served.listener);
	close(served.stop_fd);
	close(served.force_fd);
}

static size_t lines_with(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

static void the_journal_has_all(void **state)
{
	struct served served = {.plan = plan_for("chat", SERVE_CLOSE_ACTIVE)};
	CLEANUP_CLOSE int log = memfd_create("journal", MFD_CLOEXEC);
	char path[64], text[4096];
	struct why why;
	ssize_t length;

	assert_true(log >= 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), log);
	assert_int_equal(journal_open(path, JOURNAL_JSON, &served.journal, &why), 0);
	start(&served, *state);
	for (int i = 0; i < 2; i++) {
		CLEANUP_CLOSE int fd = dial(&served);

		say(fd, "good day\nquit\n");
		assert_int_equal(hear(fd, text, sizeof(text)), 0);
	}
	AWAIT(&served, closed_by_us, 2);
	finish(&served);
	journal_close(served.journal);
	length = pread(log, text, sizeof(text) - 1, 0);
	assert_true(length > 0);
	text[length] = '\0';
	assert_int_equal(lines_with(text, "good day"), 2);
	assert_int_equal(lines_with(text, "127.0.0.1"), 4);
	assert_int_equal(lines_with(text, "\n"), 8);
}

/* ---- what only some have */

static void select_refuses_what_does_not_fit(void **state)
{
	struct served served = {.plan = plan_for("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	size_t served_count = 0;
	int fds[40];

	(void)state;
	served.plan.threads = 1;
	served.descriptors = 2048;
	served.first_descriptor = FD_SETSIZE - 10;
	start(&served, engine_find("select"));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	AWAIT(&served, accepted, ARRAY_SIZE(fds));
	AWAIT(&served, refused, ARRAY_SIZE(fds) - 10);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char byte = 'x';

		served_count += send(fds[i], &byte, 1, MSG_NOSIGNAL) == 1 &&
				recv(fds[i], &byte, 1, 0) == 1;
		close(fds[i]);
	}
	told = finish(&served);
	assert_int_equal(served_count + told.refused, ARRAY_SIZE(fds));
	assert_int_equal(told.errors[ENOBUFS], told.refused);
	assert_true(served_count > 0);
}

static void engines_are_found_by_name(void **state)
{
	static const char *const names[] = {"epoll", "poll", "select", "thread", "fork", "uring"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_ptr_equal(engine_find(names[i]), engines[i]);
		assert_string_equal(engines[i]->name, names[i]);
	}
	assert_null(engines[ARRAY_SIZE(names)]);
	assert_null(engine_find("ssl"));
}

static void troubles_of_accept(void **state)
{
	(void)state;
	assert_int_equal(engine_accept_trouble(EMFILE), ACCEPT_NO_ROOM);
	assert_int_equal(engine_accept_trouble(ENFILE), ACCEPT_NO_ROOM);
	assert_int_equal(engine_accept_trouble(EPERM), ACCEPT_NO_ROOM);
	assert_int_equal(engine_accept_trouble(ECONNABORTED), ACCEPT_AGAIN);
	assert_int_equal(engine_accept_trouble(EBADF), ACCEPT_FATAL);
}

/* ---- all of it, in a namespace of its own */

static const struct {
	const char *name;
	CMUnitTestFunction function;
} contract[] = {
	{"every protocol answers", every_protocol_answers},
	{"counters add up", counters_add_up},
	{"who closes first is told", who_closes_first_is_told},
	{"closing reaches the peer", closing_reaches_the_peer},
	{"before the answer", before_the_answer},
	{"close after a time", close_after_a_time},
	{"silent peers are closed", silent_peers_are_closed},
	{"slow peers are kept", slow_peers_are_kept},
	{"much comes and goes", much_comes_and_goes},
	{"one who does not read stops nobody", one_who_does_not_read_stops_nobody},
	{"stop drains", stop_drains},
	{"force closes", force_closes},
	{"leaks last until the end", leaks_last_until_the_end},
	{"waiting is no spin", waiting_is_no_spin},
	{"no descriptors left", no_descriptors_left},
	{"no more than allowed", no_more_than_allowed},
	{"many at once", many_at_once},
	{"a broken listener is told", a_broken_listener_is_told},
	{"the journal has all", the_journal_has_all},
};

#define ENGINES_MAX 8
static char names[ENGINES_MAX][ARRAY_SIZE(contract)][80];

/* The contract for each engine that this system has; @only: for that one. */
static size_t contract_tests(struct CMUnitTest *tests, const char *only)
{
	size_t count = 0;

	for (size_t e = 0; engines[e] && e < ENGINES_MAX; e++) {
		struct why why = {""};

		if (only && strcmp(only, engines[e]->name) != 0)
			continue;
		/* valgrind lets no other thread run while io_uring_enter(2) waits: it would hang.
		 */
		if (getenv("CONTEST_VALGRIND") && strcmp(engines[e]->name, "uring") == 0) {
			printf("# engine uring left out: it hangs under valgrind\n");
			continue;
		}
		if (engines[e]->probe(&why) < 0) {
			printf("# engine %s left out: %s\n", engines[e]->name, why.text);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(contract); i++) {
			snprintf(names[e][i], sizeof(names[e][i]), "%s: %s", engines[e]->name,
				 contract[i].name);
			tests[count++] = (struct CMUnitTest){
				.name = names[e][i],
				.test_func = contract[i].function,
				.initial_state = (void *)engines[e],
			};
		}
	}
	return count;
}

static int run_all(const char *only)
{
	struct CMUnitTest tests[ENGINES_MAX * ARRAY_SIZE(contract) + 3];
	size_t count = contract_tests(tests, only);

	if (!only) {
		tests[count++] = (struct CMUnitTest)cmocka_unit_test(engines_are_found_by_name);
		tests[count++] = (struct CMUnitTest)cmocka_unit_test(troubles_of_accept);
		tests[count++] =
			(struct CMUnitTest)cmocka_unit_test(select_refuses_what_does_not_fit);
	}
	return _cmocka_run_group_tests("engines", tests, count, NULL, NULL);
}

static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* What runs in the namespace. Its end is that of the test. */
static int inside(const char *only)
{
	int r = loopback_up();

	if (r == 0)
		return run_all(only) != 0;
	printf("skipped: no loopback: %s\n", strerror(-r));
	return 77; /* meson: skipped */
}

static int ended_as(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Who is nobody in the new namespace would lose its rights there with execv(). */
static void be_root(uid_t outside)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "0 %u 1", (unsigned)outside);
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, line, (size_t)length) < 0)
		perror("uid_map");
	close(fd);
}

/* A process with threads may not change its user namespace, and with the thread sanitizer each has
 * one: a new process is born in the namespaces instead, and begins anew. */
static int run_anew(char *only)
{
	char *argv[] = {"engine_test", "--inside", only, NULL};
	uid_t uid = geteuid();
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, NULL, NULL,
				   NULL, NULL);

	if (pid == 0) {
		be_root(uid);
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	if (pid > 0)
		return ended_as(pid);
	printf("skipped: no network namespace of our own: %s\n", strerror(errno));
	return 77;
}

/* engine_test [ENGINE]: all engines, or one. */
int main(int argc, char **argv)
{
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "--inside") == 0)
		return inside(argv[2]);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
			exit(inside(argv[1]));
		exit(run_anew(argv[1]));
	}
	return pid < 0 ? 1 : ended_as(pid);
}
