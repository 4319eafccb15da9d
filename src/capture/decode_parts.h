/*
 * What the decoder consists of: a packet is looked at through a window that every header narrows,
 * skipped at its front by the header's own length, cut at its end by the IP length. The window
 * keeps two ends, what was captured and what was on the wire: a header beyond the first is
 * truncated, beyond the second a contradiction. No byte is read that window_need() has not allowed.
 *
 * Private to this folder.
 */
#ifndef CONTEST_CAPTURE_DECODE_PARTS_H
#define CONTEST_CAPTURE_DECODE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/decode.h"
#include "capture/packet.h"
#include "tcp/segment.h"

/* What every step returns while nothing speaks against a segment; else another decode_result. */
#define GO_ON DECODE_SEGMENT

struct window {
	const uint8_t *at;
	size_t captured, length; /* from @at on; captured is never more than length */
};

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline int window_need(const struct window *window, size_t bytes)
{
	if (bytes <= window->captured)
		return GO_ON;
	return bytes > window->length ? DECODE_MALFORMED : DECODE_TRUNCATED;
}

/* After window_need(@bytes). */
static inline void window_skip(struct window *window, size_t bytes)
{
	window->at += bytes;
	window->captured -= bytes;
	window->length -= bytes;
}

/* Whatever lies behind @bytes (padding, FCS) does not belong to it. */
static inline int window_cut(struct window *window, size_t bytes)
{
	if (bytes > window->length)
		return DECODE_MALFORMED;
	window->length = bytes;
	if (window->captured > bytes)
		window->captured = bytes;
	return GO_ON;
}

/* A piece of a datagram: what a fragment has between its IP header (or Fragment header) and end. */
struct piece {
	struct window body;
	uint32_t id;
	uint32_t offset;  /* in bytes */
	uint8_t protocol; /* of what begins at offset 0: TCP, or an extension header before it */
	bool more;	  /* not the last */
};

/* What the IP headers say, and the window on what they carry. */
struct datagram {
	struct window body;
	const uint8_t *source, *target; /* 4 or 16 bytes within the packet */
	uint8_t version;		/* 4 or 6 */
	uint8_t protocol, ttl;
	uint16_t id;	     /* of IPv4 */
	bool offloaded;	     /* no length in the header, the frame's was taken */
	bool without_header; /* offset above 0 */
	bool rerouted;	     /* target is not the one in the pseudo header (RFC 8200 8.1) */
	bool fragment;	     /* not the whole datagram: more fragments follow, or offset above 0 */
	struct piece piece;  /* of a fragment; anything otherwise */
};

/* Takes the link's headers off, and says which version of IP follows. */
int link_decode(enum packet_link link, struct window *window, uint8_t *ret_version);

/* From the front of the IP header in ip->body, of ip->version, to the front of a TCP header. */
int ip_decode(struct datagram *ip);

/* The rest of that, for what was put together of pieces: extension headers off ip->body, to the
 * front of a TCP header. */
int ip_carried(struct datagram *ip);

/*
 * From the front of a packet to the front of a TCP header. ip->fragment is set whatever it
 * returns; with GO_ON or DECODE_FRAGMENT and ip->fragment, so is ip->piece.
 */
int datagram_decode(enum packet_link link, const uint8_t *data, size_t captured, size_t length,
		    struct datagram *ip);

/* How long the TCP header at the front of ip->body is; all of it is there. */
int tcp_header_length(const struct datagram *ip, size_t *ret);

/* What decode_packet() does with a datagram that carries TCP. */
int tcp_decode(const struct datagram *ip, struct segment *ret);

#endif
