/* Rules, rewrites, routes and queues, without a kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "capture/decode.h"
#include "world/wire_rules.h"

/* 10.0.0.1:1000 → 10.0.0.2:80, SYN with MSS 1460, SACK permitted, timestamps, NOP, window scale. */
static const uint8_t syn[60] = {
	0x45,	   0,	       0, 60,	0, 1, 0x40, 0,	64, 6, 0, 0, 10,   0, 0,   1,	10, 0, 0, 2,
	1000 >> 8, 1000 & 255, 0, 80,	0, 0, 0,    1,	0,  0, 0, 0, 0xa0, 2, 255, 255, 0,  0, 0, 0,
	2,	   4,	       5, 0xb4, 4, 2, 8,    10, 1,  2, 3, 4, 0,	   0, 0,   0,	1,  3, 3, 7,
};

struct bench {
	struct rules rules;
	struct routes routes;
	struct wire_record record;
	uint8_t packet[2048];
	struct work work;
};

static void bench_packet(struct bench *bench, const void *packet, size_t length)
{
	memcpy(bench->packet, packet, length);
	bench->work = (struct work){
		.from = 0, .data = bench->packet, .length = length, .room = sizeof(bench->packet)};
	wire_fix_checksums(bench->packet, length);
	work_look(&bench->work, &bench->routes);
	memset(&bench->record, 0, sizeof(bench->record));
}

static struct tcp_address address_of(const char *text)
{
	struct tcp_address address;

	assert_int_equal(tcp_address_parse(text, &address), 0);
	return address;
}

static void bench_init(struct bench *bench)
{
	struct tcp_address a = address_of("10.0.0.1"), b = address_of("10.0.0.2"),
			   c = address_of("fd00::2");

	memset(bench, 0, sizeof(*bench));
	assert_int_equal(routes_add(&bench->routes, &a, 0), 0);
	assert_int_equal(routes_add(&bench->routes, &b, 1), 0);
	assert_int_equal(routes_add(&bench->routes, &c, 1), 0);
	assert_int_equal(routes_add(&bench->routes, &b, 0), -EEXIST);
	bench_packet(bench, syn, sizeof(syn));
}

static void bench_done(struct bench *bench)
{
	rules_done(&bench->rules);
	routes_done(&bench->routes);
}

static struct passage pass(struct bench *bench)
{
	return rules_pass(&bench->rules, &bench->routes, &bench->work, &bench->record);
}

static void test_routes(void **state)
{
	struct tcp_address b = address_of("10.0.0.2");
	struct bench bench;

	(void)state;
	bench_init(&bench);
	assert_int_equal(bench.work.to, 1);
	assert_int_equal(routes_target(&bench.routes, syn, 19), -1);
	routes_remove(&bench.routes, &b);
	assert_int_equal(routes_target(&bench.routes, syn, sizeof(syn)), -1);
	bench_done(&bench);
}

static void test_match_conditions(void **state)
{
	struct tcp_key key = {.local = {address_of("10.0.0.1"), 1000},
			      .remote = {address_of("10.0.0.2"), 80}};
	struct tcp_key back = tcp_key_reverse(&key), other = key;
	struct wire_match fits[7], misses[9];
	struct bench bench;

	(void)state;
	other.local.port++;
	for (size_t i = 0; i < ARRAY_SIZE(fits); i++)
		fits[i] = WIRE_MATCH_ALL;
	for (size_t i = 0; i < ARRAY_SIZE(misses); i++)
		misses[i] = WIRE_MATCH_ALL;
	fits[1].from = 0;
	fits[2].to = 1;
	fits[3].flags_set = TCP_FLAG_SYN;
	fits[3].flags_clear = TCP_FLAG_ACK;
	fits[4].key = &key;
	fits[5].key = &back;
	fits[6].payload = WIRE_PAYLOAD_NONE;
	misses[0].from = 1;
	misses[1].to = 0;
	misses[2].flags_set = TCP_FLAG_SYN | TCP_FLAG_ACK;
	misses[3].flags_clear = TCP_FLAG_SYN;
	misses[4].key = &other;
	misses[5].payload = WIRE_PAYLOAD_SOME;
	misses[6].payload_bytes = "x";
	misses[6].payload_length = 1;
	misses[7].to = -2;
	misses[8].any_protocol = true; /* does not loosen the other conditions */
	misses[8].flags_set = TCP_FLAG_RST;
	bench_init(&bench);
	for (size_t i = 0; i < ARRAY_SIZE(fits); i++)
		if (!match_fits(&fits[i], &bench.work))
			fail_msg("fits[%zu]", i);
	for (size_t i = 0; i < ARRAY_SIZE(misses); i++)
		if (match_fits(&misses[i], &bench.work))
			fail_msg("misses[%zu]", i);
	bench_done(&bench);
}

