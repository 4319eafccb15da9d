#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/testnet.h"
#include "serve/listen.h"

static const struct listen_options any, v4 = {.family = LISTEN_V4}, v6 = {.family = LISTEN_V6},
					dual = {.family = LISTEN_DUAL};

/* ---- names */

/* All endpoints of @text in one string, or the error's name and text. */
static const char *resolve(const char *text, const struct listen_options *options)
{
	static char all[1024];
	struct tcp_endpoint found[LISTEN_MAX];
	struct why why = {""};
	int n = listen_resolve(text, 5000, options, found, LISTEN_MAX, &why);
	char one[TCP_ENDPOINT_TEXT_MAX];
	size_t used = 0;

	if (n < 0)
		snprintf(all, sizeof(all), "%s: %s", errno_name(n), why.text);
	for (int i = 0; i < n; i++)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? " " : "",
					 tcp_endpoint_format(&found[i], one));
	return all;
}

static void addresses(void **state)
{
	(void)state;
	assert_string_equal(resolve("10.0.0.1", &any), "10.0.0.1:5000");
	assert_string_equal(resolve("10.0.0.1:80", &v4), "10.0.0.1:80");
	assert_string_equal(resolve("10.0.0.1:0", &any), "10.0.0.1:0");
	assert_string_equal(resolve("::1", &any), "[::1]:5000");
	assert_string_equal(resolve("[::1]", &v6), "[::1]:5000");
	assert_string_equal(resolve("[::1]:65535", &any), "[::1]:65535");
	assert_string_equal(resolve("*", &v4), "0.0.0.0:5000");
	assert_string_equal(resolve("*:80", &v6), "[::]:80");
	assert_string_equal(resolve("*", &dual), "[::]:5000");
}

static void bad_addresses(void **state)
{
	(void)state;
	assert_string_equal(resolve("10.0.0.256", &any),
			    "EINVAL: '10.0.0.256' is not an IP address");
	assert_string_equal(resolve("1:2:3", &any), "EINVAL: '1:2:3' is not an IP address");
	assert_string_equal(resolve("10.0.0.1", &v6), "EINVAL: 10.0.0.1 is not an IPv6 address");
	assert_string_equal(resolve("::1", &v4), "EINVAL: ::1 is not an IPv4 address");
	assert_string_equal(resolve("[10.0.0.1]:80", &any),
			    "EINVAL: '[10.0.0.1]:80': only IPv6 addresses stand in brackets");
	assert_string_equal(resolve("[::1", &any),
			    "EINVAL: '[::1' is not [ADDRESS] or [ADDRESS]:PORT");
	assert_string_equal(resolve("[::1]80", &any),
			    "EINVAL: '[::1]80' is not [ADDRESS] or [ADDRESS]:PORT");
	assert_string_equal(resolve("[]", &any), "EINVAL: '[]' is not [ADDRESS] or [ADDRESS]:PORT");
	assert_string_equal(resolve(":80", &any), "EINVAL: ':80' names no address");
	assert_string_equal(resolve("", &any), "EINVAL: '' names no address");
	assert_string_equal(resolve("10.0.0.1:65536", &any),
			    "EINVAL: '10.0.0.1:65536': its port is not a number from 0 to 65535");
	assert_string_equal(resolve("10.0.0.1:", &any),
			    "EINVAL: '10.0.0.1:': its port is not a number from 0 to 65535");
	assert_string_equal(resolve("10.0.0.1:8x", &any),
			    "EINVAL: '10.0.0.1:8x': its port is not a number from 0 to 65535");
}

static void long_names_are_refused(void **state)
{
	char name[400];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(strncmp(resolve(name, &any), "EINVAL: ", 8), 0);
}

static void interfaces(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	assert_string_equal(resolve("lo:80", &v4), "127.0.0.1:80");
	assert_string_equal(resolve("lo", &v6), "[::1]:5000");
	assert_string_equal(resolve("lo", &any), "127.0.0.1:5000 [::1]:5000");
	assert_int_equal(strncmp(resolve("no-such-name.invalid", &any), "ENODEV: ", 8), 0);
}

static void room_is_kept_to(void **state)
{
	struct tcp_endpoint found[2] = {{.port = 1}, {.port = 2}};
	struct why why;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(listen_resolve("lo", 80, &any, found, 1, &why), 1);
	assert_int_equal(found[0].port, 80);
	assert_int_equal(found[1].port, 2);
	assert_int_equal(listen_resolve("lo", 80, &any, found, 0, &why), -EINVAL);
}

/* ---- sockets */

static struct tcp_endpoint endpoint(const char *address, uint16_t port)
{
	struct tcp_endpoint at = {.port = port};

	assert_int_equal(tcp_address_parse(address, &at.address), 0);
	return at;
}

/* Listens there; *ret_at tells where. */
static int open_at(const char *address, uint16_t port, const struct listen_options *options,
		   struct tcp_endpoint *ret_at)
{
	struct tcp_endpoint at = endpoint(address, port);
	struct why why = {""};
	int fd = -1;

	assert_int_equal(listen_open(&at, options, &fd, ret_at, &why), 0);
	return fd;
}

