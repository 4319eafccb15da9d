/*
 * A packet is looked at through a window that every header narrows: skipped at its front by the
 * header's own length, cut at its end by the IP length. The window keeps two ends, what was
 * captured and what was on the wire: a header beyond the first is truncated, beyond the second a
 * contradiction. No byte is read that window_need() has not allowed.
 */
#include "capture/decode.h"

#include <assert.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"

enum {
	GO_ON = DECODE_SEGMENT, /* what every step returns while nothing speaks against a segment */

	ETHERNET_HEADER = 14,
	VLAN_TAG = 4,
	FAMILY_HEADER = 4,
	SLL_HEADER = 16,
	SLL2_HEADER = 20,
	IPV4_HEADER_MIN = 20,
	IPV6_HEADER = 40,
	TCP_HEADER_MIN = 20,
	TCP_CHECKSUM_AT = 16,
	IPV4_CHECKSUM_AT = 10,

	ETHERTYPE_QINQ = 0x88a8,     /* IEEE 802.1ad */
	ETHERTYPE_QINQ_OLD = 0x9100, /* before the standard */
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_PPPOE = 0x8864,

	/* Protocol numbers (IANA "Protocol Numbers") that <netinet/in.h> has no name for. */
	PROTOCOL_IPIP_MICRO = 94, /* "IP-within-IP Encapsulation Protocol" of 1991 */
	PROTOCOL_ETHERIP = 97,
	PROTOCOL_L2TP = 115,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,
};

struct window {
	const uint8_t *at;
	size_t captured, length; /* from @at on; captured is never more than length */
};

