#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "explain/summary.h"

static struct finding made(uint32_t client, uint16_t port, enum finding_ending ending,
			   enum finding_who closed_first)
{
	struct finding finding = {.ending = ending, .closed_first = closed_first};
	struct finding_end *end = finding.end;

	finding.opened = OPENED_CLIENT_SYN;
	finding.handshake = true;
	finding.time_wait_holder = WHO_NONE;
	end[0].endpoint.address.family = AF_INET;
	end[0].endpoint.address.v4.s_addr = htonl(client);
	end[0].endpoint.port = 40000;
	end[1].endpoint.address.family = AF_INET;
	end[1].endpoint.address.v4.s_addr = htonl(0xc0a80001);
	end[1].endpoint.port = port;
	end[0].seen = end[1].seen = true;
	end[0].packets = 5;
	end[1].packets = 4;
	end[0].bytes = 100;
	end[1].bytes = 1000;
	if (closed_first == WHO_CLIENT || closed_first == WHO_SERVER) {
		end[closed_first].time_wait = true;
		end[closed_first].fin_seen = true;
		end[closed_first].fin_count = 1;
	}
	return finding;
}

static void add(struct summary *summary, const struct finding *finding)
{
	assert_int_equal(summary_add(summary, finding), 0);
}

static void counts_everything(void **state)
{
	struct summary summary = {0};
	struct finding one = made(1, 80, ENDING_GRACEFUL, WHO_CLIENT);
	struct finding two = made(1, 80, ENDING_RESET, WHO_NONE);

	(void)state;
	one.time_wait_holder = WHO_CLIENT;
	one.end[0].fin_count = 3;
	one.reuses = 7;
	two.evicted = true;
	two.rst.any = two.rst.ends = true;
	two.rst.cause = RST_ABORT;
	two.opened = OPENED_UNKNOWN;
	add(&summary, &one);
	add(&summary, &two);
	assert_int_equal(summary.connections, 2);
	assert_int_equal(summary.evicted, 1);
	assert_int_equal(summary.opened[OPENED_CLIENT_SYN], 1);
	assert_int_equal(summary.opened[OPENED_UNKNOWN], 1);
	assert_int_equal(summary.endings[ENDING_GRACEFUL], 1);
	assert_int_equal(summary.endings[ENDING_RESET], 1);
	assert_int_equal(summary.closed_first[WHO_CLIENT], 1);
	assert_int_equal(summary.closed_first[WHO_NONE], 1);
	assert_int_equal(summary.time_wait_holder[WHO_CLIENT], 1);
	assert_int_equal(summary.time_wait_holder[WHO_NONE], 1);
	assert_int_equal(summary.problems[finding_problem(&one)], 1);
	assert_int_equal(summary.problems[finding_problem(&two)], 1);
	assert_int_equal(summary.rst_causes[RST_ABORT], 1);
	assert_int_equal(summary.rst_causes[RST_NONE], 0);
	assert_int_equal(summary.packets, 18);
	assert_int_equal(summary.bytes, 2200);
	assert_int_equal(summary.fin_repeated, 1);
	assert_int_equal(summary.reused, 1);
	summary_done(&summary);
	assert_int_equal(summary.connections, 0);
	assert_null(summary.tables);
}

static void ports_with_most_come_first(void **state)
{
	static const uint16_t order[] = {443, 80, 9000, 22};
	struct summary summary = {0};
	struct summary_port ports[8];

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct finding finding = made(
			1, (uint16_t[]){22, 443, 9000, 80, 443, 443, 80, 9000, 443}[i],
			i == 4 ? ENDING_OPEN : ENDING_GRACEFUL, i == 8 ? WHO_SERVER : WHO_CLIENT);

		add(&summary, &finding);
	}
	assert_int_equal(summary_ports(&summary, ports, 8), 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(ports[i].port, order[i]);
	assert_int_equal(ports[0].connections, 4);
	assert_int_equal(ports[0].endings[ENDING_GRACEFUL], 3);
	assert_int_equal(ports[0].endings[ENDING_OPEN], 1);
	assert_int_equal(ports[0].closed_first[WHO_CLIENT], 3);
	assert_int_equal(ports[0].closed_first[WHO_SERVER], 1);
	/* Only as many as there is room for, and the same ones. */
	memset(ports, 0, sizeof(ports));
	assert_int_equal(summary_ports(&summary, ports, 2), 4);
	assert_int_equal(ports[0].port, 443);
	assert_int_equal(ports[1].port, 80);
	assert_int_equal(ports[2].port, 0);
	assert_int_equal(summary_ports(&summary, NULL, 0), 4);
	summary_done(&summary);
}

