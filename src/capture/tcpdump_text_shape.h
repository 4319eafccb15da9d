/* Which kind of line it is, and where its parts are. */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_SHAPE_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_SHAPE_H

#include "capture/tcpdump_text_scan.h"

/* Nothing behind this many bytes of a line is looked at: far more than tcpdump says of a segment.
 */
enum { TEXT_LINE_MAX = 2048 };

enum text_form {
	TEXT_NOTHING,	      /* nothing that tcpdump says of a packet */
	TEXT_BEGINNING,	      /* of a packet: the endpoints are to come on the next line */
	TEXT_SEGMENT,	      /* "a.1 > b.2: Flags [S], seq 1, …": since tcpdump 4.0 */
	TEXT_SEGMENT_OLD,     /* "a.1 > b.2: S 1:1(0) win …" */
	TEXT_WITHOUT_NUMBERS, /* TCP of which not enough is said: -q, or captured too short */
	TEXT_ICMP,	      /* the next lines may tell of a packet that it quotes */
	TEXT_OTHER,	      /* another packet */
};

struct text_shape {
	enum text_form form;
	struct text_slice before; /* the endpoints: time, link level, what -v says of IP */
	struct text_slice source, target;
	struct text_slice fields; /* behind the target's colon */
};

/*
 * A copy of the line in which a blank is a blank: control characters, no-break spaces, terminal
 * colours and HTML's entities are what they stood for. @clean has room for TEXT_LINE_MAX; the
 * length is returned.
 */
size_t text_clean(const char *line, size_t length, char *clean);

/* The parts of a clean line, which they point into. */
struct text_shape text_shape(struct text_slice line);

/* Whether the line, by its beginning, is not the rest of the one before it. */
bool text_begins_packet(struct text_slice line);

/* What tcpdump says before and after the packets, and a shell's prompt with its command. */
bool text_is_banner(struct text_slice line);

#endif