/* What the IP headers say, and the window on what they carry. */
struct datagram {
	struct tcp_address source, target;
	struct window body;
	uint8_t protocol, ttl;
	uint16_t id;
	bool offloaded;	     /* no length in the header, the frame's was taken */
	bool fragment;	     /* not the whole datagram: more fragments follow, or offset above 0 */
	bool without_header; /* offset above 0 */
	bool rerouted;	     /* target is not the one in the pseudo header (RFC 8200 8.1) */
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static int window_need(const struct window *window, size_t bytes)
{
	if (bytes > window->length)
		return DECODE_MALFORMED;
	return bytes > window->captured ? DECODE_TRUNCATED : GO_ON;
}

/* After window_need(@bytes). */
static void window_skip(struct window *window, size_t bytes)
{
	window->at += bytes;
	window->captured -= bytes;
	window->length -= bytes;
}

/* Whatever lies behind @bytes (padding, FCS) does not belong to it. */
static int window_cut(struct window *window, size_t bytes)
{
	if (bytes > window->length)
		return DECODE_MALFORMED;
	window->length = bytes;
	if (window->captured > bytes)
		window->captured = bytes;
	return GO_ON;
}

/* --- The Internet checksum (RFC 1071), in the byte order of the machine (section 2 (B)). --- */

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

static size_t address_length(const struct tcp_address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

/* Over pseudo header and segment. The 32-bit length of RFC 8200 8.1 serves RFC 9293 3.1 as well:
 * its upper half is zero, or the packet is one of segmentation offload. */
static uint16_t checksum_tcp(const struct datagram *ip)
{
	uint32_t tail[2] = {htonl((uint32_t)ip->body.length), htonl(IPPROTO_TCP)};
	uint64_t sum = 0;

	sum = checksum_add(sum, ip->source.bytes, address_length(&ip->source));
	sum = checksum_add(sum, ip->target.bytes, address_length(&ip->target));
	sum = checksum_add(sum, tail, sizeof(tail));
	return checksum_fold(checksum_add(sum, ip->body.at, ip->body.length));
}

static bool checksum_possible(const struct datagram *ip)
{
	return ip->body.captured == ip->body.length && !ip->fragment && !ip->rerouted;
}

/* --- IP --- */

/*
 * IPv6 payload length 0 is either what Linux makes of a packet above 64 KiB (BIG TCP) and of a
 * capture before segmentation, or a jumbogram, whose hop-by-hop option has the length (RFC 2675 2).
 * @options are those of the hop-by-hop header, @ip->body begins with it.
 */
static int ipv6_jumbo(struct datagram *ip, const uint8_t *options, size_t length)
{
	enum { PAD1 = 0, JUMBO = 0xc2 };
	size_t at = 0;

	while (at < length) {
		if (options[at] == PAD1) {
			at++;
			continue;
		}
		if (length - at < 2 || options[at + 1] > length - at - 2)
			return DECODE_MALFORMED;
		if (options[at] == JUMBO && options[at + 1] == 4)
			return window_cut(&ip->body, get32(options + at + 2));
		at += 2u + options[at + 1];
	}
	return GO_ON;
}

static bool is_extension(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_MH:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return true;
	default:
		return false;
	}
}

/* How long the extension header at the front is; its first two bytes are there. */
static size_t extension_length(uint8_t protocol, const uint8_t *at)
{
	if (protocol == IPPROTO_FRAGMENT)
		return 8;
	if (protocol == IPPROTO_AH)
		return (at[1] + 2u) * 4; /* RFC 4302 2.2: in words, minus 2 */
	return (at[1] + 1u) * 8;
}

/* One extension header (RFC 8200 4) off the front. */
static int extension_step(struct datagram *ip)
{
	const uint8_t *at = ip->body.at;
	size_t length;
	int r = window_need(&ip->body, 2);

	if (r != GO_ON)
		return r;
	length = extension_length(ip->protocol, at);
	r = window_need(&ip->body, length);
	if (r != GO_ON)
		return r;

	if (ip->protocol == IPPROTO_HOPOPTS && ip->offloaded)
		r = ipv6_jumbo(ip, at + 2, length - 2);
	if (r != GO_ON || length > ip->body.length)
		return DECODE_MALFORMED;
	if (ip->protocol == IPPROTO_ROUTING && at[3] > 0)
		ip->rerouted = true;
	if (ip->protocol == IPPROTO_FRAGMENT) {
		/* Offset 0 without more fragments is an atomic fragment: whole (RFC 6946). */
		ip->without_header = get16(at + 2) & 0xfff8;
		ip->fragment = ip->without_header || (at[3] & 1);
	}
	ip->protocol = at[0];
	window_skip(&ip->body, length);
	return GO_ON;
}

/* Extension headers up to the transport. Also for IPv4, where AH (RFC 4302) stands like this. */
static int extensions_skip(struct datagram *ip)
{
	int r = GO_ON;

	while (r == GO_ON && !ip->without_header && is_extension(ip->protocol))
		r = extension_step(ip);
	return r;
}

static int ipv4_decode(struct datagram *ip)
{
	const uint8_t *at = ip->body.at;
	size_t header, total;
	int r = window_need(&ip->body, IPV4_HEADER_MIN);

	if (r != GO_ON)
		return r;
	header = (at[0] & 0xfu) * 4;
	if (at[0] >> 4 != 4 || header < IPV4_HEADER_MIN)
		return DECODE_MALFORMED;

	/* Captured above the segmentation (TSO): the driver has yet to write the length. */
	total = get16(at + 2);
	ip->offloaded = total == 0;
	if (ip->offloaded)
		total = ip->body.length;
	if (total < header)
		return DECODE_MALFORMED;
	r = window_cut(&ip->body, total);
	if (r == GO_ON)
		r = window_need(&ip->body, header);
	if (r != GO_ON)
		return r;

	ip->id = get16(at + 4);
	ip->without_header = get16(at + 6) & 0x1fff;
	ip->fragment = ip->without_header || (at[6] & 0x20);
	ip->ttl = at[8];
	ip->protocol = at[9];
	ip->source.family = ip->target.family = AF_INET;
	memcpy(ip->source.bytes, at + 12, 4);
	memcpy(ip->target.bytes, at + 16, 4);
	window_skip(&ip->body, header);
	/* The numbers of the IPv6-only headers mean nothing in IPv4. */
	return ip->protocol == IPPROTO_AH ? extensions_skip(ip) : GO_ON;
}

static int ipv6_decode(struct datagram *ip)
{
	const uint8_t *at = ip->body.at;
	int r = window_need(&ip->body, IPV6_HEADER);

	if (r != GO_ON)
		return r;
	if (at[0] >> 4 != 6)
		return DECODE_MALFORMED;
	ip->offloaded = get16(at + 4) == 0;
	ip->protocol = at[6];
	ip->ttl = at[7];
	ip->source.family = ip->target.family = AF_INET6;
	memcpy(ip->source.bytes, at + 8, 16);
	memcpy(ip->target.bytes, at + 24, 16);
	window_skip(&ip->body, IPV6_HEADER);
	if (!ip->offloaded) {
		r = window_cut(&ip->body, get16(at + 4));
		if (r != GO_ON)
			return r;
	}
	return extensions_skip(ip);
}

/* What it means that the datagram carries @ip->protocol. */
static int transport_classify(const struct datagram *ip)
{
	switch (ip->protocol) {
	case IPPROTO_TCP:
		return ip->without_header ? DECODE_FRAGMENT : GO_ON;
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
	case IPPROTO_ESP: /* encrypted: what is inside cannot be told */
	case PROTOCOL_IPIP_MICRO:
	case PROTOCOL_ETHERIP:
	case PROTOCOL_L2TP:
	case IPPROTO_MPLS:
		return DECODE_TUNNEL;
	default:
		return ip->without_header && is_extension(ip->protocol) ? DECODE_FRAGMENT
									: DECODE_NOT_TCP;
	}
}

/* From the front of an IP header to the front of a TCP header. */
static int ip_decode(struct datagram *ip, int version)
{
	int r = version == 4 ? ipv4_decode(ip) : ipv6_decode(ip);

	return r == GO_ON ? transport_classify(ip) : r;
}

/* --- TCP --- */

/* The header's length in *ret, all of which is there. */
static int tcp_header(const struct datagram *ip, size_t *ret)
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

static void tcp_fill(const struct datagram *ip, size_t header, struct segment *segment)
{
	const uint8_t *at = ip->body.at;

	*segment = (struct segment){
		.source = {.address = ip->source, .port = get16(at)},
		.target = {.address = ip->target, .port = get16(at + 2)},
		.seq = get32(at + 4),
		.ack = get32(at + 8),
		.flags = at[13],
		.window = get16(at + 14),
		.ttl = ip->ttl,
		.ip_id = ip->id,
		.payload = at + header,
		.payload_length = (uint32_t)(ip->body.length - header),
		.payload_captured = (uint32_t)(ip->body.captured - header),
		.offloaded = ip->offloaded,
		.checksum_known = checksum_possible(ip),
	};
	if (segment->checksum_known)
		segment->checksum_bad = checksum_tcp(ip) != 0xffff;
	tcp_options_decode(at + TCP_HEADER_MIN, header - TCP_HEADER_MIN, &segment->options);
}

static int tcp_decode(const struct datagram *ip, struct segment *ret)
{
	size_t header;
	int r = tcp_header(ip, &header);

	if (r == GO_ON)
		tcp_fill(ip, header, ret);
	return r;
}

/* --- Link layers: each takes its header off and says which IP version follows --- */

static int ethertype_version(struct window *window, uint16_t type, int *ret_version)
{
	while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD) {
		int r = window_need(window, VLAN_TAG);

		if (r != GO_ON)
			return r;
		type = get16(window->at + 2);
		window_skip(window, VLAN_TAG);
	}

