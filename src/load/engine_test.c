/*
 * The contract of engines, for all of them alike: real sockets on the loopback of a network
 * namespace of our own.
 */
#include "load/engine_testing.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/testnet.h"
#include "load/protocol.h"

/* ---- what is to hold */

static void test_exact(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = 500;
	bench_run(&bench);
	assert_int_equal(bench.sum.attempted, 500);
	assert_int_equal(bench.sum.connected, 500);
	assert_int_equal(bench.sum.completed, 500);
	assert_int_equal(bench.sum.closed_by_us, 500);
	assert_int_equal(ended(&bench.sum), 500);
	assert_int_equal(bench.sum.answers, 500);
	assert_int_equal(bench.sum.bytes_in, 500 * ANSWER);
	assert_int_equal(bench.sum.bytes_out, 500 * bench.course_plan.last_length);
	assert_int_equal(bench.sum.connect_calls, 500);
	assert_true(bench.sum.connect_ns > 0);
	assert_true(bench.sum.last_end_ns >= bench.sum.opening_ended_ns);
	assert_int_equal(latency(&bench, LATENCY_CONNECT)->count, 500);
	assert_int_equal(latency(&bench, LATENCY_FIRST_BYTE)->count, 500);
	assert_int_equal(latency(&bench, LATENCY_CLOSE)->count, 500);
	assert_int_equal(latency(&bench, LATENCY_LATE)->count, 0);
	assert_int_equal(latency(&bench, LATENCY_TOTAL)->count, 500);
	assert_true(latency(&bench, LATENCY_TOTAL)->min >= latency(&bench, LATENCY_CONNECT)->min);
	await(&bench.server->fins, 500);
	assert_int_equal(bench.server->accepted, 500);
	bench_done(&bench);
}

static void test_closings(void **state)
{
	static const struct {
		enum load_closing closing;
		enum mood mood;
		size_t counter; /* ours */
		size_t told;	/* the server's */
	} ways[] = {
#define OURS(member)   offsetof(struct load_sum, member)
#define SERVER(member) offsetof(struct server, member)
		{LOAD_CLOSE_ACTIVE, ANSWERS, OURS(closed_by_us), SERVER(fins)},
		{LOAD_CLOSE_RST, ANSWERS, OURS(reset_by_us), SERVER(resets)},
		{LOAD_CLOSE_PASSIVE, ANSWERS_CLOSES, OURS(closed_by_peer), SERVER(accepted)},
		{LOAD_CLOSE_HALF, ANSWERS, OURS(closed_by_us), SERVER(fins)},
		{LOAD_CLOSE_LINGER, ANSWERS, OURS(closed_by_us), SERVER(fins)},
	};

	(void)state;
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct bench bench;

		bench_init(&bench, ways[i].mood, "http", ways[i].closing);
		bench.plan.linger_s = 5;
		bench_run(&bench);
		assert_int_equal(bench.sum.completed, 100);
		assert_int_equal(ended(&bench.sum), 100);
		assert_int_equal(*(uint64_t *)((char *)&bench.sum + ways[i].counter), 100);
		assert_int_equal(latency(&bench, LATENCY_CLOSE)->count, 100);
		await((_Atomic uint64_t *)((char *)bench.server + ways[i].told), 100);
		bench_done(&bench);
	}
}

static void test_protocols(void **state)
{
	static const struct {
		const char *name;
		enum mood mood;
		enum load_closing closing;
		uint64_t in, out, answers, first_bytes;
	} all[] = {
		{"connect", ANSWERS, LOAD_CLOSE_ACTIVE, 0, 0, 0, 0},
		{"daytime", GREETS, LOAD_CLOSE_PASSIVE, 500, 0, 100, 100},
		{"echo", ECHOES, LOAD_CLOSE_ACTIVE, 500, 500, 100, 100},
		{"raw", SILENT, LOAD_CLOSE_ACTIVE, 0, 500, 100, 0},
	};

	(void)state;
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct bench bench;

		bench_init(&bench, all[i].mood, all[i].name, all[i].closing);
		bench_run(&bench);
		assert_int_equal(bench.sum.completed, 100);
		assert_int_equal(bench.sum.connected, 100);
		assert_int_equal(bench.sum.bytes_in, all[i].in);
		assert_int_equal(bench.sum.bytes_out, all[i].out);
		assert_int_equal(bench.sum.answers, all[i].answers);
		assert_int_equal(latency(&bench, LATENCY_CONNECT)->count, 100);
		assert_int_equal(latency(&bench, LATENCY_FIRST_BYTE)->count, all[i].first_bytes);
		assert_int_equal(latency(&bench, LATENCY_TOTAL)->count, 100);
		await(&bench.server->accepted, 100);
		bench_done(&bench);
	}
}

