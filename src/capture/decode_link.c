/* Link layers: each takes its header off and says what follows, until that is IP. */
#include <net/ethernet.h>
#include <stdbool.h>

#include "capture/decode_parts.h"

enum {
	ETHERNET_HEADER = 14,
	ETHERNET_TYPE_AT = 12,
	VLAN_TAG = 4,
	LLC_HEADER = 3,
	SNAP_HEADER = 8, /* with that of LLC */
	MPLS_LABEL = 4,
	PPPOE_HEADER = 6,
	CISCO_HDLC_HEADER = 4,
	FAMILY_HEADER = 4,
	SLL_HEADER = 16,
	SLL_TYPE_AT = 14,
	SLL2_HEADER = 20,
	SLL2_TYPE_AT = 0,

	/* IEEE 802.3 3.2.6: up to here it is no type but a length, and LLC follows. */
	ETHERNET_LENGTH_MAX = 1500,

	ETHERTYPE_QINQ = 0x88a8,     /* IEEE 802.1ad */
	ETHERTYPE_QINQ_OLD = 0x9100, /* before the standard */
	ETHERTYPE_QINQ_OLD2 = 0x9200,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_MULTICAST = 0x8848,
	ETHERTYPE_PPPOE = 0x8864,
	ETHERTYPE_MACSEC = 0x88e5,
	ETHERTYPE_BACKBONE = 0x88e7, /* IEEE 802.1ah: a whole frame within a frame */

	/* IANA "PPP DLL Protocol Numbers" */
	PPP_IPV4 = 0x0021,
	PPP_MULTILINK = 0x003d,
	PPP_ENCRYPTED = 0x0053,
	PPP_IPV6 = 0x0057,
	PPP_COMPRESSED = 0x00fd,
	PPP_MPLS = 0x0281,
	PPP_MPLS_MULTICAST = 0x0283,
};

static int vlan_step(struct window *window, uint16_t *ret_type)
{
	int r = window_need(window, VLAN_TAG);

	if (r != GO_ON)
		return r;
	*ret_type = get16(window->at + 2);
	window_skip(window, VLAN_TAG);
	return GO_ON;
}

/* EtherTypes behind LLC and SNAP (RFC 1042), or IP by the number of its own that LLC has for it. */
static int llc_step(struct window *window, uint16_t *ret_type)
{
	enum { SAP_IP = 0x06, SAP_SNAP = 0xaa, UNNUMBERED = 0x03 };
	const uint8_t *at = window->at;
	int r = window_need(window, LLC_HEADER);

	if (r != GO_ON)
		return r;
	if (at[0] != at[1] || at[2] != UNNUMBERED)
		return DECODE_NOT_IP;
	if (at[0] == SAP_IP) {
		*ret_type = ETHERTYPE_IP;
		window_skip(window, LLC_HEADER);
		return GO_ON;
	}
	if (at[0] != SAP_SNAP)
		return DECODE_NOT_IP;
	r = window_need(window, SNAP_HEADER);
	if (r != GO_ON)
		return r;
	/* 00:00:f8 is IEEE 802.1H's, for bridges. Others number protocols of their own. */
	if (at[3] || at[4] || (at[5] && at[5] != 0xf8))
		return DECODE_NOT_IP;
	*ret_type = get16(at + 6);
	window_skip(window, SNAP_HEADER);
	return GO_ON;
}

/*
 * Labels do not say what they carry; that IP is told by its version, and that others avoid it
 * (with a control word that begins with 0 or 1, RFC 4385 3), is what routers go by (RFC 4928 2).
 */
static int mpls_link(struct window *window, uint8_t *ret_version)
{
	bool bottom = false;
	int r = GO_ON;

	while (!bottom) {
		r = window_need(window, MPLS_LABEL);
		if (r != GO_ON)
			return r;
		bottom = window->at[2] & 1;
		window_skip(window, MPLS_LABEL);
	}
	r = window_need(window, 1);
	if (r != GO_ON)
		return r;
	*ret_version = window->at[0] >> 4;
	return *ret_version == 4 || *ret_version == 6 ? GO_ON : DECODE_TUNNEL;
}

/* The protocol at the front, which may be compressed to one byte (RFC 1661 2, 6.5). */
static int ppp_protocol(struct window *window, uint16_t *ret)
{
	int r = window_need(window, 1);

	if (r != GO_ON)
		return r;
	if (window->at[0] & 1) {
		*ret = window->at[0];
		window_skip(window, 1);
		return GO_ON;
	}
	r = window_need(window, 2);
	if (r != GO_ON)
		return r;
	*ret = get16(window->at);
	window_skip(window, 2);
	return GO_ON;
}

static int ppp_link(struct window *window, uint8_t *ret_version)
{
	uint16_t protocol;
	int r = ppp_protocol(window, &protocol);

	if (r != GO_ON)
		return r;
	switch (protocol) {
	case PPP_IPV4:
		*ret_version = 4;
		return GO_ON;
	case PPP_IPV6:
		*ret_version = 6;
		return GO_ON;
	case PPP_MPLS:
	case PPP_MPLS_MULTICAST:
		return mpls_link(window, ret_version);
	case PPP_MULTILINK:
	case PPP_ENCRYPTED:
	case PPP_COMPRESSED:
		return DECODE_TUNNEL;
	default:
		return DECODE_NOT_IP;
	}
}

