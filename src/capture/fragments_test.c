#include "capture/fragments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define SECOND_NS 1000000000
#define START_NS  (1700000000ll * SECOND_NS)

enum { HEADER_V4 = 20, HEADER_V6 = 48, TCP = 32 };

/* What is sent in pieces: a TCP header of 32 bytes and payload, or what a test makes of it. */
static uint8_t datagram[66000];

static struct fragments *fragments;
static int64_t now_ns;

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static int setup(void **state)
{
	static const uint8_t tcp[TCP] = {
		0x1f, 0x90, 0, 0x50, 0, 0, 0, 100, 0, 0, 0, 50, 0x80, 0x18, 0x12, 0x34,
		0,    0,    0, 0,    1, 1, 8, 10,  0, 0, 0, 7,	0,    0,    0,	  9,
	};

	(void)state;
	memset(datagram, 'p', sizeof(datagram));
	memcpy(datagram, tcp, sizeof(tcp));
	now_ns = START_NS;
	fragments = fragments_new();
	return fragments ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fragments_free(fragments);
	return 0;
}

/* A piece of @datagram: those of one @id belong together. */
struct cut {
	uint32_t id;
	size_t from, to;
	bool last;
	bool v6;
	uint8_t protocol;    /* 0: TCP */
	uint8_t ttl;	     /* 0: 64 */
	size_t not_captured; /* so much at the end */
	uint8_t source;	     /* the last byte of the address */
};

static void put_v4(uint8_t *packet, const struct cut *cut)
{
	packet[0] = 0x45;
	put16(packet + 2, HEADER_V4 + cut->to - cut->from);
	put16(packet + 4, cut->id);
	put16(packet + 6, cut->from / 8 | (cut->last ? 0 : 0x2000));
	packet[8] = cut->ttl ? cut->ttl : 64;
	packet[9] = cut->protocol ? cut->protocol : 6;
	memcpy(packet + 12, (uint8_t[]){10, 0, 0, cut->source, 10, 0, 0, 2}, 8);
}

static void put_v6(uint8_t *packet, const struct cut *cut)
{
	packet[0] = 0x60;
	put16(packet + 4, 8 + cut->to - cut->from);
	packet[6] = 44;
	packet[7] = cut->ttl ? cut->ttl : 64;
	packet[8] = packet[24] = 0xfd;
	packet[23] = cut->source;
	packet[39] = 2;
	packet[40] = cut->protocol ? cut->protocol : 6;
	put16(packet + 42, cut->from | (cut->last ? 0 : 1));
	put16(packet + 44, cut->id >> 16);
	put16(packet + 46, cut->id & 0xffff);
}

/* From a copy that has exactly the captured bytes, so that a sanitizer sees any read beyond. */
static enum decode_result feed_cut(const struct cut *cut, struct segment *ret)
{
	size_t header = cut->v6 ? HEADER_V6 : HEADER_V4, length = header + cut->to - cut->from;
	uint8_t *packet = calloc(1, length);
	struct passing_packet passing = {
		.time_ns = now_ns,
		.time_known = true,
		.link = PACKET_LINK_RAW,
		.captured_length = (uint32_t)(length - cut->not_captured),
		.length = (uint32_t)length,
	};
	enum decode_result result;

	assert_non_null(packet);
	if (cut->v6)
		put_v6(packet, cut);
	else
		put_v4(packet, cut);
	memcpy(packet + header, datagram + cut->from, cut->to - cut->from);
	passing.data = realloc(packet, passing.captured_length);
	assert_non_null(passing.data);
	result = fragments_decode(fragments, &passing, ret);
	free((void *)passing.data);
	return result;
}

static enum decode_result feed(struct cut cut)
{
	struct segment untouched, segment;
	enum decode_result result;

	memset(&untouched, 0x5a, sizeof(untouched));
	segment = untouched;
	result = feed_cut(&cut, &segment);
	if (result != DECODE_SEGMENT)
		assert_memory_equal(&segment, &untouched, sizeof(segment));
	return result;
}

#define FEED(...) feed((struct cut){__VA_ARGS__})

/* Feeds the piece that makes it whole. */
static struct segment assert_whole(struct cut cut, size_t length)
{
	struct segment segment;

	assert_int_equal(feed_cut(&cut, &segment), DECODE_SEGMENT);
	assert_int_equal(segment.payload_length, length - TCP);
	assert_int_equal(segment.payload_captured, 0);
	assert_int_equal(segment.source.port, 8080);
	assert_int_equal(segment.target.port, 80);
	assert_int_equal(segment.seq, 100);
	assert_int_equal(segment.flags, TCP_FLAG_PSH | TCP_FLAG_ACK);
	assert_int_equal(segment.options.ts_value, 7);
	assert_int_equal(segment.time_ns, now_ns);
	assert_false(segment.checksum_known);
	return segment;
}

