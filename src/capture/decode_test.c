#include "capture/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

/* A packet under construction: headers are put in front of one another, the innermost first. */
struct build {
	uint8_t bytes[600];
	size_t first; /* index of the first byte */
};

#define BUILD() (&(struct build){.first = sizeof(((struct build *)0)->bytes)})

static uint8_t *front(struct build *build, size_t length)
{
	assert_true(build->first >= length);
	build->first -= length;
	return memset(build->bytes + build->first, 0, length);
}

static size_t length_of(const struct build *build)
{
	return sizeof(build->bytes) - build->first;
}

static uint8_t *start(struct build *build)
{
	return build->bytes + build->first;
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_payload(struct build *build, size_t length)
{
	memset(front(build, length), 'p', length);
}

static const uint8_t tcp_example[] = {
	0x1f, 0x90, 0x00, 0x50, /* 8080 to 80 */
	0xff, 0xff, 0xff, 0xff, /* seq, the last before it wraps */
	0x01, 0x02, 0x03, 0x04, /* ack */
	0x80, 0x11, 0x12, 0x34, /* 32 bytes, FIN and ACK, window */
	0x00, 0x00, 0x00, 0x00, /* checksum, urgent pointer */
	1,    1,    8,	  10,	/* two no-operations, timestamps */
	0,    0,    0,	  7,	0, 0, 0, 9,
};

static void put_tcp(struct build *build)
{
	memcpy(front(build, sizeof(tcp_example)), tcp_example, sizeof(tcp_example));
}

/* The total length fits, @fragment is the whole field. */
static uint8_t *put_ipv4(struct build *build, uint8_t protocol, unsigned int fragment)
{
	size_t total = length_of(build) + 20;
	uint8_t *at = front(build, 20);

	at[0] = 0x45;
	put16(at + 2, (unsigned int)total);
	put16(at + 4, 0xabcd);
	put16(at + 6, fragment);
	at[8] = 61;
	at[9] = protocol;
	memcpy(at + 12, (uint8_t[]){10, 0, 0, 1}, 4);
	memcpy(at + 16, (uint8_t[]){10, 0, 0, 2}, 4);
	return at;
}

static uint8_t *put_ipv6(struct build *build, uint8_t next)
{
	size_t payload = length_of(build);
	uint8_t *at = front(build, 40);

	at[0] = 0x60;
	put16(at + 4, (unsigned int)payload);
	at[6] = next;
	at[7] = 63;
	at[8] = at[24] = 0xfd;
	at[23] = 1;
	at[39] = 2;
	return at;
}

static void put_ethernet(struct build *build, unsigned int type)
{
	put16(front(build, 14) + 12, type);
}

static struct build *segment_v4(struct build *build, size_t payload)
{
	put_payload(build, payload);
	put_tcp(build);
	put_ipv4(build, 6, 0x4000);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	return build;
}

static struct build *segment_v6(struct build *build, size_t payload)
{
	put_payload(build, payload);
	put_tcp(build);
	put_ipv6(build, 6);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	return build;
}

/* The decoder that does not sum says the same, but nothing of the checksum. */
static void assert_unchecked(enum packet_link link, const uint8_t *data, size_t captured,
			     size_t length, enum decode_result result,
			     const struct segment *checked)
{
	struct segment segment;

	memset(&segment, 1, sizeof(segment));
	assert_int_equal(decode_packet(link, data, captured, length, &segment), result);
	if (result != DECODE_SEGMENT)
		return;
	assert_false(segment.checksum_known);
	assert_false(segment.checksum_bad);
	assert_true(tcp_endpoint_equal(&segment.source, &checked->source));
	assert_int_equal(segment.payload_length, checked->payload_length);
	assert_ptr_equal(segment.payload, checked->payload);
}

/*
 * Decodes a copy that has exactly @captured bytes, so that a sanitizer sees any read beyond. The
 * payload pointer does not outlive it.
 */
static enum decode_result decode_part(enum packet_link link, const struct build *build,
				      size_t captured, size_t length, struct segment *ret)
{
	uint8_t *copy = malloc(captured ? captured : 1);
	enum decode_result result;

	assert_non_null(copy);
	memcpy(copy, build->bytes + build->first, captured);
	memset(ret, 0x5a, sizeof(*ret));
	result = decode_packet_checked(link, copy, captured, length, ret);
	assert_unchecked(link, copy, captured, length, result, ret);
	if (result == DECODE_SEGMENT) {
		assert_true(ret->payload >= copy);
		assert_true(ret->payload + ret->payload_captured <= copy + captured);
		assert_true(ret->payload_captured <= ret->payload_length);
	}
	free(copy);
	return result;
}

static enum decode_result decode(enum packet_link link, const struct build *build,
				 struct segment *ret)
{
	return decode_part(link, build, length_of(build), length_of(build), ret);
}

static void assert_result(enum packet_link link, const struct build *build,
			  enum decode_result expected)
{
	struct segment untouched, segment;

	memset(&untouched, 0x5a, sizeof(untouched));
	segment = untouched;
	assert_string_equal(decode_result_name(decode(link, build, &segment)),
			    decode_result_name(expected));
	assert_memory_equal(&segment, &untouched, sizeof(segment));
}

/* The fields that every example has. */
static void assert_example(const struct segment *segment, int family, uint32_t payload)
{
	static const uint8_t zeros[12];
	char source[TCP_ENDPOINT_TEXT_MAX], target[TCP_ENDPOINT_TEXT_MAX];

	assert_string_equal(tcp_endpoint_format(&segment->source, source),
			    family == AF_INET ? "10.0.0.1:8080" : "[fd00::1]:8080");
	assert_string_equal(tcp_endpoint_format(&segment->target, target),
			    family == AF_INET ? "10.0.0.2:80" : "[fd00::2]:80");
	if (family == AF_INET) { /* whoever hashes takes all 16 */
		assert_memory_equal(segment->source.address.bytes + 4, zeros, sizeof(zeros));
		assert_memory_equal(segment->target.address.bytes + 4, zeros, sizeof(zeros));
	}
	assert_int_equal(segment->time_ns, 0);
	assert_int_equal(segment->seq, 0xffffffff);
	assert_int_equal(segment->ack, 0x01020304);
	assert_int_equal(segment->flags, TCP_FLAG_FIN | TCP_FLAG_ACK);
	assert_int_equal(segment->window, 0x1234);
	assert_int_equal(segment->ttl, family == AF_INET ? 61 : 63);
	assert_int_equal(segment->ip_id, family == AF_INET ? 0xabcd : 0);
	assert_int_equal(segment->payload_length, payload);
	assert_int_equal(segment_end(segment), payload);
	assert_true(segment->options.has_timestamps);
	assert_int_equal(segment->options.ts_value, 7);
	assert_int_equal(segment->options.ts_echo, 9);
	assert_false(segment->options.malformed);
}

static void assert_segment(enum packet_link link, const struct build *build, int family,
			   uint32_t payload)
{
	struct segment segment;

	assert_int_equal(decode(link, build, &segment), DECODE_SEGMENT);
	assert_example(&segment, family, payload);
	assert_int_equal(segment.payload_captured, payload);
	assert_false(segment.offloaded);
	assert_true(segment.checksum_known);
	assert_false(segment.checksum_bad);
}

static void test_raw(void **state)
{
	(void)state;
	assert_segment(PACKET_LINK_RAW, segment_v4(BUILD(), 0), AF_INET, 0);
	assert_segment(PACKET_LINK_RAW, segment_v6(BUILD(), 0), AF_INET6, 0);
	assert_segment(PACKET_LINK_IPV4, segment_v4(BUILD(), 1), AF_INET, 1);
	assert_segment(PACKET_LINK_IPV6, segment_v6(BUILD(), 2), AF_INET6, 2);
	assert_result(PACKET_LINK_IPV4, segment_v6(BUILD(), 2), DECODE_MALFORMED);
	assert_result(PACKET_LINK_IPV6, segment_v4(BUILD(), 2), DECODE_MALFORMED);
	assert_result(PACKET_LINK_OTHER, segment_v4(BUILD(), 0), DECODE_NOT_IP);
}

static void test_ethernet(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);
	struct build *arp = BUILD();

	(void)state;
	put_ethernet(build, 0x0800);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);
	build = segment_v6(BUILD(), 5);
	put_ethernet(build, 0x86dd);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET6, 5);
	put16(start(build) + 12, 0x0800);
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_MALFORMED);

	put_payload(arp, 46);
	put_ethernet(arp, 0x0806);
	assert_result(PACKET_LINK_ETHERNET, arp, DECODE_NOT_IP);
	put16(start(arp) + 12, 38); /* an 802.3 length */
	assert_result(PACKET_LINK_ETHERNET, arp, DECODE_NOT_IP);
	put16(start(arp) + 12, 0x8863); /* PPPoE's discovery */
	assert_result(PACKET_LINK_ETHERNET, arp, DECODE_NOT_IP);
	put16(start(arp) + 12, 0x88e5);
	assert_result(PACKET_LINK_ETHERNET, arp, DECODE_TUNNEL);
}

