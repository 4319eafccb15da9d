/* What only the engine "fork" promises: its children are reaped, counted when they crash, and die
 * with their parent. The rest of its contract is in engine_test.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "serve/engine.h"
#include "serve/protocol.h"

struct served {
	struct serve_plan plan;
	struct tally *tallies; /* the second one's `accepted` is open_all */
	struct sockaddr_in at;
	int listener, stop_fd, force_fd;
	pid_t pid;
};

static void start(struct served *served)
{
	socklen_t length = sizeof(served->at);

	*served = (struct served){
		.plan = {.engine = engine_find("fork"),
			 .protocol = protocol_find("echo"),
			 .closing = SERVE_CLOSE_PASSIVE,
			 .max_connections = 10},
		.tallies = tallies_new(2),
		.at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
		.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		.stop_fd = eventfd(0, EFD_CLOEXEC),
		.force_fd = eventfd(0, EFD_CLOEXEC),
	};
	assert_non_null(served->tallies);
	assert_int_equal(bind(served->listener, (struct sockaddr *)&served->at, length), 0);
	assert_int_equal(listen(served->listener, 10), 0);
	getsockname(served->listener, (struct sockaddr *)&served->at, &length);
	served->pid = fork();
	if (!served->pid) {
		const struct serve_work work = {.plan = &served->plan,
						.listeners = &served->listener,
						.listener_count = 1,
						.stop_fd = served->stop_fd,
						.force_fd = served->force_fd,
						.tallies = served->tallies,
						.tally_count = 1,
						.open_all = &served->tallies[1].accepted};
		struct why why;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(served->plan.engine->run(&work, &why) < 0);
	}
}

static void finish(struct served *served)
{
	tallies_free(served->tallies, 2);
	close(served->listener);
	close(served->stop_fd);
	close(served->force_fd);
}

/* A connection that is served: its child has answered. */
static int dial(const struct served *served)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[3];

	assert_int_equal(connect(fd, (const struct sockaddr *)&served->at, sizeof(served->at)), 0);
	assert_int_equal(send(fd, "hi\n", 3, MSG_NOSIGNAL), 3);
	assert_int_equal(recv(fd, answer, 3, MSG_WAITALL), 3);
	return fd;
}

/* The children of the serving process, living or not yet reaped. Their number. */
static int children_of(pid_t pid, pid_t *ret, int room)
{
	CLEANUP_FCLOSE FILE *file = NULL;
	char path[64];
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (!file)
		return -1; /* a kernel without CONFIG_PROC_CHILDREN */
	while (count < room && fscanf(file, "%d", &ret[count]) == 1)
		count++;
	return count;
}

static void tell(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

/* A read that ends with the connection, whichever way. */
static void await_end(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		continue;
	close(fd);
}

static void a_crash_is_our_closing(void **state)
{
	struct served served;
	struct tally_sum sum;
	pid_t children[10];
	int fds[3], status;

	(void)state;
	start(&served);
	for (int i = 0; i < 3; i++)
		fds[i] = dial(&served);
	if (children_of(served.pid, children, 10) < 0)
		skip();
	assert_int_equal(children_of(served.pid, children, 10), 3);
	kill(children[1], SIGKILL); /* a SIGSEGV would find the handler of cmocka */
	/* All are asked to end; whose end is seen is reaped, or run() would not return. */
	tell(served.stop_fd);
	for (int i = 0; i < 3; i++)
		await_end(fds[i]);
	assert_int_equal(waitpid(served.pid, &status, 0), served.pid);
	assert_int_equal(status, 0);
	tallies_sum(served.tallies, 1, &sum);
	assert_int_equal(sum.accepted, 3);
	assert_int_equal(sum.reset, 0); /* the kernel closes what a dead process had */
	assert_int_equal(sum.closed_by_us, 3);
	assert_int_equal(sum.tasks, 0);
	assert_int_equal(sum.tasks_max, 4);
	assert_int_equal(served.tallies[1].accepted, 0); /* open_all */
	finish(&served);
}

static void no_zombies_stay(void **state)
{
	struct served served;
	pid_t children[10];
	int status;

	(void)state;
	start(&served);
	for (int i = 0; i < 5; i++)
		close(dial(&served));
	/* Not before the children have ended and were reaped; a hang is a failure. */
	while (children_of(served.pid, children, 10) > 0)
		sched_yield();
	tell(served.stop_fd);
	assert_int_equal(waitpid(served.pid, &status, 0), served.pid);
	assert_int_equal(status, 0);
	finish(&served);
}

static void children_die_with_their_parent(void **state)
{
	struct served served;
	pid_t children[10];
	int fd, other, status;

	(void)state;
	start(&served);
	fd = dial(&served);
	other = dial(&served);
	if (children_of(served.pid, children, 10) < 0)
		skip();
	kill(served.pid, SIGKILL);
	assert_int_equal(waitpid(served.pid, &status, 0), served.pid);
	await_end(fd); /* nobody else holds it open: its child is gone */
	await_end(other);
	finish(&served);
}

static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_is_our_closing),
		cmocka_unit_test(no_zombies_stay),
		cmocka_unit_test(children_die_with_their_parent),
	};

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || loopback_up() < 0) {
		printf("skipped: no network namespace of our own: %s\n", strerror(errno));
		return 77; /* meson: skipped */
	}
	return cmocka_run_group_tests_name("engine fork", tests, NULL, NULL);
}
