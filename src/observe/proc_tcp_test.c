#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "observe/proc_tcp.h"
#include "tcp/state.h"

/* The kernel prints addresses as numbers of the machine: these are of a little-endian one. */
#define NEEDS_LITTLE_ENDIAN()                                                                      \
	do {                                                                                       \
		if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) {                                   \
			print_message("the lines are of a little-endian machine\n");               \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static int parse(const char *line, int family, struct socket_status *ret)
{
	return proc_tcp_parse(line, line + strlen(line), family, 100, ret);
}

static struct socket_status parsed(const char *line, int family)
{
	struct socket_status status;

	assert_int_equal(parse(line, family, &status), 0);
	return status;
}

static void assert_ends(const struct socket_status *status, const char *local, const char *remote)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	assert_string_equal(tcp_endpoint_format(&status->key.local, text), local);
	assert_string_equal(tcp_endpoint_format(&status->key.remote, text), remote);
}

static const char established[] =
	"   1: 0100007F:1F90 0200007F:D431 01 00000102:0000000A 01:00000019 00000003  1000   "
	"     7 123456 4 00000000a41f9d1c 20 4 30 10 -1";

static void test_full(void **state)
{
	struct socket_status status;

	(void)state;
	NEEDS_LITTLE_ENDIAN();
	status = parsed(established, AF_INET);
	assert_ends(&status, "127.0.0.1:8080", "127.0.0.2:54321");
	assert_int_equal(status.state, TCP_ESTABLISHED);
	assert_int_equal(status.send_queue, 0x102);
	assert_int_equal(status.receive_queue, 10);
	assert_int_equal(status.timer, SOCKET_TIMER_RETRANSMIT);
	assert_int_equal(status.timer_left_ms, 250);
	assert_int_equal(status.retransmits, 3);
	assert_int_equal(status.uid, 1000);
	assert_int_equal(status.inode, 123456);
	assert_false(status.minisock);
}

/* The column "timeout" counts probes, of a closed window and of keepalive. */
static void test_probes(void **state)
{
	struct socket_status status;

	(void)state;
	status = parsed("1: 0100007F:1F90 0200007F:D431 01 00000000:00000000 04:00000019 00000003 "
			"0 7 5 4 0 20 4 30 10 -1",
			AF_INET);
	assert_int_equal(status.timer, SOCKET_TIMER_PROBE);
	assert_int_equal(status.retransmits, 7);
	status = parsed("1: 0100007F:1F90 0200007F:D431 01 00000000:00000000 02:000AFC80 00000003 "
			"0 7 5 4 0 20 4 30 10 -1",
			AF_INET);
	assert_int_equal(status.timer, SOCKET_TIMER_KEEPALIVE);
	assert_int_equal(status.timer_left_ms, 7200000);
	assert_int_equal(status.retransmits, 7);
	status = parsed("1: 0100007F:1F90 0200007F:D431 01 00000000:00000000 00:00000000 00000003 "
			"0 7 5 4 0 20 4 30 10 -1",
			AF_INET);
	assert_int_equal(status.timer, SOCKET_TIMER_OFF);
	assert_int_equal(status.retransmits, 0);
}

static void test_minisock(void **state)
{
	struct socket_status status;

	(void)state;
	NEEDS_LITTLE_ENDIAN();
	status = parsed("  12: 0100007F:A3C2 0100007F:1388 05 00000000:00000000 03:0000176F "
			"00000000     0        0 0 3 00000000b2f3            ",
			AF_INET);
	assert_int_equal(status.state, TCP_FIN_WAIT2);
	assert_true(status.minisock);
	assert_int_equal(status.timer, SOCKET_TIMER_TIMEWAIT);
	assert_int_equal(status.timer_left_ms, 59990);
	assert_int_equal(status.inode, 0);
}

/* Shown with its listener's user, and without the columns of a socket. */
static void test_request(void **state)
{
	struct socket_status status;

	(void)state;
	status = parsed("   2: 0100007F:1388 0100007F:A3C2 03 00000000:00000000 01:00000063 "
			"00000001  1000        0 0 0 00000000c0de",
			AF_INET);
	assert_int_equal(status.state, TCP_SYN_RECV);
	assert_int_equal(status.uid, 0);
	assert_int_equal(status.retransmits, 1);
	assert_false(status.minisock);
}

