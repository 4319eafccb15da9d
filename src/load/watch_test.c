/* What the kernel says: of sysctls, sockets and counters that the test makes itself. */
#include "observe/testnet.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "load/watch.h"

/* ---- the host */

static void sysctl_set(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		print_message("%s: %s\n", path, strerror(errno));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static void test_host(void **state)
{
	struct watch_host host;
	struct why why;

	(void)state;
	NEEDS_NAMESPACE();
	sysctl_set("ipv4/ip_local_port_range", "20000 20999");
	sysctl_set("ipv4/tcp_tw_reuse", "1");
	sysctl_set("ipv4/tcp_timestamps", "0");
	sysctl_set("ipv4/tcp_max_tw_buckets", "1234");
	sysctl_set("core/somaxconn", "77");
	/* Below, across the lower end, inside, across the upper end, above. */
	sysctl_set("ipv4/ip_local_reserved_ports", "80,19990-20009,20500,20990-21050,30000");
	assert_int_equal(watch_host_read(&host, &why), 0);
	assert_int_equal(host.first_port, 20000);
	assert_int_equal(host.last_port, 20999);
	assert_int_equal(host.tcp_tw_reuse, 1);
	assert_int_equal(host.tcp_timestamps, 0);
	assert_int_equal(host.tcp_max_tw_buckets, 1234);
	assert_int_equal(host.somaxconn, 77);
	assert_int_equal(host.reserved_ports, 10 + 1 + 10);

	sysctl_set("ipv4/ip_local_reserved_ports", "\n");
	sysctl_set("ipv4/tcp_tw_reuse", "0");
	sysctl_set("ipv4/tcp_timestamps", "1");
	sysctl_set("ipv4/tcp_max_tw_buckets", "65536");
	sysctl_set("core/somaxconn", "4096");
	assert_int_equal(watch_host_read(&host, &why), 0);
	assert_int_equal(host.reserved_ports, 0);
	assert_int_equal(host.tcp_tw_reuse, 0);
}

/* ---- sockets */

#define RANGE_FIRST 20000
#define RANGE_LAST  20999

/* Two servers, and a plan that leads to them from two addresses. */
struct scene {
	int listeners[2], clients[16], servers[16];
	size_t count;
	struct tcp_endpoint destinations[2];
	struct load_source source;
	struct load_plan plan;
	struct watch_host host;
	struct watch *watch;
};

static void scene_begin(struct scene *scene)
{
	struct why why;

	*scene = (struct scene){.source.count = 2};
	sysctl_set("ipv4/ip_local_port_range", "20000 20999");
	assert_int_equal(tcp_address_parse("127.0.0.10", &scene->source.first), 0);
	for (size_t i = 0; i < 2; i++) {
		scene->listeners[i] = listen_at("127.0.0.1");
		scene->destinations[i].port = port_of(scene->listeners[i]);
		tcp_address_parse("127.0.0.1", &scene->destinations[i].address);
	}
	scene->plan = (struct load_plan){
		.destinations = scene->destinations,
		.destination_count = 2,
		.sources = &scene->source,
		.source_count = 1,
	};
	assert_int_equal(watch_host_read(&scene->host, &why), 0);
	assert_int_equal(watch_new(&scene->plan, &scene->host, &scene->watch, &why), 0);
}

/* From @source (port 0: the kernel's choice) to one of the two. */
static void scene_connect(struct scene *scene, const char *source, uint16_t port, size_t to)
{
	struct tcp_endpoint from = {.port = port};
	struct sockaddr_storage at;
	socklen_t length;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(tcp_address_parse(source, &from.address), 0);
	tcp_endpoint_to_sockaddr(&from, &at, &length);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
	scene->clients[scene->count] = connect_to(fd, "127.0.0.1", scene->destinations[to].port);
	scene->servers[scene->count] = accept(scene->listeners[to], NULL, NULL);
	assert_true(scene->servers[scene->count] >= 0);
	scene->count++;
}

/* The client closes first and is in TIME-WAIT when this returns. */
static void scene_close(struct scene *scene, size_t at)
{
	close_once(&scene->clients[at]);
	read_end(scene->servers[at]);
	close_once(&scene->servers[at]);
}

static void scene_end(struct scene *scene)
{
	watch_free(scene->watch);
	for (size_t i = 0; i < scene->count; i++) {
		reset_once(&scene->clients[i]);
		reset_once(&scene->servers[i]);
	}
	for (size_t i = 0; i < 2; i++)
		close_once(&scene->listeners[i]);
}

static const struct watch_sample *scene_look(struct scene *scene)
{
	const struct watch_sample *series;
	struct load_sum sum = {0};
	size_t count;

	watch_look(scene->watch, &sum, clock_now_ns());
	series = watch_series(scene->watch, &count);
	assert_true(count > 0);
	return &series[count - 1];
}

static void test_sockets(void **state)
{
	const struct watch_sample *sample;
	struct scene scene;
	uint64_t ports[2];

	(void)state;
	NEEDS_NAMESPACE();
	scene_begin(&scene);
	assert_int_equal(watch_ports(scene.watch, ports), 0);
	assert_int_equal(ports[0], 0);
	assert_int_equal(ports[1], 0);

	for (size_t i = 0; i < 3; i++)
		scene_connect(&scene, "127.0.0.10", 0, 0);
	scene_connect(&scene, "127.0.0.11", 0, 0);
	scene_connect(&scene, "127.0.0.11", 0, 0);
	scene_connect(&scene, "127.0.0.11", 0, 1);
	/* No address of the load's, and a port that is none: not counted. */
	scene_connect(&scene, "127.0.0.12", 0, 1);
	scene_connect(&scene, "127.0.0.11", 19999, 1);
	scene_connect(&scene, "127.0.0.11", 21000, 1);
	assert_int_equal(watch_ports(scene.watch, ports), 0);
	assert_int_equal(ports[0], 3);
	assert_int_equal(ports[1], 1);

	/* A port in TIME-WAIT is in use. */
	scene_close(&scene, 0);
	scene_close(&scene, 5);
	assert_int_equal(watch_ports(scene.watch, ports), 0);
	assert_int_equal(ports[0], 3);
	assert_int_equal(ports[1], 1);
	sample = scene_look(&scene);
	assert_int_equal(sample->time_wait, 2);
	if (sample->ports_known)
		assert_int_equal(sample->ports_used, 3);

	/* One that was reset is not. */
	reset_once(&scene.clients[1]);
	assert_int_equal(watch_ports(scene.watch, ports), 0);
	assert_int_equal(ports[0], 2);
	scene_end(&scene);
}

static void test_ports_of_plan(void **state)
{
	struct scene scene;
	struct why why;
	uint64_t ports[2];

	(void)state;
	NEEDS_NAMESPACE();
	scene_begin(&scene);
	scene_connect(&scene, "127.0.0.10", 18000, 0);
	scene_connect(&scene, "127.0.0.10", 18001, 0);
	scene_connect(&scene, "127.0.0.10", 18002, 0);
	watch_free(scene.watch);
	scene.plan.first_port = 18001;
	scene.plan.last_port = 18002;
	assert_int_equal(watch_new(&scene.plan, &scene.host, &scene.watch, &why), 0);
	assert_int_equal(watch_ports(scene.watch, ports), 0);
	assert_int_equal(ports[0], 2);
	scene_end(&scene);
}

/* Without sources all addresses count as one. */
static void test_no_sources(void **state)
{
	struct scene scene;
	struct why why;
	uint64_t ports[2];

	(void)state;
	NEEDS_NAMESPACE();
	scene_begin(&scene);
	scene_connect(&scene, "127.0.0.10", 0, 0);
	scene_connect(&scene, "127.0.0.99", 0, 0);
	watch_free(scene.watch);
	scene.plan.source_count = 0;
	assert_int_equal(watch_new(&scene.plan, &scene.host, &scene.watch, &why), 0);
	assert_int_equal(watch_ports(scene.watch, ports), 0);
	assert_int_equal(ports[0], 2);
	scene_end(&scene);
}

/* ---- counters */

static void refuse_one(void)
{
	struct tcp_endpoint nobody = {.port = 9};
	struct sockaddr_storage at;
	socklen_t length;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	tcp_address_parse("127.0.0.1", &nobody.address);
	tcp_endpoint_to_sockaddr(&nobody, &at, &length);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, length), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
}