static void test_keep_alive(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	for (int think = 0; think < 2; think++) {
		bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
		bench.plan.requests = 5;
		bench.plan.think_ns = think * NS_PER_MS;
		bench_run(&bench);
		assert_int_equal(bench.sum.completed, 100);
		assert_int_equal(bench.sum.answers, 500);
		assert_int_equal(latency(&bench, LATENCY_FIRST_BYTE)->count, 500);
		assert_int_equal(latency(&bench, LATENCY_TOTAL)->count, 100);
		/* Four pauses between the answers are part of it, the one before the close not. */
		assert_true(latency(&bench, LATENCY_TOTAL)->min >= (uint64_t)think * 4000000);
		assert_true(latency(&bench, LATENCY_CLOSE)->min >= (uint64_t)think * 1000000);
		await(&bench.server->fins, 100);
		assert_int_equal(bench.server->accepted, 100);
		assert_int_equal(bench.server->requests, 500);
		bench_done(&bench);
	}
}

/* A server that blocks while it writes: who does not read meanwhile waits for ever. */
static void test_large(void **state)
{
	const size_t size = 8 << 20;
	CLEANUP_FREE char *payload = malloc(size);
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	assert_non_null(payload);
	memset(payload, 'x', size);
	bench_init(&bench, ECHOES, "echo", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = bench.plan.concurrency = 2;
	bench.plan.payload = payload;
	bench.plan.payload_length = size;
	bench_run(&bench);
	assert_int_equal(bench.sum.completed, 2);
	assert_int_equal(bench.sum.bytes_in, 2 * size);
	assert_int_equal(bench.sum.bytes_out, 2 * size);
	bench_done(&bench);
}

/* Of the namespace: SYNs with data that were answered as such. */
static long fastopens(void)
{
	FILE *file = fopen("/proc/net/netstat", "r");
	char names[8192] = "", values[8192] = "";
	char *name, *value, *save_name, *save_value;

	assert_non_null(file);
	assert_non_null(fgets(names, sizeof(names), file));
	assert_non_null(fgets(values, sizeof(values), file));
	fclose(file);
	name = strtok_r(names, " ", &save_name);
	value = strtok_r(values, " ", &save_value);
	while (name && value && strcmp(name, "TCPFastOpenActive") != 0) {
		name = strtok_r(NULL, " ", &save_name);
		value = strtok_r(NULL, " ", &save_value);
	}
	return name && value ? strtol(value, NULL, 10) : -1;
}

/* connect() returns 0 and has done nothing: the request goes out with the SYN. */
static void test_fastopen(void **state)
{
	static const char *const protocols[] = {"http", "connect"};

	(void)state;
	NEEDS_NAMESPACE();
	set_sysctl("/proc/sys/net/ipv4/tcp_fastopen", "3");
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		long before = fastopens();
		struct bench bench;

		bench_init(&bench, ANSWERS, protocols[i], LOAD_CLOSE_ACTIVE);
		assert_int_equal(setsockopt(bench.server->listener, IPPROTO_TCP, TCP_FASTOPEN,
					    &(int){64}, sizeof(int)),
				 0);
		bench.plan.fastopen = true;
		bench_run(&bench);
		assert_int_equal(bench.sum.connected, 100);
		assert_int_equal(bench.sum.completed, 100);
		assert_int_equal(latency(&bench, LATENCY_CONNECT)->count, 100);
		assert_int_equal(latency(&bench, LATENCY_FIRST_BYTE)->count, i == 0 ? 100 : 0);
		/* The first ones, at once, only got the cookie. */
		assert_int_equal(fastopens() - before >= 90, i == 0);
		bench_done(&bench);
	}
}

static void test_concurrency(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	/* The server counts one less before we can know: at no time it may see more. */
	bench_init(&bench, ANSWERS_CLOSES, "http", LOAD_CLOSE_PASSIVE);
	bench.plan.connections = 300;
	bench.plan.concurrency = 7;
	bench_run(&bench);
	assert_int_equal(bench.sum.completed, 300);
	assert_in_range(bench.server->open_most, 1, 7);
	assert_int_equal(bench.sum.descriptor_waits, 0); /* that is not what bounds it */
	bench_done(&bench);
}

static void test_concurrency_is_reached(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, SILENT, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = 0;
	bench.plan.concurrency = 300;
	bench_start(&bench);
	await(&bench.server->requests, 300);
	tell(bench.force_fd);
	bench_join(&bench);
	assert_int_equal(bench.sum.attempted, 300);
	assert_int_equal(bench.sum.in_flight, 300);
	assert_int_equal(bench.sum.reset_by_us, 300);
	await(&bench.server->resets, 300);
	bench_done(&bench);
}

static void test_parts(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	for (int ring = 0; ring < 2; ring++) {
		bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
		bench.plan.connections = 250;
		bench.plan.ports = ring ? LOAD_PORTS_RING : LOAD_PORTS_KERNEL;
		bench.first = 30000;
		bench.last = 30249;
		bench.parts = 4;
		bench_run(&bench);
		assert_int_equal(bench.sum.attempted, 250);
		assert_int_equal(bench.sum.completed, 250);
		await(&bench.server->fins, 250);
		assert_int_equal(bench.server->accepted, 250);
		for (unsigned port = 30000; ring && port < 30250; port++)
			assert_in_range(bench.server->ports[port], 0, 2);
		bench_done(&bench);
	}
}

/* ---- the end */

