/* With an engine that does what a test wants of it; the real ones have their own tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/testnet.h"
#include "load/generator.h"
#include "load/protocol.h"

/* ---- the engine */

enum mood {
	OPENS,	 /* counts all that is its part, and returns */
	WAITS,	 /* the same, and goes on until it is told to stop */
	LINGERS, /* until it is forced */
	HOLDS,	 /* has one connection under way, and does not end */
	FAILS,	 /* returns an error */
};

#define PARTS_MAX 64

/* What workers tell, in shared memory. */
static struct told {
	_Atomic unsigned begun;
	struct {
		_Atomic pid_t pid; /* != 0: the others are told */
		int64_t start_ns;
		unsigned concurrency;
		uint64_t most;
		uint16_t first_port, last_port;
		bool strange, signals; /* has a descriptor, takes signals of its own */
	} of[PARTS_MAX];
} * told;
static enum mood mood;
static int strange_fd = -1;

static void wait_for(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	while (poll(&one, 1, -1) != 1)
		continue;
}

static bool takes_signals(void)
{
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	return !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGCHLD);
}

static int fake_run(struct load_work *work, struct why *why)
{
	unsigned me = told->begun++;

	told->of[me].start_ns = work->start_ns;
	told->of[me].concurrency = work->schedule.concurrency;
	told->of[me].most = work->schedule.most;
	told->of[me].first_port = work->tuples.first;
	told->of[me].last_port = work->tuples.last;
	told->of[me].strange = fcntl(strange_fd, F_GETFD) >= 0;
	told->of[me].signals = takes_signals();
	told->of[me].pid = getpid();
	switch (mood) {
	case FAILS:
		return why_set(why, -EPERM, "no engine today");
	case HOLDS:
		load_add(&work->tally->attempted, 1);
		load_add(&work->tally->in_flight, 1);
		for (;;)
			pause();
	default:
		break;
	}
	load_add(&work->tally->attempted, work->schedule.most);
	load_add(&work->tally->completed, work->schedule.most);
	histogram_record(&work->tally->latency[LATENCY_TOTAL], 1000);
	if (mood == WAITS)
		wait_for(work->stop_fd);
	if (mood == LINGERS)
		wait_for(work->force_fd);
	return 0;
}

static int fake_probe(struct why *why)
{
	(void)why;
	return 0;
}

static int no_probe(struct why *why)
{
	return why_say(why, -ENOTSUP, "not on this planet");
}

static const struct load_engine fake = {.name = "fake", .probe = fake_probe, .run = fake_run};

/* ---- loads */

static struct tcp_endpoint nowhere = {.address = {.family = AF_INET, .v4.s_addr = 0x0100007f},
				      .port = 9};

static struct load_plan plan_of(enum mood wanted)
{
	mood = wanted;
	memset(told, 0, sizeof(*told));
	return (struct load_plan){
		.engine = &fake,
		.protocol = load_protocol_find("connect"),
		.destinations = &nowhere,
		.destination_count = 1,
		.connections = 10,
		.concurrency = 7,
		.requests = 1,
		.threads = 3,
		.timeout_ns = NS_PER_S,
	};
}

static struct generator *start(const struct load_plan *plan)
{
	struct generator *generator = NULL;
	struct why why = {""};

	if (generator_new(plan, &generator, &why) < 0 || generator_start(generator, &why) < 0)
		fail_msg("%s", why.text);
	return generator;
}

static void await_parts(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		while (told->of[i].pid == 0)
			poll(NULL, 0, 1);
}

static void assert_ends(struct generator *generator)
{
	struct why why = {""};

	if (generator_wait(generator, -1, &why) < 0)
		fail_msg("%s", why.text);
	generator_free(generator);
}

static struct load_sum sum_of(const struct generator *generator)
{
	struct load_sum sum;

	generator_sum(generator, &sum);
	return sum;
}

static struct generator_facts facts_of(const struct generator *generator)
{
	struct generator_facts facts;

	generator_facts(generator, &facts);
	return facts;
}

static void test_shares(void **state)
{
	struct load_plan plan = plan_of(OPENS);
	struct generator *generator;
	struct histogram histogram = {0};
	unsigned concurrency = 0;
	int64_t before_ns;

	(void)state;
	NEEDS_PROCESSES();
	plan.processes = 2;
	before_ns = clock_now_ns();
	generator = start(&plan);
	assert_true(generator_start_ns(generator) > before_ns);
	await_parts(3);
	for (unsigned i = 0; i < 3; i++) {
		concurrency += told->of[i].concurrency;
		assert_int_equal(told->of[i].start_ns, generator_start_ns(generator));
		assert_true(told->of[i].pid != getpid());
	}
	assert_int_equal(concurrency, 7);
	assert_int_equal(facts_of(generator).processes, 2);
	assert_int_equal(facts_of(generator).threads, 3);
	assert_int_equal(generator_wait(generator, -1, NULL), 0);
	assert_int_equal(facts_of(generator).running, 0);
	assert_int_equal(told->begun, 3);
	assert_int_equal(sum_of(generator).attempted, 10);
	generator_latency(generator, LATENCY_TOTAL, &histogram);
	assert_int_equal(histogram.count, 3);
	generator_free(generator);
}

