/* The vocabulary: sequence numbers, states, keys, options, flags, exchanges. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tcp/exchange.h"
#include "tcp/key.h"
#include "tcp/segment.h"
#include "tcp/seq.h"
#include "tcp/state.h"

static void seq_wraps_around(void **state)
{
	(void)state;
	assert_true(seq_lt(0xffffffff, 0));
	assert_true(seq_lt(0xfffffff0, 0x10));
	assert_false(seq_lt(0x10, 0xfffffff0));
	assert_true(seq_gt(0, 0xffffffff));
	assert_false(seq_lt(7, 7));
	assert_false(seq_gt(7, 7));
	assert_true(seq_leq(7, 7));
	assert_true(seq_geq(7, 7));
	assert_true(seq_leq(0xffffffff, 0));
	assert_true(seq_geq(0, 0xffffffff));
	assert_false(seq_leq(0, 0xffffffff));
	assert_int_equal(seq_diff(5, 0xfffffffb), 10);
	assert_int_equal(seq_diff(0xfffffffb, 5), -10);
	/* the farthest that is still ahead */
	assert_true(seq_gt(0x7fffffff, 0));
	assert_true(seq_lt(0x80000001, 0));
	assert_int_equal(seq_max(0xffffffff, 3), 3);
	assert_int_equal(seq_max(3, 0xffffffff), 3);
}

static void seq_within_a_window(void **state)
{
	(void)state;
	assert_true(seq_within(10, 10, 1));
	assert_false(seq_within(11, 10, 1));
	assert_false(seq_within(9, 10, 1));
	assert_false(seq_within(10, 10, 0));
	assert_true(seq_within(0xfffffffe, 0xfffffffe, 4));
	assert_true(seq_within(1, 0xfffffffe, 4));
	assert_false(seq_within(2, 0xfffffffe, 4));
}

static void segment_takes_sequence_space(void **state)
{
	struct segment segment = {.seq = 0xffffffff, .payload_length = 3};

	(void)state;
	assert_int_equal(segment_length(&segment), 3);
	segment.flags = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_ACK | TCP_FLAG_PSH;
	assert_int_equal(segment_length(&segment), 5);
	assert_int_equal(segment_end(&segment), 4);
}

static void state_names_parse_back(void **state)
{
	(void)state;
	for (int s = 1; s < TCP_STATE_COUNT; s++)
		assert_int_equal(tcp_state_parse(tcp_state_name(s)), s);
	assert_string_equal(tcp_state_name(TCP_FIN_WAIT2), "FIN-WAIT-2");
	assert_string_equal(tcp_state_name(TCP_SYN_RECV), "SYN-RECEIVED");
	assert_string_equal(tcp_state_name(TCP_STATE_NONE), "CLOSED");
	assert_string_equal(tcp_state_name(TCP_CLOSE), "CLOSED");
	assert_string_equal(tcp_state_name(-1), "?");
	assert_string_equal(tcp_state_name(TCP_STATE_COUNT), "?");
}