	switch (type) {
	case ETHERTYPE_IP:
		*ret_version = 4;
		return GO_ON;
	case ETHERTYPE_IPV6:
		*ret_version = 6;
		return GO_ON;
	case ETHERTYPE_MPLS:
	case ETHERTYPE_PPPOE:
		return DECODE_TUNNEL;
	default:
		return DECODE_NOT_IP;
	}
}

/* A link header of @header bytes with an EtherType at @type_at. */
static int typed_link(struct window *window, size_t header, size_t type_at, int *ret_version)
{
	uint16_t type;
	int r = window_need(window, header);

	if (r != GO_ON)
		return r;
	type = get16(window->at + type_at);
	window_skip(window, header);
	return ethertype_version(window, type, ret_version);
}

/*
 * An address family before the packet: LOOP in network order, NULL in that of whichever machine
 * captured it. Families are small numbers, so the order shows. IPv6 has another one on every
 * system.
 */
static int family_link(struct window *window, int *ret_version)
{
	uint32_t family;
	int r = window_need(window, FAMILY_HEADER);

	if (r != GO_ON)
		return r;
	family = get32(window->at);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	window_skip(window, FAMILY_HEADER);

	switch (family) {
	case 2:
		*ret_version = 4;
		return GO_ON;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		*ret_version = 6;
		return GO_ON;
	default:
		return DECODE_NOT_IP;
	}
}

