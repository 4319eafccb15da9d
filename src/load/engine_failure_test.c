/*
 * The same (engine_test.c) where something fails, or is scarce: each attempt is accounted for with
 * its reason and its step, and what is wanting is waited for, not spun for.
 */
#include "load/engine_testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/testnet.h"
#include "load/protocol.h"

/* ---- ways to fail */

static void assert_all_failed(const struct bench *bench, unsigned failure, enum load_step step)
{
	assert_int_equal(bench->sum.attempted, 100);
	assert_int_equal(bench->sum.failed[failure], 100);
	assert_int_equal(bench->sum.failed_at[step], 100);
	assert_int_equal(bench->sum.in_flight, 0);
}

static void test_refused(void **state)
{
	static const char *const protocols[] = {"http", "daytime", "connect"};
	struct tcp_endpoint nobody;
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	/* Where the engine before was given more, what it left in TIME-WAIT would be in the way of
	 * tests that have ports of their own. */
	set_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "32768 60999");
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		bench_init(&bench, ANSWERS, protocols[i], LOAD_CLOSE_ACTIVE);
		nobody = bench.server->at;
		nobody.port = 9;
		bench.plan.destinations = &nobody;
		bench_run(&bench);
		assert_all_failed(&bench, ECONNREFUSED, LOAD_STEP_CONNECT);
		assert_int_equal(bench.sum.connected, 0);
		assert_int_equal(ended(&bench.sum), 0);
		assert_int_equal(latency(&bench, LATENCY_CONNECT)->count, 0);
		bench_done(&bench);
	}
}

static void test_unreachable(void **state)
{
	struct bench bench;
	struct tcp_endpoint far = {.port = 80};

	(void)state;
	NEEDS_NAMESPACE();
	tcp_address_parse("192.0.2.1", &far.address); /* no route: there is only the loopback */
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.destinations = &far;
	bench_run(&bench);
	assert_all_failed(&bench, ENETUNREACH, LOAD_STEP_CONNECT);
	bench_done(&bench);
}

static void test_strange_source(void **state)
{
	struct load_source source = {.count = 1};
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	tcp_address_parse("192.0.2.1", &source.first);
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.sources = &source;
	bench.plan.source_count = 1;
	bench_run(&bench);
	assert_all_failed(&bench, EADDRNOTAVAIL, LOAD_STEP_SOCKET);
	assert_int_equal(bench.sum.port_waits_ns, 0); /* no port is wanting */
	bench_done(&bench);
}

static void test_resets(void **state)
{
	static const char *const protocols[] = {"http", "daytime"};
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		bench_init(&bench, RESETS, protocols[i], LOAD_CLOSE_ACTIVE);
		bench_run(&bench);
		assert_int_equal(bench.sum.failed[ECONNRESET] + bench.sum.failed[EPIPE], 100);
		assert_int_equal(bench.sum.failed_at[LOAD_STEP_EXCHANGE], 100);
		assert_int_equal(bench.sum.connected, 100);
		assert_int_equal(bench.sum.reset_by_peer, 100);
		assert_int_equal(ended(&bench.sum), 100);
		bench_done(&bench);
	}
}

/* The server greets and closes while our bytes are on their way: RST, behind bytes to be read. */
static void test_reset_behind_bytes(void **state)
{
	static const enum load_closing closings[] = {LOAD_CLOSE_PASSIVE, LOAD_CLOSE_HALF};
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < ARRAY_SIZE(closings); i++) {
		bench_init(&bench, GREETS, "raw", closings[i]);
		bench.plan.payload = "nobody reads this";
		bench.plan.payload_length = strlen(bench.plan.payload);
		bench_run(&bench);
		assert_int_equal(bench.sum.failed[LOAD_FAIL_TIMEOUT], 0);
		assert_int_equal(ended(&bench.sum), 100);
		bench_done(&bench);
	}
}

static void test_half_answer(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, HALF_ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench_run(&bench);
	assert_all_failed(&bench, LOAD_FAIL_SHORT, LOAD_STEP_EXCHANGE);
	assert_int_equal(bench.sum.closed_by_peer, 100);
	assert_int_equal(latency(&bench, LATENCY_FIRST_BYTE)->count, 100);
	assert_int_equal(latency(&bench, LATENCY_TOTAL)->count, 0);
	bench_done(&bench);
}