/* Every prefix of a packet of 5 bytes of payload: its headers are needed whole. */
static void assert_prefixes(enum packet_link link, const struct build *build)
{
	size_t length = length_of(build);
	struct segment segment;

	for (size_t captured = 0; captured < length - 5; captured++)
		assert_int_equal(decode_part(link, build, captured, length, &segment),
				 DECODE_TRUNCATED);
}

static void put_bytes(struct build *build, const uint8_t *bytes, size_t length)
{
	memcpy(front(build, length), bytes, length);
}

#define PUT(build, ...)                                                                            \
	put_bytes((build), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* IEEE 802.3: a length in place of the type, then LLC. */
static void test_llc(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);
	uint8_t *llc;

	(void)state;
	PUT(build, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00);
	llc = start(build);
	put_ethernet(build, (unsigned int)length_of(build));
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);
	assert_prefixes(PACKET_LINK_ETHERNET, build);
	llc[5] = 0xf8;
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);
	llc[5] = 0x0c; /* Cisco's own protocols */
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_NOT_IP);
	llc[5] = 0;
	llc[2] = 7;
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_NOT_IP);
	llc[2] = 3;
	llc[6] = 0; /* a length once more */
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_NOT_IP);
	llc[6] = 8;
	llc[1] = 0x42; /* from another service */
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_NOT_IP);
	llc[0] = 0x42; /* spanning tree */
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_NOT_IP);

	build = segment_v6(BUILD(), 5);
	PUT(build, 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd);
	put16(front(build, 4) + 2, (unsigned int)length_of(build)); /* within a VLAN */
	put_ethernet(build, 0x8100);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET6, 5);

	build = segment_v4(BUILD(), 5);
	PUT(build, 6, 6, 3);
	put_ethernet(build, 1500);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);
	put16(start(build) + 12, 1501); /* neither length nor type */
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_NOT_IP);
}

