/*
 * Connections out of segments, and what each segment means for the close.
 *
 * Pure: no I/O, no clock, no globals. Feed segments in capture order; ask for the connections
 * when done, or in between. The theory of operation is at the top of track.c; the cases it must
 * get right are those of a capture that lies in several ways (see docs/explain.md).
 */
#ifndef CONTEST_EXPLAIN_TRACK_H
#define CONTEST_EXPLAIN_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/exchange.h"
#include "tcp/segment.h"

/* Ends are numbered: 0 is the client (who sent the first SYN; where none was seen, who has the
 * higher port), 1 the server. */
enum { TRACK_CLIENT = 0, TRACK_SERVER = 1 };

/* What a segment is, in the story of its connection; the most telling one of those that fit. */
enum segment_role {
	ROLE_SYN,	   /* opens */
	ROLE_SYN_REPEATED, /* the same ISN again */
	ROLE_SYN_ACK,
	ROLE_SYN_ACK_REPEATED,
	ROLE_HANDSHAKE_ACK, /* the third of the handshake */
	ROLE_DATA,
	ROLE_DATA_REPEATED,    /* nothing in it is new */
	ROLE_ACK,	       /* acknowledges data, no FIN outstanding */
	ROLE_ACK_DATA_ONLY,    /* after a FIN was seen: covers data before it, not the FIN */
	ROLE_ACK_OF_FIN,       /* covers the other end's FIN for the first time */
	ROLE_ACK_OF_FIN_AGAIN, /* covers it again: answer to a repeated FIN */
	ROLE_ACK_DUPLICATE,    /* nothing new in it */
	ROLE_WINDOW_UPDATE,
	ROLE_KEEPALIVE, /* or a zero window probe, of the same shape */
	ROLE_KEEPALIVE_ACK,
	ROLE_FIN, /* first FIN of this end; its ACK may cover the other's (see below) */
	ROLE_FIN_AND_ACK_OF_FIN, /* first FIN of this end, and acknowledges the other's FIN */
	ROLE_FIN_REPEATED,
	ROLE_RST,	    /* see enum rst_cause */
	ROLE_CHALLENGE_ACK, /* RFC 5961: answer to an unexpected SYN or RST */
	ROLE_STRAY,	    /* belongs to no connection that is known to be open: sent after a
			     * RST, or a SYN with another ISN while both ends are still in */
	ROLE_ILLEGAL,	    /* no TCP sends it: flag mixes of a scan, data beyond its own FIN */
	ROLE_COUNT,
};

enum rst_cause {
	RST_NONE,
	RST_REFUSED,	      /* answers a SYN: no listener */
	RST_UNREAD_DATA,      /* data arrived that its sender had not answered: close() with data
			       * unread; SO_LINGER 0 then looks the same. Usually without a FIN */
	RST_ABORT,	      /* SO_LINGER 0 or an abort: nothing unread that is known */
	RST_DATA_AFTER_CLOSE, /* answers data that came after its sender had closed */
	RST_HALF_OPEN,	      /* answers a segment of a connection that its sender does not know */
	RST_ANSWERS_OLD_ACK,  /* SYN met TIME_WAIT or LAST_ACK, whose ACK fits nothing here */
	RST_CLIENT_GONE,      /* from the client after the SYN-ACK */
	RST_IGNORED,	      /* not at RCV.NXT: ends nothing (RFC 5961 3) */
	RST_INTO_TIME_WAIT,   /* deletes it unless tcp_rfc1337 = 1: a capture cannot tell */
	RST_UNKNOWN,
	RST_CAUSE_COUNT,
};

struct tracked_segment {
	struct segment segment; /* its payload pointer is not kept: NULL */
	size_t index;		/* of the segment as fed, from 0 */
	uint8_t from;		/* TRACK_CLIENT or TRACK_SERVER */
	bool lost;		/* never arrived: fed as dropped on the way, or as … */
	bool stuck;		/* … still on its way when the record ended */
	int64_t delivered_ns;	/* as fed; segment.time_ns when not known apart */
	enum segment_role role;
	enum rst_cause cause; /* when role is ROLE_RST */
	int state[2];	      /* of both ends once it was sent and had arrived (when lost: once
			       * it was sent); -1 unknown */
	int sent_state[2];    /* likewise once it was sent and had not arrived yet */
	size_t sent_step;     /* the order in which the connection's segments were sent … */
	size_t arrived_step;  /* … and arrived, both counted together; nothing when lost */
};