static void state_parses_every_spelling(void **state)
{
	static const struct {
		const char *name;
		int state;
	} spellings[] = {
		{"ESTAB", TCP_ESTABLISHED},	{"established", TCP_ESTABLISHED},
		{"fin-wait-1", TCP_FIN_WAIT1},	{"FIN_WAIT1", TCP_FIN_WAIT1},
		{"FIN-WAIT2", TCP_FIN_WAIT2},	{"Time_Wait", TCP_TIME_WAIT},
		{"timewait", TCP_TIME_WAIT},	{"SYN_RECV", TCP_SYN_RECV},
		{"syn-received", TCP_SYN_RECV}, {"UNCONN", TCP_CLOSE},
		{"CLOSE", TCP_CLOSE},		{"closed", TCP_CLOSE},
		{"CLOSE_WAIT", TCP_CLOSE_WAIT}, {"LAST-ACK", TCP_LAST_ACK},
		{"closing", TCP_CLOSING},	{"TCP_FIN_WAIT1", TCP_FIN_WAIT1},
		{"TCP_NEW_SYN_RECV", 12},	{"TCP_CLOSE", TCP_CLOSE},
		{"tcp_bound_inactive", 13},
	};
	static const char *const unknown[] = {
		"", "-", "?", "TIME", "TIME-WAITS", "ESTABLISHED ", "7", "TCP_", "TCP_TCP_CLOSE",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		if (tcp_state_parse(spellings[i].name) != spellings[i].state)
			fail_msg("\"%s\"", spellings[i].name);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		if (tcp_state_parse(unknown[i]) != -EINVAL)
			fail_msg("\"%s\" is taken for a state", unknown[i]);
}

static void address_parses_and_formats(void **state)
{
	static const char *const good[] = {
		"10.0.0.1",
		"0.0.0.0",
		"255.255.255.255",
		"::",
		"::1",
		"fd00::1",
		"fd00:1111:2222:3333:4444:5555:6666:7777",
	};
	static const char *const bad[] = {
		"",    "10.0.0",       "10.0.0.256", "10.0.0.1:80", "[::1]",
		":::", "fe80::1%eth0", "host",	     " 10.0.0.1",   "10.0.0.1 ",
	};
	char text[TCP_ENDPOINT_TEXT_MAX];
	struct tcp_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(&address, 0xaa, sizeof(address));
		assert_int_equal(tcp_address_parse(good[i], &address), 0);
		assert_int_equal(address.family, strchr(good[i], ':') ? AF_INET6 : AF_INET);
		assert_string_equal(tcp_address_format(&address, text), good[i]);
		for (size_t b = 4; b < 16 && address.family == AF_INET; b++)
			assert_int_equal(address.bytes[b], 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tcp_address before = address;

		if (tcp_address_parse(bad[i], &address) != -EINVAL)
			fail_msg("\"%s\"", bad[i]);
		assert_memory_equal(&address, &before, sizeof(before));
	}
	address.family = AF_UNIX;
	assert_string_equal(tcp_address_format(&address, text), "?");
}

static struct tcp_endpoint endpoint_of(const char *address, uint16_t port)
{
	struct tcp_endpoint endpoint = {.port = port};

	assert_int_equal(tcp_address_parse(address, &endpoint.address), 0);
	return endpoint;
}

static void endpoint_formats(void **state)
{
	struct tcp_endpoint v4 = endpoint_of("10.0.0.1", 80);
	struct tcp_endpoint v6 = endpoint_of("fd00::1", 80);
	struct tcp_endpoint longest = endpoint_of("fd00:1111:2222:3333:4444:5555:255.255.255.255",
						  65535);
	struct tcp_endpoint mapped = endpoint_of("::ffff:255.255.255.255", 65535);
	char text[TCP_ENDPOINT_TEXT_MAX];

	(void)state;
	assert_ptr_equal(tcp_endpoint_format(&v4, text), text);
	assert_string_equal(text, "10.0.0.1:80");
	assert_string_equal(tcp_endpoint_format(&v6, text), "[fd00::1]:80");
	assert_string_equal(tcp_endpoint_format(&longest, text),
			    "[fd00:1111:2222:3333:4444:5555:ffff:ffff]:65535");
	assert_string_equal(tcp_endpoint_format(&mapped, text), "[::ffff:255.255.255.255]:65535");
}

static void keys_compare_and_reverse(void **state)
{
	struct tcp_key key = {endpoint_of("10.0.0.1", 1), endpoint_of("10.0.0.2", 2)};
	struct tcp_key other = key, back = tcp_key_reverse(&key);

	(void)state;
	assert_true(tcp_key_equal(&key, &other));
	assert_false(tcp_key_equal(&key, &back));
	assert_true(tcp_endpoint_equal(&key.local, &back.remote));
	assert_true(tcp_endpoint_equal(&key.remote, &back.local));
	back = tcp_key_reverse(&back);
	assert_true(tcp_key_equal(&key, &back));
	other.remote.port = 3;
	assert_false(tcp_key_equal(&key, &other));
	other = key;
	other.local = endpoint_of("10.0.0.3", 1);
	assert_false(tcp_key_equal(&key, &other));
	/* all bytes count for v6, and the family does */
	other.local = endpoint_of("::1", 1);
	other.remote = endpoint_of("::2", 1);
	assert_false(tcp_endpoint_equal(&other.local, &other.remote));
	other.local = endpoint_of("0.0.0.0", 1);
	other.remote = endpoint_of("::", 1);
	assert_false(tcp_endpoint_equal(&other.local, &other.remote));
}

static void endpoint_through_sockaddr(void **state)
{
	struct tcp_endpoint ends[] = {endpoint_of("10.1.2.3", 8080), endpoint_of("fd00::9", 443)};
	struct sockaddr_storage storage;
	struct tcp_endpoint back, before;
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(7)};
	struct sockaddr other = {.sa_family = AF_UNIX};
	socklen_t length;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		tcp_endpoint_to_sockaddr(&ends[i], &storage, &length);
		assert_int_equal(length,
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_int_equal(storage.ss_family, ends[i].address.family);
		assert_int_equal(tcp_endpoint_from_sockaddr((struct sockaddr *)&storage, &back), 0);
		assert_true(tcp_endpoint_equal(&ends[i], &back));
	}

	inet_pton(AF_INET6, "::ffff:10.1.2.3", &mapped.sin6_addr);
	assert_int_equal(tcp_endpoint_from_sockaddr((struct sockaddr *)&mapped, &back), 0);
	ends[0].port = 7;
	assert_true(tcp_endpoint_equal(&back, &ends[0]));

	before = back;
	assert_int_equal(tcp_endpoint_from_sockaddr(&other, &back), -EAFNOSUPPORT);
	assert_memory_equal(&back, &before, sizeof(back));
}