static void test_mpls(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	PUT(build, 0, 1, 0x01, 64);
	put_ethernet(build, 0x8847);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);

	build = segment_v6(BUILD(), 5);
	PUT(build, 0xff, 0xff, 0xf0, 64, 0, 0, 0x20, 64, 0, 0, 0x01, 64);
	put_ethernet(build, 0x8848);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET6, 5);
	assert_prefixes(PACKET_LINK_ETHERNET, build);

	build = segment_v4(BUILD(), 5);
	put_ethernet(build, 0x0800);
	PUT(build, 0, 0, 0, 0); /* a control word: the frame is carried whole */
	PUT(build, 0, 1, 0x01, 64);
	put_ethernet(build, 0x8847);
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_TUNNEL);

	build = BUILD();
	PUT(build, 0, 1, 0, 64, 0, 1, 0, 64); /* never the last */
	put_ethernet(build, 0x8847);
	assert_result(PACKET_LINK_ETHERNET, build, DECODE_MALFORMED);
}

static void put_pppoe(struct build *build)
{
	uint8_t *at = front(build, 6);

	at[0] = 0x11;
	at[3] = 7; /* session */
	put16(at + 4, (unsigned int)length_of(build) - 6);
}

static void test_pppoe(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	PUT(build, 0x00, 0x21);
	put_pppoe(build);
	assert_segment(PACKET_LINK_PPPOE, build, AF_INET, 5);
	put16(front(build, 4) + 2, 0x8864);
	put_ethernet(build, 0x8100);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);
	assert_prefixes(PACKET_LINK_ETHERNET, build);

	build = segment_v6(BUILD(), 5);
	PUT(build, 0x00, 0x57);
	put_pppoe(build);
	assert_segment(PACKET_LINK_PPPOE, build, AF_INET6, 5);
	start(build)[1] = 9; /* a PADI */
	assert_result(PACKET_LINK_PPPOE, build, DECODE_NOT_IP);
	start(build)[1] = 0;
	start(build)[0] = 0x21;
	assert_result(PACKET_LINK_PPPOE, build, DECODE_NOT_IP);
}