static void test_silence(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, SILENT, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.concurrency = 100;
	bench.plan.timeout_ns = 20 * NS_PER_MS;
	bench_run(&bench);
	assert_all_failed(&bench, LOAD_FAIL_TIMEOUT, LOAD_STEP_EXCHANGE);
	assert_int_equal(bench.sum.connected, 100);
	assert_true(bench.sum.last_end_ns >= bench.works[0].start_ns + 20 * NS_PER_MS);
	bench_done(&bench);
}

/* More at once than an engine can tell the kernel about with one call: all became due while it was
 * stopped. */
static void test_silence_to_many(void **state)
{
	struct bench bench;
	int status;
	pid_t pid;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, SILENT, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = bench.plan.concurrency = 400;
	bench.plan.timeout_ns = 300 * NS_PER_MS;
	bench_prepare(&bench);
	pid = fork();
	if (pid == 0) {
		struct why why;

		alarm(60); /* or it might go on for ever */
		_exit(engine->run(&bench.works[0], &why) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	await(&bench.server->requests, 400);
	kill(pid, SIGSTOP);
	poll(NULL, 0, 350);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	load_tallies_sum(bench.tallies, 1, &bench.sum);
	assert_accounted(&bench.sum);
	assert_int_equal(bench.sum.failed[LOAD_FAIL_TIMEOUT], 400);
	assert_int_equal(bench.sum.in_flight, 0);
	bench_done(&bench);
}

/* Neither room to send nor anything to read. */
static void test_deafness(void **state)
{
	const size_t size = 8 << 20;
	CLEANUP_FREE char *payload = calloc(1, size);
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	assert_non_null(payload);
	bench_init(&bench, DEAF, "echo", LOAD_CLOSE_RST);
	bench.plan.connections = bench.plan.concurrency = 4;
	bench.plan.payload = payload;
	bench.plan.payload_length = size;
	bench.plan.timeout_ns = 100 * NS_PER_MS;
	bench_run(&bench);
	assert_int_equal(bench.sum.failed[LOAD_FAIL_TIMEOUT], 4);
	assert_int_equal(bench.sum.failed_at[LOAD_STEP_EXCHANGE], 4);
	assert_int_equal(bench.sum.reset_by_us, 4);
	assert_true(bench.sum.bytes_out > 0);
	bench_done(&bench);
}

/* A peer that does not close: the last step's time runs out. */
static void test_no_fin(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_PASSIVE);
	bench.plan.concurrency = 100;
	bench.plan.timeout_ns = NS_PER_S; /* the answers come in time */
	bench_run(&bench);
	assert_all_failed(&bench, LOAD_FAIL_TIMEOUT, LOAD_STEP_CLOSE);
	assert_int_equal(bench.sum.answers, 100);
	assert_int_equal(bench.sum.closed_by_us, 100);
	bench_done(&bench);
}

/* Of a listener that is full: SYNs are dropped (tcp_conn_request(), sk_acceptq_is_full()). */
static struct bench full_bench(void)
{
	struct bench bench;

	bench_init(&bench, DEAF, "http", LOAD_CLOSE_ACTIVE);
	assert_int_equal(listen(bench.server->listener, 1), 0); /* two can wait */
	bench.plan.connections = bench.plan.concurrency = 6;
	return bench;
}

static void test_no_syn_ack(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench = full_bench();
	bench.plan.destinations = &bench.server->at;
	bench.plan.timeout_ns = 30 * NS_PER_MS;
	bench_run(&bench);
	assert_int_equal(bench.sum.failed[LOAD_FAIL_TIMEOUT], 6);
	assert_int_equal(bench.sum.failed_at[LOAD_STEP_CONNECT], 4);
	assert_int_equal(bench.sum.failed_at[LOAD_STEP_EXCHANGE], 2);
	assert_int_equal(bench.sum.connected, 2);
	bench_done(&bench);
}

/* One that is not established when connect() returns, but a second later. */
static void test_late_syn_ack(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench = full_bench();
	bench.plan.destinations = &bench.server->at;
	bench.plan.connections = bench.plan.concurrency = 4;
	bench_start(&bench);
	await(&bench.tallies[0].attempted, 4);
	bench.server->mood = ANSWERS;
	server_begin(bench.server);
	bench_join(&bench);
	assert_int_equal(bench.sum.completed, 4);
	assert_int_equal(latency(&bench, LATENCY_CONNECT)->count, 4);
	assert_true(latency(&bench, LATENCY_CONNECT)->max >= 900 * NS_PER_MS);
	bench_done(&bench);
}

/* The listener goes away: who waits in its queue is reset, the SYN's next try is refused. */
static void test_late_refusal(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench = full_bench();
	bench.plan.destinations = &bench.server->at;
	bench_start(&bench);
	await(&bench.tallies[0].attempted, 6);
	assert_int_equal(shutdown(bench.server->listener, SHUT_RD), 0);
	bench_join(&bench);
	assert_int_equal(bench.sum.failed[ECONNREFUSED], 4);
	assert_int_equal(bench.sum.failed_at[LOAD_STEP_CONNECT], 4);
	assert_int_equal(bench.sum.failed_at[LOAD_STEP_EXCHANGE], 2);
	assert_int_equal(bench.sum.reset_by_peer, 2);
	bench_done(&bench);
}

static void test_force_while_connecting(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench = full_bench();
	bench.plan.destinations = &bench.server->at;
	bench_start(&bench);
	await(&bench.tallies[0].attempted, 6);
	tell(bench.force_fd);
	bench_join(&bench);
	assert_int_equal(bench.sum.in_flight, 6);
	bench_done(&bench);
}

/* ---- scarcity */

#define PORTS 10

/* Others each time: RING does not get what somebody without SO_REUSEADDR left in TIME-WAIT. */
static void use_few_ports(struct bench *bench, enum load_ports ports)
{
	static uint16_t first = 20000;

	first += PORTS;
	bench->plan.ports = ports;
	bench->plan.first_port = bench->first = first;
	bench->plan.last_port = bench->last = (uint16_t)(first + PORTS - 1);
}

static bool has_ports(enum load_ports ports)
{
	return ports == LOAD_PORTS_RING || tuples_probe_range(NULL) == 0;
}

static void set_port_range(void)
{
	set_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535");
}

/* Runs it here, in this thread, to see what it costs; no spin: half of one processor at most. */
static void run_and_watch(struct bench *bench)
{
	struct rusage before, after;
	int64_t began = clock_now_ns();
	double used;
	struct why why = {""};

	bench_prepare(bench);
	getrusage(RUSAGE_THREAD, &before);
	assert_int_equal(engine->run(&bench->works[0], &why), 0);
	getrusage(RUSAGE_THREAD, &after);
	used = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
	       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
	       (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
	       (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
	assert_true(used < 0.5 * clock_seconds(clock_now_ns() - began));
	load_tallies_sum(bench->tallies, 1, &bench->sum);
	assert_accounted(&bench->sum);
}

static void test_no_ports(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	set_port_range();
	for (enum load_ports ports = 0; ports < LOAD_PORTS_COUNT; ports++) {
		if (!has_ports(ports))
			continue;
		bench_init(&bench, SILENT, "http", LOAD_CLOSE_ACTIVE);
		use_few_ports(&bench, ports);
		bench.plan.connections = 0;
		bench.plan.concurrency = 64;
		bench.plan.duration_ns = 700 * NS_PER_MS;
		bench.plan.drain_ns = 0;
		run_and_watch(&bench);
		assert_int_equal(bench.sum.connected, PORTS);
		assert_int_equal(bench.sum.in_flight, PORTS);
		/* At 0, 1, 3, 7, 15, 31, 63, 127, 255, 505 ms, if in time. */
		assert_in_range(bench.sum.failed[EADDRNOTAVAIL], 1, 10);
		assert_int_equal(bench.sum.failed_at[LOAD_STEP_CONNECT], bench.sum.failed_all);
		assert_true(bench.sum.port_waits_ns > 0);
		assert_true(bench.sum.port_waits_ns <= 700 * NS_PER_MS);
		assert_int_equal(bench.sum.port_retries,
				 ports == LOAD_PORTS_KERNEL ? 0 : 31 * bench.sum.failed_all);
		for (unsigned port = bench.first; port <= bench.last; port++)
			assert_int_equal(bench.server->ports[port], 1);
		bench_done(&bench);
	}
}

/* TIME-WAIT keeps a port from RANGE, not from RING. */
static void test_time_wait(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	set_port_range();
	set_sysctl("/proc/sys/net/ipv4/tcp_tw_reuse", "0");
	for (enum load_ports ports = 0; ports < LOAD_PORTS_COUNT; ports++) {
		bool ring = ports == LOAD_PORTS_RING;

		if (!has_ports(ports))
			continue;
		bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_HALF);
		use_few_ports(&bench, ports);
		bench.plan.concurrency = 4;
		bench.plan.duration_ns = ring ? 0 : 200 * NS_PER_MS;
		bench_run(&bench);
		assert_int_equal(bench.sum.completed, ring ? 100 : PORTS);
		assert_int_equal(bench.sum.failed_all > 0, !ring);
		bench_done(&bench);
	}
}

/* RING passes over a port that somebody else holds. */
static void test_held_port(void **state)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_RST);
	use_few_ports(&bench, LOAD_PORTS_RING);
	at.sin_port = htons((uint16_t)(bench.first + 3));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	bench.plan.concurrency = 2;
	bench_run(&bench);
	assert_int_equal(bench.sum.completed, 100);
	/* Once in a round of the ring, at least; a busy machine gives other ports back too late for
	 * their turn. */
	assert_in_range(bench.sum.port_retries, 10, 100);
	assert_int_equal(bench.server->ports[bench.first + 3], 0);
	bench_done(&bench);
}

