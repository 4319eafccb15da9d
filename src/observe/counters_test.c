#include "observe/testnet.h"

#include "base/netns.h"
#include "observe/counter_limits.h"
#include "observe/counters.h"

static const char table[] = "Tcp: RtoMin MaxConn RetransSegs \n"
			    "Tcp: 200 -1 18446744073709551615\n"
			    "TcpExt: TWRecycled TW\n"
			    "TcpExt: 0 7\n";

static void test_table(void **state)
{
	struct counters counters = {0};

	(void)state;
	assert_int_equal(counters_parse_table(&counters, table), 0);
	counters_sort(&counters);
	assert_int_equal(counters.count, 5);
	assert_int_equal(counters_value(&counters, "Tcp.RtoMin", -9), 200);
	assert_int_equal(counters_value(&counters, "Tcp.MaxConn", -9), -1);
	assert_int_equal(counters_value(&counters, "Tcp.RetransSegs", -9), -1); /* wraps */
	assert_int_equal(counters_value(&counters, "TcpExt.TW", -9), 7);
	assert_int_equal(counters_value(&counters, "TcpExt.TWRecycle", -9), -9);
	counters_done(&counters);
	assert_int_equal(counters_value(&counters, "Tcp.RtoMin", -9), -9);
}

static void test_sockstat(void **state)
{
	struct counters counters = {0};

	(void)state;
	assert_int_equal(counters_parse_sockstat(&counters,
						 "sockets: used 3\n"
						 "TCP: inuse 5 orphan 0 tw 12 alloc 7 mem 1\n"
						 "RAW:\n"
						 "FRAG: inuse 0 memory 0"),
			 0);
	counters_sort(&counters);
	assert_int_equal(counters.count, 8);
	assert_int_equal(counters_value(&counters, "sockstat.TCP.tw", -9), 12);
	assert_int_equal(counters_value(&counters, "sockstat.sockets.used", -9), 3);
	counters_done(&counters);
}

static void test_empty(void **state)
{
	struct counters counters = {0};

	(void)state;
	assert_int_equal(counters_parse_table(&counters, ""), 0);
	assert_int_equal(counters_parse_sockstat(&counters, ""), 0);
	counters_sort(&counters);
	assert_int_equal(counters.count, 0);
	counters_done(&counters);
}

#define NAME_40 "Abcdefghijabcdefghijabcdefghijabcdefghij"

static void test_malformed_table(void **state)
{
	static const char *const texts[] = {
		"\n",
		"Tcp",
		":\n:\n",
		"Tcp: A B\n",
		"Tcp: A B\nTcp: 1",
		"Tcp: A\nTcp: 1 2\n",
		"Tcp: A\nUdp: 1\n",
		"Tcp: A\nTcp 1\n",
		"Tcp: A\nTcp: x\n",
		"Tcp: A\nTcp: 1x\n",
		"Tcp: A\nTcp: -\n",
		"Tcp: A\nTcp: 18446744073709551616\n",
		"Tcp: A\nTcp: -9223372036854775809\n",
		"Tcp: A\nTcp: 1\v\n",
		"Tcp: A\n\nTcp: 1\n",
		"Tcp: " NAME_40 "wxyz\nTcp: 1\n",
		"Tcp: " NAME_40 NAME_40 "\nTcp: 1\n",
		NAME_40 NAME_40 ": A\n" NAME_40 NAME_40 ": 1\n",
		"Tcp: A\nTcp: 1\nTcp: B\n",
		"Tcp: A\033[31m\nTcp: 1\n",
		"Tcp: A\"\nTcp: 1\n",
		"T\"p: A\nT\"p: 1\n",
		"Tcp: A.B\nTcp: 1\n",
	};
	struct counters counters = {0};

	(void)state;
	assert_int_equal(counters_parse_table(&counters, "Tcp: " NAME_40 "xyz\nTcp: 1\n"), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (counters_parse_table(&counters, texts[i]) != -EBADMSG)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(counters.count, 1);
	}
	counters_done(&counters);
}

static void test_malformed_sockstat(void **state)
{
	static const char *const texts[] = {
		"\n",
		"TCP inuse 5\n",
		"TCP: inuse\n",
		"TCP: inuse five\n",
		": inuse 5\n",
		"TCP: in\xfcse 5\n",
		"TCP: inuse 5 tw\n",
		"TCP: a 1\nx\n",
		"TCP: " NAME_40 " 1\n",
	};
	struct counters counters = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (counters_parse_sockstat(&counters, texts[i]) != -EBADMSG)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(counters.count, 0);
	}
	counters_done(&counters);
}

static struct counters parsed(const char *text)
{
	struct counters counters = {0};

	assert_int_equal(counters_parse_table(&counters, text), 0);
	counters_sort(&counters);
	return counters;
}

static void test_moved(void **state)
{
	struct counters before = parsed("Tcp: Same Up Down Gone\nTcp: 4 5 6 7\n");
	struct counters after = parsed("Tcp: Down New Same Up None\nTcp: 1 2 4 6 0\n");
	struct counters moved = {0};

	(void)state;
	assert_int_equal(counters_moved(&before, &after, &moved), 0);
	assert_int_equal(moved.count, 4);
	assert_int_equal(counters_value(&moved, "Tcp.Down", 0), -5);
	assert_int_equal(counters_value(&moved, "Tcp.Gone", 0), -7);
	assert_int_equal(counters_value(&moved, "Tcp.New", 0), 2);
	assert_int_equal(counters_value(&moved, "Tcp.Up", 0), 1);
	counters_done(&moved);
	assert_int_equal(counters_moved(&after, &after, &moved), 0);
	assert_int_equal(moved.count, 0);
	counters_done(&before);
	counters_done(&after);
	counters_done(&moved);
}

