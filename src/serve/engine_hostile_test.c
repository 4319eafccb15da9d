/*
 * The contract of engines, on bad days: peers that are silent, slow, deaf, or too many, and a
 * server that is out of descriptors, or loses its listener. The rest is in engine_test.c.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "serve/engine_testing.h"

/* ---- peers */

static void silent_peers_are_closed(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	char text[8];
	int fds[5];

	served.plan.idle_timeout_ns = 20 * NS_PER_MS;
	scene_start(&served, *state);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(hear(fds[i], text, sizeof(text)), 0);
		close(fds[i]);
	}
	told = scene_finish(&served);
	assert_int_equal(told.idle_closed, ARRAY_SIZE(fds));
	assert_int_equal(told.closed_by_us, ARRAY_SIZE(fds));
}

/* A byte now and then keeps a connection, also one that takes longer in all than the timeout. */
static void slow_peers_are_kept(void **state)
{
	const int64_t timeout_ns = 400 * NS_PER_MS;
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	int64_t began_ns, last_ns, gap_ns = 0;
	bool closed = false;
	int fd;

	served.plan.idle_timeout_ns = timeout_ns;
	scene_start(&served, *state);
	fd = dial(&served);
	began_ns = last_ns = clock_now_ns();
	while (!closed && clock_now_ns() - began_ns < 3 * timeout_ns) {
		char byte = 'x';

		poll(NULL, 0, (int)(timeout_ns / NS_PER_MS / 8));
		closed = send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || hear_some(fd, &byte, 1) != 1;
		if (clock_now_ns() - last_ns > gap_ns)
			gap_ns = clock_now_ns() - last_ns;
		last_ns = clock_now_ns();
	}
	close(fd);
	scene_finish(&served);
	/* It is not the server's fault when this process did not get to run for so long. */
	assert_true(!closed || gap_ns > timeout_ns / 2);
}

static void much_comes_and_goes(void **state)
{
	struct served served = {.plan = scene_plan("discard", SERVE_CLOSE_PASSIVE)};
	const size_t length = 10 << 20;
	CLEANUP_FREE char *much = malloc(length);
	size_t sent = 0;
	int fd;

	assert_non_null(much);
	memset(much, 'x', length);
	scene_start(&served, *state);
	fd = dial(&served);
	while (sent < length) {
		ssize_t n = send(fd, much + sent, length - sent, MSG_NOSIGNAL);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	close(fd);
	AWAIT(&served, closed_by_peer, 1);
	assert_int_equal(scene_finish(&served).bytes_in, length);
}

/* chargen without end, to one that reads and one that does not; others are served meanwhile. */
static void one_who_does_not_read_stops_nobody(void **state)
{
	struct served served = {.plan = scene_plan("chargen", SERVE_CLOSE_PASSIVE)};
	CLEANUP_FREE char *text = malloc(1 << 20);
	int deaf, fd;

	assert_non_null(text);
	scene_start(&served, *state);
	deaf = dial(&served);
	AWAIT(&served, bytes_out, 1);
	fd = dial(&served);
	hear_all(fd, text, 1 << 20);
	hang_up_rst(fd);
	AWAIT(&served, reset, 1);
	close(deaf);
	scene_finish(&served);
}

static void leaks_last_until_the_end(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_NEVER)};
	struct tally_sum told;
	int fd;

	scene_start(&served, *state);
	fd = dial(&served);
	say(fd, "a\n");
	hear_text(fd, "a\n");
	close(fd);
	fd = dial(&served);
	say(fd, "b\n");
	hear_text(fd, "b\n");
	close(fd);
	assert_no_spin(&served); /* the FIN that nobody answers may be told without end */
	told = scene_sum(&served);
	assert_int_equal(told.open, 2);
	told = scene_finish(&served);
	assert_int_equal(told.accepted, 2);
}