static void test_match_payload(void **state)
{
	struct wire_match match = WIRE_MATCH_ALL;
	struct bench bench;
	uint8_t packet[64];

	(void)state;
	bench_init(&bench);
	memcpy(packet, syn, sizeof(syn));
	memcpy(packet + 60, "QUIT", 4);
	packet[3] = 64;
	bench_packet(&bench, packet, sizeof(packet));
	match.payload = WIRE_PAYLOAD_SOME;
	match.payload_bytes = "QUI";
	match.payload_length = 3;
	assert_true(match_fits(&match, &bench.work));
	match.payload_bytes = "QUIT!";
	match.payload_length = 5;
	assert_false(match_fits(&match, &bench.work));
	match.payload_bytes = NULL;
	match.payload = WIRE_PAYLOAD_NONE;
	assert_false(match_fits(&match, &bench.work));
	bench_done(&bench);
}

/* What is not TCP, and a fragment, only fit a rule for any protocol. */
static void test_match_any_protocol(void **state)
{
	struct wire_match match = WIRE_MATCH_ALL;
	struct bench bench;
	uint8_t packet[60];

	(void)state;
	bench_init(&bench);
	for (int fragment = 0; fragment < 2; fragment++) {
		memcpy(packet, syn, sizeof(syn));
		packet[fragment ? 7 : 9] = 17;
		bench_packet(&bench, packet, sizeof(packet));
		match.any_protocol = false;
		assert_false(match_fits(&match, &bench.work));
		match.any_protocol = true;
		assert_true(match_fits(&match, &bench.work));
		match.flags_clear = TCP_FLAG_RST;
		assert_false(match_fits(&match, &bench.work));
		match.flags_clear = 0;
	}
	bench_done(&bench);
}

static void test_skip_and_count(void **state)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "mine"};
	static const bool expected[] = {false, false, true, true, true, false, false};
	struct bench bench;
	int number;

	(void)state;
	bench_init(&bench);
	rule.match.skip = 2;
	rule.match.count = 3;
	number = rules_add(&bench.rules, &rule);
	assert_int_equal(number, 0);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct passage passage;

		bench_packet(&bench, syn, sizeof(syn));
		passage = pass(&bench);
		assert_int_equal(passage.decider != NULL, expected[i]);
		assert_int_equal(passage.hit, expected[i]);
		assert_string_equal(bench.record.note, expected[i] ? "mine" : "");
	}
	assert_int_equal(rules_get(&bench.rules, number)->hits, 3);
	bench_done(&bench);
}

static int grow(uint8_t *packet, size_t *length, size_t room, void *context)
{
	assert_true(room >= *length + 1);
	packet[(*length)++] = 'x';
	packet[3]++;
	*(int *)context += 1;
	return 0;
}

static int refuse(uint8_t *packet, size_t *length, size_t room, void *context)
{
	(void)packet, (void)length, (void)room, (void)context;
	return -EPROTO;
}

