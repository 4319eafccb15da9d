/* The wire over ports of our own that refuse, fail and die: what a kernel seldom does on demand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "world/wire_parts.h"

#define LONG_NS (60 * NS_PER_S)

enum { STUBBORN = 8, REFUSALS = 5 };

/* The host's side of each port; the wire has the other. */
static int ends[2];
static unsigned refusals;

static ssize_t fake_read(struct port *port, uint8_t *packet, size_t room)
{
	ssize_t n = recv(port->fd, packet, room, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return n == 0 ? -ENETDOWN : n;
}

/* Refuses some times each packet whose last byte says so; a 0xff is never taken. */
static int fake_write(struct port *port, const uint8_t *packet, size_t length)
{
	if (packet[length - 1] == 0xff)
		return -EMSGSIZE;
	if (packet[length - 1] % STUBBORN == 0 && refusals++ % REFUSALS != REFUSALS - 1)
		return -EAGAIN;
	return send(port->fd, packet, length, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static unsigned long long fake_lost(struct port *port)
{
	(void)port;
	return 0;
}

static void fake_close(struct port *port)
{
	close(port->fd);
}

static const struct port_ops fake_port = {
	.name = "fake",
	.read = fake_read,
	.write = fake_write,
	.lost = fake_lost,
	.close = fake_close,
};

static struct wire *fake_wire(void)
{
	struct wire *wire = wire_new();
	struct tcp_address address = {.family = AF_INET, .bytes = {10, 0, 0, 1}};

	assert_non_null(wire);
	for (int i = 0; i < 2; i++) {
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
		ends[i] = fds[0];
		wire->stations[i].port = (struct port){.ops = &fake_port, .fd = fds[1]};
		wire->station_count++;
		assert_int_equal(wire_add_route(wire, &address, i), 0);
		address.bytes[3]++;
	}
	refusals = 0;
	assert_int_equal(wire_run(wire), 0);
	return wire;
}

static void fake_done(struct wire *wire)
{
	wire_free(wire);
	close(ends[0]);
	close(ends[1]);
}

static void send_numbered(uint8_t number)
{
	uint8_t packet[29] = {0x45, 0, 0, 29, [9] = 17, [12] = 10, 0, 0, 1,
			      10,   0, 0, 2,  [24] = 0, 9,	   0, 0};

	packet[28] = number;
	assert_int_equal(send(ends[0], packet, sizeof(packet), 0), sizeof(packet));
}

static uint8_t receive_numbered(void)
{
	uint8_t packet[64];

	assert_int_equal(recv(ends[1], packet, sizeof(packet), 0), 29);
	return packet[28];
}

static void test_refused_is_tried_again(void **state)
{
	struct wire *wire = fake_wire();

	(void)state;
	for (uint8_t i = 0; i < 200; i++)
		send_numbered(i);
	for (uint8_t i = 0; i < 200; i++)
		assert_int_equal(receive_numbered(), i);
	assert_int_equal(refusals, 200 / STUBBORN * REFUSALS);
	fake_done(wire);
}

static void test_failed_is_recorded(void **state)
{
	struct wire *wire = fake_wire();
	struct wire_record record;

	(void)state;
	send_numbered(1);
	send_numbered(0xff);
	send_numbered(2);
	assert_int_equal(receive_numbered(), 1);
	assert_int_equal(receive_numbered(), 2);
	assert_int_equal(wire_record(wire, 1, &record), 0);
	assert_int_equal(record.fate, WIRE_DROPPED);
	assert_string_equal(record.note, "not delivered: EMSGSIZE");
	fake_done(wire);
}

/* What is held or delayed when the wire ends is freed (the leak checker looks). */
static void test_end_with_packets_inside(void **state)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD, .note = "held"};
	struct wire *wire = fake_wire();
	int held, delayed;

	(void)state;
	rule.match.any_protocol = true;
	rule.match.count = 3;
	held = wire_rule_add(wire, &rule);
	rule.verb = WIRE_DELAY;
	rule.delay_ns = LONG_NS;
	delayed = wire_rule_add(wire, &rule);
	for (uint8_t i = 1; i <= 6; i++)
		send_numbered(i);
	assert_int_equal(wire_rule_wait(wire, held, 3, LONG_NS), 0);
	assert_int_equal(wire_rule_wait(wire, delayed, 3, LONG_NS), 0);
	fake_done(wire);
}

static void test_dead_port_stops_no_other(void **state)
{
	uint8_t packet[29] = {0x45, 0, 0, 29, [9] = 17, [12] = 10, 0, 0, 2, 10, 0, 0, 2};
	struct wire *wire = fake_wire();

	(void)state;
	packet[28] = 3;
	assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
	assert_int_equal(send(ends[1], packet, sizeof(packet), 0), sizeof(packet));
	assert_int_equal(receive_numbered(), 3);
	fake_done(wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_is_tried_again),
		cmocka_unit_test(test_failed_is_recorded),
		cmocka_unit_test(test_end_with_packets_inside),
		cmocka_unit_test(test_dead_port_stops_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