/* A session's packet (RFC 2516 4); those of other codes carry none. */
static int pppoe_link(struct window *window, uint8_t *ret_version)
{
	int r = window_need(window, PPPOE_HEADER);

	if (r != GO_ON)
		return r;
	if (window->at[0] != 0x11 || window->at[1] != 0)
		return DECODE_NOT_IP;
	window_skip(window, PPPOE_HEADER);
	return ppp_link(window, ret_version);
}

static int ethertype_link(struct window *window, uint16_t type, uint8_t *ret_version)
{
	int r = GO_ON;

	while (r == GO_ON) {
		switch (type) {
		case ETHERTYPE_IP:
			*ret_version = 4;
			return GO_ON;
		case ETHERTYPE_IPV6:
			*ret_version = 6;
			return GO_ON;
		case ETHERTYPE_VLAN:
		case ETHERTYPE_QINQ:
		case ETHERTYPE_QINQ_OLD:
		case ETHERTYPE_QINQ_OLD2:
			r = vlan_step(window, &type);
			break;
		case ETHERTYPE_MPLS:
		case ETHERTYPE_MPLS_MULTICAST:
			return mpls_link(window, ret_version);
		case ETHERTYPE_PPPOE:
			return pppoe_link(window, ret_version);
		case ETHERTYPE_MACSEC:
		case ETHERTYPE_BACKBONE:
			return DECODE_TUNNEL;
		default:
			if (type > ETHERNET_LENGTH_MAX)
				return DECODE_NOT_IP;
			r = llc_step(window, &type);
		}
	}
	return r;
}

/* A link header of @header bytes with an EtherType at @type_at. */
static int typed_link(struct window *window, size_t header, size_t type_at, uint8_t *ret_version)
{
	uint16_t type;
	int r = window_need(window, header);

	if (r != GO_ON)
		return r;
	type = get16(window->at + type_at);
	window_skip(window, header);
	return ethertype_link(window, type, ret_version);
}

/* The header that Linux makes for device "any"; types that are none of IEEE's are its own
 * (ETH_P_802_3 and so on of <linux/if_ether.h>). */
static int cooked_link(struct window *window, size_t header, size_t type_at, uint8_t *ret_version)
{
	enum { TYPE_LLC = 4 }; /* ETH_P_802_2 */
	uint16_t type;
	int r = window_need(window, header);

	if (r != GO_ON)
		return r;
	type = get16(window->at + type_at);
	if (type <= ETHERNET_LENGTH_MAX && type != TYPE_LLC)
		return DECODE_NOT_IP;
	return typed_link(window, header, type_at, ret_version);
}

/*
 * PPP with or without the address and control bytes of HDLC-like framing (RFC 1662 3.1), which a
 * line may have agreed to leave out. Or Cisco's HDLC, which has EtherTypes: its addresses (RFC 1547
 * 4.3.1) are no protocols of PPP. libwiretap has one number for the link types that have one or the
 * other, so both are looked for in both.
 */
static int ppp_framed_link(struct window *window, uint8_t *ret_version)
{
	enum { ALL_STATIONS = 0xff, UNNUMBERED = 0x03, CISCO_UNICAST = 0x0f, CISCO_ALL = 0x8f };
	const uint8_t *at = window->at;
	int r = window_need(window, 2);

	if (r != GO_ON)
		return r;
	if ((at[0] == CISCO_UNICAST || at[0] == CISCO_ALL) && at[1] == 0)
		return typed_link(window, CISCO_HDLC_HEADER, 2, ret_version);
	if (at[0] == ALL_STATIONS && at[1] == UNNUMBERED)
		window_skip(window, 2);
	return ppp_link(window, ret_version);
}

/*
 * An address family before the packet: LOOP in network order, NULL in that of whichever machine
 * captured it. Families are small numbers, so the order shows. IPv6 has another one on every
 * system.
 */
static int family_link(struct window *window, uint8_t *ret_version)
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

static int raw_link(const struct window *window, uint8_t *ret_version)
{
	uint8_t version;
	int r = window_need(window, 1);

	if (r != GO_ON)
		return r;
	version = window->at[0] >> 4;
	if (version != 4 && version != 6)
		return DECODE_NOT_IP;
	*ret_version = version;
	return GO_ON;
}

int link_decode(enum packet_link link, struct window *window, uint8_t *ret_version)
{
	switch (link) {
	case PACKET_LINK_ETHERNET:
		return typed_link(window, ETHERNET_HEADER, ETHERNET_TYPE_AT, ret_version);
	case PACKET_LINK_SLL:
		return cooked_link(window, SLL_HEADER, SLL_TYPE_AT, ret_version);
	case PACKET_LINK_SLL2:
		return cooked_link(window, SLL2_HEADER, SLL2_TYPE_AT, ret_version);
	case PACKET_LINK_NULL:
	case PACKET_LINK_LOOP:
		return family_link(window, ret_version);
	case PACKET_LINK_RAW:
		return raw_link(window, ret_version);
	case PACKET_LINK_PPP:
	case PACKET_LINK_PPP_HDLC:
		return ppp_framed_link(window, ret_version);
	case PACKET_LINK_PPPOE:
		return pppoe_link(window, ret_version);
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
