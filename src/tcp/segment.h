/* One decoded TCP segment: what the decoder makes and what trackers, rules and renderers read. */
#ifndef CONTEST_TCP_SEGMENT_H
#define CONTEST_TCP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/key.h"

/* The flag bits as they stand in the header (RFC 9293 3.1). */
enum tcp_flag {
	TCP_FLAG_FIN = 0x01,
	TCP_FLAG_SYN = 0x02,
	TCP_FLAG_RST = 0x04,
	TCP_FLAG_PSH = 0x08,
	TCP_FLAG_ACK = 0x10,
	TCP_FLAG_URG = 0x20,
	TCP_FLAG_ECE = 0x40,
	TCP_FLAG_CWR = 0x80,
};

struct tcp_sack_block {
	uint32_t left, right;
};

/* Options that matter to a close (RFC 9293 3.2, RFC 7323, RFC 2018, RFC 7413). */
struct tcp_options {
	bool has_mss, has_window_scale, sack_permitted, has_timestamps, has_fastopen;
	bool malformed; /* a length ran beyond the header; what came before it is decoded */
	uint16_t mss;
	uint8_t window_scale;
	uint8_t sack_count;
	uint32_t ts_value, ts_echo;
	struct tcp_sack_block sack[4]; /* the first sack_count; the others are anything */
};

struct segment {
	int64_t time_ns; /* when it left its sender, or was captured */
	struct tcp_endpoint source, target;
	uint32_t seq, ack;
	uint32_t payload_length;    /* from the IP header, never from the captured length */
	uint32_t payload_captured;  /* bytes at payload */
	const uint8_t *payload;	    /* (borrowed from the packet) */
	uint16_t window;	    /* as in the header, unscaled */
	uint16_t ip_id;		    /* 0 for IPv6 */
	uint8_t flags;		    /* enum tcp_flag */
	uint8_t ttl;		    /* or hop limit */
	bool offloaded;		    /* IP length 0: taken from the frame (segmentation offload) */
	bool checksum_bad;	    /* usual with offload; analysed all the same */
	bool checksum_known;	    /* false when it was not looked at, or not all was captured */
	struct tcp_options options; /* last: its end is seldom touched */
};

/* What the segment takes of the sequence space: payload, plus one each for SYN and FIN. */
static inline uint32_t segment_length(const struct segment *segment)
{
	return segment->payload_length + ((segment->flags & TCP_FLAG_SYN) ? 1 : 0) +
	       ((segment->flags & TCP_FLAG_FIN) ? 1 : 0);
}

/* The sequence number after the segment's last. */
static inline uint32_t segment_end(const struct segment *segment)
{
	return segment->seq + segment_length(segment);
}

#define SEGMENT_FLAGS_TEXT_MAX 40

/* "FIN+ACK", "SYN", "PSH+ACK"; "none" without any. Returns @text, SEGMENT_FLAGS_TEXT_MAX long. */
char *segment_flags_format(uint8_t flags, char *text);

/* Decodes @length bytes of options. Never fails: see tcp_options.malformed. */
void tcp_options_decode(const uint8_t *bytes, size_t length, struct tcp_options *ret);

#endif
