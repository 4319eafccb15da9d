/*
 * Made captures, printed by the real tcpdump in every way people print them, and read back: what
 * comes is what is in the capture. Skipped where there is no tcpdump.
 */
#include "capture/tcpdump_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/decode.h"

enum { PACKETS_MAX = 4000, BYTES_MAX = 256 };

struct made {
	uint8_t bytes[BYTES_MAX];
	size_t captured, length;
	int64_t time_ns;
	struct segment segment;
};

struct capture {
	enum packet_link link;
	bool vlan, six;
	size_t count;
	struct made packets[PACKETS_MAX];
};

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

/* --- Packets --- */

static uint8_t *put16(uint8_t *at, uint32_t value)
{
	*at++ = (uint8_t)(value >> 8);
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value);
}

static uint8_t *put_options(uint8_t *at, const struct tcp_options *options)
{
	uint8_t *start = at;

	if (options->has_mss)
		at = put16(put16(at, 0x0204), options->mss);
	if (options->sack_permitted)
		at = put16(at, 0x0402);
	if (options->has_timestamps)
		at = put32(put32(put16(at, 0x080a), options->ts_value), options->ts_echo);
	if (options->has_window_scale) {
		at = put16(at, 0x0303);
		*at++ = options->window_scale;
	}
	if (options->sack_count) {
		at = put16(at, 0x0500u | (2u + 8u * options->sack_count));
		for (size_t i = 0; i < options->sack_count; i++)
			at = put32(put32(at, options->sack[i].left), options->sack[i].right);
	}
	while ((at - start) % 4)
		*at++ = 1;
	return at;
}

static uint8_t *put_link(uint8_t *at, const struct capture *capture)
{
	uint32_t type = capture->six ? 0x86dd : 0x0800;

	memset(at, 0, 20);
	if (capture->link == PACKET_LINK_ETHERNET) {
		at[5] = 1;
		at[11] = 2;
		at += 12;
		if (capture->vlan)
			at = put16(put16(at, 0x8100), 5);
		return put16(at, type);
	}
	if (capture->link == PACKET_LINK_SLL2) {
		put16(at, type);
		at[7] = 1; /* interface 1: lo */
		at[9] = 1;
		at[10] = (uint8_t)(chance(2) * 4); /* in, out */
		at[11] = 6;
		return at + 20;
	}
	return at;
}

static uint8_t *put_ip(uint8_t *at, const struct segment *segment, size_t length)
{
	memset(at, 0, 40);
	if (segment->source.address.family == AF_INET6) {
		put32(at, 0x60012345);
		put16(at + 4, (uint32_t)length);
		at[6] = 6;
		at[7] = segment->ttl;
		memcpy(at + 8, segment->source.address.bytes, 16);
		memcpy(at + 24, segment->target.address.bytes, 16);
		return at + 40;
	}
	at[0] = 0x45;
	put16(at + 2, (uint32_t)length + 20);
	put16(at + 4, segment->ip_id);
	at[6] = 0x40;
	at[8] = segment->ttl;
	at[9] = 6;
	memcpy(at + 12, segment->source.address.bytes, 4);
	memcpy(at + 16, segment->target.address.bytes, 4);
	return at + 20;
}

static void add(struct capture *capture, const struct segment *segment)
{
	struct made *made = &capture->packets[capture->count];
	uint8_t options[60], *ip, *at;
	size_t option_length = (size_t)(put_options(options, &segment->options) - options);

	assert_true(capture->count < PACKETS_MAX);
	ip = put_link(made->bytes, capture);
	at = put_ip(ip, segment, 20 + option_length + segment->payload_length);
	at = put16(put16(at, segment->source.port), segment->target.port);
	at = put32(put32(at, segment->seq), segment->ack);
	*at++ = (uint8_t)((20 + option_length) / 4 << 4);
	*at++ = segment->flags;
	at = put32(put16(at, segment->window), 0);
	memcpy(at, options, option_length);
	at += option_length;
	made->length = (size_t)(at - made->bytes) + segment->payload_length;
	/* Small payloads whole, for checksums; of large ones nothing, for room. */
	made->captured = (size_t)(at - made->bytes);
	if (segment->payload_length <= 40) {
		memset(at, 'p', segment->payload_length);
		made->captured = made->length;
		packet_fix_checksums(ip, made->length - (size_t)(ip - made->bytes));
	}
	made->time_ns = capture->count ? made[-1].time_ns : 1456803151LL * NS_PER_S;
	made->time_ns += chance(20) ? chance(1000000) : chance(2000000000);
	capture->count++;
}

