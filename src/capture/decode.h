/*
 * Packets into TCP segments: Ethernet (VLAN tags, LLC and SNAP too), PPP and PPPoE, Linux cooked,
 * loopback, raw IPv4 and IPv6; MPLS labels before the IP header are passed over.
 */
#ifndef CONTEST_CAPTURE_DECODE_H
#define CONTEST_CAPTURE_DECODE_H

#include "capture/packet.h"
#include "tcp/segment.h"

/* What a packet is. Everything but DECODE_SEGMENT leaves *ret untouched. */
enum decode_result {
	DECODE_SEGMENT,	  /* a TCP segment, in *ret */
	DECODE_NOT_IP,	  /* ARP and the like */
	DECODE_NOT_TCP,	  /* another transport; ICMP with a quoted TCP header too */
	DECODE_FRAGMENT,  /* a fragment without the whole TCP header: offset above 0, or tiny */
	DECODE_TUNNEL,	  /* IP in IP, GRE, ESP, VXLAN, …: the inner layer is not looked at */
	DECODE_TRUNCATED, /* not enough captured to see the whole TCP header */
	DECODE_MALFORMED, /* lengths contradict each other */
};

/*
 * Decodes one packet. The payload length is what the IP header says, never what was captured
 * (Ethernet padding, FCS, snap length); an IP length of 0 is a segmentation-offload capture and
 * takes the frame's (or that of an IPv6 jumbo option, RFC 2675). @ret->payload points into @data.
 * Never reads outside @captured bytes. A @length below @captured is taken for @captured.
 *
 * Of a fragmented segment, payload_length is what the first fragment holds (see fragments.h).
 * @ret->time_ns is 0: the packet's is the caller's. The checksum is not looked at: both bools are
 * false.
 */
enum decode_result decode_packet(enum packet_link link, const uint8_t *data, size_t captured,
				 size_t length, struct segment *ret);

/*
 * The same with checksum_known and checksum_bad, for which all of the payload is read.
 * checksum_known is false for what was not captured whole, for fragments, and where a routing
 * header (RFC 8200 4.4) has another target to come.
 */
enum decode_result decode_packet_checked(enum packet_link link, const uint8_t *data,
					 size_t captured, size_t length, struct segment *ret);

/* "not IP", "a fragment without TCP header", … for messages. */
const char *decode_result_name(enum decode_result result);

/*
 * Sets the IPv4 header checksum and the TCP checksum of a raw IP packet (as LINK_RAW) after it
 * was changed. -EINVAL when it is not a whole, unfragmented TCP packet over IPv4 or IPv6.
 */
int packet_fix_checksums(uint8_t *data, size_t length);

#endif