#define ASSERT_WHOLE(length, ...) assert_whole((struct cut){__VA_ARGS__}, (length))

static void assert_given_up(uint64_t expected)
{
	assert_int_equal(fragments_given_up(fragments), expected);
}

static void test_whole_passes(void **state)
{
	struct cut cut = {.to = 100, .last = true, .source = 1};
	struct segment segment;

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		cut.v6 = v6;
		assert_int_equal(feed_cut(&cut, &segment), DECODE_SEGMENT);
		assert_int_equal(segment.payload_length, 100 - TCP);
		assert_int_equal(segment.payload_captured, 100 - TCP);
		assert_int_equal(segment.time_ns, now_ns);
	}
	cut.protocol = 17;
	assert_int_equal(feed_cut(&cut, &segment), DECODE_NOT_TCP);
	assert_given_up(0);
}

static void test_in_order(void **state)
{
	struct segment segment;

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		now_ns = START_NS;
		assert_int_equal(FEED(.id = 0x17, .to = 800, .v6 = v6, .ttl = 60), DECODE_FRAGMENT);
		now_ns += SECOND_NS;
		assert_int_equal(FEED(.id = 0x17, .from = 800, .to = 1600, .v6 = v6, .ttl = 61),
				 DECODE_FRAGMENT);
		assert_given_up(1);
		now_ns += SECOND_NS;
		segment = ASSERT_WHOLE(1999, .id = 0x17, .from = 1600, .to = 1999, .last = true,
				       .v6 = v6, .ttl = 62);
		assert_int_equal(segment.ttl, 60);
		assert_int_equal(segment.ip_id, v6 ? 0 : 0x17);
		assert_int_equal(segment.source.address.family, v6 ? AF_INET6 : AF_INET);
		assert_int_equal(segment.target.address.bytes[v6 ? 15 : 3], 2);
		assert_given_up(0);
	}
}

/* All orders of four pieces; where the first is no longer than TCP's fixed header too. */
static void test_any_order(void **state)
{
	static const size_t ends[] = {0, 8, 400, 408, 1001};
	uint32_t id = 0;

	(void)state;
	for (unsigned int order = 0; order < 256; order++) {
		unsigned int turn[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6};
		unsigned int all = 1u << turn[0] | 1u << turn[1] | 1u << turn[2] | 1u << turn[3];

		if (all != 15)
			continue;
		id++;
		for (size_t i = 0; i < 4; i++) {
			struct cut cut = {.id = id,
					  .from = ends[turn[i]],
					  .to = ends[turn[i] + 1],
					  .last = turn[i] == 3,
					  .v6 = id % 2};

			if (i < 3)
				assert_int_equal(feed(cut), DECODE_FRAGMENT);
			else
				assert_whole(cut, 1001);
		}
	}
	assert_int_equal(id, 24);
	assert_given_up(0);
}

static void test_overlaps(void **state)
{
	struct segment segment;

	(void)state;
	assert_int_equal(FEED(.to = 160), DECODE_FRAGMENT);
	assert_int_equal(FEED(.to = 160), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 80, .to = 240), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 400, .to = 1000, .last = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 400, .to = 1000, .last = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 232, .to = 392), DECODE_FRAGMENT);
	datagram[13] = TCP_FLAG_RST; /* of the header the first copy counts */
	assert_int_equal(FEED(.to = 80, .ttl = 9), DECODE_FRAGMENT);
	segment = ASSERT_WHOLE(1000, .from = 384, .to = 408);
	assert_int_equal(segment.ttl, 64);
}

/* What belongs to something else: each part of the key. */
static void test_keys(void **state)
{
	(void)state;
	assert_int_equal(FEED(.id = 1, .to = 80), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 2, .from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 80, .to = 160, .last = true, .source = 9),
			 DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 80, .to = 160, .last = true, .v6 = true),
			 DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 80, .to = 160, .last = true, .protocol = 51),
			 DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 80, .to = 160, .last = true, .protocol = 17),
			 DECODE_NOT_TCP);
	assert_given_up(4);
	ASSERT_WHOLE(160, .id = 1, .from = 80, .to = 160, .last = true);

	/* Of IPv6, only the first piece's next header counts (RFC 8200 4.5). */
	assert_int_equal(FEED(.id = 0x10001, .to = 80, .v6 = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 80, .to = 160, .last = true, .v6 = true),
			 DECODE_FRAGMENT);
	ASSERT_WHOLE(160, .id = 0x10001, .from = 80, .to = 160, .last = true, .v6 = true,
		     .protocol = 60);
}