/* What happens to a connection that waits for its time is not looked at, and wakes nobody. */
static void waiting_is_no_spin(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_ACTIVE)};

	served.plan.close_after_ns = 3600 * NS_PER_S;
	scene_start(&served, *state);
	for (int i = 0; i < 4; i++) {
		int fd = dial(&served);

		say(fd, "a\n");
		hear_text(fd, "a\n");
		say(fd, "b\n");
		if (i % 2)
			hang_up_rst(fd);
		else
			close(fd);
	}
	assert_no_spin(&served);
	assert_int_equal(scene_finish(&served).accepted, 4);
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
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE), .descriptors = 32};
	const struct serve_engine *engine = *state;
	struct tally_sum told;
	int fds[40];

	if (!can_limit_descriptors()) {
		print_message("cannot set RLIMIT_NOFILE (valgrind?)\n");
		skip();
	}
	served.plan.threads = 1;
	scene_start(&served, engine);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	if (holds_descriptors(engine)) {
		int64_t began_ns;

		AWAIT(&served, errors[EMFILE], 1);
		began_ns = clock_now_ns();
		AWAIT(&served, errors[EMFILE], 6);
		/* A try now and then, no spin. */
		assert_true(clock_now_ns() - began_ns > 4 * ENGINE_PAUSE_MS * NS_PER_MS);
		told = scene_sum(&served);
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
	told = scene_finish(&served);
	assert_int_equal(told.accepted, ARRAY_SIZE(fds) + 1);
}

static void no_more_than_allowed(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	char text[8];
	int fds[3], over, again;

	served.plan.max_connections = ARRAY_SIZE(fds);
	scene_start(&served, *state);
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
	told = scene_sum(&served);
	assert_int_equal(told.refused, 1);
	assert_int_equal(told.closed_by_us, 1);
	assert_int_equal(told.open, 3);
	scene_finish(&served);
	close(again);
	close(fds[1]);
	close(fds[2]);
}

static void many_at_once(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	int fds[300];

	served.plan.threads = 3;
	scene_start(&served, *state);
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
	assert_int_equal(scene_finish(&served).answers, 600);
}

static void a_broken_listener_is_told(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};

	scene_start(&served, *state);
	close(dial(&served));
	AWAIT(&served, closed_by_peer, 1);
	shutdown(served.listener, SHUT_RD); /* and nobody said stop */
	scene_failed(&served);
}

/* ---- what only some have */

static void select_refuses_what_does_not_fit(void **state)
{
	struct served served = {.plan = scene_plan("echo", SERVE_CLOSE_PASSIVE)};
	struct tally_sum told;
	size_t served_count = 0;
	int fds[40];

	(void)state;
	served.plan.threads = 1;
	served.descriptors = 2048;
	served.first_descriptor = FD_SETSIZE - 10;
	scene_start(&served, engine_find("select"));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = dial(&served);
	AWAIT(&served, accepted, ARRAY_SIZE(fds));
	AWAIT(&served, refused, ARRAY_SIZE(fds) - 10);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char byte = 'x';

		served_count += send(fds[i], &byte, 1, MSG_NOSIGNAL) == 1 &&
				hear_some(fds[i], &byte, 1) == 1;
		close(fds[i]);
	}
	told = scene_finish(&served);
	assert_int_equal(served_count + told.refused, ARRAY_SIZE(fds));
	assert_int_equal(told.errors[ENOBUFS], told.refused);
	assert_true(served_count > 0);
}

static const struct scene_case contract[] = {
	{"silent peers are closed", silent_peers_are_closed},
	{"slow peers are kept", slow_peers_are_kept},
	{"much comes and goes", much_comes_and_goes},
	{"one who does not read stops nobody", one_who_does_not_read_stops_nobody},
	{"leaks last until the end", leaks_last_until_the_end},
	{"waiting is no spin", waiting_is_no_spin},
	{"no descriptors left", no_descriptors_left},
	{"no more than allowed", no_more_than_allowed},
	{"many at once", many_at_once},
	{"a broken listener is told", a_broken_listener_is_told},
};

static const struct CMUnitTest others[] = {
	cmocka_unit_test(select_refuses_what_does_not_fit),
};

/* engine_hostile_test [ENGINE]: all engines, or one. */
int main(int argc, char **argv)
{
	static const struct scene scene = {
		.cases = contract,
		.case_count = ARRAY_SIZE(contract),
		.others = others,
		.other_count = ARRAY_SIZE(others),
	};

	return scene_main(&scene, argc, argv);
}
