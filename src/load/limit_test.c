/* What limited a load, decided from made figures; and the forecast. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "load/limit.h"

/* A load that ran for 10 s without a mishap: 1000/s, its thread busy for half of the time. */
struct made {
	struct tcp_endpoint destinations[2];
	struct load_plan plan;
	struct load_sum sum;
	struct watch_host host;
	struct watch_kernel kernel;
	struct watch_sample series[10];
	uint64_t ports_used[2];
	struct limit_facts facts;
	struct limit_verdict verdict;
};

static void make(struct made *made)
{
	memset(made, 0, sizeof(*made));
	made->plan = (struct load_plan){
		.destinations = made->destinations,
		.destination_count = 1,
		.concurrency = 64,
	};
	made->host = (struct watch_host){
		.first_port = 32768,
		.last_port = 60999,
		.tcp_timestamps = 1,
		.somaxconn = 4096,
	};
	made->sum = (struct load_sum){
		.attempted = 10000,
		.connected = 10000,
		.completed = 10000,
		.cpu_ns = 5000000000,
	};
	for (size_t i = 0; i < ARRAY_SIZE(made->series); i++)
		made->series[i] = (struct watch_sample){
			.at_s = (double)i + 1,
			.rate = 1000,
			.connect_us = 15,
			.ports_used = 1000 * (i + 1),
			.ports_known = true,
		};
	made->facts = (struct limit_facts){
		.plan = &made->plan,
		.sum = &made->sum,
		.host = &made->host,
		.kernel = &made->kernel,
		.series = made->series,
		.series_count = ARRAY_SIZE(made->series),
		.ports_used = made->ports_used,
		.first_port = 32768,
		.last_port = 60999,
		.sources = 1,
		.seconds = 10,
		.threads = 1,
	};
}

static void fail_with(struct made *made, unsigned failure, uint64_t count)
{
	made->sum.failed[failure] += count;
	made->sum.failed_all += count;
	made->sum.completed -= count;
	made->sum.connected -= count;
}

static void decide(struct made *made, enum load_limit expected)
{
	load_limit_decide(&made->facts, &made->verdict);
	if (made->verdict.limit != expected)
		fail_msg("%s, expected %s: %s", load_limit_name(made->verdict.limit),
			 load_limit_name(expected), made->verdict.sentence);
	assert_true(strlen(made->verdict.sentence) > 10);
}

static bool proves(const struct made *made, const char *what)
{
	for (size_t i = 0; i < LIMIT_EVIDENCE; i++)
		if (strstr(made->verdict.evidence[i], what))
			return true;
	return false;
}

static void test_nothing(void **state)
{
	struct made made;

	(void)state;
	make(&made);
	made.plan.rate = 1000;
	decide(&made, LIMIT_NONE);
	made.plan.rate = 1005; /* within 1 % */
	decide(&made, LIMIT_NONE);
	made.plan.rate = 1100;
	decide(&made, LIMIT_CONCURRENCY);
	made.plan.ramp_ns = 2000000000; /* a second's worth is left out */
	decide(&made, LIMIT_NONE);
}

static void test_time(void **state)
{
	struct made made;

	(void)state;
	make(&made);
	decide(&made, LIMIT_CONCURRENCY);
	assert_non_null(strstr(made.verdict.sentence, "64"));
	made.sum.cpu_ns = 9500000000;
	decide(&made, LIMIT_CLIENT_CPU);
	made.facts.threads = 2;
	decide(&made, LIMIT_CONCURRENCY);
	made.facts.interrupted = true;
	decide(&made, LIMIT_INTERRUPTED);
}

static void test_ports(void **state)
{
	struct made made;

	(void)state;
	make(&made);
	fail_with(&made, EADDRNOTAVAIL, 40);
	made.sum.port_waits_ns = 3000000000;
	made.ports_used[0] = 28232;
	decide(&made, LIMIT_LOCAL_PORTS);
	assert_true(proves(&made, "28232 tuples"));
	assert_true(proves(&made, "tcp_tw_reuse = 0"));
	assert_non_null(strstr(made.verdict.cure, "tcp_tw_reuse=1"));
	assert_false(proves(&made, "half-range"));
	made.host.tcp_tw_reuse = 1;
	made.facts.sources = 3;
	made.host.reserved_ports = 232;
	decide(&made, LIMIT_LOCAL_PORTS);
	assert_true(proves(&made, "84000 tuples"));
	assert_null(strstr(made.verdict.cure, "tcp_tw_reuse=1"));
	made.plan.ports = LOAD_PORTS_RING;
	decide(&made, LIMIT_LOCAL_PORTS);
	assert_non_null(strstr(made.verdict.cure, "ring"));
}