static void closers_with_most_come_first(void **state)
{
	struct summary summary = {0};
	struct summary_closer closers[8];
	struct finding v6 = made(1, 80, ENDING_GRACEFUL, WHO_CLIENT);
	struct finding reset = made(7, 80, ENDING_RESET, WHO_NONE);
	struct finding both = made(7, 80, ENDING_SIMULTANEOUS, WHO_BOTH);

	(void)state;
	inet_pton(AF_INET6, "::1", &v6.end[0].endpoint.address.v6);
	v6.end[0].endpoint.address.family = AF_INET6;
	v6.end[0].time_wait = false;
	add(&summary, &v6);
	add(&summary, &reset);
	add(&summary, &both);
	for (int i = 0; i < 5; i++) {
		struct finding finding = made((uint32_t[]){9, 5, 3, 5, 9}[i], 80, ENDING_GRACEFUL,
					      i == 3 ? WHO_SERVER : WHO_CLIENT);

		add(&summary, &finding);
	}
	assert_int_equal(summary_closers(&summary, closers, 8), 5);
	assert_int_equal(ntohl(closers[0].host.v4.s_addr), 9);
	assert_int_equal(closers[0].closed_first, 2);
	assert_int_equal(closers[0].time_wait, 2);
	assert_int_equal(ntohl(closers[1].host.v4.s_addr), 3);
	assert_int_equal(ntohl(closers[2].host.v4.s_addr), 5);
	assert_int_equal(ntohl(closers[3].host.v4.s_addr), 0xc0a80001);
	assert_int_equal(closers[4].host.family, AF_INET6);
	assert_int_equal(closers[4].closed_first, 1);
	assert_int_equal(closers[4].time_wait, 0);
	summary_done(&summary);
}

/* However many there are, those that found room stay counted, and no connection is lost. */
static void bounded(void **state)
{
	struct summary summary = {0};
	struct summary_port ports[2];
	struct summary_closer closers[2];
	uint32_t many = SUMMARY_HOSTS + 1000;

	(void)state;
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < many; i++) {
			struct finding finding = made(i, (uint16_t)(1 + i % 5000), ENDING_GRACEFUL,
						      WHO_CLIENT);

			add(&summary, &finding);
		}
	}
	assert_int_equal(summary.connections, 2 * many);
	assert_int_equal(summary_ports(&summary, ports, 2), SUMMARY_PORTS);
	assert_int_equal(ports[0].port, 1);
	assert_int_equal(ports[1].port, 2);
	assert_int_equal(ports[0].connections, 2 * (many / 5000 + 1));
	assert_int_equal(summary_closers(&summary, closers, 2), SUMMARY_HOSTS);
	assert_int_equal(closers[0].closed_first, 2);
	assert_int_equal(closers[0].host.v4.s_addr, htonl(0));
	assert_int_equal(closers[1].host.v4.s_addr, htonl(1));
	assert_int_equal(summary.other_closers, 2000);
	assert_true(summary.other_ports > 0);
	summary_done(&summary);
}

static void nothing_at_all(void **state)
{
	struct summary summary = {0};

	(void)state;
	assert_int_equal(summary_ports(&summary, NULL, 0), 0);
	assert_int_equal(summary_closers(&summary, NULL, 0), 0);
	summary_done(&summary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_everything),
		cmocka_unit_test(ports_with_most_come_first),
		cmocka_unit_test(closers_with_most_come_first),
		cmocka_unit_test(bounded),
		cmocka_unit_test(nothing_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
