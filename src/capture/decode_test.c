#include "capture/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "capture/decode_testing.h"

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
