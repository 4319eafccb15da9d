/* Worlds: their hosts, addresses, sysctls and links, who may make one, and that nothing stays. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "world/scene_testing.h"
#include "world/userns.h"

static void talk(struct host *from, const struct tcp_endpoint *to, struct host *at)
{
	struct tcp_endpoint any = *to;
	struct sockaddr_storage address;
	int listener = host_socket(at, to->address.family, SOCK_STREAM, 0);
	int client, server;
	socklen_t length;
	char text[8];

	tcp_endpoint_to_sockaddr(&any, &address, &length);
	CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, length), 0);
	CHECK_EQUAL(listen(listener, 4), 0);
	client = scene_connect(from, to);
	server = scene_accept(listener);
	CHECK_EQUAL(send(client, "hello", 5, 0), 5);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 5);
	close(client);
	CHECK_EQUAL(recv(server, text, sizeof(text), 0), 0);
	close(server);
	close(listener);
}

static void hosts_talk(struct scene *scene)
{
	struct host_device_counters counters;

	for (int family = AF_INET;; family = AF_INET6) {
		struct tcp_endpoint server = scene_endpoint(scene->server, family, 80);
		struct tcp_endpoint client = scene_endpoint(scene->client, family, 81);

		talk(scene->client, &server, scene->server);
		talk(scene->server, &client, scene->client);
		if (family == AF_INET6)
			break;
	}
	CHECK_EQUAL(host_device_counters(scene->client, &counters), 0);
	CHECK(counters.sent_packets >= 10);
	CHECK(counters.received_packets >= 10);
	CHECK_EQUAL(counters.sent_dropped + counters.received_dropped, 0);
}

static void names(struct scene *scene)
{
	struct tcp_address first, second;

	CHECK_EQUAL(world_host_count(scene->world), 2);
	CHECK(!world_host(scene->world, 2));
	CHECK(strcmp(host_name(scene->client), "client") == 0);
	CHECK_EQUAL(host_index(scene->server), 1);
	CHECK(strcmp(host_device(scene->server), "server0") == 0);
	CHECK_EQUAL(tcp_address_parse("10.0.0.1", &first), 0);
	CHECK_EQUAL(tcp_address_parse("fd00::2", &second), 0);
	CHECK(tcp_address_equal(host_address(scene->client, AF_INET, 0), &first));
	CHECK(tcp_address_equal(host_address(scene->server, AF_INET6, 0), &second));
	CHECK(!host_address(scene->client, AF_INET, 1));
}

static void loopback_is_one_place(struct scene *scene)
{
	struct tcp_endpoint to = {.port = 82};
	int listener = host_socket(scene->client, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(82)};
	struct stat first, second;
	static const char *const targets[] = {"10.0.0.1", "10.0.0.2", "127.0.0.1"};

	CHECK(strcmp(host_device(scene->client), "lo") == 0);
	CHECK(!scene->wire);
	CHECK_EQUAL(fstat(host_netns(scene->client), &first), 0);
	CHECK_EQUAL(fstat(host_netns(scene->server), &second), 0);
	CHECK_EQUAL(first.st_ino, (long long)second.st_ino);
	CHECK_EQUAL(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	CHECK_EQUAL(listen(listener, 4), 0);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		CHECK_EQUAL(tcp_address_parse(targets[i], &to.address), 0);
		close(scene_connect(scene->server, &to));
	}
	close(listener);
}

static void sysctls(struct scene *scene)
{
	char text[64];

	CHECK_EQUAL(host_sysctl(scene->client, "net.ipv4.tcp_fin_timeout", "7"), 0);
	CHECK_EQUAL(host_sysctl_read(scene->client, "net.ipv4.tcp_fin_timeout", text, 64), 1);
	CHECK(strcmp(text, "7") == 0);
	CHECK_EQUAL(host_sysctl_read(scene->server, "net.ipv4.tcp_fin_timeout", text, 64), 2);
	CHECK(strcmp(text, "60") == 0);
	CHECK(host_sysctl_read(scene->server, "net.ipv4.ip_local_port_range", text, 64) > 3);
	CHECK_EQUAL(host_sysctl_read(scene->server, "net.ipv4.ip_local_port_range", text, 4),
		    -ENOBUFS);
	CHECK_EQUAL(host_sysctl(scene->client, "net.ipv4.no_such_thing", "1"), -ENOENT);
	CHECK_EQUAL(host_sysctl_read(scene->client, "net.ipv4.no_such_thing", text, 64), -ENOENT);
	CHECK_EQUAL(host_sysctl(scene->client, "kernel.hostname", "x"), -ENOENT);
	CHECK_EQUAL(host_sysctl(scene->client, "net.ipv4", "x"), -ENOENT);
	CHECK_EQUAL(host_sysctl(scene->client, "net.core.netdev_max_backlog", "9"), -ENOENT);
	CHECK_EQUAL(host_sysctl(scene->client, "net.ipv4.tcp_fin_timeout", "soon"), -EINVAL);
	CHECK_EQUAL(host_sysctl_read(scene->client, "net.ipv4.tcp_fin_timeout", text, 64), 1);
}

static void addresses_come_later(struct scene *scene)
{
	static const char *const later[] = {"10.0.0.77/24", "192.168.5.1/16", "fd00::77/64",
					    "2001:db8::1"};
	char bare[64];

	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		struct tcp_endpoint to = {.port = 83};

		CHECK_EQUAL(host_add_address(scene->server, later[i]), 0);
		CHECK_EQUAL(host_add_address(scene->server, later[i]), -EEXIST);
		snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(later[i], "/"), later[i]);
		CHECK_EQUAL(tcp_address_parse(bare, &to.address), 0);
		talk(scene->client, &to, scene->server);
	}
	CHECK(host_address(scene->server, AF_INET, 2));
	CHECK(host_address(scene->server, AF_INET6, 2));
	CHECK_EQUAL(host_add_address(scene->server, "10.0.0.78/33"), -EINVAL);
	CHECK_EQUAL(host_add_address(scene->server, "10.0.0.78/"), -EINVAL);
	CHECK_EQUAL(host_add_address(scene->server, "ten"), -EINVAL);
	if (scene->wire) {
		CHECK_EQUAL(host_add_address(scene->client, "10.0.0.77/24"), -EEXIST);
		scene_audit(scene->wire);
	}
}

static void many_addresses(enum world_link link)
{
	struct world_spec spec = {.link = link,
				  .host_count = 2,
				  .hosts = {{.name = "a"}, {.name = "fifteen-letters"}}};
	char text[WORLD_ADDRESSES_MAX][32];
	struct world *world;

	for (int i = 0; i < WORLD_ADDRESSES_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), i % 2 ? "fd01::%x/64" : "172.16.0.%d/24", i + 1);
		spec.hosts[1].addresses[i] = text[i];
	}
	world = scene_world(&spec);
	CHECK(strcmp(host_device(world_host(world, 1)), "fifteen-letter0") == 0 ||
	      link == WORLD_LINK_LOOPBACK);
	for (int i = 0; i < WORLD_ADDRESSES_MAX; i++) {
		struct tcp_endpoint to = {.port = 80};

		text[i][strcspn(text[i], "/")] = '\0';
		CHECK_EQUAL(tcp_address_parse(text[i], &to.address), 0);
		talk(world_host(world, 0), &to, world_host(world, 1));
	}
	world_free(world);
}

static void many_addresses_wire(void)
{
	many_addresses(WORLD_LINK_WIRE);
}

static void many_addresses_fast(void)
{
	many_addresses(WORLD_LINK_VETH);
}

static void many_addresses_loopback(void)
{
	many_addresses(WORLD_LINK_LOOPBACK);
}

/* net.ipv4.tcp_ehash_entries is negative where the hash is another namespace's. */
static void hash_is_of_the_asked_size(void)
{
	const struct world_spec spec = {.link = WORLD_LINK_VETH,
					.host_count = 2,
					.hash_entries = 512,
					.hosts = {{.name = "a"}, {.name = "b"}}};
	struct world *world = scene_world(&spec);

	for (size_t i = 0; i < 2; i++) {
		const struct host *host = world_host(world, i);
		char text[32];

		CHECK(host_sysctl_read(host, "net.ipv4.tcp_ehash_entries", text, 32) > 0);
		CHECK_EQUAL(strtol(text, NULL, 10), 512);
		/* What the kernel would derive from it. */
		CHECK(host_sysctl_read(host, "net.ipv4.tcp_max_tw_buckets", text, 32) > 0);
		CHECK(strtol(text, NULL, 10) > 256);
	}
	world_free(world);
}