/* Nobody is there who has nothing to do. */
static void test_no_idle_parts(void **state)
{
	struct load_plan plan = plan_of(OPENS);
	struct generator *generator;

	(void)state;
	NEEDS_PROCESSES();
	plan.threads = 16;
	generator = start(&plan);
	assert_int_equal(facts_of(generator).threads, 7); /* concurrency */
	assert_ends(generator);
	plan.connections = 2;
	plan.processes = 5;
	generator = start(&plan);
	assert_int_equal(facts_of(generator).threads, 2);
	assert_int_equal(facts_of(generator).processes, 2);
	assert_ends(generator);
	plan.connections = 100;
	plan.ports = LOAD_PORTS_RING;
	plan.first_port = 100;
	plan.last_port = 102;
	generator = start(&plan);
	assert_int_equal(facts_of(generator).threads, 3);
	assert_int_equal(facts_of(generator).first_port, 100);
	assert_int_equal(facts_of(generator).last_port, 102);
	assert_ends(generator);
	for (unsigned i = 7 + 2; i < 7 + 2 + 3; i++)
		assert_int_equal(told->of[i].first_port, told->of[i].last_port);
}

static void test_stop_and_force(void **state)
{
	static const enum mood moods[] = {WAITS, LINGERS};

	(void)state;
	NEEDS_PROCESSES();
	for (size_t i = 0; i < ARRAY_SIZE(moods); i++) {
		struct load_plan plan = plan_of(moods[i]);
		struct generator *generator = start(&plan);
		struct pollfd ended = {.fd = generator_ended_fd(generator), .events = POLLIN};

		await_parts(3);
		assert_int_equal(generator_wait(generator, 0, NULL), -ETIMEDOUT);
		assert_int_equal(generator_wait(generator, NS_PER_MS, NULL), -ETIMEDOUT);
		assert_int_equal(poll(&ended, 1, 0), 0);
		if (moods[i] == WAITS)
			generator_stop(generator);
		else
			generator_force(generator);
		assert_int_equal(poll(&ended, 1, -1), 1);
		assert_ends(generator);
	}
}

static void test_worker_is_apart(void **state)
{
	struct load_plan plan = plan_of(WAITS);
	struct generator *generator;
	CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	NEEDS_PROCESSES();
	/* One that lies between those that it keeps, and one behind. */
	strange_fd = fcntl(fd, F_DUPFD_CLOEXEC, 500);
	assert_true(strange_fd >= 500);
	generator = start(&plan);
	await_parts(3);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(told->of[i].strange);
		assert_false(told->of[i].signals);
	}
	kill(told->of[0].pid, SIGINT);
	kill(told->of[0].pid, SIGTERM);
	assert_int_equal(generator_wait(generator, 20 * NS_PER_MS, NULL), -ETIMEDOUT);
	generator_stop(generator);
	assert_ends(generator);
	close(strange_fd);
}

static void test_killed(void **state)
{
	struct load_plan plan = plan_of(HOLDS);
	struct generator *generator;
	struct why why = {""};

	(void)state;
	NEEDS_PROCESSES();
	plan.processes = 3;
	generator = start(&plan);
	await_parts(3);
	while (sum_of(generator).in_flight < 3)
		poll(NULL, 0, 1);
	kill(told->of[1].pid, SIGKILL);
	assert_int_equal(generator_wait(generator, -1, &why), -ECHILD);
	assert_non_null(strstr(why.text, "SIGKILL"));
	assert_int_equal(facts_of(generator).running, 2);
	assert_int_equal(generator_wait(generator, 0, NULL), -ETIMEDOUT); /* told once */
	assert_int_equal(sum_of(generator).attempted, 3);
	assert_int_equal(sum_of(generator).in_flight, 3);
	generator_free(generator);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(kill(told->of[i].pid, 0), -1);
		assert_int_equal(errno, ESRCH);
	}
}

static void test_engine_fails(void **state)
{
	struct load_plan plan = plan_of(FAILS);
	struct generator *generator;
	struct why why = {""};

	(void)state;
	NEEDS_PROCESSES();
	generator = start(&plan);
	assert_int_equal(generator_wait(generator, -1, &why), -ECHILD);
	assert_non_null(strstr(why.text, "no engine today"));
	assert_int_equal(generator_wait(generator, -1, &why), 0);
	generator_free(generator);
}