/* The kernel's own texts, and what one connection moves in them. */
static void test_kernel(void **state)
{
	struct counters before, after, moved;
	struct pair pair;
	int here;

	(void)state;
	NEEDS_NAMESPACE();
	here = netns_open_current();
	assert_true(here >= 0);
	assert_int_equal(counters_read(here, &before), 0);
	pair = pair_open("127.0.0.1", "127.0.0.1");
	assert_int_equal(counters_read(here, &after), 0);
	assert_int_equal(counters_moved(&before, &after, &moved), 0);

	assert_int_equal(counters_value(&before, "Tcp.ActiveOpens", -1), 0);
	assert_int_equal(counters_value(&before, "TcpExt.TW", -1), 0);
	assert_int_equal(counters_value(&before, "sockstat.TCP.tw", -1), 0);
	assert_int_equal(counters_value(&moved, "Tcp.ActiveOpens", 0), 1);
	assert_int_equal(counters_value(&moved, "Tcp.PassiveOpens", 0), 1);
	assert_int_equal(counters_value(&moved, "sockstat.TCP.inuse", 0), 3);
	assert_int_equal(counters_value(&moved, "sockstat.TCP6.inuse", 0), 0);
	assert_int_equal(counters_value(&moved, "Tcp.MaxConn", 77), 77);

	counters_done(&before);
	counters_done(&after);
	counters_done(&moved);
	pair_close(&pair);
	close(here);
}

/* What the namespace of the calling thread is asked without a visit, and which sockets of IPv6 are
 * where: a listener at "::" and what it accepts are, also when the peer's are of IPv4. */
static void test_here(void **state)
{
	struct counters counters;
	struct pair pair;
	struct why why;

	(void)state;
	NEEDS_NAMESPACE();
	if (access("/proc/thread-self/net/sockstat6", R_OK) < 0) {
		print_message("this kernel has no IPv6\n");
		skip();
	}
	pair = pair_open("::", "127.0.0.1");
	assert_int_equal(counters_read_here(&counters, &why), 0);
	assert_int_equal(counters_value(&counters, "sockstat.TCP6.inuse", -1), 2);
	assert_int_equal(counters_value(&counters, "sockstat.TCP.inuse", -1), 1);
	assert_int_equal(counters_value(&counters, "Tcp.CurrEstab", -1), 2);
	counters_done(&counters);
	pair_close(&pair);
}

static void test_no_namespace(void **state)
{
	struct counters counters = {.count = 5};

	(void)state;
	assert_int_equal(counters_read(-1, &counters), -EBADF);
	assert_int_equal(counters.count, 5);
}

static void test_machine_wide(void **state)
{
	(void)state;
	assert_true(counter_is_machine_wide("sockstat.TCP.orphan"));
	assert_true(counter_is_machine_wide("sockstat.TCP.alloc"));
	assert_false(counter_is_machine_wide("sockstat.TCP.tw"));
	assert_false(counter_is_machine_wide("Tcp.ActiveOpens"));
}

static void test_limit(void **state)
{
	static const struct {
		const char *text;
		unsigned count;
	} malformed[] = {
		{"", 1},	 {"\n", 1},
		{"x\n", 1},	 {"-1\n", 1},
		{"4096 1\n", 1}, {"1 2\n", 3},
		{"1x\n", 1},	 {"1 2 3 4\n", 3},
		{"1\n2\n", 2},	 {"9223372036854775808\n", 1},
	};
	struct counter_limit limit = {.count = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		if (counter_limit_parse(malformed[i].text, malformed[i].count, &limit) != -EBADMSG)
			fail_msg("taken: %s", malformed[i].text);
		assert_int_equal(limit.count, 77);
	}
	assert_int_equal(counter_limit_parse("4096\n", 1, &limit), 0);
	assert_int_equal(limit.count, 1);
	assert_int_equal(limit.values[0], 4096);
	assert_int_equal(counter_limit_parse("188319\t251092\t376638\n", 3, &limit), 0);
	assert_int_equal(limit.count, 3);
	assert_int_equal(limit.values[2], 376638);
}

/* A namespace shows its own, and not those of the machine. */
static void test_limits_here(void **state)
{
	/* In user namespaces but the first, Linux 5.10 and 6.1 show nothing of it. */
	bool net_core_shown = access("/proc/sys/net/core/somaxconn", F_OK) == 0;
	struct counter_limit limits[LIMIT_COUNT];
	struct why why;

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(counter_limits_read_here(limits, &why), 0);
	for (int i = 0; i < LIMIT_COUNT; i++)
		if (!counter_limit_is_machine_wide((enum counter_limit_name)i))
			assert_int_equal(limits[i].count,
					 i == LIMIT_SOMAXCONN && !net_core_shown ? 0 : 1);
	assert_int_equal(limits[LIMIT_ORPHANS].count, 0);
	assert_int_equal(limits[LIMIT_MEMORY].count, 0);
	assert_true(!net_core_shown || limits[LIMIT_SOMAXCONN].values[0] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_sockstat),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_malformed_table),
		cmocka_unit_test(test_malformed_sockstat),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_no_namespace),
		cmocka_unit_test(test_machine_wide),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limits_here),
	};

	be_alone();
	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