static void key_of_a_socket(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct tcp_key ours, theirs, before;
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int server;

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0) {
		print_message("no loopback here\n");
		skip();
	}
	memset(&ours, 0, sizeof(ours));
	before = ours;
	assert_int_equal(tcp_key_of_socket(listener, &ours), -ENOTCONN);
	assert_int_equal(tcp_key_of_socket(-1, &ours), -EBADF);
	assert_memory_equal(&ours, &before, sizeof(ours));

	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(tcp_key_of_socket(client, &ours), 0);
	assert_int_equal(tcp_key_of_socket(server, &theirs), 0);
	theirs = tcp_key_reverse(&theirs);
	assert_true(tcp_key_equal(&ours, &theirs));
	assert_int_equal(ours.remote.port, ntohs(address.sin_port));
	close(server);
	close(client);
	close(listener);
}

/* Decodes a heap copy of just this length, so that a sanitizer sees a byte too many read. */
static struct tcp_options decode(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	struct tcp_options options;

	if (length)
		memcpy(copy, bytes, length);
	memset(&options, 0xaa, sizeof(options));
	tcp_options_decode(copy, length, &options);
	free(copy);
	return options;
}

#define DECODE(...) decode((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void options_of_every_kind(void **state)
{
	struct tcp_options options = DECODE(2, 4, 0x05, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 1, 2,
					    0xff, 0, 0, 1, 34, 2);

	(void)state;
	assert_true(options.has_mss);
	assert_int_equal(options.mss, 1460);
	assert_true(options.has_window_scale);
	assert_int_equal(options.window_scale, 7);
	assert_true(options.sack_permitted);
	assert_true(options.has_timestamps);
	assert_int_equal(options.ts_value, 0x102);
	assert_int_equal(options.ts_echo, 0xff000001);
	assert_true(options.has_fastopen);
	assert_int_equal(options.sack_count, 0);
	assert_false(options.malformed);
}

static void options_with_sack_blocks(void **state)
{
	struct tcp_options options = DECODE(5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff,
					    0, 0, 0, 9);
	uint8_t many[2 + 5 * 8] = {5, 42};

	(void)state;
	assert_int_equal(options.sack_count, 2);
	assert_int_equal(options.sack[0].left, 1);
	assert_int_equal(options.sack[0].right, 2);
	assert_int_equal(options.sack[1].left, 0xffffffff);
	assert_int_equal(options.sack[1].right, 9);
	assert_false(options.malformed);
	/* five blocks cannot stand in a header; a second option cannot overrun the array either */
	options = decode(many, sizeof(many));
	assert_int_equal(options.sack_count, 4);
	/* not a whole block: left alone */
	options = DECODE(5, 9, 0, 0, 0, 1, 0, 0, 0);
	assert_int_equal(options.sack_count, 0);
}

/* The usual place of timestamps, and what may follow, or be missing. */
static void options_aligned_timestamps(void **state)
{
	struct tcp_options options = DECODE(1, 1, 8, 10, 0, 0, 1, 2, 0xff, 0, 0, 1, 1, 1, 5, 10, 0,
					    0, 0, 1, 0, 0, 0, 2);

	(void)state;
	assert_true(options.has_timestamps);
	assert_int_equal(options.ts_value, 0x102);
	assert_int_equal(options.ts_echo, 0xff000001);
	assert_int_equal(options.sack_count, 1);
	assert_int_equal(options.sack[0].right, 2);
	assert_false(options.malformed);
	options = DECODE(1, 1, 8, 10, 0, 0, 1, 2, 0xff, 0, 0);
	assert_false(options.has_timestamps);
	assert_true(options.malformed);
	options = DECODE(1, 1, 8, 10, 0, 0, 1, 2, 0xff, 0, 0, 1, 5, 1);
	assert_true(options.has_timestamps);
	assert_true(options.malformed);
}