static void test_duration(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = 0;
	bench.plan.duration_ns = 100 * NS_PER_MS;
	bench_run(&bench);
	assert_true(bench.sum.attempted > 0);
	assert_int_equal(bench.sum.in_flight, 0);
	assert_int_equal(bench.sum.opening_ended_ns, bench.works[0].start_ns + 100 * NS_PER_MS);
	bench_done(&bench);
}

static void test_stop(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = 0;
	bench.parts = 2;
	bench_start(&bench);
	await(&bench.tallies[0].completed, 50);
	await(&bench.tallies[1].completed, 50);
	tell(bench.stop_fd);
	bench_join(&bench);
	assert_int_equal(bench.sum.in_flight, 0);
	assert_int_equal(bench.sum.failed_all, 0);
	await(&bench.server->fins, bench.sum.completed);
	bench_done(&bench);
}

/* What is under way has drain_ns, after stop and after the duration; then it is reset. */
static void test_drain(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	for (int by_stop = 0; by_stop < 2; by_stop++) {
		bench_init(&bench, SILENT, "http", LOAD_CLOSE_ACTIVE);
		bench.plan.connections = 0;
		bench.plan.duration_ns = by_stop ? 0 : 100 * NS_PER_MS;
		bench.plan.drain_ns = 30 * NS_PER_MS;
		bench_start(&bench);
		await(&bench.server->requests, 8);
		if (by_stop)
			tell(bench.stop_fd);
		bench_join(&bench);
		assert_int_equal(bench.sum.attempted, 8);
		assert_int_equal(bench.sum.in_flight, 8);
		await(&bench.server->resets, 8);
		bench_done(&bench);
	}
}

static void test_force_while_thinking(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.requests = 2;
	bench.plan.think_ns = 60 * NS_PER_S;
	bench_start(&bench);
	await(&bench.tallies[0].answers, 8);
	tell(bench.force_fd);
	bench_join(&bench);
	assert_int_equal(bench.sum.in_flight, 8);
	await(&bench.server->resets, 8);
	bench_done(&bench);
}

static void test_force_at_once(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	tell(bench.stop_fd);
	tell(bench.force_fd);
	bench_start(&bench);
	for (unsigned i = 0; i < bench.parts; i++)
		pthread_join(bench.threads[i], NULL);
	load_tallies_sum(bench.tallies, 1, &bench.sum);
	assert_int_equal(bench.sum.attempted, 0);
	bench_done(&bench);
}

static void test_abandon(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ABANDON);
	bench_start(&bench);
	bench_join(&bench); /* no duration: they are held no longer than it takes to open them */
	assert_int_equal(bench.sum.completed, 100);
	assert_int_equal(bench.sum.in_flight, 0);
	assert_int_equal(bench.server->accepted, 100);
	await(&bench.server->resets, 100);
	bench_done(&bench);

	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ABANDON);
	bench.plan.duration_ns = 3600 * NS_PER_S;
	bench_start(&bench);
	await(&bench.tallies[0].completed, 100);
	assert_int_equal(bench.server->open,
			 100); /* more than the concurrency, and there they stay */
	tell(bench.stop_fd);
	bench_join(&bench);
	assert_int_equal(bench.sum.reset_by_us, 100);
	await(&bench.server->resets, 100);
	bench_done(&bench);
}

/* ---- open loop */

static void test_rate(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.rate = 1000;
	bench.plan.concurrency = 100;
	bench.parts = 3;
	bench_run(&bench);
	assert_int_equal(bench.sum.completed, 100);
	assert_int_equal(latency(&bench, LATENCY_LATE)->count, 100);
	/* Not before its time: the last of 100 arrives after 99 ms. */
	assert_true(bench.sum.opening_ended_ns >= bench.works[0].start_ns + 99 * NS_PER_MS);
	bench_done(&bench);
}

/* Arrivals keep their schedule: who is held back waits, and his latency says so. */
static void test_held_back(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = 20;
	bench.plan.rate = 1000;
	bench.plan.concurrency = 1;
	bench.plan.think_ns = 5 * NS_PER_MS;
	bench_run(&bench);
	assert_int_equal(bench.sum.completed, 20);
	assert_int_equal(bench.sum.late, 19);
	/* The last one was to begin after 19 ms; 19 others before it took 5 ms each. */
	assert_true(latency(&bench, LATENCY_LATE)->max >= (95 - 19) * NS_PER_MS);
	assert_true(latency(&bench, LATENCY_TOTAL)->max >= (95 - 19) * NS_PER_MS);
	assert_in_range(bench.server->open_most, 1, 2); /* it may hear of the end later */
	bench_done(&bench);
}

static void test_find(void **state)
{
	(void)state;
	for (size_t i = 0; load_engines[i]; i++)
		assert_ptr_equal(load_engine_find(load_engines[i]->name), load_engines[i]);
	assert_null(load_engine_find("steam"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_closings),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_fastopen),
		cmocka_unit_test(test_concurrency),
		cmocka_unit_test(test_concurrency_is_reached),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_force_while_thinking),
		cmocka_unit_test(test_force_at_once),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_find),
	};

	be_alone();
	return run_for_engines(tests, ARRAY_SIZE(tests));
}
