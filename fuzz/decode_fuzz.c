/*
 * The packet decoder: the first byte picks the link type, the second and third say how much more
 * than was captured had been on the wire, the rest is the packet.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "capture/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_untouched(const struct segment *segment)
{
	const uint8_t *bytes = (const uint8_t *)segment;

	for (size_t i = 0; i < sizeof(*segment); i++)
		CHECK(bytes[i] == 0x5a);
}

static void check_segment(const struct segment *segment, const uint8_t *packet, size_t captured,
			  size_t length)
{
	CHECK(segment->payload >= packet);
	CHECK(segment->payload_captured <= packet + captured - segment->payload);
	CHECK(segment->payload_captured <= segment->payload_length);
	CHECK(segment->payload_length + 40 <= length); /* the smallest headers */
	CHECK(segment->payload_captured == segment->payload_length || !segment->checksum_known);
	CHECK(segment->checksum_known || !segment->checksum_bad);
	CHECK(segment->source.address.family == segment->target.address.family);
	CHECK(segment->source.address.family == AF_INET ||
	      segment->source.address.family == AF_INET6);
	CHECK(segment->options.sack_count <= ARRAY_SIZE(segment->options.sack));
}

/* Whoever asks for the checksum gets the same, and the answer. */
static void check_checked(enum packet_link link, const uint8_t *packet, size_t captured,
			  size_t length, const struct segment *unchecked)
{
	struct segment segment;

	CHECK(decode_packet_checked(link, packet, captured, length, &segment) == DECODE_SEGMENT);
	check_segment(&segment, packet, captured, length);
	CHECK(!unchecked->checksum_known && !unchecked->checksum_bad);
	CHECK(segment.seq == unchecked->seq && segment.flags == unchecked->flags);
	CHECK(segment.payload == unchecked->payload);
	CHECK(segment.payload_length == unchecked->payload_length);
}

/* A packet whose checksums were set has right ones, and stays what it is otherwise. */
static void check_fix(const uint8_t *packet, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct segment before, after;

	CHECK(copy);
	memcpy(copy, packet, size);
	if (packet_fix_checksums(copy, size) < 0) {
		CHECK(memcmp(copy, packet, size) == 0);
	} else {
		CHECK(decode_packet(PACKET_LINK_RAW, packet, size, size, &before) ==
		      DECODE_SEGMENT);
		CHECK(decode_packet_checked(PACKET_LINK_RAW, copy, size, size, &after) ==
		      DECODE_SEGMENT);
		CHECK(after.checksum_known && !after.checksum_bad);
		CHECK(tcp_endpoint_equal(&before.source, &after.source));
		CHECK(before.seq == after.seq && before.payload_length == after.payload_length);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum packet_link links[] = {
		PACKET_LINK_NULL, PACKET_LINK_ETHERNET, PACKET_LINK_RAW,   PACKET_LINK_LOOP,
		PACKET_LINK_SLL,  PACKET_LINK_IPV4,	PACKET_LINK_IPV6,  PACKET_LINK_SLL2,
		PACKET_LINK_PPP,  PACKET_LINK_PPP_HDLC, PACKET_LINK_PPPOE,
	};
	struct segment segment;
	enum packet_link link;
	enum decode_result result;
	uint8_t *packet;
	size_t length;

	if (size < 3)
		return 0;
	link = links[data[0] % ARRAY_SIZE(links)];
	length = size - 3 + (size_t)(data[1] << 8 | data[2]);
	size -= 3;
	packet = malloc(size ? size : 1); /* exactly as long, for the sanitizer */
	CHECK(packet);
	memcpy(packet, data + 3, size);

	memset(&segment, 0x5a, sizeof(segment));
	result = decode_packet(link, packet, size, length, &segment);
	CHECK(strcmp(decode_result_name(result), "unknown") != 0);
	if (result == DECODE_SEGMENT) {
		check_segment(&segment, packet, size, length);
		check_checked(link, packet, size, length, &segment);
	} else {
		check_untouched(&segment);
	}
	if (link == PACKET_LINK_RAW)
		check_fix(packet, size);
	free(packet);
	return 0;
}