enum track_opening { OPENING_SEEN, OPENING_SIMULTANEOUS, OPENING_NOT_SEEN };

enum track_closing {
	CLOSING_NOT,	      /* open at the end of the capture */
	CLOSING_REFUSED,      /* never opened: RST to the SYN */
	CLOSING_NO_ANSWER,    /* never opened: SYN without answer */
	CLOSING_HALF,	      /* one FIN only */
	CLOSING_GRACEFUL,     /* both FINs acknowledged */
	CLOSING_LAST_ACK,     /* both FINs, the last ACK is missing */
	CLOSING_SIMULTANEOUS, /* neither FIN acknowledges the other: both ends hold TIME_WAIT */
	CLOSING_ABORTED,      /* a RST ended it */
};

/* One direction of a connection. */
struct track_end {
	struct tcp_endpoint endpoint;
	bool isn_known, fin_seen, fin_acked, fin_inferred;
	uint32_t isn;	  /* first sequence number, or the first seen when isn_known is false */
	uint32_t fin_seq; /* the sequence number that the FIN occupies */
	uint32_t next;	  /* SND.NXT as far as seen */
	uint32_t acked;	  /* highest ACK that this end sent */
	int64_t fin_ns, fin_acked_ns;
	unsigned fin_count; /* times the FIN was sent */
	uint64_t bytes;	    /* payload, each byte counted once */
	int state;	    /* RFC 9293 state inferred at the end of the capture; -1 unknown */
};

struct connection {
	struct track_end end[2];
	enum track_opening opening;
	enum track_closing closing;
	int first_closer; /* TRACK_CLIENT, TRACK_SERVER; -1 none or unknown; see closing for both */
	bool time_wait[2];     /* left with TIME_WAIT by what was seen */
	int reused_by, reuses; /* index of the next/previous connection on the 4-tuple, or -1 */
	struct tracked_segment *segments;
	size_t count, capacity;
};

struct tracker;

struct tracker *tracker_new(void);
void tracker_free(struct tracker *tracker);

/* What is known of a segment's way beyond the segment itself. */
struct segment_passage {
	bool lost;	      /* never reached its target */
	bool stuck;	      /* likewise, because it was on its way when the record ended */
	int64_t delivered_ns; /* when it reached its target; 0: as it was captured */
};

/*
 * Feeds one segment (copied). @passage may be NULL: delivered as captured. Returns 0 or -ENOMEM.
 */
int tracker_feed(struct tracker *tracker, const struct segment *segment,
		 const struct segment_passage *passage);

/*
 * Connections in order of their first segment. Borrowed; good until the next feed. What is still
 * under way counts as arrived. Brings the connection up to date, so not for two threads at once.
 */
size_t tracker_count(const struct tracker *tracker);
const struct connection *tracker_connection(const struct tracker *tracker, size_t index);

/* One line for a person: "FIN, acknowledges no FIN", "RST: close() with data unread". */
const char *segment_role_text(enum segment_role role);
const char *rst_cause_text(enum rst_cause cause);
/* Names for machines: "ack-of-fin", "unread-data". */
const char *segment_role_name(enum segment_role role);
const char *rst_cause_name(enum rst_cause cause);
const char *track_closing_name(enum track_closing closing);

/*
 * The connection as an exchange (owned by the caller; NULL when memory is short) with at most
 * @limit rows (0: all): the opening and the end are kept and the middle left out. Rows are in the
 * order of what happened: a segment that was under way while another was sent or arrived has
 * two. Names of the ends are @client and @server. Numbers are relative
 * to the ISN; where no SYN was seen, the first number seen is 1, and numbers that are small at both
 * ends (a tcpdump text has them relative already) are left as they are.
 */
struct exchange *connection_exchange(const struct connection *connection, const char *client,
				     const char *server, size_t limit);

#endif
