/*
 * What the tests of engines share: real sockets on the loopback of a network namespace of their
 * own, the engine in a process of its own, its counters in shared memory. A test whose server dies
 * fails at once instead of waiting for what cannot come.
 */
#ifndef CONTEST_SERVE_ENGINE_TESTING_H
#define CONTEST_SERVE_ENGINE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/clock.h"
#include "serve/engine.h"
#include "serve/protocol.h"

/* Long beyond anything but a hang: a valgrind on a busy machine is slow. */
#define SCENE_PATIENCE_NS (60 * NS_PER_S)
#define SCENE_TALLIES	  4

/* ---- a server in a process of its own */

struct served {
	struct serve_plan plan;
	const struct serve_engine *engine;
	struct tally *tallies;
	_Atomic uint64_t *open_all; /* in the last tally's memory: nobody counts there */
	struct journal *journal;
	rlim_t descriptors;	 /* RLIMIT_NOFILE of the server; 0: as it is */
	rlim_t descriptors_soft; /* its soft limit alone; 0: as it is */
	rlim_t locked;		 /* RLIMIT_MEMLOCK; 0: as it is */
	int first_descriptor;	 /* lower ones are occupied; 0: as it is */
	int listener, stop_fd, force_fd;
	struct sockaddr_in at;
	pid_t pid;
};

struct serve_plan scene_plan(const char *protocol, enum serve_closing closing);

/* Starts a server. One at a time: tests of its end are of the last one. */
void scene_start(struct served *served, const struct serve_engine *engine);
/* Tells it to end, as server_drain() does. */
void scene_stop(struct served *served);
void scene_tell(int fd);
/* Waits for its end: the engine returned 0, and nothing is left over. */
struct tally_sum scene_ended(struct served *served);
/* The same with another exit status, and without the sums. */
void scene_failed(struct served *served);
/* Stops, forces and waits. */
struct tally_sum scene_finish(struct served *served);

struct tally_sum scene_sum(const struct served *served);
/* Until a counter (its offset in struct tally_sum) has come to @value. */
void scene_await(const struct served *served, size_t counter, uint64_t value);
#define AWAIT(served, member, value)                                                               \
	scene_await((served), offsetof(struct tally_sum, member), (value))

/* Who spins never sleeps: seen at rest many times in a row is proof enough. */
void assert_no_spin(const struct served *served);

/* ---- clients */

int dial(const struct served *served);
/* One that takes in next to nothing before it reads (SO_RCVBUF). */
int dial_narrow(const struct served *served);
void say(int fd, const char *text);
/* As recv(2), once there is something. */
ssize_t hear_some(int fd, void *to, size_t room);
/* Reads to the end. Returns the number of bytes, or -errno; @to holds the first of them. */
ssize_t hear(int fd, char *to, size_t room);
/* Exactly so much, without waiting for the end. */
void hear_all(int fd, void *to, size_t length);
void hear_text(int fd, const char *text);
void hear_line(int fd);
void hang_up_rst(int fd);

/* ---- all of it, in a namespace of its own */

struct scene_case {
	const char *name;
	CMUnitTestFunction function; /* its state is the engine */
};

/* Whether the tests run under valgrind, where uring can do less (engine_testing.c). */
bool scene_is_valgrind(void);

/*
 * Runs each of @cases for each engine that this system has, then @others; with the name of an
 * engine in @argv, only the cases, for that one; @only: as if it were always given. Returns what
 * main() is to return.
 */
struct scene {
	const struct scene_case *cases;
	size_t case_count;
	const struct CMUnitTest *others;
	size_t other_count;
	const char *only;
};
int scene_main(const struct scene *scene, int argc, char **argv);

#endif