/* With and without address and control, with the protocol in two bytes and in one. */
static void test_ppp(void **state)
{
	static const enum packet_link links[] = {PACKET_LINK_PPP, PACKET_LINK_PPP_HDLC};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		struct build *build = segment_v4(BUILD(), 5);

		PUT(build, 0x21);
		assert_segment(links[i], build, AF_INET, 5);
		PUT(build, 0xff, 0x03);
		assert_segment(links[i], build, AF_INET, 5);
		assert_prefixes(links[i], build);

		build = segment_v6(BUILD(), 5);
		PUT(build, 0x00, 0x57);
		assert_segment(links[i], build, AF_INET6, 5);
		PUT(build, 0xff, 0x03);
		assert_segment(links[i], build, AF_INET6, 5);
		put16(start(build) + 2, 0xc021); /* LCP */
		assert_result(links[i], build, DECODE_NOT_IP);
		put16(start(build) + 2, 0x00fd);
		assert_result(links[i], build, DECODE_TUNNEL);
	}
}

static void test_ppp_mpls(void **state)
{
	struct build *build = segment_v6(BUILD(), 5);

	(void)state;
	PUT(build, 0x02, 0x81, 0, 1, 0x01, 64);
	assert_segment(PACKET_LINK_PPP, build, AF_INET6, 5);
	assert_prefixes(PACKET_LINK_PPP, build);
}

static void test_cisco_hdlc(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	PUT(build, 0x0f, 0, 0x08, 0x00);
	assert_segment(PACKET_LINK_PPP_HDLC, build, AF_INET, 5);
	assert_prefixes(PACKET_LINK_PPP_HDLC, build);
	start(build)[0] = 0x8f;
	put16(start(build) + 2, 0x8035); /* keep-alives of the line */
	assert_result(PACKET_LINK_PPP_HDLC, build, DECODE_NOT_IP);
}

/* One tag, two of 802.1ad, three of the old number. */
static void test_vlan(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	put16(front(build, 4) + 2, 0x0800);
	put_ethernet(build, 0x8100);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);

	build = segment_v6(BUILD(), 5);
	put16(front(build, 4) + 2, 0x86dd);
	put16(front(build, 4) + 2, 0x8100);
	put_ethernet(build, 0x88a8);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET6, 5);

	build = segment_v4(BUILD(), 5);
	put16(front(build, 4) + 2, 0x0800);
	put16(front(build, 4) + 2, 0x8100);
	put16(front(build, 4) + 2, 0x9100);
	put_ethernet(build, 0x9100);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET, 5);
}

static void test_cooked(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	put16(front(build, 16) + 14, 0x0800);
	assert_segment(PACKET_LINK_SLL, build, AF_INET, 5);
	build = segment_v6(BUILD(), 5);
	put16(front(build, 4) + 2, 0x86dd);
	put16(front(build, 16) + 14, 0x8100);
	assert_segment(PACKET_LINK_SLL, build, AF_INET6, 5);
	build = segment_v6(BUILD(), 5);
	put16(front(build, 20), 0x86dd);
	assert_segment(PACKET_LINK_SLL2, build, AF_INET6, 5);
	put16(start(build), 0x0806);
	assert_result(PACKET_LINK_SLL2, build, DECODE_NOT_IP);

	build = segment_v4(BUILD(), 5);
	put16(front(build, 4) + 2, 0x0800);
	put16(front(build, 4) + 2, 0x8100);
	put16(front(build, 20), 0x88a8);
	assert_segment(PACKET_LINK_SLL2, build, AF_INET, 5);
	build = segment_v4(BUILD(), 5);
	PUT(build, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00);
	put16(front(build, 16) + 14, 4); /* LLC */
	assert_segment(PACKET_LINK_SLL, build, AF_INET, 5);
	put16(start(build) + 14, 12); /* a CAN bus */
	assert_result(PACKET_LINK_SLL, build, DECODE_NOT_IP);
}