/* PASS and REWRITE go on; what REWRITE made is what the next rules see. */
static void test_order_of_rules(void **state)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_DROP};
	struct bench bench;
	struct segment segment;
	struct passage passage;
	int calls = 0;

	(void)state;
	bench_init(&bench);
	rule.match.payload = WIRE_PAYLOAD_SOME;
	assert_int_equal(rules_add(&bench.rules, &rule), 0);
	rule = (struct wire_rule){.match = WIRE_MATCH_ALL, .verb = WIRE_PASS, .note = "seen"};
	assert_int_equal(rules_add(&bench.rules, &rule), 1);
	rule.verb = WIRE_REWRITE;
	rule.rewrite = grow;
	rule.context = &calls;
	rule.note = "grown";
	assert_int_equal(rules_add(&bench.rules, &rule), 2);
	rule = (struct wire_rule){.match = WIRE_MATCH_ALL, .verb = WIRE_HOLD};
	rule.match.payload_bytes = "x";
	rule.match.payload_length = 1;
	assert_int_equal(rules_add(&bench.rules, &rule), 3);
	passage = pass(&bench);
	assert_ptr_equal(passage.decider, rules_get(&bench.rules, 3));
	assert_int_equal(calls, 1);
	assert_true(bench.work.rewritten);
	assert_int_equal(decode_packet_checked(PACKET_LINK_RAW, bench.work.data, bench.work.length,
					       bench.work.length, &segment),
			 DECODE_SEGMENT);
	assert_true(segment.checksum_known);
	assert_false(segment.checksum_bad);
	assert_string_equal(bench.record.note, "seen; grown");

	rules_get(&bench.rules, 2)->removed = true;
	bench_packet(&bench, syn, sizeof(syn));
	assert_null(pass(&bench).decider);
	assert_int_equal(rules_get(&bench.rules, 1)->hits, 2);
	bench_done(&bench);
}

static void test_rewrite_refuses(void **state)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_REWRITE, .rewrite = refuse};
	struct bench bench;

	(void)state;
	bench_init(&bench);
	assert_int_equal(rules_add(&bench.rules, &rule), 0);
	assert_int_equal(pass(&bench).error, -EPROTO);
	bench_done(&bench);
}

static void test_invalid_rules(void **state)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = (enum wire_verb)99};
	struct bench bench;

	(void)state;
	bench_init(&bench);
	assert_int_equal(rules_add(&bench.rules, &rule), -EINVAL);
	rule.verb = WIRE_REWRITE;
	assert_int_equal(rules_add(&bench.rules, &rule), -EINVAL);
	rule.verb = WIRE_DELAY;
	rule.delay_ns = -1;
	assert_int_equal(rules_add(&bench.rules, &rule), -EINVAL);
	assert_null(rules_get(&bench.rules, 0));
	assert_null(rules_get(&bench.rules, -1));
	bench_done(&bench);
}

static void test_strip_option(void **state)
{
	uint8_t kind = 8;
	size_t length = sizeof(syn);
	struct bench bench;

	(void)state;
	bench_init(&bench);
	assert_true(bench.work.segment.options.has_timestamps);
	assert_int_equal(wire_rewrite_strip_option(bench.packet, &length, 2048, &kind), 0);
	bench_packet(&bench, bench.packet, length);
	assert_int_equal(length, sizeof(syn));
	assert_false(bench.work.segment.options.has_timestamps);
	assert_true(bench.work.segment.options.has_mss);
	assert_true(bench.work.segment.options.has_window_scale);
	assert_false(bench.work.segment.options.malformed);
	/* The last option, and lengths that lead out of the header. */
	kind = 3;
	wire_rewrite_strip_option(bench.packet, &length, 2048, &kind);
	assert_int_equal(bench.packet[59], 1);
	bench.packet[58] = 200;
	bench.packet[57] = 5;
	kind = 5;
	wire_rewrite_strip_option(bench.packet, &length, 2048, &kind);
	assert_int_equal(bench.packet[58], 200);
	/* No byte beyond a packet that is cut anywhere. */
	for (length = 0; length < sizeof(syn); length++) {
		CLEANUP_FREE uint8_t *cut = malloc(length + !length);
		size_t kept = length;

		memcpy(cut, syn, length);
		assert_int_equal(wire_rewrite_strip_option(cut, &kept, length, &kind), 0);
		wire_fix_checksums(cut, length);
	}
	bench_done(&bench);
}