static void test_contradictions(void **state)
{
	(void)state;
	/* a second end, before and behind the first */
	assert_int_equal(FEED(.from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 80, .to = 152, .last = true), DECODE_MALFORMED);
	assert_given_up(1);
	assert_int_equal(FEED(.from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 80, .to = 161, .last = true), DECODE_MALFORMED);
	/* more behind the end, in either order */
	assert_int_equal(FEED(.from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 160, .to = 168), DECODE_MALFORMED);
	assert_int_equal(FEED(.from = 160, .to = 168), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 80, .to = 160, .last = true), DECODE_MALFORMED);
	assert_given_up(4);
	/* and nothing of them is left */
	assert_int_equal(FEED(.to = 80), DECODE_FRAGMENT);
	ASSERT_WHOLE(160, .from = 80, .to = 160, .last = true);
	assert_given_up(4);
}

/* Pieces that cannot be leave the datagram alone. */
static void test_impossible_pieces(void **state)
{
	(void)state;
	assert_int_equal(FEED(.to = 80), DECODE_FRAGMENT);
	assert_int_equal(FEED(.from = 80, .to = 87), DECODE_MALFORMED);
	assert_int_equal(FEED(.from = 80, .to = 80), DECODE_MALFORMED);
	assert_int_equal(FEED(.from = 80, .to = 80, .last = true), DECODE_MALFORMED);
	assert_int_equal(FEED(.from = 65528, .to = 65536, .last = true), DECODE_MALFORMED);
	ASSERT_WHOLE(160, .from = 80, .to = 160, .last = true);

	assert_int_equal(FEED(.id = 1, .to = 40000), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 65528, .to = 65535, .last = true), DECODE_FRAGMENT);
	ASSERT_WHOLE(65535, .id = 1, .from = 40000, .to = 65528);
}

/* The TCP header's own faults come with the last piece. */
static void test_header(void **state)
{
	(void)state;
	assert_int_equal(FEED(.id = 1, .to = 80, .not_captured = 49), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 1, .from = 80, .to = 160, .last = true), DECODE_TRUNCATED);
	assert_int_equal(FEED(.id = 2, .to = 80, .not_captured = 48), DECODE_FRAGMENT);
	ASSERT_WHOLE(160, .id = 2, .from = 80, .to = 160, .last = true);
	assert_int_equal(FEED(.id = 3, .to = 8), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 3, .from = 8, .to = 19, .last = true), DECODE_MALFORMED);
	/* not captured in one copy, but in the other */
	assert_int_equal(FEED(.id = 4, .to = 80, .not_captured = 60), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 4, .to = 80), DECODE_FRAGMENT);
	ASSERT_WHOLE(160, .id = 4, .from = 80, .to = 160, .last = true);
	datagram[12] = 0x40;
	assert_int_equal(FEED(.id = 5, .to = 80), DECODE_FRAGMENT);
	assert_int_equal(FEED(.id = 5, .from = 80, .to = 160, .last = true), DECODE_MALFORMED);
	assert_given_up(0);
}

/* Extension headers are cut up as well, and of IPv4 AH. */
static void test_extensions(void **state)
{
	struct segment segment;
	struct cut last = {.from = 80, .to = 160, .last = true, .v6 = true, .protocol = 60};

	(void)state;
	memmove(datagram + 16, datagram, 64);
	memset(datagram, 0, 16);
	datagram[0] = 6;
	datagram[1] = 1;
	assert_int_equal(FEED(.to = 80, .v6 = true, .protocol = 60), DECODE_FRAGMENT);
	assert_given_up(1);
	assert_int_equal(feed_cut(&last, &segment), DECODE_SEGMENT);
	assert_int_equal(segment.payload_length, 160 - 16 - TCP);
	assert_int_equal(segment.seq, 100);

	datagram[1] = 2;
	last.v6 = false;
	last.protocol = 51;
	assert_int_equal(feed_cut(&last, &segment), DECODE_FRAGMENT);
	assert_given_up(0); /* who knows */
	assert_int_equal(FEED(.to = 80, .protocol = 51), DECODE_SEGMENT);

	datagram[0] = 17;
	assert_int_equal(FEED(.to = 80, .v6 = true, .protocol = 60, .id = 4), DECODE_NOT_TCP);
	assert_given_up(0);
}

/* A Fragment header inside, which only the copy that came first has. */
static void test_piece_of_piece(void **state)
{
	(void)state;
	memmove(datagram + 16, datagram, 64);
	memset(datagram, 0, 16);
	datagram[0] = 60;
	datagram[8] = 44;
	datagram[8 + 3] = 1;
	assert_int_equal(FEED(.to = 80, .v6 = true, .protocol = 60), DECODE_MALFORMED);
	assert_int_equal(FEED(.from = 8, .to = 80, .v6 = true, .protocol = 60), DECODE_FRAGMENT);
	datagram[8] = 6;
	datagram[8 + 3] = 0;
	assert_int_equal(FEED(.to = 80, .v6 = true, .protocol = 60), DECODE_FRAGMENT);
	datagram[8] = 44;
	assert_int_equal(FEED(.from = 80, .to = 160, .last = true, .v6 = true, .protocol = 60),
			 DECODE_MALFORMED);
}