static void bad_specs(void)
{
	const struct world_spec specs[] = {
		{.link = WORLD_LINK_WIRE, .host_count = 0},
		{.link = WORLD_LINK_WIRE, .host_count = WORLD_HOSTS_MAX + 1},
		{.link = WORLD_LINK_VETH, .host_count = 1, .hosts = {{.name = "a"}}},
		{.link = WORLD_LINK_WIRE, .host_count = 1},
		{.link = WORLD_LINK_WIRE, .host_count = 1, .hosts = {{.name = "a b"}}},
		{.link = WORLD_LINK_WIRE, .host_count = 1, .hosts = {{.name = "sixteen-letters-"}}},
		{.link = (enum world_link)77, .host_count = 1, .hosts = {{.name = "a"}}},
	};
	struct world_spec address = {
		.link = WORLD_LINK_WIRE,
		.host_count = 1,
		.hosts = {{.name = "a", .addresses = {"10.0.0.1/24", "10.0.0/24"}}}};
	struct world *world = NULL;
	struct why why;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		CHECK_EQUAL(world_new(&specs[i], &world, &why), -EINVAL);
	/* Half built, and taken down again. */
	CHECK_EQUAL(world_new(&address, &world, &why), -EINVAL);
	CHECK(strstr(why.text, "10.0.0/24"));
	CHECK(!world);
	world_free(NULL);
}

