/* What filters match, and the form of their bytecode. */
#include "observe/socket_filter_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/state.h"

static struct tcp_endpoint end_of(const char *address, uint16_t port)
{
	struct tcp_endpoint end = {.port = port};

	assert_int_equal(tcp_address_parse(address, &end.address), 0);
	return end;
}

/* ---- matching */

static bool matches(const char *text, int state, const char *local, const char *remote)
{
	struct socket_filter *filter = parse(text);
	struct socket_status status = {
		.state = state,
		.key = {.local = end_of(local, 5000), .remote = end_of(remote, 40000)},
	};
	bool r = socket_filter_matches(filter, &status);

	socket_filter_free(filter);
	return r;
}

#define V4(text) matches(text, TCP_ESTABLISHED, "10.1.2.3", "192.168.7.9")
#define V6(text) matches(text, TCP_TIME_WAIT, "fd00:1:2::3", "fd00:9::8")

static void test_matching(void **state)
{
	(void)state;
	assert_true(V4(""));
	assert_true(V4("state established"));
	assert_false(V4("exclude established"));
	assert_false(V6("state established"));
	assert_true(V4("sport = :5000"));
	assert_false(V4("dport = :5000"));
	assert_true(V4("dport = :40000"));
	assert_true(V4("sport >= 5000 sport <= 5000 sport > 4999 sport < 5001"));
	assert_false(V4("sport > 5000"));
	assert_false(V4("sport < 5000"));
	assert_true(V4("sport != 5001"));
	assert_false(V4("sport > 65535 or sport < 0"));
	assert_true(V4("not sport > 65535"));
	assert_true(V4("src 10.1.2.3"));
	assert_false(V4("src 10.1.2.4"));
	assert_false(V4("dst 10.1.2.3"));
	assert_true(V4("dst 192.168.7.9:40000"));
	assert_false(V4("dst 192.168.7.9:40001"));
	assert_true(V4("dst != 192.168.7.9:40001"));
	assert_true(V4("src 10.1.2.2/31"));
	assert_false(V4("src 10.1.2.0/31"));
	assert_true(V4("src 0/0 and src [::ffff:10.0.0.0]/104"));
	assert_false(V4("src [::]/0"));
	assert_false(V6("src 0/0"));
	assert_true(V6("src [::]/0"));
	assert_true(V6("src [fd00:1:3::]/47"));
	assert_false(V6("src [fd00:1:3::]/48"));
	assert_true(V6("src [fd00:1:2::3] dst [fd00:9::8]:40000"));
	assert_true(V6("src inet6:*"));
	assert_false(V6("src inet:*"));
	assert_true(V4("state listening or ( sport 1 or sport 5000 ) and not dst 10/8"));
	assert_false(V4("state listening or ( sport 1 or sport 5001 ) and not dst 10/8"));
	assert_false(matches("", TCP_STATE_COUNT, "10.1.2.3", "10.1.2.4"));
	assert_false(matches("", -1, "10.1.2.3", "10.1.2.4"));
}

/* ---- bytecode: its form. What it does, the kernel says (socket_filter_kernel_test.c). */

static size_t code_length(const char *text)
{
	struct socket_filter *filter = parse(text);
	const void *code;
	size_t length = socket_filter_bytecode(filter, &code);

	assert_int_equal(length == 0, code == NULL);
	socket_filter_free(filter);
	return length;
}

static void test_bytecode_length(void **state)
{
	(void)state;
	/* Nothing that it could say. */
	assert_int_equal(code_length(""), 0);
	assert_int_equal(code_length("state time-wait"), 0);
	assert_int_equal(code_length("src *"), 0);
	assert_int_equal(code_length("sport >= :0"), 0);
	assert_int_equal(code_length("not sport > 65535"), 0);
	assert_int_equal(code_length("state time-wait or sport = :1"), 0);
	assert_int_equal(code_length("not ( state time-wait and sport = :1 )"), 0);
	/* States are left out, and what cannot change anything. */
	assert_int_equal(code_length("sport = :1"), 8);
	assert_int_equal(code_length("state time-wait and sport = :1"), 8);
	assert_int_equal(code_length("sport = :1 and ( state time-wait or dport = :2 )"), 8);
	assert_int_equal(code_length("sport = :1 and dport != *"), 4);
	assert_int_equal(code_length("sport = :1 or dport != *"), 8);
	assert_int_equal(code_length("sport = :1 and dport = :2"), 16);
	assert_int_equal(code_length("sport = :1 or dport = :2"), 20);
	assert_int_equal(code_length("src 10.0.0.1"), 16);
	assert_int_equal(code_length("dst 10.0.0.1"), 16);
	assert_int_equal(code_length("src [fd00::1]"), 28);
}

/* A row is not deep, however long; more than the kernel takes is left to us. */
static void test_long(void **state)
{
	enum { TERMS = 100000 };
	char *text = malloc(TERMS * 16 + 1), *at = text;
	struct socket_status status = {.state = TCP_ESTABLISHED};
	struct socket_filter *filter;
	const void *code = text;

	(void)state;
	for (int i = 0; i < TERMS; i++)
		at += sprintf(at, "sport %d %s", i % 30000, i < TERMS - 1 ? "or " : "");
	filter = parse(text);
	status.key.local = end_of("10.0.0.1", 29999);
	assert_true(socket_filter_matches(filter, &status));
	status.key.local.port = 30000;
	assert_false(socket_filter_matches(filter, &status));
	assert_int_equal(socket_filter_bytecode(filter, &code), 0);
	assert_null(code);
	socket_filter_free(filter);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matching),
		cmocka_unit_test(test_bytecode_length),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("socket filter", tests, NULL, NULL);
}
