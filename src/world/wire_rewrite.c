/* Ready rewrites of raw IP packets. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "capture/decode.h"
#include "world/wire_rules.h"

enum { OPTION_END = 0, OPTION_NOP = 1 }; /* RFC 9293 3.2 */

/* Where things are in a raw, unfragmented IP packet without IPv6 extension headers. */
struct layout {
	int family;
	uint8_t protocol;
	uint8_t *source, *target; /* addresses */
	uint8_t *transport;	  /* its header */
	size_t transport_length;  /* up to the end of the IP packet */
};

static int layout_v4(uint8_t *packet, size_t length, struct layout *ret)
{
	size_t header = (size_t)(packet[0] & 0x0f) * 4;
	size_t total = length >= 4 ? (size_t)packet[2] << 8 | packet[3] : 0;

	if (header < 20 || total < header || total > length)
		return -EINVAL;
	/* More fragments, or not the first. */
	if ((packet[6] & 0x3f) || packet[7])
		return -EINVAL;
	*ret = (struct layout){AF_INET,	    packet[9],	     packet + 12,
			       packet + 16, packet + header, total - header};
	return 0;
}

static int layout_v6(uint8_t *packet, size_t length, struct layout *ret)
{
	size_t payload;

	if (length < 40)
		return -EINVAL;
	payload = (size_t)packet[4] << 8 | packet[5];
	if (payload > length - 40)
		return -EINVAL;
	*ret = (struct layout){AF_INET6, packet[6], packet + 8, packet + 24, packet + 40, payload};
	return 0;
}

static int layout_of(uint8_t *packet, size_t length, struct layout *ret)
{
	if (length >= 20 && packet[0] >> 4 == 4)
		return layout_v4(packet, length, ret);
	if (length >= 40 && packet[0] >> 4 == 6)
		return layout_v6(packet, length, ret);
	return -EINVAL;
}

static bool layout_is_tcp(const struct layout *layout)
{
	return layout->protocol == IPPROTO_TCP && layout->transport_length >= 20;
}

int wire_rewrite_strip_option(uint8_t *packet, size_t *length, size_t room, void *context)
{
	uint8_t kind = *(const uint8_t *)context;
	struct layout layout;
	size_t end;

	(void)room;
	if (layout_of(packet, *length, &layout) < 0 || !layout_is_tcp(&layout))
		return 0;
	end = (size_t)(layout.transport[12] >> 4) * 4;
	if (end > layout.transport_length)
		return 0;
	for (size_t at = 20; at < end && layout.transport[at] != OPTION_END;) {
		uint8_t *option = layout.transport + at;
		size_t size = 1;

		if (*option != OPTION_NOP) {
			size = at + 1 < end ? option[1] : 0;
			if (size < 2 || size > end - at)
				return 0;
			if (*option == kind)
				memset(option, OPTION_NOP, size);
		}
		at += size;
	}
	return 0;
}

/* Replaces one end of the packet when it is what is to be translated. @port is its place, or NULL.
 */
static void translate(const struct wire_translation *translation, int family, uint8_t *address,
		      uint8_t *port)
{
	const struct tcp_endpoint *from = &translation->from, *to = &translation->to;
	size_t length = family == AF_INET ? 4 : 16;

	if (from->address.family != family || memcmp(address, from->address.bytes, length) != 0)
		return;
	if (from->port && (!port || from->port != (port[0] << 8 | port[1])))
		return;
	memcpy(address, to->address.bytes, length);
	if (port && to->port) {
		port[0] = (uint8_t)(to->port >> 8);
		port[1] = (uint8_t)to->port;
	}
}

int wire_rewrite_address(uint8_t *packet, size_t *length, size_t room, void *context)
{
	const struct wire_translation *translation = context;
	struct layout layout;
	bool ports;

	(void)room;
	if (translation->from.address.family != translation->to.address.family)
		return -EAFNOSUPPORT;
	if (layout_of(packet, *length, &layout) < 0)
		return 0;
	ports = (layout.protocol == IPPROTO_TCP || layout.protocol == IPPROTO_UDP) &&
		layout.transport_length >= 4;
	translate(translation, layout.family, layout.source, ports ? layout.transport : NULL);
	translate(translation, layout.family, layout.target, ports ? layout.transport + 2 : NULL);
	return 0;
}

/* RFC 1071, not yet folded and not inverted. */
static uint32_t sum_of(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (length % 2)
		sum += (uint32_t)data[length - 1] << 8;
	return sum;
}

static void sum_put(uint8_t *place, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	place[0] = (uint8_t)(sum >> 8);
	place[1] = (uint8_t)sum;
}

static void fix_udp(const struct layout *layout)
{
	uint8_t *place = layout->transport + 6;
	size_t addresses = layout->family == AF_INET ? 8 : 32;
	size_t length = layout->transport_length;

	if (layout->family == AF_INET && !place[0] && !place[1])
		return; /* none was wanted (RFC 768) */
	memset(place, 0, 2);
	sum_put(place, sum_of(layout->source, addresses) + IPPROTO_UDP + (uint32_t)length +
			       sum_of(layout->transport, length));
	if (!place[0] && !place[1])
		memset(place, 0xff, 2);
}

void wire_fix_checksums(uint8_t *packet, size_t length)
{
	struct layout layout;

	if (packet_fix_checksums(packet, length) == 0 || layout_of(packet, length, &layout) < 0)
		return;
	if (layout.family == AF_INET) {
		memset(packet + 10, 0, 2);
		sum_put(packet + 10, sum_of(packet, (size_t)(packet[0] & 0x0f) * 4));
	}
	if (layout.protocol == IPPROTO_UDP && layout.transport_length >= 8)
		fix_udp(&layout);
}