/* Arrivals that fall into a wait for ports fail in their turn, without a system call. */
static void test_rate_without_ports(void **state)
{
	struct bench bench;

	(void)state;
	NEEDS_NAMESPACE();
	if (!has_ports(LOAD_PORTS_KERNEL))
		skip();
	set_port_range();
	bench_init(&bench, SILENT, "http", LOAD_CLOSE_ACTIVE);
	use_few_ports(&bench, LOAD_PORTS_KERNEL);
	bench.plan.connections = 300;
	bench.plan.concurrency = 64;
	bench.plan.rate = 1000;
	bench.plan.drain_ns = 0;
	bench.plan.timeout_ns = 400 * NS_PER_MS;
	run_and_watch(&bench);
	assert_int_equal(bench.sum.attempted, 300);
	assert_int_equal(bench.sum.failed[LOAD_FAIL_TIMEOUT], PORTS);
	assert_int_equal(bench.sum.failed[EADDRNOTAVAIL], 300 - PORTS);
	assert_in_range(bench.sum.connect_calls, PORTS + 1, PORTS + 9);
	bench_done(&bench);
}

/* With fewer descriptors than concurrency wants, all is done all the same. */
static void test_no_descriptors(void **state)
{
	struct bench bench;
	int status;
	pid_t pid;

	(void)state;
	NEEDS_NAMESPACE();
	bench_init(&bench, ANSWERS, "http", LOAD_CLOSE_ACTIVE);
	bench.plan.connections = 300;
	bench.plan.concurrency = 200;
	bench.plan.think_ns = 20 * NS_PER_MS; /* or they might end before the limit is met */
	bench.plan.ports = LOAD_PORTS_RING;
	bench.first = 10000;
	bench.last = 10299;
	bench_prepare(&bench);
	pid = fork();
	if (pid == 0) {
		/* slots_init() asks for the limit: it is to find out by itself, not by that */
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		struct why why;

		while (fd >= 0 && fd < 90)
			fd = dup(fd);
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){110, 110});
		if (fcntl(0, F_DUPFD_CLOEXEC, 110) >= 0)
			_exit(77); /* valgrind does not keep to it */
		_exit(engine->run(&bench.works[0], &why) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		bench_done(&bench);
		print_message("the descriptor limit has no effect here\n");
		skip();
	}
	assert_int_equal(status, 0);
	load_tallies_sum(bench.tallies, 1, &bench.sum);
	assert_accounted(&bench.sum);
	assert_int_equal(bench.sum.completed, 300);
	assert_int_equal(bench.sum.failed_all, 0);
	assert_true(bench.sum.descriptor_waits > 0);
	/* No turn is lost by a wait. */
	for (unsigned port = bench.first; port <= bench.last; port++)
		assert_int_equal(bench.server->ports[port], 1);
	bench_done(&bench);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_strange_source),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_reset_behind_bytes),
		cmocka_unit_test(test_half_answer),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_to_many),
		cmocka_unit_test(test_deafness),
		cmocka_unit_test(test_no_fin),
		cmocka_unit_test(test_no_syn_ack),
		cmocka_unit_test(test_late_syn_ack),
		cmocka_unit_test(test_late_refusal),
		cmocka_unit_test(test_force_while_connecting),
		cmocka_unit_test(test_no_ports),
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_held_port),
		cmocka_unit_test(test_rate_without_ports),
		cmocka_unit_test(test_no_descriptors),
	};

	be_alone();
	return run_for_engines(tests, ARRAY_SIZE(tests));
}