static void test_translate(void **state)
{
	struct wire_translation translation = {.from = {address_of("10.0.0.2"), 80},
					       .to = {address_of("10.0.0.1"), 8080}};
	size_t length = sizeof(syn);
	struct bench bench;

	(void)state;
	bench_init(&bench);
	assert_int_equal(wire_rewrite_address(bench.packet, &length, 2048, &translation), 0);
	bench_packet(&bench, bench.packet, length);
	assert_int_equal(bench.work.to, 0);
	assert_int_equal(bench.work.segment.target.port, 8080);
	assert_int_equal(bench.work.segment.source.port, 1000);
	/* Another port: not meant. Any port: kept. */
	bench_packet(&bench, syn, sizeof(syn));
	translation.from.port = 81;
	wire_rewrite_address(bench.packet, &length, 2048, &translation);
	bench_packet(&bench, bench.packet, length);
	assert_int_equal(bench.work.to, 1);
	translation.from.port = translation.to.port = 0;
	wire_rewrite_address(bench.packet, &length, 2048, &translation);
	bench_packet(&bench, bench.packet, length);
	assert_int_equal(bench.work.to, 0);
	assert_int_equal(bench.work.segment.target.port, 80);
	translation.to.address = address_of("fd00::2");
	assert_int_equal(wire_rewrite_address(bench.packet, &length, 2048, &translation),
			 -EAFNOSUPPORT);
	bench_done(&bench);
}

/* 16-bit words of header or pseudo header and datagram add up to all ones when it is right. */
static uint32_t words(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void test_udp_checksums(void **state)
{
	uint8_t v4[31] = {0x45, 0, 0, 31, 0, 1, 0, 0, 64, 17, 9, 9, 10,	 0,   0,  1,
			  10,	0, 0, 2,  1, 2, 3, 4, 0,  11, 7, 7, 'a', 'b', 'c'};
	uint8_t v6[40 + 11] = {0x60, 0, 0, 0, 0, 11, 17, 64};

	(void)state;
	wire_fix_checksums(v4, sizeof(v4));
	assert_int_equal(folded(words(v4, 20)), 0xffff);
	assert_int_equal(folded(words(v4 + 12, 19) + 17 + 11), 0xffff);
	v4[26] = v4[27] = 0; /* the sender wanted none */
	wire_fix_checksums(v4, sizeof(v4));
	assert_int_equal(v4[26] << 8 | v4[27], 0);
	v6[8] = v6[24] = 0xfd;
	v6[45] = 11;
	memcpy(v6 + 48, "abc", 3);
	wire_fix_checksums(v6, sizeof(v6));
	assert_int_equal(folded(words(v6 + 8, 43) + 17 + 11), 0xffff);
}

static void test_parcels(void **state)
{
	static const int64_t due[] = {5, 3, 5, 1, 3, 9};
	static const size_t expected[] = {3, 1, 4, 0, 2, 5};
	struct parcel_queue queue = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(due); i++) {
		struct parcel *parcel = calloc(1, sizeof(*parcel));

		assert_non_null(parcel);
		parcel->record = i;
		parcel->due_ns = due[i];
		parcel_push_due(&queue, parcel);
	}
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		CLEANUP_FREE struct parcel *parcel = parcel_pop(&queue);

		assert_non_null(parcel);
		assert_int_equal(parcel->record, expected[i]);
	}
	assert_null(parcel_pop(&queue));
	assert_null(queue.tail);
}

static void test_records(void **state)
{
	struct records records = {0};
	const uint8_t *first = NULL;
	uint8_t packet[1500];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		struct wire_record record = {.length = (uint32_t)i};

		memset(packet, (int)i, sizeof(packet));
		record.data = records_keep(&records, packet, sizeof(packet));
		assert_non_null(record.data);
		if (i == 0)
			first = record.data;
		assert_int_equal(records_add(&records, &record), i);
	}
	assert_ptr_equal(records_at(&records, 0)->data, first);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(records_at(&records, i)->length, i);
		assert_int_equal(records_at(&records, i)->data[1499], i & 255);
	}
	for (int i = 0; i < 20; i++)
		record_note(records_at(&records, 0), "123456789");
	assert_int_equal(strlen(records_at(&records, 0)->note), 79);
	records_done(&records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),		cmocka_unit_test(test_match_conditions),
		cmocka_unit_test(test_match_payload),	cmocka_unit_test(test_match_any_protocol),
		cmocka_unit_test(test_skip_and_count),	cmocka_unit_test(test_order_of_rules),
		cmocka_unit_test(test_rewrite_refuses), cmocka_unit_test(test_invalid_rules),
		cmocka_unit_test(test_strip_option),	cmocka_unit_test(test_translate),
		cmocka_unit_test(test_udp_checksums),	cmocka_unit_test(test_parcels),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