/* --- Conversations --- */

struct end {
	struct tcp_endpoint at;
	uint32_t next, received;
	uint32_t clock;
};

struct talk {
	struct end ends[2];
	bool timestamps;
};

static struct tcp_endpoint endpoint(bool six, unsigned int host, uint16_t port)
{
	struct tcp_endpoint end = {.address.family = six ? AF_INET6 : AF_INET, .port = port};

	if (six) {
		end.address.bytes[0] = 0xfd;
		end.address.bytes[15] = (uint8_t)host;
	} else {
		end.address.bytes[0] = 10;
		end.address.bytes[3] = (uint8_t)host;
	}
	return end;
}

static struct segment by(struct talk *talk, unsigned int from, uint8_t flags, uint32_t length)
{
	struct end *end = &talk->ends[from];
	struct segment segment = {
		.source = end->at,
		.target = talk->ends[1 - from].at,
		.seq = end->next,
		.ack = (flags & TCP_FLAG_ACK) ? end->received : 0,
		.flags = flags,
		.window = (uint16_t)chance(65536),
		.ttl = (uint8_t)(40 + chance(100)),
		.ip_id = end->at.address.family == AF_INET ? (uint16_t)chance(65536) : 0,
		.payload_length = length,
	};

	if (talk->timestamps && !(flags & TCP_FLAG_RST)) {
		segment.options.has_timestamps = true;
		segment.options.ts_value = end->clock++;
		segment.options.ts_echo = talk->ends[1 - from].clock;
	}
	if (flags & TCP_FLAG_SYN) {
		segment.options.has_mss = segment.options.sack_permitted = true;
		segment.options.mss = 1460;
		segment.options.has_window_scale = chance(2);
		segment.options.window_scale = segment.options.has_window_scale ? 7 : 0;
	}
	return segment;
}

/* Sends it, which arrives. */
static struct segment say(struct capture *capture, struct talk *talk, unsigned int from,
			  uint8_t flags, uint32_t length)
{
	struct segment segment = by(talk, from, flags, length);

	add(capture, &segment);
	talk->ends[from].next = segment_end(&segment);
	talk->ends[1 - from].received = talk->ends[from].next;
	return segment;
}

static uint32_t any_number(void)
{
	switch (chance(4)) {
	case 0:
		return chance(3);
	case 1:
		return 0u - chance(3000);
	default:
		return chance(65536) << 16 | chance(65536);
	}
}

