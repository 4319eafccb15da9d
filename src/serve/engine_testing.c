#include "serve/engine_testing.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define GRACE_MS 10000
/* For what comes after the server. */
#define SCENE_DESCRIPTORS 64

/* pidfd of the server that was started last; -1 where there are none. */
static int server_fd = -1;

/* valgrind (3.19) lets no other thread run while one waits in io_uring_enter(2): with a thread more
 * than one the engine would hang. */
bool scene_is_valgrind(void)
{
	return getenv("CONTEST_VALGRIND") != NULL;
}

static bool is_uring(const struct serve_engine *engine)
{
	return strcmp(engine->name, "uring") == 0;
}

/* ---- a server in a process of its own */

struct serve_plan scene_plan(const char *protocol, enum serve_closing closing)
{
	struct serve_plan plan = {.protocol = protocol_find(protocol), .closing = closing};

	assert_non_null(plan.protocol);
	plan.threads = 2;
	plan.http_body = 100;
	return plan;
}

/* Bounds @resource for this process; @hard: at most, as far as it is not lower already. */
static void limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = soft;
	if (hard < limit.rlim_max)
		limit.rlim_max = hard;
	setrlimit(resource, &limit);
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
		.tally_count = SCENE_TALLIES,
		.open_all = served->open_all,
		.journal = served->journal,
	};
	struct why why = {""};
	int r;

	if (served->first_descriptor)
		while (open("/dev/null", O_RDONLY | O_CLOEXEC) < served->first_descriptor - 1)
			continue;
	if (served->descriptors)
		limit(RLIMIT_NOFILE, served->descriptors, served->descriptors);
	if (served->descriptors_soft)
		limit(RLIMIT_NOFILE, served->descriptors_soft, RLIM_INFINITY);
	if (served->locked)
		limit(RLIMIT_MEMLOCK, served->locked, served->locked);
	r = served->engine->run(&work, &why);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", served->engine->name, why.text);
	if (served->descriptors_soft) /* a leak checker wants some */
		limit(RLIMIT_NOFILE, SCENE_DESCRIPTORS, RLIM_INFINITY);
	return r;
}

void scene_start(struct served *served, const struct serve_engine *engine)
{
	socklen_t length = sizeof(served->at);

	served->engine = engine;
	served->plan.engine = engine;
	if (scene_is_valgrind() && is_uring(engine))
		served->plan.threads = 1;
	served->tallies = tallies_new(SCENE_TALLIES + 1);
	assert_non_null(served->tallies);
	served->open_all = &served->tallies[SCENE_TALLIES].accepted;
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
	if (server_fd >= 0)
		close(server_fd);
	/* valgrind (3.19) does not know the call, and says so at length. */
	server_fd = scene_is_valgrind() ? -1 : (int)syscall(SYS_pidfd_open, served->pid, 0);
}

/* The server has ended while something is waited for that it was to do. */
static void fail_dead(void)
{
	siginfo_t how = {0};

	waitid(P_PIDFD, (id_t)server_fd, &how, WEXITED | WNOWAIT);
	fail_msg("the server has ended (%s %d)", how.si_code == CLD_EXITED ? "status" : "signal",
		 how.si_status);
}

struct tally_sum scene_sum(const struct served *served)
{
	struct tally_sum sum;

	tallies_sum(served->tallies, SCENE_TALLIES, &sum);
	return sum;
}

void scene_tell(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

void scene_stop(struct served *served)
{
	scene_tell(served->stop_fd);
	shutdown(served->listener, SHUT_RD);
}

static int end_of(struct served *served)
{
	int status;

	assert_int_equal(waitpid(served->pid, &status, 0), served->pid);
	return status;
}

static void scene_free(struct served *served)
{
	tallies_free(served->tallies, SCENE_TALLIES + 1);
	close(served->listener);
	close(served->stop_fd);
	close(served->force_fd);
}

struct tally_sum scene_ended(struct served *served)
{
	int status = end_of(served);
	struct tally_sum told = scene_sum(served);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s ended with wait status %#x", served->engine->name, (unsigned)status);
	assert_int_equal(told.accepted, told.closed_by_us + told.closed_by_peer + told.reset);
	assert_int_equal(told.open, 0);
	assert_int_equal(told.tasks, 0);
	assert_true(told.tasks_max >= 1);
	assert_int_equal(atomic_load(served->open_all), 0);
	scene_free(served);
	return told;
}

void scene_failed(struct served *served)
{
	int status = end_of(served);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(scene_sum(served).open, 0);
	scene_free(served);
}

struct tally_sum scene_finish(struct served *served)
{
	scene_stop(served);
	scene_tell(served->force_fd);
	return scene_ended(served);
}

void scene_await(const struct served *served, size_t counter, uint64_t value)
{
	int64_t end = clock_now_ns() + SCENE_PATIENCE_NS;
	struct pollfd server = {.fd = server_fd, .events = POLLIN};
	bool dead = false;

	for (;;) {
		struct tally_sum now = scene_sum(served);
		uint64_t is = *(uint64_t *)((char *)&now + counter);

		if (is >= value)
			return;
		if (dead)
			fail_dead();
		if (clock_now_ns() > end)
			fail_msg("%s: a counter stays at %ju", served->engine->name, (uintmax_t)is);
		dead = poll(&server, 1, 1) > 0;
	}
}

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

void assert_no_spin(const struct served *served)
{
	int64_t end = clock_now_ns() + SCENE_PATIENCE_NS;

	for (int times = 0; times < 40; poll(NULL, 0, 1)) {
		times = asleep(served) ? times + 1 : 0;
		if (clock_now_ns() > end)
			fail_msg("%s does not come to rest", served->engine->name);
	}
}

/* ---- clients */

static int dial_with(const struct served *served, int receive_buffer)
{
	struct timeval patience = {.tv_sec = SCENE_PATIENCE_NS / NS_PER_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (const struct sockaddr *)&served->at, sizeof(served->at)), 0);
	return fd;
}