static void link_is_found(void)
{
	struct world_spec spec = {
		.link = WORLD_LINK_WIRE, .host_count = 1, .hosts = {{.name = "a"}}};
	struct world *world = scene_world(&spec);

	CHECK(world_link(world) == WORLD_LINK_WIRE_TUN ||
	      world_link(world) == WORLD_LINK_WIRE_VETH);
	CHECK(world_wire(world));
	CHECK(strcmp(world_link_name(WORLD_LINK_VETH), "veth-fast") == 0);
	CHECK(strcmp(world_link_name(WORLD_LINK_WIRE_TUN), "tun") == 0);
	world_free(world);
}

/* Nobody of this system, in a process that may open its own /proc files as after an exec. */
static void become_nobody(void)
{
	if (geteuid() != 0)
		return;
	CHECK_EQUAL(setgroups(0, NULL), 0);
	CHECK_EQUAL(setresgid(65534, 65534, 65534), 0);
	CHECK_EQUAL(setresuid(65534, 65534, 65534), 0);
	CHECK_EQUAL(prctl(PR_SET_DUMPABLE, 1), 0);
}

static void anybody_makes_a_world(void)
{
	struct world_spec spec = {.link = WORLD_LINK_WIRE_VETH,
				  .host_count = 2,
				  .hosts = {{.name = "client"}, {.name = "server"}}};
	struct tcp_endpoint to;
	struct world *world;
	struct why why;
	int signal = 0;

	become_nobody();
	if (world_probe(&why) < 0)
		scene_skip("%s", why.text);
	CHECK(geteuid() != 0); /* the probe did not change this process */
	CHECK_EQUAL(prctl(PR_SET_PDEATHSIG, SIGTERM), 0);
	world = scene_world(&spec);
	CHECK_EQUAL(geteuid(), 0);
	CHECK_EQUAL(prctl(PR_GET_PDEATHSIG, &signal), 0);
	CHECK_EQUAL(signal, SIGTERM);
	to = scene_endpoint(world_host(world, 1), AF_INET6, 80);
	talk(world_host(world, 0), &to, world_host(world, 1));
	scene_audit(world_wire(world));
	world_free(world);
}

static void write_setting(const char *root, const char *path, const char *text)
{
	char whole[256];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	*strrchr(whole, '/') = '\0';
	CHECK_EQUAL(directory_make(whole, 0700), 0);
	whole[strlen(whole)] = '/';
	file = fopen(whole, "w");
	CHECK(file);
	fputs(text, file);
	fclose(file);
}

static void remove_setting(const char *root, const char *path)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	unlink(whole);
	while (strlen(whole) > strlen(root)) {
		*strrchr(whole, '/') = '\0';
		rmdir(whole);
	}
}

static void reasons_are_found(void)
{
	static const struct {
		const char *path, *text, *said;
		int error;
	} cases[] = {
		{"sys/kernel/apparmor_restrict_unprivileged_userns", "1\n",
		 "kernel.apparmor_restrict_unprivileged_userns=1", -EPERM},
		{"sys/kernel/unprivileged_userns_clone", "0\n",
		 "kernel.unprivileged_userns_clone=0", -EPERM},
		{"sys/user/max_user_namespaces", "0\n", "user.max_user_namespaces=0", -ENOSPC},
		{"sys/user/max_net_namespaces", "0\n", "user.max_net_namespaces=0", -ENOSPC},
		{"sys/user/max_net_namespaces", "9\n", "too many namespaces", -ENOSPC},
		{"self/status", "Name:\tx\nSeccomp:\t2\n", "seccomp", -EPERM},
		{"self/status", "Name:\tx\nSeccomp:\t0\n", "sudo", -EPERM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char root[] = "/tmp/contest-world-XXXXXX";
		struct why why;

		CHECK(mkdtemp(root));
		write_setting(root, cases[i].path, cases[i].text);
		CHECK_EQUAL(userns_blame(root, cases[i].error, &why), cases[i].error);
		remove_setting(root, cases[i].path);
		CHECK(strstr(why.text, "sudo"));
		if (!strstr(why.text, cases[i].said))
			check_failed(__FILE__, __LINE__, why.text, (long long)i);
		CHECK(!strchr(why.text, '\n'));
	}
}

static void limit_namespaces(const char *count)
{
	CLEANUP_CLOSE int fd = open("/proc/sys/user/max_net_namespaces", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, count, strlen(count)) < 0)
		scene_skip("cannot set user.max_net_namespaces: %s", errno_name(errno));
}