/* The rate collapses, and connect() takes a hundred times as long, at half of the range. */
static void test_half_range(void **state)
{
	struct made made;

	(void)state;
	make(&made);
	for (size_t i = 5; i < ARRAY_SIZE(made.series); i++) {
		made.series[i].connect_us = 2000;
		made.series[i].rate = 450;
		made.series[i].ports_used = 14116 + i;
	}
	made.sum.cpu_ns = 9900000000;
	decide(&made, LIMIT_HALF_RANGE);
	assert_non_null(strstr(made.verdict.sentence, "450/s"));
	assert_true(proves(&made, "up to 2000 us from 6.0 s"));
	/* then they are all gone */
	fail_with(&made, EADDRNOTAVAIL, 5);
	decide(&made, LIMIT_LOCAL_PORTS);
	assert_true(proves(&made, "half-range cliff"));
	/* The same without ports in use is something else. */
	make(&made);
	made.series[7].connect_us = 2000;
	made.series[7].ports_used = 100;
	decide(&made, LIMIT_CONCURRENCY);
	/* So is a host that was slow from the beginning. */
	for (size_t i = 0; i < ARRAY_SIZE(made.series); i++) {
		made.series[i].connect_us = 300;
		made.series[i].ports_used = 20000;
	}
	decide(&made, LIMIT_CONCURRENCY);
}

static void test_refusals(void **state)
{
	static const struct {
		unsigned failure;
		enum load_limit limit;
	} cases[] = {
		{ECONNREFUSED, LIMIT_PEER_REFUSED}, {ECONNRESET, LIMIT_PEER_RESET},
		{EPIPE, LIMIT_PEER_RESET},	    {EHOSTUNREACH, LIMIT_UNREACHABLE},
		{ENETUNREACH, LIMIT_UNREACHABLE},   {EMFILE, LIMIT_DESCRIPTORS},
		{ETIMEDOUT, LIMIT_PEER_BACKLOG},
	};
	struct made made;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(&made);
		fail_with(&made, cases[i].failure, 5000);
		decide(&made, cases[i].limit);
		/* a few are no limit */
		make(&made);
		fail_with(&made, cases[i].failure, 50);
		decide(&made, LIMIT_CONCURRENCY);
	}
	make(&made);
	made.sum.descriptor_waits = 1;
	decide(&made, LIMIT_DESCRIPTORS);
}

static void test_backlog(void **state)
{
	struct made made;

	(void)state;
	make(&made);
	made.kernel.syn_retrans = 9; /* below a thousandth */
	decide(&made, LIMIT_CONCURRENCY);
	made.kernel.syn_retrans = 200;
	made.kernel.listen_drops = 77;
	decide(&made, LIMIT_PEER_BACKLOG);
	assert_false(proves(&made, "ListenDrops"));
	made.facts.peer_is_here = true;
	decide(&made, LIMIT_PEER_BACKLOG);
	assert_true(proves(&made, "ListenDrops by 77"));
	/* Our own time was up before an answer came. */
	make(&made);
	fail_with(&made, LOAD_FAIL_TIMEOUT, 500);
	decide(&made, LIMIT_CONCURRENCY); /* at another step */
	made.sum.failed_at[LOAD_STEP_CONNECT] = 500;
	decide(&made, LIMIT_PEER_BACKLOG);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < LIMITS; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(load_limit_name((enum load_limit)i),
						load_limit_name((enum load_limit)k));
	assert_string_equal(load_limit_name(LIMIT_LOCAL_PORTS), "local-ports");
}

static double forecast(const struct made *made, const char *word)
{
	char text[400];
	double rate = load_forecast(&made->plan, &made->host, text, sizeof(text));

	if (!strstr(text, word))
		fail_msg("no \"%s\" in: %s", word, text);
	return rate;
}

static void test_forecast(void **state)
{
	struct load_source source = {.count = 4};
	struct made made;

	(void)state;
	make(&made);
	assert_int_equal(forecast(&made, "28232 ports / 60 s: 471 connections/s"), 470);
	made.plan.first_port = 1000;
	made.plan.last_port = 1599;
	assert_int_equal(forecast(&made, "600 ports"), 10);
	made.plan.sources = &source;
	made.plan.source_count = 1;
	assert_int_equal(forecast(&made, "each pair"), 40);
	made.plan.destination_count = 2;
	assert_int_equal(forecast(&made, "these destinations"), 80);
	made.host.tcp_tw_reuse = 1;
	assert_int_equal(forecast(&made, "tcp_tw_reuse"), 4800);
	made.plan.ports = LOAD_PORTS_RING;
	assert_int_equal(forecast(&made, "ring"), 0);
	made.plan.closing = LOAD_CLOSE_PASSIVE;
	assert_int_equal(forecast(&made, "server closes first"), 0);
	made.plan.closing = LOAD_CLOSE_RST;
	assert_int_equal(forecast(&made, "RST"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	 cmocka_unit_test(test_time),
		cmocka_unit_test(test_ports),	 cmocka_unit_test(test_half_range),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_forecast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