static void test_age(void **state)
{
	(void)state;
	assert_int_equal(FEED(.id = 1, .to = 80), DECODE_FRAGMENT);
	now_ns += 30ll * SECOND_NS;
	ASSERT_WHOLE(160, .id = 1, .from = 80, .to = 160, .last = true);
	assert_int_equal(FEED(.id = 2, .to = 80), DECODE_FRAGMENT);
	now_ns += SECOND_NS;
	assert_int_equal(FEED(.id = 3, .to = 80), DECODE_FRAGMENT);
	now_ns += 29ll * SECOND_NS + 1; /* the age is that of the first piece */
	assert_int_equal(FEED(.id = 2, .from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
	ASSERT_WHOLE(160, .id = 3, .from = 80, .to = 160, .last = true);
	assert_given_up(2); /* both halves of 2 */
	/* clocks go backwards, and to where no clock goes */
	now_ns -= 60ll * SECOND_NS;
	assert_int_equal(FEED(.id = 4, .to = 80), DECODE_FRAGMENT);
	now_ns = INT64_MIN;
	ASSERT_WHOLE(160, .id = 4, .from = 80, .to = 160, .last = true);
	assert_int_equal(FEED(.id = 5, .to = 80), DECODE_FRAGMENT);
	now_ns = INT64_MAX;
	assert_int_equal(FEED(.id = 5, .from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
}

/* The oldest goes when there are too many; those that were told go before. */
static void test_bounded(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < 256; id++)
		assert_int_equal(FEED(.id = id, .to = 80), DECODE_FRAGMENT);
	assert_given_up(256);
	ASSERT_WHOLE(160, .id = 255, .from = 80, .to = 160, .last = true);
	assert_int_equal(FEED(.id = 256, .to = 80), DECODE_FRAGMENT);
	ASSERT_WHOLE(160, .id = 0, .from = 80, .to = 160, .last = true);
	assert_given_up(255);
	for (uint32_t id = 257; id < 260; id++)
		assert_int_equal(FEED(.id = id, .to = 80), DECODE_FRAGMENT);
	assert_given_up(258);
	for (uint32_t id = 1; id < 3; id++)
		assert_int_equal(FEED(.id = id, .from = 80, .to = 160, .last = true),
				 DECODE_FRAGMENT);
	assert_given_up(260);
	for (uint32_t id = 5; id < 255; id++)
		ASSERT_WHOLE(160, .id = id, .from = 80, .to = 160, .last = true);
	assert_given_up(10);
}

/* Each piece twice in the capture: told once, at once; the id's next datagram is another. */
static void test_captured_twice(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int copy = 0; copy < 2; copy++) {
			assert_int_equal(FEED(.to = 80), DECODE_FRAGMENT);
			now_ns += 100000;
		}
		ASSERT_WHOLE(160, .from = 80, .to = 160, .last = true);
		now_ns += 5000000;
		assert_int_equal(FEED(.from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
		assert_given_up(0);
		now_ns++;
	}
	assert_int_equal(FEED(.from = 80, .to = 160, .last = true), DECODE_FRAGMENT);
	assert_given_up(1);
}

/* Any pieces at all, some thousand times over: the bound holds, and what is told is possible. */
static void test_random(void **state)
{
	unsigned int seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct cut cut = {
			.id = (uint32_t)rand_r(&seed) % 300,
			.from = (size_t)(rand_r(&seed) % 8192) * 8,
			.last = rand_r(&seed) % 4 == 0,
			.v6 = rand_r(&seed) % 2,
			.ttl = (uint8_t)rand_r(&seed),
		};
		struct segment segment;
		enum decode_result result;

		if (rand_r(&seed) % 2)
			cut.from %= 64;
		cut.to = cut.from + (size_t)(rand_r(&seed) % 50) * 8;
		if (cut.to > sizeof(datagram))
			cut.to = sizeof(datagram);
		now_ns += rand_r(&seed) % SECOND_NS / 20;
		result = feed_cut(&cut, &segment);
		if (result == DECODE_SEGMENT)
			assert_true(segment.payload_length <= 65535 - TCP);
		else
			assert_true(result == DECODE_FRAGMENT || result == DECODE_MALFORMED);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_passes),      TEST(test_in_order), TEST(test_any_order),
		TEST(test_overlaps),	      TEST(test_keys),	   TEST(test_contradictions),
		TEST(test_impossible_pieces), TEST(test_header),   TEST(test_extensions),
		TEST(test_piece_of_piece),    TEST(test_age),	   TEST(test_bounded),
		TEST(test_captured_twice),    TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