/* In a grandchild: makes a world, says how that went, and waits for its end. */
static void live_until_killed(enum world_link link, int answer)
{
	struct world_spec spec = {
		.link = link, .host_count = 2, .hosts = {{.name = "client"}, {.name = "server"}}};
	struct world *world;
	struct why why;
	int r = world_new(&spec, &world, &why);

	CHECK_EQUAL(write(answer, &r, sizeof(r)), sizeof(r));
	for (;;)
		pause();
}

static int make_and_kill(enum world_link link)
{
	int fds[2], r = 0, status;
	pid_t child;

	CHECK_EQUAL(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		live_until_killed(link, fds[1]);
	close(fds[1]);
	CHECK_EQUAL(read(fds[0], &r, sizeof(r)), sizeof(r));
	close(fds[0]);
	CHECK_EQUAL(kill(child, SIGKILL), 0);
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	return r;
}

/*
 * The kernel counts the namespaces of a user namespace and its descendants (kernel/ucount.c) and
 * takes one off when it was freed. Where only one world fits at a time, the next one can be made
 * as often as one likes only if nothing of the killed one stays. It is freed some time after the
 * kill: until then -ENOSPC.
 */
static void nothing_is_left(enum world_link link)
{
	struct why why;
	int r = userns_enter(&why);

	if (r < 0)
		scene_skip("%s", why.text);
	limit_namespaces("4"); /* ours, the wire's own, and two hosts */
	for (int round = 0; round < 4; round++) {
		/* A trial that came too early leaves namespaces to be freed, too: give it time. */
		for (long nap_ms = 20; (r = make_and_kill(link)) == -ENOSPC; nap_ms *= 2) {
			struct timespec nap = clock_timespec(nap_ms * NS_PER_MS);

			nanosleep(&nap, NULL);
		}
		if (r == -ENOTSUP)
			scene_skip("this link is not to be had");
		CHECK_EQUAL(r, 0);
	}
	limit_namespaces("3");
	CHECK_EQUAL(make_and_kill(link), -ENOSPC); /* the limit counts */
}

static void nothing_is_left_tun(void)
{
	nothing_is_left(WORLD_LINK_WIRE_TUN);
}

static void nothing_is_left_veth(void)
{
	nothing_is_left(WORLD_LINK_WIRE_VETH);
}

static void nothing_is_left_fast(void)
{
	nothing_is_left(WORLD_LINK_VETH);
}

static void refusal_is_explained(void)
{
	struct why why;

	if (userns_enter(&why) < 0)
		scene_skip("%s", why.text);
	limit_namespaces("0");
	CHECK_EQUAL(world_probe(&why), -ENOSPC);
	CHECK(strstr(why.text, "max_net_namespaces"));
	CHECK(strstr(why.text, "sudo"));
}

#define TRIAL_LINKS(story_)                                                                        \
	TRIAL_WIRES(story_), TRIAL_ON(story_, WORLD_LINK_VETH, #story_ " (veth-fast)")

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRIAL_LINKS(hosts_talk),
		TRIAL_ON(hosts_talk, WORLD_LINK_LOOPBACK, "hosts_talk (loopback)"),
		TRIAL_LINKS(names),
		TRIAL_ON(loopback_is_one_place, WORLD_LINK_LOOPBACK, "loopback_is_one_place"),
		TRIAL_LINKS(sysctls),
		TRIAL_LINKS(addresses_come_later),
		TRIAL_ON(addresses_come_later, WORLD_LINK_LOOPBACK,
			 "addresses_come_later (loopback)"),
		TRIAL_BARE(many_addresses_wire),
		TRIAL_BARE(many_addresses_fast),
		TRIAL_BARE(many_addresses_loopback),
		TRIAL_BARE(hash_is_of_the_asked_size),
		TRIAL_BARE(bad_specs),
		TRIAL_BARE(link_is_found),
		TRIAL_BARE(anybody_makes_a_world),
		TRIAL_BARE(reasons_are_found),
		TRIAL_BARE(refusal_is_explained),
		TRIAL_BARE(nothing_is_left_tun),
		TRIAL_BARE(nothing_is_left_veth),
		TRIAL_BARE(nothing_is_left_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
