#include "capture/decode_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint8_t *front(struct build *build, size_t length)
{
	assert_true(build->first >= length);
	build->first -= length;
	return memset(build->bytes + build->first, 0, length);
}

size_t length_of(const struct build *build)
{
	return sizeof(build->bytes) - build->first;
}

uint8_t *start(struct build *build)
{
	return build->bytes + build->first;
}

void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void put_payload(struct build *build, size_t length)
{
	memset(front(build, length), 'p', length);
}

const uint8_t tcp_example[TCP_EXAMPLE] = {
	0x1f, 0x90, 0x00, 0x50, /* 8080 to 80 */
	0xff, 0xff, 0xff, 0xff, /* seq, the last before it wraps */
	0x01, 0x02, 0x03, 0x04, /* ack */
	0x80, 0x11, 0x12, 0x34, /* 32 bytes, FIN and ACK, window */
	0x00, 0x00, 0x00, 0x00, /* checksum, urgent pointer */
	1,    1,    8,	  10,	/* two no-operations, timestamps */
	0,    0,    0,	  7,	0, 0, 0, 9,
};

void put_tcp(struct build *build)
{
	memcpy(front(build, sizeof(tcp_example)), tcp_example, sizeof(tcp_example));
}

uint8_t *put_ipv4(struct build *build, uint8_t protocol, unsigned int fragment)
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

uint8_t *put_ipv6(struct build *build, uint8_t next)
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

void put_ethernet(struct build *build, unsigned int type)
{
	put16(front(build, 14) + 12, type);
}

struct build *segment_v4(struct build *build, size_t payload)
{
	put_payload(build, payload);
	put_tcp(build);
	put_ipv4(build, 6, 0x4000);
	assert_int_equal(packet_fix_checksums(start(build), length_of(build)), 0);
	return build;
}

struct build *segment_v6(struct build *build, size_t payload)
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

enum decode_result decode_part(enum packet_link link, const struct build *build, size_t captured,
			       size_t length, struct segment *ret)
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

enum decode_result decode(enum packet_link link, const struct build *build, struct segment *ret)
{
	return decode_part(link, build, length_of(build), length_of(build), ret);
}

void assert_result(enum packet_link link, const struct build *build, enum decode_result expected)
{
	struct segment untouched, segment;

	memset(&untouched, 0x5a, sizeof(untouched));
	segment = untouched;
	assert_string_equal(decode_result_name(decode(link, build, &segment)),
			    decode_result_name(expected));
	assert_memory_equal(&segment, &untouched, sizeof(segment));
}

void assert_example(const struct segment *segment, int family, uint32_t payload)
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

void assert_segment(enum packet_link link, const struct build *build, int family, uint32_t payload)
{
	struct segment segment;

	assert_int_equal(decode(link, build, &segment), DECODE_SEGMENT);
	assert_example(&segment, family, payload);
	assert_int_equal(segment.payload_captured, payload);
	assert_false(segment.offloaded);
	assert_true(segment.checksum_known);
	assert_false(segment.checksum_bad);
}

void assert_prefixes(enum packet_link link, const struct build *build)
{
	size_t length = length_of(build);
	struct segment segment;

	for (size_t captured = 0; captured < length - 5; captured++)
		assert_int_equal(decode_part(link, build, captured, length, &segment),
				 DECODE_TRUNCATED);
}

void put_bytes(struct build *build, const uint8_t *bytes, size_t length)
{
	memcpy(front(build, length), bytes, length);
}
