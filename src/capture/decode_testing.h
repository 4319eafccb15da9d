/* Packets built from the inside out, and what the decoder must make of them. For tests. */
#ifndef CONTEST_CAPTURE_DECODE_TESTING_H
#define CONTEST_CAPTURE_DECODE_TESTING_H

#include "capture/decode.h"

/* A packet under construction: headers are put in front of one another, the innermost first. */
struct build {
	uint8_t bytes[600];
	size_t first; /* index of the first byte */
};

#define BUILD() (&(struct build){.first = sizeof(((struct build *)0)->bytes)})

#define TCP_EXAMPLE 32

/* 8080 to 80, FIN and ACK, with timestamps; without checksum. */
extern const uint8_t tcp_example[TCP_EXAMPLE];

/* Puts @length zero bytes in front and returns where they are; so do the others with theirs. */
uint8_t *front(struct build *build, size_t length);
size_t length_of(const struct build *build);
/* The first byte there is. */
uint8_t *start(struct build *build);

void put16(uint8_t *at, unsigned int value);
void put_bytes(struct build *build, const uint8_t *bytes, size_t length);
void put_payload(struct build *build, size_t length);
void put_tcp(struct build *build);
/* The total length fits, @fragment is the whole field. */
uint8_t *put_ipv4(struct build *build, uint8_t protocol, unsigned int fragment);
uint8_t *put_ipv6(struct build *build, uint8_t next);
void put_ethernet(struct build *build, unsigned int type);

#define PUT(build, ...)                                                                            \
	put_bytes((build), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* The example with @payload bytes, from the IP header on, its checksums set. Returns @build. */
struct build *segment_v4(struct build *build, size_t payload);
struct build *segment_v6(struct build *build, size_t payload);

/*
 * Decodes a copy that has exactly @captured bytes, so that a sanitizer sees any read beyond. The
 * payload pointer does not outlive it.
 */
enum decode_result decode_part(enum packet_link link, const struct build *build, size_t captured,
			       size_t length, struct segment *ret);
/* All of it. */
enum decode_result decode(enum packet_link link, const struct build *build, struct segment *ret);

/* Anything but a segment: it is left untouched. */
void assert_result(enum packet_link link, const struct build *build, enum decode_result expected);
/* The fields that every example has. */
void assert_example(const struct segment *segment, int family, uint32_t payload);
/* The example, whole and with a right checksum. */
void assert_segment(enum packet_link link, const struct build *build, int family, uint32_t payload);
/* Every prefix of a packet of 5 bytes of payload: its headers are needed whole. */
void assert_prefixes(enum packet_link link, const struct build *build);

#endif
