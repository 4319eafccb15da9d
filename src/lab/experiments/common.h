/* What several experiments share: rules for the wire and rewrites of raw packets. */
#ifndef CONTEST_LAB_EXPERIMENTS_COMMON_H
#define CONTEST_LAB_EXPERIMENTS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lab/stage.h"

/*
 * The TCP header in a raw IP packet (IPv4, or IPv6 without extension headers), for rewrites:
 * offsets of RFC 9293 3.1 from there. NULL when it is cut short.
 */
uint8_t *packet_tcp(uint8_t *packet, size_t length);

/* Where fields stand in the TCP header. */
enum { TCP_AT_SEQ = 4, TCP_AT_ACK = 8, TCP_AT_FLAGS = 13, TCP_AT_WINDOW = 14 };

/* A number of the packet in network order. */
uint32_t packet_u32(const uint8_t *at);
void packet_set_u32(uint8_t *at, uint32_t value);

/*
 * Loses every FIN of @host after its first: while a FIN is held on the wire its sender repeats it
 * (and takes it for a loss probe even earlier), and a story of four segments would have five. Add
 * it before the rule that holds. The rule's number, or -errno.
 */
int lose_repeated_fins(struct stage *stage, size_t host, const struct tcp_key *key);

/* The segments of the connection so far that both ends sent, in number. */
int segments_so_far(struct stage *stage, const struct tcp_key *key);

/* Drops every segment of host @from (or WIRE_ANY_HOST) that has all of @flags, with @note in the
 * record. The rule's number, or -errno. */
int lose_segments(struct stage *stage, int from, uint8_t flags, const char *note);

/* Whether @name, as arms measure it, is that of @state. */
bool state_is(const char *name, int state);

/* Descriptors that the process has open, or -errno. */
int open_descriptors(pid_t pid);

#endif