static void shake_hands(struct capture *capture, struct talk *talk)
{
	struct segment syn = say(capture, talk, 0, TCP_FLAG_SYN | (chance(4) ? 0 : 0xc0), 0);

	if (!chance(4))
		add(capture, &syn);
	say(capture, talk, 1, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
	say(capture, talk, 0, TCP_FLAG_ACK, 0);
}

/* A hole: what came behind it is reported. */
static void report(struct capture *capture, struct talk *talk, unsigned int from)
{
	struct segment segment = by(talk, from, TCP_FLAG_ACK, 0);
	uint32_t behind = segment.ack;

	segment.options.sack_count = (uint8_t)(1 + chance(talk->timestamps ? 3 : 4));
	for (size_t i = 0; i < segment.options.sack_count; i++) {
		segment.options.sack[i].left = behind += 1 + chance(5000);
		segment.options.sack[i].right = behind += 1 + chance(5000);
	}
	/* Received twice (RFC 2883): below ack. */
	if (!chance(3)) {
		segment.options.sack[0].left = segment.ack - 20;
		segment.options.sack[0].right = segment.ack - 10;
	}
	add(capture, &segment);
}

static void chat(struct capture *capture, struct talk *talk)
{
	for (uint32_t n = 1 + chance(10); n > 0; n--) {
		unsigned int from = chance(2);
		struct segment data = say(capture, talk, from, TCP_FLAG_PSH | TCP_FLAG_ACK,
					  1 + chance(chance(3) ? 40 : 1400));

		if (!chance(5))
			add(capture, &data);
		if (!chance(3))
			report(capture, talk, 1 - from);
		if (chance(2))
			say(capture, talk, 1 - from, TCP_FLAG_ACK, 0);
	}
}

/* A new connection on the old pair meets TIME_WAIT, whose ACK is of the old one. */
static void knock_again(struct capture *capture, const struct talk *talk)
{
	struct talk again = *talk, old = *talk;
	struct segment rst;

	again.ends[0].next = any_number();
	say(capture, &again, 0, TCP_FLAG_SYN, 0);
	say(capture, &old, 1, TCP_FLAG_ACK, 0);
	rst = by(&again, 0, TCP_FLAG_RST, 0);
	rst.seq = old.ends[1].received;
	add(capture, &rst);
}

static void part(struct capture *capture, struct talk *talk)
{
	unsigned int first = chance(2);
	struct segment rst;

	if (!chance(4)) {
		say(capture, talk, first, TCP_FLAG_RST | TCP_FLAG_ACK, 0);
		return;
	}
	say(capture, talk, first, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	if (!chance(3)) {
		say(capture, talk, 1 - first, TCP_FLAG_PSH | TCP_FLAG_ACK, 5);
		rst = by(talk, first, TCP_FLAG_RST, 0);
		add(capture, &rst);
		return;
	}
	if (chance(2))
		say(capture, talk, 1 - first, TCP_FLAG_ACK, 0);
	say(capture, talk, 1 - first, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	say(capture, talk, first, TCP_FLAG_ACK, 0);
	if (!chance(3))
		knock_again(capture, talk);
}

static void refuse(struct capture *capture, struct talk *talk)
{
	struct segment rst;

	say(capture, talk, 0, TCP_FLAG_SYN, 0);
	rst = by(talk, 1, TCP_FLAG_RST | TCP_FLAG_ACK, 0);
	rst.seq = 0;
	add(capture, &rst);
}

/* With a hole, of which the first segment tells. */
static void begin_in_the_middle(struct capture *capture, struct talk *talk, unsigned int from)
{
	struct segment segment = by(talk, from, TCP_FLAG_PSH | TCP_FLAG_ACK, 1 + chance(100));

	/* Of small numbers the text does not tell whether they are relative. */
	if (segment.ack + (1u << 16) > 1u << 17)
		segment.options.sack_count = (uint8_t)chance(3);
	for (uint32_t i = 0; i < segment.options.sack_count; i++) {
		segment.options.sack[i].left = segment.ack + 10 + 20 * i;
		segment.options.sack[i].right = segment.ack + 15 + 20 * i;
	}
	add(capture, &segment);
	talk->ends[from].next = segment_end(&segment);
	talk->ends[1 - from].received = segment_end(&segment);
}

/* Few ports, so that pairs are used again; each that begins in the middle has one of its own. */
static void converse(struct capture *capture, unsigned int number)
{
	bool middle = !chance(4);
	struct talk talk = {.timestamps = chance(2)};

	talk.ends[0].at = endpoint(capture->six, 1,
				   (uint16_t)(middle ? 50000 + number : 40000 + chance(4)));
	talk.ends[1].at = endpoint(capture->six, 2, chance(2) ? 80 : 50001);
	for (size_t i = 0; i < 2; i++) {
		talk.ends[i].next = any_number();
		talk.ends[i].clock = any_number();
	}
	if (middle) {
		talk.ends[0].received = talk.ends[1].next;
		talk.ends[1].received = talk.ends[0].next;
		begin_in_the_middle(capture, &talk, chance(2));
	} else if (!chance(8)) {
		refuse(capture, &talk);
		return;
	} else {
		shake_hands(capture, &talk);
	}
	chat(capture, &talk);
	part(capture, &talk);
}

/* --- Through tcpdump --- */

static void write_capture(const struct capture *capture, FILE *file)
{
	uint32_t head[6] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 65535, capture->link};

	assert_int_equal(fwrite(head, sizeof(head), 1, file), 1);
	for (size_t i = 0; i < capture->count; i++) {
		const struct made *made = &capture->packets[i];
		uint32_t record[4] = {(uint32_t)(made->time_ns / NS_PER_S),
				      (uint32_t)(made->time_ns % NS_PER_S),
				      (uint32_t)made->captured, (uint32_t)made->length};

		assert_int_equal(fwrite(record, sizeof(record), 1, file), 1);
		assert_int_equal(fwrite(made->bytes, made->captured, 1, file), 1);
	}
}

static FILE *print(const struct capture *capture, const char *options)
{
	char path[] = "/tmp/contest-round-XXXXXX.pcap";
	CLEANUP_FREE char *command = NULL;
	int fd = mkstemps(path, 5); /* AppArmor lets tcpdump read nothing else */
	FILE *file = fdopen(fd, "w"), *text = tmpfile(), *pipe;
	char bytes[4096];
	size_t n;

	assert_non_null(file);
	assert_non_null(text);
	write_capture(capture, file);
	assert_int_equal(fclose(file), 0);
	assert_true(asprintf(&command, "TZ=UTC tcpdump %s -r %s 2>&1", options, path) > 0);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while ((n = fread(bytes, 1, sizeof(bytes), pipe)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, text), n);
	assert_int_equal(pclose(pipe), 0);
	unlink(path);
	rewind(text);
	return text;
}

enum times { TIMES_NONE, TIMES_OF_DAY, TIMES_EPOCH, TIMES_FROM_FIRST };

static int64_t time_wanted(const struct capture *capture, size_t i, enum times times, bool nano)
{
	int64_t unit = nano ? 1 : NS_PER_US;
	int64_t at = capture->packets[i].time_ns / unit * unit;
	int64_t first = capture->packets[0].time_ns / unit * unit;
	int64_t day = 24 * 3600 * NS_PER_S;

	switch (times) {
	case TIMES_OF_DAY:
		return at - first / day * day;
	case TIMES_EPOCH:
		return at;
	case TIMES_FROM_FIRST:
		return at - first;
	default:
		return 0;
	}
}

static void compare(const struct segment *got, const struct segment *wanted, bool verbose)
{
	assert_true(tcp_endpoint_equal(&got->source, &wanted->source));
	assert_true(tcp_endpoint_equal(&got->target, &wanted->target));
	assert_int_equal(got->flags, wanted->flags);
	assert_int_equal(got->seq, wanted->seq);
	if (wanted->flags & TCP_FLAG_ACK)
		assert_int_equal(got->ack, wanted->ack);
	assert_int_equal(got->window, wanted->window);
	assert_int_equal(got->payload_length, wanted->payload_length);
	assert_memory_equal(&got->options, &wanted->options, offsetof(struct tcp_options, sack));
	if (wanted->options.sack_count)
		assert_memory_equal(got->options.sack, wanted->options.sack,
				    wanted->options.sack_count * sizeof(wanted->options.sack[0]));
	if (!verbose)
		return;
	assert_int_equal(got->ttl, wanted->ttl);
	assert_int_equal(got->ip_id, wanted->ip_id);
	assert_int_equal(got->checksum_known, wanted->checksum_known);
	assert_int_equal(got->checksum_bad, wanted->checksum_bad);
}

static void read_back(const struct capture *capture, FILE *printed, const char *options,
		      enum times times)
{
	struct tcpdump_text *text = tcpdump_text_new();
	CLEANUP_FREE char *line = NULL;
	char head[4096];
	struct segment got, wanted;
	size_t room = 0, count = 0;
	ssize_t length;

	assert_non_null(text);
	tcpdump_text_peek(text, head, fread(head, 1, sizeof(head), printed));
	rewind(printed);
	while ((length = getline(&line, &room, printed)) >= 0) {
		if (!tcpdump_text_line(text, line, (size_t)length, &got))
			continue;
		if (count == capture->count)
			fail_msg("%s: more than there is: %s", options, line);
		assert_int_equal(decode_packet_checked(capture->link, capture->packets[count].bytes,
						       capture->packets[count].captured,
						       capture->packets[count].length, &wanted),
				 DECODE_SEGMENT);
		if (got.seq != wanted.seq ||
		    got.time_ns != time_wanted(capture, count, times, strstr(options, "nano")))
			fail_msg("%s: packet %zu: seq %u for %u, time %lld for %lld: %s", options,
				 count + 1, got.seq, wanted.seq, (long long)got.time_ns,
				 (long long)time_wanted(capture, count, times,
							strstr(options, "nano")),
				 line);
		compare(&got, &wanted, strstr(options, "v"));
		count++;
	}
	assert_int_equal(count, capture->count);
	assert_int_equal(tcpdump_text_unclear(text), 0);
	assert_int_equal(tcpdump_text_has_times(text), times != TIMES_NONE);
	tcpdump_text_free(text);
}

static const struct way {
	const char *options;
	enum times times;
} ways[] = {
	{"-n", TIMES_OF_DAY},
	{"-nn -S", TIMES_OF_DAY},
	{"-n -v", TIMES_OF_DAY},
	{"-n -vv", TIMES_OF_DAY},
	{"-n -vvv -S -e", TIMES_OF_DAY},
	{"-n -e", TIMES_OF_DAY},
	{"-n -e -v", TIMES_OF_DAY},
	{"-n -X", TIMES_OF_DAY},
	{"-n -XX -vv -e", TIMES_OF_DAY},
	{"-n -A", TIMES_OF_DAY},
	{"-n -t", TIMES_NONE},
	{"-n -t -v", TIMES_NONE},
	{"-n -tt", TIMES_EPOCH},
	{"-n -ttt", TIMES_FROM_FIRST},
	{"-n -tttt", TIMES_EPOCH},
	{"-n -ttttt", TIMES_FROM_FIRST},
	{"-n -tt --nano", TIMES_EPOCH},
	{"-n -tttt --nano -v", TIMES_EPOCH},
	{"-n --nano -ttttt", TIMES_FROM_FIRST},
	{"-n --micro", TIMES_OF_DAY},
	{"-n -#", TIMES_OF_DAY},
	{"-n --number -v -ttttt", TIMES_FROM_FIRST},
	{"-n -# -t -e", TIMES_NONE},
	{"-n -S -# -tt -vv", TIMES_EPOCH},
	{"-n -K", TIMES_OF_DAY},
	{"", TIMES_OF_DAY}, /* names of ports */
};

static void round_trip(enum packet_link link, bool vlan, bool six)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	assert_non_null(capture);
	if (system("tcpdump --version >/dev/null 2>&1") != 0) {
		print_message("tcpdump is not installed\n");
		free(capture);
		skip();
	}
	capture->link = link;
	capture->vlan = vlan;
	capture->six = six;
	seed = (uint64_t)link * 4 + vlan * 2u + six;
	for (unsigned int i = 0; i < 100; i++)
		converse(capture, i);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		FILE *printed = print(capture, ways[i].options);

		read_back(capture, printed, ways[i].options, ways[i].times);
		fclose(printed);
	}
	free(capture);
}

static void test_ethernet(void **state)
{
	(void)state;
	round_trip(PACKET_LINK_ETHERNET, false, false);
}

static void test_ethernet_v6(void **state)
{
	(void)state;
	round_trip(PACKET_LINK_ETHERNET, false, true);
}

static void test_vlan(void **state)
{
	(void)state;
	round_trip(PACKET_LINK_ETHERNET, true, false);
}

static void test_cooked(void **state)
{
	(void)state;
	round_trip(PACKET_LINK_SLL2, false, false);
}

static void test_cooked_v6(void **state)
{
	(void)state;
	round_trip(PACKET_LINK_SLL2, false, true);
}

static void test_raw(void **state)
{
	(void)state;
	round_trip(PACKET_LINK_RAW, false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ethernet),  cmocka_unit_test(test_ethernet_v6),
		cmocka_unit_test(test_vlan),	  cmocka_unit_test(test_cooked),
		cmocka_unit_test(test_cooked_v6), cmocka_unit_test(test_raw),
	};

	return cmocka_run_group_tests_name("capture tcpdump_text_round", tests, NULL, NULL);
}