/* What listening there fails with; the port @port stands as 0 in it. */
static const char *refusal(const char *address, uint16_t port, const struct listen_options *options)
{
	struct tcp_endpoint at = endpoint(address, port), where = {.port = 7};
	static char text[640];
	struct why why = {""};
	int fd = -1, r = listen_open(&at, options, &fd, &where, &why);

	assert_true(r < 0);
	assert_int_equal(fd, -1);
	assert_int_equal(where.port, 7);
	snprintf(text, sizeof(text), "%s: %s", errno_name(r), why.text);
	return text;
}

static int connect_to(const char *address, uint16_t port)
{
	struct tcp_endpoint at = endpoint(address, port);
	struct sockaddr_storage to;
	socklen_t length;
	int fd;

	tcp_endpoint_to_sockaddr(&at, &to, &length);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&to, length) == 0)
		return fd;
	close(fd);
	return -errno;
}

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static void any_port_is_told(void **state)
{
	struct tcp_endpoint at;
	int fd, client;

	(void)state;
	NEEDS_NAMESPACE();
	fd = open_at("127.0.0.1", 0, &any, &at);
	assert_int_not_equal(at.port, 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	client = connect_to("127.0.0.1", at.port);
	assert_true(client >= 0);
	close(client);
	close(fd);
}

static void options_are_set(void **state)
{
	const struct listen_options options = {.reuseport = true,
					       .backlog = 7,
					       .defer_accept_s = 3,
					       .fastopen = 5,
					       .receive_buffer = 20000,
					       .send_buffer = 30000};
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);
	struct tcp_endpoint at;
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	fd = open_at("127.0.0.1", 0, &options, &at);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_RCVBUF), 40000); /* socket(7): doubled */
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF), 60000);
	assert_in_range(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 3,
			7); /* in SYN-ACK repeats */
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_FASTOPEN), 5);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	assert_int_equal(info.tcpi_sacked, 7); /* of a listener: the backlog */
	close(fd);

	fd = open_at("127.0.0.1", 0, &(struct listen_options){.no_reuseaddr = true}, &at);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 0);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	close(fd);
}

static void a_wildcard_of_v6_takes_v4(void **state)
{
	struct tcp_endpoint at;
	int fd, client;

	(void)state;
	NEEDS_NAMESPACE();
	fd = open_at("::", 0, &any, &at);
	client = connect_to("127.0.0.1", at.port);
	assert_true(client >= 0);
	close(client);
	close(fd);

	fd = open_at("::", 0, &v6, &at);
	assert_int_equal(connect_to("127.0.0.1", at.port), -ECONNREFUSED);
	close(fd);
}

static void a_port_in_use(void **state)
{
	struct tcp_endpoint at;
	char wanted[256];
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	fd = open_at("127.0.0.1", 0, &any, &at);
	snprintf(wanted, sizeof(wanted),
		 "EADDRINUSE: cannot listen on 127.0.0.1:%u: the port is in use", at.port);
	assert_string_equal(refusal("127.0.0.1", at.port, &any), wanted);
	close(fd);
}

/* A connection that this end closed first, so that it keeps TIME-WAIT at the port. */
static uint16_t leave_time_wait(const struct listen_options *options)
{
	struct tcp_endpoint at;
	int fd = open_at("127.0.0.1", 0, options, &at), client = connect_to("127.0.0.1", at.port);
	int server = accept(fd, NULL, NULL);
	char byte;

	assert_true(client >= 0 && server >= 0);
	close(server);
	assert_int_equal(read(client, &byte, 1), 0);
	close(client);
	close(fd);
	return at.port;
}

static void time_wait_is_no_hindrance_to_reuseaddr(void **state)
{
	const struct listen_options without = {.no_reuseaddr = true};
	struct tcp_endpoint at;
	uint16_t port;

	(void)state;
	NEEDS_NAMESPACE();
	port = leave_time_wait(&any);
	assert_non_null(strstr(refusal("127.0.0.1", port, &without), "TIME-WAIT"));
	close(open_at("127.0.0.1", port, &any, &at));
	assert_int_equal(at.port, port);
}

static void an_address_of_somebody_else(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	assert_string_equal(refusal("192.0.2.1", 80, &any),
			    "EADDRNOTAVAIL: cannot listen on 192.0.2.1:80: no interface here has "
			    "this address (`ip address` shows them)");
}

/* In a child, which loses its privileges. */
static int try_port_80(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	if (syscall(SYS_capset, &header, none) < 0)
		return 2;
	return strstr(refusal("127.0.0.1", 80, &any),
		      "EACCES: cannot listen on 127.0.0.1:80: ports below 1024 need "
		      "CAP_NET_BIND_SERVICE") == NULL;
}

static void a_privileged_port(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	NEEDS_NAMESPACE();
	pid = fork();
	if (pid == 0)
		_exit(try_port_80());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(bad_addresses),
		cmocka_unit_test(long_names_are_refused),
		cmocka_unit_test(interfaces),
		cmocka_unit_test(room_is_kept_to),
		cmocka_unit_test(any_port_is_told),
		cmocka_unit_test(options_are_set),
		cmocka_unit_test(a_wildcard_of_v6_takes_v4),
		cmocka_unit_test(a_port_in_use),
		cmocka_unit_test(time_wait_is_no_hindrance_to_reuseaddr),
		cmocka_unit_test(an_address_of_somebody_else),
		cmocka_unit_test(a_privileged_port),
	};

	be_alone();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
