/* What the engine "uring" does when it cannot have its rings. The rest is in its contract. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/engine_testing.h"

/* Fewer than there are already. */
#define DESCRIPTORS_NONE 3

/* Another process holds what is missing, and gives it back. */
static void rings_are_waited_for(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE),
				.descriptors_soft = DESCRIPTORS_NONE};
	struct rlimit more;
	int fd;

	if (scene_is_valgrind()) {
		print_message(
			"valgrind keeps limits of its own, which prlimit() does not change\n");
		skip();
	}
	scene_start(&served, *state);
	fd = dial(&served);
	say(fd, "a\n");
	AWAIT(&served, errors[EMFILE], 4);
	assert_int_equal(scene_sum(&served).accepted, 0);
	assert_int_equal(prlimit(served.pid, RLIMIT_NOFILE, NULL, &more), 0);
	more.rlim_cur = more.rlim_max;
	assert_int_equal(prlimit(served.pid, RLIMIT_NOFILE, &more, NULL), 0);
	hear_text(fd, "a\n");
	close(fd);
	AWAIT(&served, closed_by_peer, 1);
	/* A pause for each thread that had none, not for each try. */
	assert_in_range(scene_finish(&served).paused, 1, 2);
}

static void waiting_for_a_ring_can_be_stopped(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE),
				.descriptors_soft = DESCRIPTORS_NONE};

	scene_start(&served, *state);
	AWAIT(&served, paused, 1);
	scene_stop(&served);
	assert_int_equal(scene_ended(&served).accepted, 0);
}

/* Whether RLIMIT_MEMLOCK bounds rings here: not on Linux 5.12 to 6.13, nor with CAP_IPC_LOCK. */
static bool is_bounded(const struct serve_engine *engine)
{
	struct rlimit little = {4096, 4096};
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(setrlimit(RLIMIT_MEMLOCK, &little) == 0 && engine->probe(NULL) == -ENOMEM);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status);
}

/* A limit that no ring keeps is no matter of patience. */
static void what_never_comes_is_told(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE), .locked = 4096};

	if (!is_bounded(*state)) {
		print_message("RLIMIT_MEMLOCK does not bound rings here\n");
		skip();
	}
	scene_start(&served, *state);
	scene_failed(&served);
}

/* ---- more at once than one call can tell the kernel about: it was stopped meanwhile */

#define MANY 400

static void dial_many(struct served *served, const struct serve_engine *engine, int *ret_fds)
{
	served->plan.threads = 1;
	scene_start(served, engine);
	for (int i = 0; i < MANY; i++)
		ret_fds[i] = dial(served);
	AWAIT(served, accepted, MANY);
}

static void many_are_due_at_once(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	int fds[MANY];
	char byte;

	served.plan.idle_timeout_ns = 300 * NS_PER_MS;
	dial_many(&served, *state, fds);
	kill(served.pid, SIGSTOP);
	poll(NULL, 0, 350);
	kill(served.pid, SIGCONT);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(hear(fds[i], &byte, 1), 0);
		close(fds[i]);
	}
	assert_no_spin(&served);
	told = scene_finish(&served);
	assert_int_equal(told.idle_closed, MANY);
	assert_int_equal(told.closed_by_us, MANY);
}

/* What was said in time is answered, though more have said something than there are buffers. */
static void many_who_asked_are_not_idle(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	int fds[MANY];

	served.plan.idle_timeout_ns = 300 * NS_PER_MS;
	dial_many(&served, *state, fds);
	kill(served.pid, SIGSTOP);
	for (int i = 0; i < MANY; i++)
		say(fds[i], "a\n");
	poll(NULL, 0, 350);
	kill(served.pid, SIGCONT);
	for (int i = 0; i < MANY; i++)
		hear_text(fds[i], "a\n");
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	scene_finish(&served);
}

static void hear_what_is_there(int fd)
{
	static char text[64 * 1024];

	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		continue;
}

/* Bytes that sockets at the server's port have sent and not heard of, or could not send yet. */
static unsigned long unacknowledged(const struct served *served)
{
	FILE *table = fopen("/proc/thread-self/net/tcp", "re");
	unsigned long sum = 0;
	char line[256];

	assert_non_null(table);
	while (fgets(line, sizeof(line), table)) {
		unsigned port;
		unsigned long queued;

		if (sscanf(line, " %*u: %*x:%x %*x:%*x %*x %lx:", &port, &queued) == 2 &&
		    port == ntohs(served->at.sin_port))
			sum += queued;
	}
	fclose(table);
	return sum;
}

/* The same with room for answers. What the readers' acknowledgements do at the other end, a softirq
 * may be late with: the server goes on when they have made room for it. */
static void many_who_read_are_not_idle(void **state)
{
	struct served served = {.plan = scene_plan("chargen", SERVE_CLOSE_PASSIVE)};
	int fds[MANY];
	char byte;

	served.plan.idle_timeout_ns = 1500 * NS_PER_MS;
	served.plan.send_buffer = 4096;
	dial_many(&served, *state, fds);
	assert_no_spin(&served);
	kill(served.pid, SIGSTOP);
	poll(NULL, 0, 1550);
	for (int i = 0; i < MANY; i++)
		hear_what_is_there(fds[i]);
	while (unacknowledged(&served) > 0)
		poll(NULL, 0, 1);
	kill(served.pid, SIGCONT);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(hear_some(fds[i], &byte, 1), 1);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	scene_finish(&served);
}

/* That there is always something to hear from as many does not keep it from hearing its end. */
static void many_who_talk_do_not_keep_it(void **state)
{
	struct served served = {.plan = scene_plan("discard", SERVE_CLOSE_PASSIVE)};
	static const char text[32 * 1024];
	uint64_t said = 0;
	int fds[MANY];

	dial_many(&served, *state, fds);
	kill(served.pid, SIGSTOP);
	for (int i = 0; i < MANY; i++)
		for (int times = 0; times < 8; times++) {
			ssize_t n = send(fds[i], text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);

			said += n > 0 ? (uint64_t)n : 0;
		}
	scene_tell(served.force_fd);
	kill(served.pid, SIGCONT);
	assert_true(scene_ended(&served).bytes_in < said / 2);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}

static const struct scene_case cases[] = {
	{"many are due at once", many_are_due_at_once},
	{"many who asked are not idle", many_who_asked_are_not_idle},
	{"many who read are not idle", many_who_read_are_not_idle},
	{"many who talk do not keep it", many_who_talk_do_not_keep_it},
	{"rings are waited for", rings_are_waited_for},
	{"waiting for a ring can be stopped", waiting_for_a_ring_can_be_stopped},
	{"what never comes is told", what_never_comes_is_told},
};

int main(int argc, char **argv)
{
	static const struct scene scene = {
		.cases = cases,
		.case_count = ARRAY_SIZE(cases),
		.only = "uring",
	};

	return scene_main(&scene, argc, argv);
}