static void options_end_and_padding(void **state)
{
	struct tcp_options options = DECODE(1, 1, 0, 2, 4, 5, 180);

	(void)state;
	assert_false(options.has_mss);
	assert_false(options.malformed);
	options = decode(NULL, 0);
	assert_false(options.malformed);
	options = DECODE(1, 1, 1, 1);
	assert_false(options.malformed);
	/* unknown kinds are stepped over */
	options = DECODE(254, 4, 9, 9, 3, 3, 2);
	assert_int_equal(options.window_scale, 2);
	assert_false(options.malformed);
}

static void options_malformed(void **state)
{
	struct tcp_options options = DECODE(3, 3, 5, 2, 4, 5);

	(void)state;
	assert_true(options.malformed);
	assert_int_equal(options.window_scale, 5);
	assert_false(options.has_mss);
	assert_true(DECODE(2).malformed);
	assert_true(DECODE(2, 0).malformed);
	assert_true(DECODE(2, 1).malformed);
	assert_true(DECODE(8, 255, 0, 0).malformed);
	/* a known kind of another length tells nothing, but what follows is decoded */
	options = DECODE(2, 3, 5, 3, 2, 8, 4, 1, 2, 4, 3, 9, 3, 3, 1);
	assert_false(options.malformed);
	assert_false(options.has_mss);
	assert_false(options.has_timestamps);
	assert_false(options.sack_permitted);
	assert_int_equal(options.window_scale, 1);
	/* a bad repetition does not take back the good one */
	options = DECODE(4, 2, 4, 3, 0);
	assert_true(options.sack_permitted);
}

static void flags_format(void **state)
{
	char text[SEGMENT_FLAGS_TEXT_MAX];

	(void)state;
	assert_ptr_equal(segment_flags_format(0, text), text);
	assert_string_equal(text, "none");
	assert_string_equal(segment_flags_format(TCP_FLAG_SYN, text), "SYN");
	assert_string_equal(segment_flags_format(TCP_FLAG_ACK | TCP_FLAG_FIN, text), "FIN+ACK");
	assert_string_equal(segment_flags_format(TCP_FLAG_ACK | TCP_FLAG_PSH, text), "PSH+ACK");
	assert_string_equal(segment_flags_format(0xff, text), "SYN+FIN+RST+PSH+ACK+URG+ECE+CWR");
	assert_true(strlen(text) < SEGMENT_FLAGS_TEXT_MAX);
}

static void exchange_grows_and_frees(void **state)
{
	struct exchange *exchange = exchange_new();

	(void)state;
	assert_non_null(exchange);
	assert_int_equal(exchange->count, 0);
	exchange->left = strdup("client");
	exchange->right_address = strdup("10.0.0.2:5000");
	exchange->title = strdup("title");
	for (uint32_t i = 0; i < 100; i++) {
		struct exchange_row *row = exchange_add(exchange);

		assert_non_null(row);
		assert_int_equal(exchange->count, i + 1);
		assert_ptr_equal(row, &exchange->rows[i]);
		assert_int_equal(row->left_state, -1);
		assert_int_equal(row->right_state, -1);
		assert_int_equal(row->fate, EXCHANGE_DELIVERED);
		assert_null(row->flags);
		assert_null(row->note);
		assert_int_equal(row->time_ns, 0);
		row->seq = i;
		row->flags = strdup("ACK");
		if (i % 2)
			row->note = strdup("note");
		if (i % 3)
			row->options = strdup("TS");
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(exchange->rows[i].seq, i);
	exchange_free(exchange);
	exchange_free(NULL);
	exchange_free(exchange_new());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seq_wraps_around),
		cmocka_unit_test(seq_within_a_window),
		cmocka_unit_test(segment_takes_sequence_space),
		cmocka_unit_test(state_names_parse_back),
		cmocka_unit_test(state_parses_every_spelling),
		cmocka_unit_test(address_parses_and_formats),
		cmocka_unit_test(endpoint_formats),
		cmocka_unit_test(keys_compare_and_reverse),
		cmocka_unit_test(endpoint_through_sockaddr),
		cmocka_unit_test(key_of_a_socket),
		cmocka_unit_test(options_of_every_kind),
		cmocka_unit_test(options_with_sack_blocks),
		cmocka_unit_test(options_aligned_timestamps),
		cmocka_unit_test(options_end_and_padding),
		cmocka_unit_test(options_malformed),
		cmocka_unit_test(flags_format),
		cmocka_unit_test(exchange_grows_and_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
