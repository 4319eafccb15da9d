/* Packets of the loopback, and of a tunnel that goes away, in a network of the test's own. */
#include "capture/live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/privileges.h"
#include "base/testnet.h"

static struct capture_live *opened(const char *interface, const char *filter)
{
	struct capture_live *live = NULL;
	struct why why = {{0}};
	int r = capture_live_open(interface, filter, &live, &why);

	if (r != 0)
		fail_msg("%d: %s", r, why.text);
	return live;
}

static void assert_refused(const char *interface, const char *filter, int error, const char *said)
{
	struct capture_live *untouched = (struct capture_live *)0x42, *live = untouched;
	struct why why = {{0}};

	assert_int_equal(capture_live_open(interface, filter, &live, &why), error);
	assert_ptr_equal(live, untouched);
	if (!strstr(why.text, said))
		fail_msg("\"%s\" does not say \"%s\"", why.text, said);
	assert_int_equal(capture_live_open(interface, filter, &live, NULL), error);
}

/* The next packet, waited for; what capture_live_next() says else. */
static int await(struct capture_live *live, struct passing_packet *ret)
{
	struct pollfd ready = {.fd = capture_live_fd(live), .events = POLLIN};
	struct why why = {{0}};
	int r;

	while ((r = capture_live_next(live, ret, &why)) == 0)
		if (poll(&ready, 1, 20000) != 1)
			fail_msg("nothing passed within 20 s");
	if (r < 0)
		print_message("%s\n", why.text);
	return r;
}

static struct passing_packet next(struct capture_live *live)
{
	struct passing_packet packet;

	assert_int_equal(await(live, &packet), 1);
	return packet;
}

/* A datagram of @length bytes to @port, which nobody listens on. */
static void send_to(uint16_t port, size_t length)
{
	static const uint8_t zeros[8000];
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(sendto(fd, zeros, length, 0, (struct sockaddr *)&to, sizeof(to)), length);
}

