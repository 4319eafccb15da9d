/*
 * Endpoints as tcpdump prints them, "10.0.0.1.1234", "fd00::1.443", "www.example.org.https". Names
 * of hosts become addresses of the discard-only prefix 0100::/64 (RFC 6666), which no packet has;
 * names of ports that are not well known become ports from 61001 on, where Linux chooses none.
 */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_NAMES_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_NAMES_H

#include "capture/tcpdump_text_words.h"
#include "tcp/key.h"

enum { TEXT_PORT_STAND_IN = 61001 };

struct text_names {
	struct text_words hosts;
	struct text_words services; /* well known or not */
	uint16_t *ports;	    /* of the services */
	size_t port_capacity;
	uint16_t next_port;	/* the next stand-in; 0 when there are no more */
	struct text_words said; /* what text_names_name() gave away, "www:http" */
};

/* @seed is one that the text's author cannot know. */
void text_names_init(struct text_names *names, uint64_t seed);
void text_names_done(struct text_names *names);

/*
 * 0, -EBADMSG for what is no endpoint, -ENOSPC when there are more names than are kept, or -ENOMEM.
 */
int text_names_endpoint(struct text_names *names, struct text_slice text, struct tcp_endpoint *ret);

/* See tcpdump_text_name(); NULL also when memory is short, or too many were asked for. */
const char *text_names_name(struct text_names *names, const struct tcp_endpoint *endpoint);

#endif