static void test_loopback(void **state)
{
	static const uint8_t v6_families[] = {10, 24, 28, 30};
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	front(build, 4)[0] = 2; /* little-endian */
	assert_segment(PACKET_LINK_NULL, build, AF_INET, 5);
	memcpy(start(build), (uint8_t[]){0, 0, 0, 2}, 4);
	assert_segment(PACKET_LINK_NULL, build, AF_INET, 5);
	assert_segment(PACKET_LINK_LOOP, build, AF_INET, 5);
	memcpy(start(build), (uint8_t[]){0, 0, 0, 7}, 4);
	assert_result(PACKET_LINK_LOOP, build, DECODE_NOT_IP);

	build = segment_v6(BUILD(), 5);
	front(build, 4);
	for (size_t i = 0; i < ARRAY_SIZE(v6_families); i++) {
		start(build)[3] = v6_families[i];
		assert_segment(PACKET_LINK_LOOP, build, AF_INET6, 5);
	}
}

/* What follows the IP packet in the frame is not payload. */
static void test_padding(void **state)
{
	struct build *build = BUILD();
	struct segment segment;
	uint8_t *tcp;

	(void)state;
	put_payload(build, 6); /* a frame of 60 bytes around an IP packet of 40 */
	tcp = front(build, 20);
	memcpy(tcp, tcp_example, 20);
	tcp[12] = 0x50;
	put16(put_ipv4(build, 6, 0) + 2, 40);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	put_ethernet(build, 0x0800);
	assert_int_equal(length_of(build), 60);
	assert_int_equal(decode(PACKET_LINK_ETHERNET, build, &segment), DECODE_SEGMENT);
	assert_int_equal(segment.payload_length, 0);
	assert_int_equal(segment.payload_captured, 0);
	assert_true(segment.checksum_known);
	assert_false(segment.checksum_bad);

	build = BUILD();
	put_payload(build, 4); /* a frame check sequence */
	put_payload(build, 10);
	put_tcp(build);
	put16(put_ipv6(build, 6) + 4, sizeof(tcp_example) + 10);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	put_ethernet(build, 0x86dd);
	assert_segment(PACKET_LINK_ETHERNET, build, AF_INET6, 10);
}

/* Every prefix of a packet: headers are needed whole, payload is not. */
static void test_snap_length(void **state)
{
	struct build *builds[] = {segment_v4(BUILD(), 30), segment_v6(BUILD(), 30)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
		size_t length = length_of(builds[i]), headers = length - 30;

		for (size_t captured = 0; captured < length; captured++) {
			struct segment segment;
			enum decode_result result = decode_part(PACKET_LINK_RAW, builds[i],
								captured, length, &segment);

			assert_int_equal(result,
					 captured < headers ? DECODE_TRUNCATED : DECODE_SEGMENT);
			if (result != DECODE_SEGMENT)
				continue;
			assert_example(&segment, i == 0 ? AF_INET : AF_INET6, 30);
			assert_int_equal(segment.payload_captured, captured - headers);
			assert_false(segment.checksum_known);
			assert_false(segment.checksum_bad);
		}
	}
}

/* The same prefixes as whole frames: the IP length says more than there is. */
static void test_too_short(void **state)
{
	struct build *builds[] = {segment_v4(BUILD(), 30), segment_v6(BUILD(), 30)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
		for (size_t length = 0; length < length_of(builds[i]); length++) {
			struct segment segment;

			assert_int_equal(
				decode_part(PACKET_LINK_RAW, builds[i], length, length, &segment),
				DECODE_MALFORMED);
		}
	}
}

/* A record that says less for the wire than it holds. */
static void test_wire_length_missing(void **state)
{
	struct build *build = segment_v4(BUILD(), 30);
	struct segment segment;

	(void)state;
	assert_int_equal(decode_part(PACKET_LINK_RAW, build, length_of(build), 0, &segment),
			 DECODE_SEGMENT);
	assert_example(&segment, AF_INET, 30);
}