static void test_counters(void **state)
{
	struct watch_kernel kernel;
	struct scene scene;

	(void)state;
	NEEDS_NAMESPACE();
	refuse_one(); /* before the watch: not counted */
	scene_begin(&scene);
	watch_kernel(scene.watch, &kernel);
	assert_int_equal(kernel.active_opens, 0);
	assert_int_equal(kernel.attempt_fails, 0);

	scene_connect(&scene, "127.0.0.10", 20100, 0);
	scene_connect(&scene, "127.0.0.10", 20101, 0);
	scene_connect(&scene, "127.0.0.10", 20102, 1);
	refuse_one();
	scene_close(&scene, 0);
	scene_close(&scene, 1);
	reset_once(&scene.clients[2]);
	watch_kernel(scene.watch, &kernel);
	assert_int_equal(kernel.active_opens, 4);
	assert_int_equal(kernel.passive_opens, 3);
	assert_int_equal(kernel.attempt_fails, 1);
	assert_int_equal(kernel.estab_resets, 2); /* both ends of the one */
	assert_int_equal(kernel.time_wait_entered, 2);
	assert_int_equal(kernel.time_wait_recycled, 0);
	assert_int_equal(kernel.syn_retrans, 0);
	assert_int_equal(kernel.listen_overflows, 0);

	/* The same ports again: the sockets in TIME-WAIT are gone, and were two all the same. */
	scene_connect(&scene, "127.0.0.10", 20100, 0);
	watch_kernel(scene.watch, &kernel);
	assert_int_equal(kernel.time_wait_recycled, 1);
	assert_int_equal(kernel.time_wait_entered, 2);
	scene_close(&scene, 3);
	watch_kernel(scene.watch, &kernel);
	assert_int_equal(kernel.time_wait_entered, 3);
	assert_int_equal(kernel.active_opens, 5);
	scene_end(&scene);
}