static int raw_link(const struct window *window, int *ret_version)
{
	int version, r = window_need(window, 1);

	if (r != GO_ON)
		return r;
	version = window->at[0] >> 4;
	if (version != 4 && version != 6)
		return DECODE_NOT_IP;
	*ret_version = version;
	return GO_ON;
}

static int link_decode(enum packet_link link, struct window *window, int *ret_version)
{
	switch (link) {
	case PACKET_LINK_ETHERNET:
		return typed_link(window, ETHERNET_HEADER, 12, ret_version);
	case PACKET_LINK_SLL:
		return typed_link(window, SLL_HEADER, 14, ret_version);
	case PACKET_LINK_SLL2:
		return typed_link(window, SLL2_HEADER, 0, ret_version);
	case PACKET_LINK_NULL:
	case PACKET_LINK_LOOP:
		return family_link(window, ret_version);
	case PACKET_LINK_RAW:
		return raw_link(window, ret_version);
	case PACKET_LINK_IPV4:
		*ret_version = 4;
		return GO_ON;
	case PACKET_LINK_IPV6:
		*ret_version = 6;
		return GO_ON;
	default:
		return DECODE_NOT_IP;
	}
}

/* --- What the others call --- */

enum decode_result decode_packet(enum packet_link link, const uint8_t *data, size_t captured,
				 size_t length, struct segment *ret)
{
	/* Recorders exist that leave the length on the wire 0. */
	struct datagram ip = {
		.body = {.at = data,
			 .captured = captured,
			 .length = length > captured ? length : captured},
	};
	int version, r = link_decode(link, &ip.body, &version);

	if (r == GO_ON)
		r = ip_decode(&ip, version);
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

static void checksum_write(uint8_t *at, uint16_t sum)
{
	uint16_t value = (uint16_t)~sum;

	memcpy(at, &value, sizeof(value));
}

int packet_fix_checksums(uint8_t *data, size_t length)
{
	struct datagram ip = {.body = {.at = data, .captured = length, .length = length}};
	size_t header;
	uint8_t *tcp;
	int version;

	if (raw_link(&ip.body, &version) != GO_ON || ip_decode(&ip, version) != GO_ON ||
	    tcp_header(&ip, &header) != GO_ON || ip.offloaded || !checksum_possible(&ip))
		return -EINVAL;

	if (version == 4) {
		put16(data + IPV4_CHECKSUM_AT, 0);
		checksum_write(data + IPV4_CHECKSUM_AT,
			       checksum_fold(checksum_add(0, data, (data[0] & 0xfu) * 4)));
	}
	tcp = data + (ip.body.at - data);
	put16(tcp + TCP_CHECKSUM_AT, 0);
	checksum_write(tcp + TCP_CHECKSUM_AT, checksum_tcp(&ip));
	return 0;
}