static void test_offload(void **state)
{
	struct build *build = segment_v4(BUILD(), 30);
	struct segment segment;

	(void)state;
	put16(start(build) + 2, 0);
	put_ethernet(build, 0x0800);
	assert_int_equal(decode(PACKET_LINK_ETHERNET, build, &segment), DECODE_SEGMENT);
	assert_example(&segment, AF_INET, 30);
	assert_true(segment.offloaded);

	/* Truncated as well: the length on the wire counts. */
	assert_int_equal(decode_part(PACKET_LINK_ETHERNET, build, 14 + 52 + 3,
				     length_of(build) + 60000, &segment),
			 DECODE_SEGMENT);
	assert_int_equal(segment.payload_length, 60030);
	assert_int_equal(segment.payload_captured, 3);

	build = segment_v6(BUILD(), 30);
	put16(start(build) + 4, 0);
	assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
	assert_example(&segment, AF_INET6, 30);
	assert_true(segment.offloaded);
}

/* With a jumbo option (BIG TCP of Linux) its length rules, not the frame's. */
static void test_jumbo(void **state)
{
	struct build *build = BUILD();
	struct segment segment;
	uint8_t *hop;

	(void)state;
	put_payload(build, 4); /* behind the packet */
	put_payload(build, 30);
	put_tcp(build);
	hop = front(build, 8);
	memcpy(hop, (uint8_t[]){6, 0, 0xc2, 4, 0, 0, 0, 8 + 32 + 30}, 8);
	put16(put_ipv6(build, 0) + 4, 0);
	assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
	assert_example(&segment, AF_INET6, 30);
	assert_true(segment.offloaded);

	start(build)[40 + 7] = 200; /* more than the frame */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
	start(build)[40 + 7] = 7; /* less than the option's own header */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
	start(build)[40 + 3] = 5; /* an option beyond its header */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
}

static void test_checksum(void **state)
{
	struct build *builds[] = {segment_v4(BUILD(), 31), segment_v6(BUILD(), 31)};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
		size_t length = length_of(builds[i]);
		struct segment segment;

		start(builds[i])[length - 1] ^= 1;
		assert_int_equal(decode(PACKET_LINK_RAW, builds[i], &segment), DECODE_SEGMENT);
		assert_true(segment.checksum_known);
		assert_true(segment.checksum_bad);
	}
}

/* A checksum known from outside: a SYN of 10.0.0.1:1024 to 10.0.0.2:80, summed by hand. */
static void test_checksum_by_hand(void **state)
{
	uint8_t packet[40] = {
		0x45, 0,    0,	  40, 0, 0, 0, 0, 64, 6, 0, 0, 10,   0, 0, 1, 10, 0, 0, 2,
		0x04, 0x00, 0x00, 80, 0, 0, 0, 1, 0,  0, 0, 0, 0x50, 2, 0, 0, 0,  0, 0, 0,
	};

	(void)state;
	assert_int_equal(packet_fix_checksums(packet, sizeof(packet)), 0);
	/* 4500 + 0028 + 4006 + 0a00 + 0001 + 0a00 + 0002 = 9931, inverted */
	assert_int_equal(packet[10] << 8 | packet[11], 0x66ce);
	/* 0a00 + 0001 + 0a00 + 0002 + 0006 + 0014 + 0400 + 0050 + 0001 + 5002 = 6870, inverted */
	assert_int_equal(packet[36] << 8 | packet[37], 0x978f);
}

static void test_ipv4_options(void **state)
{
	struct build *build = BUILD();
	uint8_t *ip;

	(void)state;
	put_payload(build, 5);
	put_tcp(build);
	memset(front(build, 8), 1, 8);
	ip = put_ipv4(build, 6, 0);
	ip[0] = 0x47;
	assert_int_equal(packet_fix_checksums(ip, length_of(build)), 0);
	assert_segment(PACKET_LINK_RAW, build, AF_INET, 5);
	ip[0] = 0x44;
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
	ip[0] = 0x4f;
	put16(ip + 2, 40); /* shorter than the header */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
}

static void test_tcp_lengths(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);
	struct segment segment;
	uint8_t *tcp = start(build) + 20;

	(void)state;
	tcp[12] = 0x40;
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
	tcp[12] = 0xf0; /* 60 bytes of 37 */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
	tcp[12] = 0x80;
	tcp[23] = 40; /* the timestamps option runs out of the header */
	assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
	assert_true(segment.options.malformed);
	put16(start(build) + 2, 39); /* 19 bytes for TCP */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), -EINVAL);
}