/* ---- the series */

static void close_to(double value, double expected)
{
	if (fabs(value - expected) > 1e-6 * fabs(expected))
		fail_msg("%.9g instead of %.9g", value, expected);
}

/* @looks looks, between which 10 connections come about, 20 connects of 3 us, 7 us of work. */
static void check_series(size_t looks, size_t expected_count, uint64_t expected_step)
{
	int64_t start_ns = clock_now_ns() - NS_PER_S;
	const struct watch_sample *series;
	struct load_sum sum = {0};
	struct scene scene;
	double before_s = 0;
	size_t count;

	scene_begin(&scene);
	for (size_t i = 0; i < looks; i++) {
		sum.connected += 10;
		sum.connect_calls += 20;
		sum.connect_ns += 20 * 3000;
		sum.cpu_ns += 7000;
		watch_look(scene.watch, &sum, start_ns);
	}
	series = watch_series(scene.watch, &count);
	assert_int_equal(count, expected_count);
	for (size_t i = 0; i < count; i++) {
		double seconds = series[i].at_s - before_s;

		assert_true(seconds > 0);
		assert_int_equal(series[i].sum.connected, (i + 1) * expected_step * 10);
		close_to(series[i].rate, (double)expected_step * 10 / seconds);
		close_to(series[i].connect_us, 3);
		close_to(series[i].cpu, (double)expected_step * 7e-6 / seconds);
		before_s = series[i].at_s;
	}
	assert_true(series[0].at_s >= 1);
	scene_end(&scene);
}

static void test_series(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	check_series(1, 1, 1);
	check_series(599, 599, 1);
	check_series(600, 300, 2); /* full: every second one goes */
	check_series(601, 300, 2); /* not kept: half of an interval */
	check_series(602, 301, 2);
	check_series(1200, 300, 4); /* and again */
	check_series(1303, 325, 4);
}

/* ---- the audit */

static const struct audit_line *find(const struct audit_line *lines, size_t count,
				     const char *counter)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(lines[i].counter, counter, strlen(counter)) == 0)
			return &lines[i];
	return NULL;
}

static bool agrees(const struct load_plan *plan, const struct load_sum *sum,
		   const struct watch_kernel *kernel, bool here, const char *counter)
{
	struct audit_line lines[AUDIT_LINES] = {0};
	const struct audit_line *line = find(lines, watch_audit(plan, sum, kernel, here, lines),
					     counter);

	assert_non_null(line);
	return line->agrees;
}

