/*
 * For the tests of engines: a server in a thread that behaves as a test wants it to, and a load on
 * it, both on the loopback.
 */
#ifndef CONTEST_LOAD_ENGINE_TESTING_H
#define CONTEST_LOAD_ENGINE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "load/engine.h"

/* ---- the server */

enum mood {
	ANSWERS,	/* each request; closes after the peer */
	ANSWERS_CLOSES, /* the same, and closes at once */
	GREETS,		/* says a line and closes */
	ECHOES,		/* blocks while it writes */
	HALF_ANSWERS,	/* and closes */
	RESETS,		/* at once */
	SILENT,		/* reads, and says nothing */
	DEAF,		/* does not accept */
};

extern const char server_answer[];
#define ANSWER 43 /* its length */

struct server {
	enum mood mood;
	struct tcp_endpoint at;
	int listener, end_fd, epoll_fd;
	pthread_t thread;
	bool running;
	_Atomic uint64_t accepted, requests, fins, resets, open, open_most;
	_Atomic uint32_t ports[65536]; /* connections from each */
};

struct server *server_start(enum mood mood, int backlog);
/* One that is DEAF is not any more. */
void server_begin(struct server *server);
void server_stop(struct server *server);

/* Until a counter has come to @value. */
void await(const _Atomic uint64_t *counter, uint64_t value);

/* ---- the load */

#define PARTS_MAX 4

struct bench {
	const struct load_engine *engine;
	struct server *server;
	struct load_plan plan;
	uint16_t first, last; /* ports */
	unsigned parts;
	struct course_plan course_plan;
	struct load_work works[PARTS_MAX];
	struct load_tally *tallies;
	int stop_fd, force_fd;
	pthread_t threads[PARTS_MAX];
	struct load_sum sum;
};

extern const struct load_engine *engine; /* that is tested now */

/* 100 connections, 8 at once, in one part. */
void bench_init(struct bench *bench, enum mood mood, const char *protocol,
		enum load_closing closing);
/* bench_start() and bench_join() in one; the first begins with bench_prepare(). Each part's sum is
 * checked. */
void bench_run(struct bench *bench);
void bench_prepare(struct bench *bench);
void bench_start(struct bench *bench);
void bench_join(struct bench *bench);
void bench_done(struct bench *bench);

/* Makes an eventfd readable. */
void tell(int fd);
/* Every attempt is accounted for. */
void assert_accounted(const struct load_sum *sum);
/* Of all parts; in one place for all. */
const struct histogram *latency(const struct bench *bench, enum load_latency which);
/* Established connections whose end was counted. */
uint64_t ended(const struct load_sum *sum);

/* A whole value of the namespace. */
void set_sysctl(const char *path, const char *value);

/* The tests, for each engine that this system has: how many failed. */
int run_for_engines(const struct CMUnitTest *tests, size_t count);

#endif