static void test_dies_with_parent(void **state)
{
	struct load_plan plan = plan_of(LINGERS);
	int status;
	pid_t parent;

	(void)state;
	NEEDS_PROCESSES();
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	plan.threads = 1;
	parent = fork();
	if (parent == 0) {
		start(&plan);
		await_parts(1);
		_exit(0);
	}
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(status, 0);
	/* Its child is ours now. */
	assert_int_equal(waitpid(told->of[0].pid, &status, 0), told->of[0].pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* ---- descriptors */

static void check_limits(void)
{
	struct load_plan plan = plan_of(OPENS);
	struct generator *generator = NULL;
	struct why why = {""};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 200}), 0);
	plan.threads = 1;
	plan.connections = plan.concurrency = 1000;
	assert_int_equal(generator_new(&plan, &generator, &why), 0);
	assert_int_equal(facts_of(generator).descriptors, 200);
	assert_int_equal(facts_of(generator).descriptors_before, 100);
	assert_int_equal(facts_of(generator).processes, 6); /* of 176 connections */
	assert_int_equal(facts_of(generator).threads, 6);
	generator_free(generator);
	plan.concurrency = 10;
	plan.closing = LOAD_CLOSE_ABANDON;
	assert_int_equal(generator_new(&plan, &generator, &why), 0);
	assert_int_equal(facts_of(generator).descriptors_before, 200);
	assert_int_equal(facts_of(generator).processes, 6);
	generator_free(generator);
	plan.processes = 5;
	assert_int_equal(generator_new(&plan, &generator, &why), -EMFILE);
	assert_non_null(strstr(why.text, "1000 connections"));
	plan.closing = LOAD_CLOSE_ACTIVE;
	assert_int_equal(generator_new(&plan, &generator, &why), 0);
	assert_int_equal(facts_of(generator).processes, 5);
	generator_free(generator);
}

static void test_descriptors(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	NEEDS_PROCESSES();
	pid = fork();
	if (pid == 0) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		check_limits();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- what cannot be */

static void assert_refused(const struct load_plan *plan, int error, const char *says)
{
	struct generator *generator = NULL;
	struct why why = {""};

	assert_int_equal(generator_new(plan, &generator, &why), error);
	assert_null(generator);
	if (!strstr(why.text, says))
		fail_msg("it says: %s", why.text);
}

static void test_refuses(void **state)
{
	const struct load_engine none = {.name = "none", .probe = no_probe, .run = fake_run};
	struct load_plan plan = plan_of(OPENS);
	struct load_source source = {.count = 2};

	(void)state;
	NEEDS_PROCESSES();
	plan.ports = LOAD_PORTS_RING;
	plan.first_port = 2000;
	plan.last_port = 1000;
	assert_refused(&plan, -EINVAL, "backwards");
	if (tuples_probe_range(NULL) == 0) {
		plan.ports = LOAD_PORTS_RANGE;
		plan.first_port = 100;
		assert_refused(&plan, -EINVAL, "ip_local_port_range");
		plan.ports = LOAD_PORTS_KERNEL;
		assert_refused(&plan, -EINVAL, "ip_local_port_range");
	}
	plan = plan_of(OPENS);
	tcp_address_parse("126.255.255.255", &source.first);
	plan.sources = &source;
	plan.source_count = 1;
	assert_refused(&plan, -EADDRNOTAVAIL, "126.255.255.255");
	plan.source_count = 0;
	plan.engine = &none;
	assert_refused(&plan, -ENOTSUP, "planet");
}

/* ---- and with a real one */

static void *greet(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return NULL;
		(void)!send(fd, "now\r\n", 5, MSG_NOSIGNAL);
		close(fd);
	}
}

static void test_real(void **state)
{
	struct load_plan plan = plan_of(OPENS);
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t length = sizeof(at);
	struct tcp_endpoint to;
	struct generator *generator;
	struct load_sum sum;
	pthread_t thread;
	int listener;

	(void)state;
	NEEDS_PROCESSES();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 128), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &length), 0);
	to = nowhere;
	to.port = ntohs(at.sin_port);
	plan.engine = load_engines[0];
	plan.protocol = load_protocol_find("daytime");
	plan.closing = LOAD_CLOSE_PASSIVE;
	plan.destinations = &to;
	plan.connections = 300;
	plan.threads = 4;
	plan.processes = 2;
	plan.timeout_ns = 60 * NS_PER_S;
	generator = start(&plan);
	/* After the fork: a child would have a copy of what it has accepted. */
	assert_int_equal(pthread_create(&thread, NULL, greet, &listener), 0);
	assert_int_equal(generator_wait(generator, -1, NULL), 0);
	sum = sum_of(generator);
	assert_int_equal(sum.attempted, 300);
	assert_int_equal(sum.completed, 300);
	assert_int_equal(sum.closed_by_peer, 300);
	generator_free(generator);
	shutdown(listener, SHUT_RD);
	pthread_join(thread, NULL);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),		 cmocka_unit_test(test_no_idle_parts),
		cmocka_unit_test(test_stop_and_force),	 cmocka_unit_test(test_worker_is_apart),
		cmocka_unit_test(test_killed),		 cmocka_unit_test(test_engine_fails),
		cmocka_unit_test(test_dies_with_parent), cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_refuses),		 cmocka_unit_test(test_real),
	};

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return 1;
	be_alone();
	return cmocka_run_group_tests_name("generator", tests, NULL, NULL);
}