static void test_audit(void **state)
{
	struct load_sum sum = {.attempted = 100000, .connected = 100000, .closed_by_us = 100000};
	struct watch_kernel kernel = {
		.active_opens = 100000, .passive_opens = 100000, .time_wait_entered = 100000};
	struct load_plan plan = {.closing = LOAD_CLOSE_ACTIVE};
	struct audit_line lines[AUDIT_LINES] = {0};
	const struct audit_line *line;
	size_t count = watch_audit(&plan, &sum, &kernel, true, lines);

	(void)state;
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++)
		assert_true(lines[i].agrees);
	assert_null(
		find(lines, watch_audit(&plan, &sum, &kernel, false, lines), "Tcp.PassiveOpens"));

	/* Within 0.1 %, and not beyond, in both directions. */
	kernel.active_opens = 100100;
	assert_true(agrees(&plan, &sum, &kernel, true, "Tcp.ActiveOpens"));
	kernel.active_opens = 100101;
	assert_false(agrees(&plan, &sum, &kernel, true, "Tcp.ActiveOpens"));
	kernel.active_opens = 99899;
	assert_false(agrees(&plan, &sum, &kernel, true, "Tcp.ActiveOpens"));
	count = watch_audit(&plan, &sum, &kernel, true, lines);
	line = find(lines, count, "Tcp.ActiveOpens");
	close_to(line->off, 0.00101);

	/* Attempts without a SYN are none to the kernel. */
	kernel.active_opens = 99000;
	sum.failed[EADDRNOTAVAIL] = 600;
	sum.failed[EMFILE] = 400;
	assert_true(agrees(&plan, &sum, &kernel, true, "Tcp.ActiveOpens"));
	/* A difference of one is none, whatever the number. */
	kernel.attempt_fails = 1;
	assert_true(agrees(&plan, &sum, &kernel, true, "Tcp.AttemptFails"));
	kernel.attempt_fails = 2;
	assert_false(agrees(&plan, &sum, &kernel, true, "Tcp.AttemptFails"));
	sum.failed[ECONNREFUSED] = 2;
	assert_true(agrees(&plan, &sum, &kernel, true, "Tcp.AttemptFails"));
}

static void test_audit_ends(void **state)
{
	struct load_sum sum = {.closed_by_us = 100, .closed_by_peer = 200};
	struct watch_kernel kernel = {.time_wait_entered = 300};
	struct load_plan plan = {.closing = LOAD_CLOSE_PASSIVE};
	struct audit_line lines[AUDIT_LINES] = {0};

	(void)state;
	/* The peers' TIME-WAIT are to be seen where the peers are. */
	assert_true(agrees(&plan, &sum, &kernel, true, "TcpExt.TW"));
	assert_false(agrees(&plan, &sum, &kernel, false, "TcpExt.TW"));
	kernel.time_wait_entered = 100;
	assert_true(agrees(&plan, &sum, &kernel, false, "TcpExt.TW"));
	/* What found no room was counted elsewhere. */
	kernel.time_wait_entered = 40;
	kernel.time_wait_overflow = 60;
	assert_true(agrees(&plan, &sum, &kernel, false, "TcpExt.TW"));

	/* An RST is counted by one end or by both where both are here, by ours alone elsewhere. */
	sum = (struct load_sum){.reset_by_us = 100};
	kernel = (struct watch_kernel){.estab_resets = 150};
	plan.closing = LOAD_CLOSE_RST;
	assert_true(agrees(&plan, &sum, &kernel, true, "Tcp.EstabResets"));
	assert_false(agrees(&plan, &sum, &kernel, false, "Tcp.EstabResets"));
	kernel.estab_resets = 201;
	assert_false(agrees(&plan, &sum, &kernel, true, "Tcp.EstabResets"));
	kernel.estab_resets = 99;
	assert_true(agrees(&plan, &sum, &kernel, false, "Tcp.EstabResets"));
	/* Ours answers a FIN that came first. */
	sum.closed_by_peer = 50;
	kernel.estab_resets = 150;
	assert_true(agrees(&plan, &sum, &kernel, false, "Tcp.EstabResets"));
	assert_null(find(lines, watch_audit(&plan, &sum, &kernel, true, lines), "TcpExt.TW"));
	assert_true(agrees(&plan, &sum, &kernel, false, "TcpExt.TW"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),	      cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_ports_of_plan), cmocka_unit_test(test_no_sources),
		cmocka_unit_test(test_counters),      cmocka_unit_test(test_series),
		cmocka_unit_test(test_audit),	      cmocka_unit_test(test_audit_ends),
	};

	be_alone();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
