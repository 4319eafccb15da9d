/*
 * An expression means another program for each link type, so it is compiled when the first packet
 * of a type comes. A capture has one or two types.
 */
#include "capture/filter.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "capture/libpcap.h"

struct compiled {
	enum packet_link link;
	int error;		    /* the expression makes no sense here: no program */
	struct bpf_program program; /* (owned) */
	struct why why;		    /* of error */
};

struct capture_filter {
	char *expression;	   /* (owned) */
	struct compiled *compiled; /* (owned) */
	size_t count, capacity;
};

/*
 * A capture file without packets. pcap_open_dead() would be the usual way, but the compiler takes
 * that for an interface: `inbound` becomes a question to the kernel, which no packet of a file
 * answers with yes.
 */
static pcap_t *file_of(enum packet_link link, char *reason)
{
	struct pcap_file_header head = {
		.magic = 0xa1b2c3d4,
		.version_major = PCAP_VERSION_MAJOR,
		.version_minor = PCAP_VERSION_MINOR,
		.snaplen = 262144,
		.linktype = (uint32_t)link,
	};
	FILE *file = fmemopen(&head, sizeof(head), "r");
	pcap_t *pcap;

	if (!file) {
		snprintf(reason, PCAP_ERRBUF_SIZE, "out of memory");
		return NULL;
	}
	pcap = libpcap.pcap_fopen_offline(file, reason); /* takes the file, unless it fails */
	if (!pcap)
		fclose(file);
	return pcap;
}

/* What does not work out is kept, too: the next packet would fare no better. NULL: no memory. */
static struct compiled *compile(struct capture_filter *filter, enum packet_link link)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct compiled *compiled;
	pcap_t *pcap;

	if (ARRAY_ROOM(filter->compiled, filter->capacity, filter->count) < 0)
		return NULL;
	compiled = &filter->compiled[filter->count++];
	*compiled = (struct compiled){.link = link};
	pcap = file_of(link, reason);
	if (!pcap) {
		compiled->error = why_say(&compiled->why, -EINVAL, "filter \"%s\": %s",
					  filter->expression, reason);
		return compiled;
	}
	compiled->error = libpcap_expression(pcap, filter->expression, &compiled->program,
					     &compiled->why);
	libpcap.pcap_close(pcap);
	return compiled;
}

static struct compiled *compiled_for(struct capture_filter *filter, enum packet_link link)
{
	for (size_t i = 0; i < filter->count; i++)
		if (filter->compiled[i].link == link)
			return &filter->compiled[i];
	return compile(filter, link);
}

/* 0 when it is good for any link type, else what is said of Ethernet, which people think of. */
static int try_links(struct capture_filter *filter, struct why *why)
{
	static const enum packet_link links[] = {
		PACKET_LINK_ETHERNET, PACKET_LINK_RAW, PACKET_LINK_SLL,
		PACKET_LINK_SLL2,     PACKET_LINK_PPP, PACKET_LINK_NULL,
	};
	const struct compiled *compiled;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		compiled = compiled_for(filter, links[i]);
		if (!compiled)
			return why_set(why, -ENOMEM, "cannot compile the filter");
		if (compiled->error == 0)
			return 0;
	}
	return why_say(why, filter->compiled[0].error, "%s", filter->compiled[0].why.text);
}

int capture_filter_new(const char *expression, struct capture_filter **ret, struct why *why)
{
	struct capture_filter *filter;
	int r = libpcap_prepare(why);

	if (r < 0)
		return r;
	filter = calloc(1, sizeof(*filter));
	if (filter)
		filter->expression = strdup(expression);
	r = filter && filter->expression ? try_links(filter, why)
					 : why_set(why, -ENOMEM, "cannot compile the filter");
	if (r < 0) {
		capture_filter_free(filter);
		return r;
	}
	*ret = filter;
	return 0;
}

void capture_filter_free(struct capture_filter *filter)
{
	if (!filter)
		return;
	for (size_t i = 0; i < filter->count; i++)
		if (filter->compiled[i].error == 0)
			libpcap.pcap_freecode(&filter->compiled[i].program);
	free(filter->compiled);
	free(filter->expression);
	free(filter);
}

int capture_filter_packet(struct capture_filter *filter, const struct passing_packet *packet,
			  struct why *why)
{
	const struct pcap_pkthdr header = {
		.caplen = packet->captured_length,
		.len = packet->length,
	};
	const struct compiled *compiled = compiled_for(filter, packet->link);

	if (!compiled)
		return why_set(why, -ENOMEM, "cannot compile the filter");
	if (compiled->error < 0)
		return why_say(why, compiled->error, "%s", compiled->why.text);
	return libpcap.pcap_offline_filter(&compiled->program, &header, packet->data) != 0;
}

/* --- Headers for a segment that has none --- */

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
};

static uint8_t *put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value);
}

static uint8_t *put_address(uint8_t *at, const struct tcp_address *address, size_t length)
{
	memcpy(at, address->bytes, length);
	return at + length;
}

/* What a length field of 16 bits can say. */
static uint32_t short_length(uint64_t length)
{
	return length > UINT16_MAX ? UINT16_MAX : (uint32_t)length;
}

/* RFC 791 3.1, without checksum and options. */
static uint8_t *put_ipv4(uint8_t *at, const struct segment *segment, uint64_t body)
{
	at = put16(at, 0x4500);
	at = put16(at, short_length(IPV4_HEADER + body));
	at = put16(at, segment->ip_id);
	at = put16(at, 0); /* flags and offset: not a fragment */
	*at++ = segment->ttl;
	*at++ = IPPROTO_TCP;
	at = put16(at, 0);
	at = put_address(at, &segment->source.address, 4);
	return put_address(at, &segment->target.address, 4);
}

/* RFC 8200 3 */
static uint8_t *put_ipv6(uint8_t *at, const struct segment *segment, uint64_t body)
{
	at = put32(at, 6U << 28);
	at = put16(at, short_length(body));
	*at++ = IPPROTO_TCP;
	*at++ = segment->ttl;
	at = put_address(at, &segment->source.address, 16);
	return put_address(at, &segment->target.address, 16);
}

/* RFC 9293 3.1, without options. */
static uint8_t *put_tcp(uint8_t *at, const struct segment *segment)
{
	at = put16(at, segment->source.port);
	at = put16(at, segment->target.port);
	at = put32(at, segment->seq);
	at = put32(at, segment->ack);
	*at++ = (TCP_HEADER / 4) << 4;
	*at++ = segment->flags;
	at = put16(at, segment->window);
	return put32(at, 0); /* checksum, urgent pointer */
}

int capture_filter_segment(struct capture_filter *filter, const struct segment *segment,
			   struct why *why)
{
	bool is_v4 = segment->source.address.family == AF_INET;
	uint64_t body = TCP_HEADER + (uint64_t)segment->payload_length;
	uint8_t bytes[IPV6_HEADER + TCP_HEADER];
	uint8_t *end = put_tcp(
		is_v4 ? put_ipv4(bytes, segment, body) : put_ipv6(bytes, segment, body), segment);
	const struct passing_packet packet = {
		.link = PACKET_LINK_RAW,
		.captured_length = (uint32_t)(end - bytes),
		.length = (uint32_t)(end - bytes) + segment->payload_length,
		.data = bytes,
	};

	return capture_filter_packet(filter, &packet, why);
}
