/* What the engine "uring" does when it cannot have its rings. The rest is in its contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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

static const struct scene_case cases[] = {
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