static void test_v6(void **state)
{
	struct socket_status status;

	(void)state;
	NEEDS_LITTLE_ENDIAN();
	status = parsed("  0: B80D0120000000000000000001000000:0050 "
			"00000000000000000000000001000000:C350 08 00000000:00000001 00:00000000 "
			"00000000 0 0 77 2 0 20 4 1 10 -1",
			AF_INET6);
	assert_ends(&status, "[2001:db8::1]:80", "[::1]:50000");
	assert_int_equal(status.state, TCP_CLOSE_WAIT);

	status = parsed("  0: 0000000000000000FFFF00000100007F:0050 "
			"0000000000000000FFFF00000200007F:C350 01 00000000:00000000 00:00000000 "
			"00000000 0 0 77 2 0 20 4 1 10 -1",
			AF_INET6);
	assert_ends(&status, "127.0.0.1:80", "127.0.0.2:50000");

	/* A listener at a v4-mapped address, and one at all addresses. */
	status = parsed("  0: 0000000000000000FFFF00000100007F:0050 "
			"00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
			"00000000 0 0 77 2 0 20 4 1 10 -1",
			AF_INET6);
	assert_ends(&status, "127.0.0.1:80", "0.0.0.0:0");
	status = parsed("  0: 00000000000000000000000000000000:0050 "
			"00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
			"00000000 0 0 77 2 0 20 4 1 10 -1",
			AF_INET6);
	assert_ends(&status, "[::]:80", "[::]:0");
}

/* Cut off anywhere before its references, a line is none. */
static void test_cut_off(void **state)
{
	size_t length = (size_t)(strstr(established, " 4 0000") + 1 - established);
	struct socket_status status = {.uid = 77};

	(void)state;
	for (size_t i = 0; i <= length; i++)
		assert_int_equal(
			proc_tcp_parse(established, established + i, AF_INET, 100, &status),
			-EBADMSG);
	assert_int_equal(status.uid, 77);
}

static void test_nonsense(void **state)
{
	static const char *const lines[] = {
		"",
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
		/* of the other family */
		"1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0 0A 0:0",
		/* no state, no such state */
		"1: 0100007F:1F90 0200007F:D431 00 0:0 00:0 0 0 0 5 4 0",
		"1: 0100007F:1F90 0200007F:D431 0E 0:0 00:0 0 0 0 5 4 0",
		"1: 0100007F:1F90 0200007F:D431 -1 0:0 00:0 0 0 0 5 4 0",
		/* a number of more than 64 bits */
		"1: 0100007F:1F90 0200007F:D431 01 0:0 00:0 0 0 0 99999999999999999999 4 0",
		"1: 0100007F:1F90 0200007F:D431 01 0:11111111111111111 00:0 0 0 0 9 4 0",
	};
	struct socket_status status;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], AF_INET, &status), -EBADMSG);
}

/* An unknown timer is none; a time beyond what fits is not told. */
static void test_odd_timers(void **state)
{
	struct socket_status status;

	(void)state;
	status = parsed("1: 0100007F:1F90 0200007F:D431 01 0:0 09:11 0 0 0 5 4 0", AF_INET);
	assert_int_equal(status.timer, SOCKET_TIMER_OFF);
	assert_int_equal(status.timer_left_ms, 0);
	status = parsed("1: 0100007F:1F90 0200007F:D431 01 0:0 01:FFFFFFFFFFFFFFFF 0 0 0 5 4 0",
			AF_INET);
	assert_int_equal(status.timer, SOCKET_TIMER_RETRANSMIT);
	assert_int_equal(status.timer_left_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),	 cmocka_unit_test(test_probes),
		cmocka_unit_test(test_minisock), cmocka_unit_test(test_request),
		cmocka_unit_test(test_v6),	 cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_nonsense), cmocka_unit_test(test_odd_timers),
	};

	return cmocka_run_group_tests_name("proc_tcp", tests, NULL, NULL);
}