int dial(const struct served *served)
{
	return dial_with(served, 0);
}

int dial_narrow(const struct served *served)
{
	return dial_with(served, 1); /* the kernel makes it SOCK_MIN_RCVBUF */
}

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What a dead server has sent is there at once, but for a kernel thread that must get to run. */
static void await_bytes(int fd)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = server_fd, .events = POLLIN},
	};

	poll(fds, 2, (int)(SCENE_PATIENCE_NS / NS_PER_MS));
	if (!fds[0].revents && fds[1].revents && poll(fds, 1, GRACE_MS) == 0)
		fail_dead();
}

ssize_t hear_some(int fd, void *to, size_t room)
{
	await_bytes(fd);
	return recv(fd, to, room, 0);
}

ssize_t hear(int fd, char *to, size_t room)
{
	size_t length = 0;
	char buffer[4096];

	for (;;) {
		ssize_t n = hear_some(fd, buffer, sizeof(buffer));

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

void hear_all(int fd, void *to, size_t length)
{
	size_t heard = 0;

	while (heard < length) {
		ssize_t n = hear_some(fd, (char *)to + heard, length - heard);

		assert_true(n > 0);
		heard += (size_t)n;
	}
}

void hear_text(int fd, const char *text)
{
	char buffer[256];
	size_t length = strlen(text);

	assert_true(length <= sizeof(buffer));
	hear_all(fd, buffer, length);
	assert_memory_equal(buffer, text, length);
}

void hear_line(int fd)
{
	char byte;

	do
		hear_all(fd, &byte, 1);
	while (byte != '\n');
}

void hang_up_rst(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* ---- all of it, in a namespace of its own */

#define TESTS_MAX 200

static char names[TESTS_MAX][80];

/* The cases for each engine that this system has; @only: for that one. */
static size_t cases_of(const struct scene *scene, const char *only, struct CMUnitTest *tests)
{
	size_t count = 0;

	for (size_t e = 0; engines[e]; e++) {
		struct why why = {""};

		if (only && strcmp(only, engines[e]->name) != 0)
			continue;
		if (engines[e]->probe(&why) < 0) {
			printf("# engine %s left out: %s\n", engines[e]->name, why.text);
			continue;
		}
		for (size_t i = 0; i < scene->case_count && count < TESTS_MAX; i++, count++) {
			snprintf(names[count], sizeof(names[count]), "%s: %s", engines[e]->name,
				 scene->cases[i].name);
			tests[count] = (struct CMUnitTest){
				.name = names[count],
				.test_func = scene->cases[i].function,
				.initial_state = (void *)engines[e],
			};
		}
	}
	return count;
}

static int run_all(const struct scene *scene, const char *only)
{
	struct CMUnitTest tests[TESTS_MAX];
	size_t count = cases_of(scene, scene->only ? scene->only : only, tests);

	for (size_t i = 0; !only && i < scene->other_count && count < TESTS_MAX; i++)
		tests[count++] = scene->others[i];
	return _cmocka_run_group_tests("engines", tests, count, NULL, NULL);
}

static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* What runs in the namespace. Its end is that of the test. */
static int inside(const struct scene *scene, const char *only)
{
	int r = loopback_up();

	if (r == 0)
		return run_all(scene, only) != 0;
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
	char *argv[] = {"test", "--inside", only, NULL};
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

int scene_main(const struct scene *scene, int argc, char **argv)
{
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "--inside") == 0)
		return inside(scene, argv[2]);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)
			exit(inside(scene, argv[1]));
		exit(run_anew(argv[1]));
	}
	return pid < 0 ? 1 : ended_as(pid);
}
