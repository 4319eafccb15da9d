#include "capture/decode.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "capture/decode_parts.h"

enum { TCP_HEADER_MIN = 20 };

int tcp_header_length(const struct datagram *ip, size_t *ret)
{
	const struct window *body = &ip->body;
	size_t header = TCP_HEADER_MIN;
	int r = window_need(body, header);

	if (r == GO_ON) {
		header = (body->at[12] >> 4) * 4u;
		r = header < TCP_HEADER_MIN ? DECODE_MALFORMED : window_need(body, header);
	}
	/* The first fragment may end within the header, as the tiny ones of RFC 1858 3 do. */
	if (ip->fragment && header > body->length)
		return DECODE_FRAGMENT;
	if (r == GO_ON)
		*ret = header;
	return r;
}

static void address_fill(struct tcp_address *ret, uint8_t version, const uint8_t *bytes)
{
	if (version == 4) {
		ret->family = AF_INET;
		memcpy(ret->bytes, bytes, 4);
		memset(ret->bytes + 4, 0, 12);
	} else {
		ret->family = AF_INET6;
		memcpy(ret->bytes, bytes, 16);
	}
}

/* Field by field: this is done for each packet, and half of a segment is SACK blocks that few have.
 */
static void tcp_fill(const struct datagram *ip, size_t header, struct segment *ret)
{
	const uint8_t *at = ip->body.at;

	ret->time_ns = 0;
	address_fill(&ret->source.address, ip->version, ip->source);
	address_fill(&ret->target.address, ip->version, ip->target);
	ret->source.port = get16(at);
	ret->target.port = get16(at + 2);
	ret->seq = get32(at + 4);
	ret->ack = get32(at + 8);
	ret->flags = at[13];
	ret->window = get16(at + 14);
	ret->ttl = ip->ttl;
	ret->ip_id = ip->id;
	ret->payload = at + header;
	ret->payload_length = (uint32_t)(ip->body.length - header);
	ret->payload_captured = (uint32_t)(ip->body.captured - header);
	ret->offloaded = ip->offloaded;
	ret->checksum_known = ret->checksum_bad = false;
	tcp_options_decode(at + TCP_HEADER_MIN, header - TCP_HEADER_MIN, &ret->options);
}

int tcp_decode(const struct datagram *ip, struct segment *ret)
{
	size_t header;
	int r = tcp_header_length(ip, &header);

	if (r == GO_ON)
		tcp_fill(ip, header, ret);
	return r;
}

int datagram_decode(enum packet_link link, const uint8_t *data, size_t captured, size_t length,
		    struct datagram *ip)
{
	int r;

	/* Recorders exist that leave the length on the wire 0. */
	ip->body = (struct window){
		.at = data,
		.captured = captured,
		.length = length > captured ? length : captured,
	};
	ip->fragment = false;
	r = link_decode(link, &ip->body, &ip->version);
	return r == GO_ON ? ip_decode(ip) : r;
}

enum decode_result decode_packet(enum packet_link link, const uint8_t *data, size_t captured,
				 size_t length, struct segment *ret)
{
	struct datagram ip;
	int r = datagram_decode(link, data, captured, length, &ip);

	if (r == GO_ON)
		r = tcp_decode(&ip, ret);
	return (enum decode_result)r;
}

const char *decode_result_name(enum decode_result result)
{
	static const char *const names[] = {
		[DECODE_SEGMENT] = "a TCP segment",
		[DECODE_NOT_IP] = "not IP",
		[DECODE_NOT_TCP] = "not TCP",
		[DECODE_FRAGMENT] = "a fragment without TCP header",
		[DECODE_TUNNEL] = "in a tunnel",
		[DECODE_TRUNCATED] = "captured too short",
		[DECODE_MALFORMED] = "malformed",
	};

	static_assert(ARRAY_SIZE(names) == DECODE_MALFORMED + 1, "a name for each result");
	return (size_t)result < ARRAY_SIZE(names) ? names[result] : "unknown";
}