static void test_fragments(void **state)
{
	struct build *build = segment_v4(BUILD(), 12);
	struct segment segment;
	uint8_t *ip = start(build);

	(void)state;
	put16(ip + 6, 0x2000); /* the first: its own bytes, the whole is not known */
	assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
	assert_example(&segment, AF_INET, 12);
	assert_false(segment.checksum_known);
	assert_int_equal(packet_fix_checksums(ip, length_of(build)), -EINVAL);
	put16(ip + 6, 0x2001);
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
	put16(ip + 6, 0x1000); /* the last */
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
	ip[9] = 17;
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);

	/* Tiny: the header's end, and its options, are in the second. */
	ip[9] = 6;
	put16(ip + 6, 0x2000);
	put16(ip + 2, 20 + 8);
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
	put16(ip + 2, 20 + 24);
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
}

/* Extension headers before TCP; @last is put directly before it. */
static struct build *extended(struct build *build, const uint8_t last[8], uint8_t number)
{
	put_payload(build, 5);
	put_tcp(build);
	memcpy(front(build, 8), last, 8);
	memcpy(front(build, 16), (uint8_t[]){number, 1, 1, 12}, 4); /* hop-by-hop, all padding */
	put_ipv6(build, 0);
	return build;
}

static void test_extensions(void **state)
{
	struct build *build;
	struct segment segment;

	(void)state;
	build = extended(BUILD(), (uint8_t[8]){6, 0, 1, 4}, 60); /* destination options */
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	assert_segment(PACKET_LINK_RAW, build, AF_INET6, 5);

	build = extended(BUILD(), (uint8_t[8]){6, 0, 4, 0}, 43); /* a routing header used up */
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	assert_segment(PACKET_LINK_RAW, build, AF_INET6, 5);
	start(build)[40 + 16 + 3] = 1; /* another target to come: that one is summed */
	assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
	assert_false(segment.checksum_known);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), -EINVAL);

	build = extended(BUILD(), (uint8_t[8]){6, 0}, 51); /* AH of 8 bytes */
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	assert_segment(PACKET_LINK_RAW, build, AF_INET6, 5);

	build = extended(BUILD(), (uint8_t[8]){59, 0}, 60);
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
	build = extended(BUILD(), (uint8_t[8]){6, 255}, 60); /* longer than the packet */
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
}

static void test_extension_cut(void **state)
{
	struct build *build = extended(BUILD(), (uint8_t[8]){6, 0, 1, 4}, 60);
	size_t length = length_of(build);

	(void)state;
	for (size_t captured = 0; captured < length - 5; captured++) {
		struct segment segment;

		assert_int_equal(decode_part(PACKET_LINK_RAW, build, captured, length, &segment),
				 DECODE_TRUNCATED);
	}
}

static void test_ipv6_fragments(void **state)
{
	struct build *build = extended(BUILD(), (uint8_t[8]){6, 0, 0, 0, 1, 2, 3, 4}, 44);
	uint8_t *fragment = start(build) + 40 + 16;
	struct segment segment;

	(void)state;
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	assert_segment(PACKET_LINK_RAW, build, AF_INET6, 5); /* atomic */
	fragment[3] = 1;
	assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
	assert_false(segment.checksum_known);
	fragment[3] = 8;
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
	fragment[0] = 60; /* what follows is the middle of something, not an extension header */
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
	fragment[0] = 17;
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);

	build = extended(BUILD(), (uint8_t[8]){6, 0, 0, 1, 1, 2, 3, 4}, 44);
	fragment = start(build) + 40;
	memcpy(fragment, (uint8_t[16]){44, 0, 0, 1, 1, 2, 3, 5}, 16); /* a piece of a piece */
	fragment[8] = 44;
	fragment[11] = 1;
	start(build)[6] = 44;
	assert_result(PACKET_LINK_RAW, build, DECODE_MALFORMED);
}

