/*
 * The Internet checksum (RFC 1071), in the byte order of the machine (section 2 (B)): of segments,
 * to check it and to set it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "capture/decode_parts.h"

enum {
	TCP_CHECKSUM_AT = 16,
	IPV4_CHECKSUM_AT = 10,
};

static uint64_t checksum_add(uint64_t sum, const void *data, size_t length)
{
	const uint8_t *at = data;
	uint32_t word;

	for (; length >= sizeof(word); at += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, at, length);
	return sum + word;
}

static uint16_t checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Over pseudo header and segment. The 32-bit length of RFC 8200 8.1 serves RFC 9293 3.1 as well:
 * its upper half is zero, or the packet is one of segmentation offload. */
static uint16_t checksum_tcp(const struct datagram *ip)
{
	uint32_t tail[2] = {htonl((uint32_t)ip->body.length), htonl(IPPROTO_TCP)};
	size_t address = ip->version == 4 ? 4 : 16;
	uint64_t sum = 0;

	sum = checksum_add(sum, ip->source, address);
	sum = checksum_add(sum, ip->target, address);
	sum = checksum_add(sum, tail, sizeof(tail));
	return checksum_fold(checksum_add(sum, ip->body.at, ip->body.length));
}

static bool checksum_possible(const struct datagram *ip)
{
	return ip->body.captured == ip->body.length && !ip->fragment && !ip->rerouted;
}

enum decode_result decode_packet_checked(enum packet_link link, const uint8_t *data,
					 size_t captured, size_t length, struct segment *ret)
{
	struct datagram ip;
	int r = datagram_decode(link, data, captured, length, &ip);

	if (r == GO_ON)
		r = tcp_decode(&ip, ret);
	if (r != GO_ON)
		return (enum decode_result)r;
	ret->checksum_known = checksum_possible(&ip);
	ret->checksum_bad = ret->checksum_known && checksum_tcp(&ip) != 0xffff;
	return DECODE_SEGMENT;
}

static void checksum_clear(uint8_t *at)
{
	memset(at, 0, sizeof(uint16_t));
}

static void checksum_write(uint8_t *at, uint16_t sum)
{
	uint16_t value = (uint16_t)~sum;

	memcpy(at, &value, sizeof(value));
}

int packet_fix_checksums(uint8_t *data, size_t length)
{
	struct datagram ip;
	size_t header;
	uint8_t *tcp;

	if (datagram_decode(PACKET_LINK_RAW, data, length, length, &ip) != GO_ON ||
	    tcp_header_length(&ip, &header) != GO_ON || ip.offloaded || !checksum_possible(&ip))
		return -EINVAL;

	if (ip.version == 4) {
		checksum_clear(data + IPV4_CHECKSUM_AT);
		checksum_write(data + IPV4_CHECKSUM_AT,
			       checksum_fold(checksum_add(0, data, (data[0] & 0xfu) * 4)));
	}
	tcp = data + (ip.body.at - data);
	checksum_clear(tcp + TCP_CHECKSUM_AT);
	checksum_write(tcp + TCP_CHECKSUM_AT, checksum_tcp(&ip));
	return 0;
}
