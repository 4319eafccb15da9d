#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "capture/decode_testing.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw),	 cmocka_unit_test(test_ethernet),
		cmocka_unit_test(test_llc),	 cmocka_unit_test(test_mpls),
		cmocka_unit_test(test_pppoe),	 cmocka_unit_test(test_ppp),
		cmocka_unit_test(test_ppp_mpls), cmocka_unit_test(test_cisco_hdlc),
		cmocka_unit_test(test_vlan),	 cmocka_unit_test(test_cooked),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
