/* IP headers and all that may stand between them and TCP. */
#include <netinet/in.h>

#include "capture/decode_parts.h"

enum {
	IPV4_HEADER_MIN = 20,
	IPV6_HEADER = 40,
	UDP_HEADER = 8,

	/* Protocol numbers (IANA "Protocol Numbers") that <netinet/in.h> has no name for. */
	PROTOCOL_IPIP_MICRO = 94, /* "IP-within-IP Encapsulation Protocol" of 1991 */
	PROTOCOL_ETHERIP = 97,
	PROTOCOL_L2TP = 115,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,

	/* UDP ports (IANA "Service Name and Port Number Registry") behind which are packets. */
	PORT_GTP_USER = 2152,
	PORT_VXLAN = 4789,
	PORT_GENEVE = 6081,
	PORT_VXLAN_LINUX = 8472, /* what Linux takes where none is said, older than IANA's */
};

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

/* Once ip->body is what the fragment carries. */
static void fragment_note(struct datagram *ip, uint8_t protocol, uint32_t id, uint32_t offset,
			  bool more)
{
	ip->without_header = offset > 0;
	ip->fragment = offset > 0 || more;
	if (!ip->fragment)
		return;
	ip->piece = (struct piece){
		.body = ip->body,
		.id = id,
		.offset = offset,
		.protocol = protocol,
		.more = more,
	};
}

/* Whether the transport is still to come. Of IPv4 AH alone stands like this (RFC 4302 3.1.1): the
 * other numbers mean nothing there. */
static bool is_extension(const struct datagram *ip)
{
	if (ip->version == 4)
		return ip->protocol == IPPROTO_AH;
	switch (ip->protocol) {
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
	window_skip(&ip->body, length);
	if (ip->protocol == IPPROTO_FRAGMENT) {
		if (ip->fragment)
			return DECODE_MALFORMED; /* a piece of a piece */
		/* Offset 0 without more fragments is an atomic fragment: whole (RFC 6946). */
		fragment_note(ip, at[0], get32(at + 4), get16(at + 2) & 0xfff8u, at[3] & 1);
	}
	ip->protocol = at[0];
	return GO_ON;
}

/* Extension headers up to the transport. */
static int extensions_skip(struct datagram *ip)
{
	int r = GO_ON;

	while (r == GO_ON && !ip->without_header && is_extension(ip))
		r = extension_step(ip);
	return r;
}

/* The length of the header in *ret, all of which is there, and ip->body cut to the datagram. */
static int ipv4_lengths(struct datagram *ip, size_t *ret)
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
	if (r == GO_ON)
		*ret = header;
	return r;
}

static int ipv4_decode(struct datagram *ip)
{
	const uint8_t *at = ip->body.at;
	uint16_t fragment;
	size_t header;
	int r = ipv4_lengths(ip, &header);

	if (r != GO_ON)
		return r;
	ip->id = get16(at + 4);
	ip->ttl = at[8];
	ip->protocol = at[9];
	ip->source = at + 12;
	ip->target = at + 16;
	window_skip(&ip->body, header);
	fragment = get16(at + 6);
	if (fragment & 0x3fff)
		fragment_note(ip, at[9], ip->id, (fragment & 0x1fffu) * 8, fragment & 0x2000);
	return GO_ON;
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
	ip->id = 0;
	ip->protocol = at[6];
	ip->ttl = at[7];
	ip->source = at + 8;
	ip->target = at + 24;
	window_skip(&ip->body, IPV6_HEADER);
	return ip->offloaded ? GO_ON : window_cut(&ip->body, get16(at + 4));
}

/* Of these the receiver's port tells, the sender's is any. */
static int udp_classify(const struct datagram *ip)
{
	if (ip->without_header || window_need(&ip->body, UDP_HEADER) != GO_ON)
		return DECODE_NOT_TCP;
	switch (get16(ip->body.at + 2)) {
	case PORT_GTP_USER:
	case PORT_VXLAN:
	case PORT_GENEVE:
	case PORT_VXLAN_LINUX:
		return DECODE_TUNNEL;
	default:
		return DECODE_NOT_TCP;
	}
}

/* What it means that the datagram carries @ip->protocol. */
static int transport_classify(const struct datagram *ip)
{
	switch (ip->protocol) {
	case IPPROTO_TCP:
		return ip->without_header ? DECODE_FRAGMENT : GO_ON;
	case IPPROTO_UDP:
		return udp_classify(ip);
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
		return ip->without_header && is_extension(ip) ? DECODE_FRAGMENT : DECODE_NOT_TCP;
	}
}

int ip_carried(struct datagram *ip)
{
	int r;

	if (ip->protocol == IPPROTO_TCP && !ip->without_header)
		return GO_ON;
	r = extensions_skip(ip);
	return r == GO_ON ? transport_classify(ip) : r;
}

int ip_decode(struct datagram *ip)
{
	int r;

	ip->without_header = ip->fragment = ip->rerouted = false;
	r = ip->version == 4 ? ipv4_decode(ip) : ipv6_decode(ip);
	return r == GO_ON ? ip_carried(ip) : r;
}
