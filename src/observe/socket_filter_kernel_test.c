/*
 * Filters against the kernel: some hundred made by chance, the same in each run. What a dump with
 * bytecode and mask leaves over must be what socket_filter_matches() takes out of a full one.
 */
#include "observe/socket_filter_rows.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "observe/socket_filter_chance.h"
#include "observe/socket_filter_testing.h"
#include "tcp/state.h"

static struct mnl_socket *raw;

/* ---- a dump with bytecode, by hand */

static int keep_message(const struct nlmsghdr *header, void *context)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	const struct inet_diag_sockid *id = &message->id;
	struct socket_status status = {
		.state = message->idiag_state,
		.key.local = endpoint_of(message->idiag_family, id->idiag_src, id->idiag_sport),
		.key.remote = endpoint_of(message->idiag_family, id->idiag_dst, id->idiag_dport),
	};

	unify(&status.key);
	sift(&status, context);
	return MNL_CB_OK;
}

static struct nlmsghdr *put_request(char *buffer, int family, uint32_t states)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *one;
	struct inet_diag_req *both;

	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (family == AF_UNSPEC) {
		header->nlmsg_type = TCPDIAG_GETSOCK;
		both = mnl_nlmsg_put_extra_header(header, sizeof(*both));
		both->idiag_states = states;
	} else {
		header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
		one = mnl_nlmsg_put_extra_header(header, sizeof(*one));
		one->sdiag_family = (uint8_t)family;
		one->sdiag_protocol = IPPROTO_TCP;
		one->idiag_states = states;
	}
	return header;
}

/* What the kernel leaves over for @filter; and of that, if @again, what matches. */
static void dump(const struct socket_filter *filter, int family, bool again, struct rows *ret)
{
	static char buffer[32768] __attribute__((aligned(8)));
	uint32_t states = socket_filter_states(filter);
	struct sieve sieve = {.filter = again ? filter : NULL, .rows = ret};
	struct nlmsghdr *header = put_request(buffer, family, states);
	const void *code;
	size_t length = socket_filter_bytecode(filter, &code);
	ssize_t n;
	int r = MNL_CB_OK;

	if (states == 0)
		return;
	if (length > 0)
		mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, length, code);
	assert_true(mnl_socket_sendto(raw, header, header->nlmsg_len) > 0);
	while (r == MNL_CB_OK) {
		n = mnl_socket_recvfrom(raw, buffer, sizeof(buffer));
		assert_true(n > 0);
		r = mnl_cb_run(buffer, (size_t)n, 0, 0, keep_message, &sieve);
	}
	assert_int_equal(r, MNL_CB_STOP);
}

static struct rows dumped(const struct socket_filter *filter, bool both, bool again)
{
	struct rows rows = {0};

	if (both) {
		dump(filter, AF_UNSPEC, again, &rows);
	} else {
		dump(filter, AF_INET, again, &rows);
		dump(filter, AF_INET6, again, &rows);
	}
	sort_rows(&rows);
	return rows;
}

/* ---- the tests */

static void test_sockets(void **state)
{
	int64_t give_up = clock_now_ns() + 20 * NS_PER_S;
	/* Sockets that are only bound, which are UNCONN, sock_diag tells of since Linux 6.8. */
	unsigned want = linux_before(6, 8) ? 0xffe & ~(1U << TCP_CLOSE) : 0xffe, seen, v6, v4;
	struct rows rows;

	(void)state;
	NEEDS_NAMESPACE();
	do {
		rows = matched(NULL);
		seen = v6 = v4 = 0;
		for (size_t i = 0; i < rows.count; i++) {
			seen |= 1U << rows.rows[i].state;
			v6 += rows.rows[i].key.local.address.family == AF_INET6;
			v4 += rows.rows[i].key.local.address.family == AF_INET;
		}
		sched_yield();
	} while (seen != want && clock_now_ns() < give_up);
	if (seen != want)
		print_rows("all", &rows);
	assert_int_equal(seen, want);
	assert_true(v6 > 5 && v4 > 20);
}

/* @exact: the kernel has done it all. */
static void check_dump(const char *text, bool both, bool exact)
{
	struct socket_filter *filter = parse(text);
	struct rows want = matched(filter), got;

	do {
		got = dumped(filter, both, !exact);
	} while (!same_rows(&want, &got) && changed(filter, &want));
	compare(text, both ? "with bytecode" : "with bytecode, by family", &want, &got);
	socket_filter_free(filter);
}

static void test_kernel(void **state)
{
	char text[TEXT_MAX];
	size_t with_code = 0, found = 0;

	(void)state;
	NEEDS_NAMESPACE();
	seed = 2463534242;
	for (int i = 0; i < 400; i++) {
		struct socket_filter *filter;
		const void *code;
		struct rows rows;

		make_filter(text, false, chance(2));
		check_dump(text, true, false);
		check_dump(text, false, false);
		filter = parse(text);
		with_code += socket_filter_bytecode(filter, &code) > 0;
		rows = matched(filter);
		found += rows.count > 0;
		socket_filter_free(filter);
	}
	/* They say something, and not nothing. */
	assert_true(with_code > 150);
	assert_true(found > 150);
}

/* States before, and conditions that the kernel knows: nothing is left to us. */
static void test_kernel_alone(void **state)
{
	static const char *const texts[] = {
		"src 127.0.0.1",
		"not src 127.0.0.1",
		"dst 0/0",
		"not dst 0/0",
		"dst [::]/0",
		"not dst [::]/0",
		"dst [::]",
		"dst 0.0.0.0",
		"not dst [::]",
		"src [::]/0",
		"not src [::]/0",
		"src inet:*",
		"state time-wait sport = :5002",
		"state time-wait src 127.0.0.5",
		"state time-wait not dst 127.0.0.5",
		"state syn-recv sport >= :5011",
		"state fin-wait-2 dport = :80",
		"state listening sport > :5000",
		"state closed sport = :6000",
		"sport > 65535",
		"not sport > 65535",
	};
	char text[TEXT_MAX];

	(void)state;
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_dump(texts[i], i % 2, true);
	seed = 88675123;
	for (int i = 0; i < 200; i++) {
		make_filter(text, true, chance(2));
		check_dump(text, i % 2, true);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (not_alone)
		return 0;
	raw = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!raw || mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0)
		return -1;
	return rows_open();
}

static int tear_down(void **state)
{
	(void)state;
	rows_close();
	if (raw)
		mnl_socket_close(raw);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_kernel_alone),
	};

	be_alone();
	return cmocka_run_group_tests_name("socket filter and kernel", tests, set_up, tear_down);
}