static void test_ipv4_authentication(void **state)
{
	struct build *build = BUILD();

	(void)state;
	put_payload(build, 5);
	put_tcp(build);
	memcpy(front(build, 24), (uint8_t[]){6, 4}, 2);
	put_ipv4(build, 51, 0);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	assert_segment(PACKET_LINK_RAW, build, AF_INET, 5);
	start(build)[9] = 60; /* no extension header in IPv4 */
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
	put16(start(build) + 6, 1);
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
	start(build)[9] = 51;
	assert_result(PACKET_LINK_RAW, build, DECODE_FRAGMENT);
}

static void test_tunnels(void **state)
{
	static const uint8_t tunnels[] = {4, 41, 47, 50, 94, 97, 115, 137};
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	put_ipv4(build, 4, 0);
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++) {
		start(build)[9] = tunnels[i];
		assert_result(PACKET_LINK_RAW, build, DECODE_TUNNEL);
	}
	start(build)[9] = 17;
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);

	build = segment_v6(BUILD(), 5);
	put_ipv6(build, 41);
	assert_result(PACKET_LINK_RAW, build, DECODE_TUNNEL);
	build = segment_v6(BUILD(), 5);
	put_ipv4(build, 41, 0);
	assert_result(PACKET_LINK_RAW, build, DECODE_TUNNEL);
}

/* Packets in UDP, told by the port that they go to. */
static void test_udp_tunnels(void **state)
{
	static const unsigned int ports[] = {2152, 4789, 6081, 8472};
	struct build *build = segment_v4(BUILD(), 5);
	uint8_t *udp;

	(void)state;
	put_ethernet(build, 0x0800);
	udp = front(build, 16); /* with VXLAN's header */
	put_ipv4(build, 17, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		put16(udp + 2, ports[i]);
		assert_result(PACKET_LINK_RAW, build, DECODE_TUNNEL);
	}
	put16(start(build) + 6, 1);
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
	put16(start(build) + 6, 0);
	put16(udp, 4789);
	put16(udp + 2, 53);
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
}

static void test_icmp_quote(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	memcpy(front(build, 8), (uint8_t[]){3, 3}, 2);
	put_ipv4(build, 1, 0);
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
	build = segment_v6(BUILD(), 5);
	memcpy(front(build, 8), (uint8_t[]){1, 4}, 2);
	put_ipv6(build, 58);
	assert_result(PACKET_LINK_RAW, build, DECODE_NOT_TCP);
}

/* Flags as they are, however odd: what they mean is for others to say. */
static void test_scans(void **state)
{
	static const uint8_t flags[] = {0, TCP_FLAG_SYN | TCP_FLAG_FIN, 0xff};
	struct build *build = segment_v4(BUILD(), 0);
	struct segment segment;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		start(build)[20 + 13] = flags[i];
		assert_int_equal(decode(PACKET_LINK_RAW, build, &segment), DECODE_SEGMENT);
		assert_int_equal(segment.flags, flags[i]);
	}
}

static void test_fix_refuses(void **state)
{
	struct build *build = segment_v4(BUILD(), 5);

	(void)state;
	assert_int_equal(packet_fix_checksums(start(build), length_of(build) - 1), -EINVAL);
	assert_int_equal(packet_fix_checksums(start(build), 0), -EINVAL);
	put16(start(build) + 2, 0);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), -EINVAL);
	start(build)[9] = 17;
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), -EINVAL);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(decode_result_name(DECODE_NOT_IP), "not IP");
	assert_string_equal(decode_result_name(DECODE_MALFORMED), "malformed");
	assert_string_equal(decode_result_name((enum decode_result)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_ethernet),
		cmocka_unit_test(test_llc),
		cmocka_unit_test(test_mpls),
		cmocka_unit_test(test_pppoe),
		cmocka_unit_test(test_ppp),
		cmocka_unit_test(test_ppp_mpls),
		cmocka_unit_test(test_cisco_hdlc),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_cooked),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_snap_length),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_wire_length_missing),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_jumbo),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_checksum_by_hand),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_tcp_lengths),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_extension_cut),
		cmocka_unit_test(test_ipv6_fragments),
		cmocka_unit_test(test_ipv4_authentication),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_udp_tunnels),
		cmocka_unit_test(test_icmp_quote),
		cmocka_unit_test(test_scans),
		cmocka_unit_test(test_fix_refuses),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