/* The target's port of an UDP packet over IPv4, whatever is before it. */
static uint16_t port_of(const struct passing_packet *packet)
{
	size_t head = packet->link == PACKET_LINK_ETHERNET ? 14
		      : packet->link == PACKET_LINK_SLL	   ? 16
							   : 0;

	assert_true(packet->captured_length >= head + 28);
	return (uint16_t)(packet->data[head + 22] << 8 | packet->data[head + 23]);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void packets_as_they_pass(void **state)
{
	struct capture_live *live;
	struct passing_packet packet;
	int64_t before;

	(void)state;
	NEEDS_NAMESPACE();
	live = opened("lo", NULL);
	assert_int_equal(capture_live_next(live, &packet, NULL), 0);
	before = now_ns();
	send_to(4711, 10);
	packet = next(live);
	assert_true(packet.time_known);
	assert_in_range(packet.time_ns, before, now_ns());
	assert_int_equal(packet.link, PACKET_LINK_ETHERNET);
	assert_int_equal(packet.length, 14 + 20 + 8 + 10);
	assert_int_equal(packet.captured_length, packet.length);
	assert_int_equal(port_of(&packet), 4711);
	capture_live_close(live);
	capture_live_close(NULL);
}

static void headers_only(void **state)
{
	struct capture_live *live, *filtered;
	struct passing_packet packet;

	(void)state;
	NEEDS_NAMESPACE();
	live = opened("lo", NULL);
	filtered = opened("lo", "udp");
	send_to(4711, 8000);
	packet = next(live);
	assert_int_equal(packet.length, 14 + 20 + 8 + 8000);
	assert_int_equal(packet.captured_length, 256);
	packet = next(filtered);
	assert_int_equal(packet.length, 14 + 20 + 8 + 8000);
	assert_int_equal(packet.captured_length, 256);
	capture_live_close(live);
	capture_live_close(filtered);
}

static void the_kernel_filters_and_counts(void **state)
{
	struct capture_live *live;
	struct passing_packet packet;
	uint64_t received = 42, dropped = 42;

	(void)state;
	NEEDS_NAMESPACE();
	live = opened("lo", "udp dst port 4712 or udp dst port 4713");
	assert_int_equal(capture_live_counts(live, &received, &dropped), 0);
	assert_int_equal(received, 0);
	assert_int_equal(dropped, 0);
	for (uint16_t port = 4710; port <= 4713; port++)
		send_to(port, 10);
	packet = next(live);
	assert_int_equal(port_of(&packet), 4712);
	packet = next(live);
	assert_int_equal(port_of(&packet), 4713);
	assert_int_equal(capture_live_counts(live, &received, &dropped), 0);
	assert_int_equal(received, 2);
	assert_int_equal(dropped, 0);
	send_to(4712, 10);
	next(live);
	assert_int_equal(capture_live_counts(live, &received, &dropped), 0);
	assert_int_equal(received, 3);
	capture_live_close(live);
}

static void all_interfaces(void **state)
{
	struct capture_live *live;
	struct passing_packet packet;

	(void)state;
	NEEDS_NAMESPACE();
	live = opened("any", "udp dst port 4714");
	send_to(4714, 10);
	packet = next(live);
	assert_int_equal(packet.link, PACKET_LINK_SLL);
	assert_int_equal(port_of(&packet), 4714);
	capture_live_close(live);
}

/* --- What is refused --- */

static void no_such_interface(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	assert_refused("eth9", NULL, -ENODEV, "no interface eth9; there are: any, lo");
	assert_refused("", NULL, -ENODEV, "any, lo");
	assert_refused("nflog", NULL, -ENODEV, "any, lo"); /* libpcap knows it */
	assert_refused("a-name-longer-than-any-interface-has", NULL, -ENODEV, "any, lo");
}

static void a_wrong_filter(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	assert_refused("lo", "tcp port", -EINVAL, "syntax error");
	assert_refused("lo", "host no-such-host.example", -EINVAL, "give the address");
}

/* A child's exit status: 0, or the number of what failed. */
static int run_child(int (*run)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(run());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int without_privilege(void)
{
	struct capture_live *live;
	struct why why = {{0}};

	if (privileges_drop(&why) < 0)
		return 1;
	if (capture_live_open("lo", NULL, &live, &why) != -EPERM)
		return 2;
	if (!strstr(why.text, "CAP_NET_RAW") || !strstr(why.text, "sudo") ||
	    !strstr(why.text, "setcap cap_net_raw+ep /"))
		return 3;
	return 0;
}

static void no_privilege(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(run_child(without_privilege), 0);
}

static int drop_and_go_on(void)
{
	struct capture_live *live = opened("lo", "udp dst port 4715");
	uint64_t received, dropped;
	struct why why;

	if (privileges_drop(&why) < 0)
		return 1;
	send_to(4715, 10);
	next(live);
	if (capture_live_counts(live, &received, &dropped) < 0 || received != 1)
		return 2;
	capture_live_close(live);
	return 0;
}

static void privileges_are_needed_for_opening_only(void **state)
{
	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(run_child(drop_and_go_on), 0);
}

/* --- Interfaces that come and go --- */

static void set_up(const char *interface, bool up)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_flags = up ? IFF_UP : 0};

	strcpy(request.ifr_name, interface);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

/* A tunnel "tun7", not up yet; -1 where there are none. */
static int tunnel(void)
{
	struct ifreq request = {.ifr_name = "tun7", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
		print_message("no tunnels here: %s\n", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void an_interface_that_goes_away(void **state)
{
	uint8_t datagram[38] = {0x45, 0, 0, 38, 0, 0, 0, 0, 64, 17};
	struct passing_packet packet = {.length = 42};
	struct capture_live *live;
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	fd = tunnel();
	if (fd < 0)
		skip();
	datagram[22] = 4716 >> 8;
	datagram[23] = 4716 & 0xff;
	assert_refused("tun7", NULL, -ENETDOWN, "tun7");
	set_up("tun7", true);
	live = opened("tun7", "udp");
	assert_int_equal(write(fd, datagram, sizeof(datagram)), sizeof(datagram));
	packet = next(live);
	assert_int_equal(packet.link, PACKET_LINK_RAW);
	assert_int_equal(port_of(&packet), 4716);
	assert_int_equal(packet.length, 38);
	close(fd);
	assert_int_equal(await(live, &packet), -ENETDOWN);
	capture_live_close(live);
}

static void an_interface_that_is_down_for_a_while(void **state)
{
	static const uint8_t datagram[38] = {0x45, 0, 0, 38, 0, 0, 0, 0, 64, 17};
	struct passing_packet packet = {.length = 42};
	struct capture_live *live;
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	fd = tunnel();
	if (fd < 0)
		skip();
	set_up("tun7", true);
	live = opened("tun7", "udp");
	set_up("tun7", false);
	assert_int_equal(capture_live_next(live, &packet, NULL), 0);
	assert_int_equal(packet.length, 42);
	set_up("tun7", true);
	assert_int_equal(write(fd, datagram, sizeof(datagram)), sizeof(datagram));
	assert_int_equal(next(live).length, 38);
	close(fd);
	capture_live_close(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_as_they_pass),
		cmocka_unit_test(headers_only),
		cmocka_unit_test(the_kernel_filters_and_counts),
		cmocka_unit_test(all_interfaces),
		cmocka_unit_test(no_such_interface),
		cmocka_unit_test(a_wrong_filter),
		cmocka_unit_test(no_privilege),
		cmocka_unit_test(privileges_are_needed_for_opening_only),
		cmocka_unit_test(an_interface_that_goes_away),
		cmocka_unit_test(an_interface_that_is_down_for_a_while),
	};

	be_alone();
	return cmocka_run_group_tests_name("capture live", tests, NULL, NULL);
}
