#include "world/scene_testing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

/* Ends a child that hangs; no test comes near. */
#define WATCHDOG_S 60

void check_failed(const char *file, int line, const char *what, long long is)
{
	fprintf(stderr, "%s:%d: not so: %s (it is %lld, errno %s)\n", file, line, what, is,
		errno_name(errno));
	fflush(NULL);
	_exit(FAILED);
}

void scene_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "left out: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	fflush(NULL);
	_exit(SKIPPED);
}

struct world *scene_world(const struct world_spec *spec)
{
	struct world *world;
	struct why why = {0};
	int r = world_new(spec, &world, &why);

	if (r == -ENOTSUP || r == -EPERM || r == -ENOSPC)
		scene_skip("%s", why.text);
	if (r < 0)
		check_failed(__FILE__, __LINE__, why.text, r);
	return world;
}

static void play(const struct trial *trial)
{
	struct world_spec spec = {.link = trial->link,
				  .host_count = 2,
				  .hosts = {{.name = "client"}, {.name = "server"}}};
	struct scene scene;

	if (trial->bare) {
		trial->bare();
		return;
	}
	scene.world = scene_world(&spec);
	scene.wire = world_wire(scene.world);
	scene.client = world_host(scene.world, 0);
	scene.server = world_host(scene.world, 1);
	trial->story(&scene);
	world_free(scene.world);
}

void trial_run(void **state)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(WATCHDOG_S);
		play(*state);
		exit(PASSED); /* not _exit(): the leak checker wants to run */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	if (WIFSIGNALED(status))
		fail_msg("the child was ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), PASSED);
}

struct tcp_endpoint scene_endpoint(const struct host *host, int family, uint16_t port)
{
	const struct tcp_address *address = host_address(host, family, 0);

	CHECK(address);
	return (struct tcp_endpoint){.address = *address, .port = port};
}

static int bound(const struct host *host, int family, int type, uint16_t port)
{
	struct tcp_endpoint here = scene_endpoint(host, family, port);
	int fd = host_socket(host, family, type, 0);
	struct sockaddr_storage address;
	socklen_t length;

	CHECK(fd >= 0);
	tcp_endpoint_to_sockaddr(&here, &address, &length);
	CHECK_EQUAL(bind(fd, (struct sockaddr *)&address, length), 0);
	return fd;
}

int scene_listen(const struct host *host, int family, uint16_t port)
{
	int fd = bound(host, family, SOCK_STREAM, port);

	CHECK_EQUAL(listen(fd, 16), 0);
	return fd;
}

int scene_connect(const struct host *host, const struct tcp_endpoint *to)
{
	int fd = host_socket(host, to->address.family, SOCK_STREAM, 0);
	struct sockaddr_storage address;
	socklen_t length;

	CHECK(fd >= 0);
	tcp_endpoint_to_sockaddr(to, &address, &length);
	CHECK_EQUAL(connect(fd, (struct sockaddr *)&address, length), 0);
	return fd;
}

int scene_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int scene_udp(const struct host *host, int family, uint16_t port)
{
	return bound(host, family, SOCK_DGRAM, port);
}

void scene_udp_send(int fd, const struct tcp_endpoint *to, uint32_t number)
{
	struct sockaddr_storage address;
	socklen_t length;

	tcp_endpoint_to_sockaddr(to, &address, &length);
	CHECK_EQUAL(sendto(fd, &number, sizeof(number), 0, (struct sockaddr *)&address, length),
		    sizeof(number));
}

uint32_t scene_udp_receive(int fd)
{
	uint32_t number;

	CHECK_EQUAL(recv(fd, &number, sizeof(number), 0), sizeof(number));
	return number;
}

void scene_pair(struct scene *scene, int family, int *ret_client, int *ret_server)
{
	struct tcp_endpoint to = scene_endpoint(scene->server, family, 80);
	CLEANUP_CLOSE int listener = scene_listen(scene->server, family, 80);

	*ret_client = scene_connect(scene->client, &to);
	*ret_server = scene_accept(listener);
}

void scene_audit(struct wire *wire)
{
	struct why why = {0};
	int r = wire_audit(wire, &why);

	if (r < 0)
		check_failed(__FILE__, __LINE__, why.text, r);
}
