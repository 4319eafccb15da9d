/*
 * What is found out about one connection: facts first, then the words that follow from them.
 *
 * explain/flows.h fills it from segments; everything here is pure. "Unknown" is an answer: where
 * the capture does not show it, the field says so, and the text says why.
 */
#ifndef CONTEST_EXPLAIN_FINDING_H
#define CONTEST_EXPLAIN_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/track.h"
#include "tcp/key.h"

#define FINDING_TIME_UNKNOWN INT64_MIN

enum finding_opened {
	OPENED_CLIENT_SYN,   /* a SYN (or the SYN-ACK that answers it) was captured */
	OPENED_FAST_OPEN,    /* with data in the SYN (RFC 7413) */
	OPENED_SIMULTANEOUS, /* two SYNs: no client and no server; ends are as first seen */
	OPENED_UNKNOWN,	     /* began before the capture: who is the client is a guess */
	OPENED_COUNT,
};

enum finding_ending {
	ENDING_GRACEFUL, /* both ends sent a FIN, one after the other; the states tell how far it
			  * came: with the last ACK missing, LAST-ACK */
	ENDING_SIMULTANEOUS, /* both sent a FIN, and neither acknowledges the other's */
	ENDING_HALF_CLOSED,  /* one FIN only */
	ENDING_RESET,	     /* a RST ended a connection that was open, before or after a FIN */
	ENDING_REFUSED,	     /* a RST answered the SYN */
	ENDING_UNANSWERED,   /* SYNs, and nothing came back */
	ENDING_ABORTED,	     /* given up while it was being opened: the client had gone */
	ENDING_OPEN,	     /* no FIN, no RST (that counted) */
	ENDING_COUNT,
};

enum finding_who { WHO_CLIENT, WHO_SERVER, WHO_BOTH, WHO_NONE, WHO_UNKNOWN, WHO_COUNT };

enum finding_confidence {
	CONFIDENCE_CERTAIN,
	CONFIDENCE_LIKELY,
	CONFIDENCE_GUESS,
	CONFIDENCE_COUNT
};

/* One end. Index 0 is the client, 1 the server. */
struct finding_end {
	struct tcp_endpoint endpoint;
	int state; /* after the last packet: enum of <netinet/tcp.h>, TCP_STATE_NONE, -1 unknown */
	int64_t since_ns; /* when it entered that, in capture time; or FINDING_TIME_UNKNOWN */

	bool seen;     /* at least one segment of its own is in the capture */
	bool syn_seen; /* options below are those of its SYN; else none are known */
	bool has_timestamps, sack_permitted, has_window_scale, has_mss;
	uint8_t window_scale;
	uint16_t mss;

	bool fin_seen, fin_inferred; /* sent a FIN; only an ACK shows it */
	bool fin_acked;
	bool fin_acked_by_fin; /* the ACK came with the other's FIN: three segments */
	unsigned fin_count;    /* times the FIN was captured */
	int64_t fin_ns, fin_acked_ns;

	uint64_t packets, bytes; /* bytes: payload, each counted once */
	uint32_t data_repeated;	 /* segments with payload, none of it new; saturates */
	uint32_t syn_count;	 /* saturates, as the following */
	uint32_t keepalives, challenges, rst_count;
	uint32_t unanswered_keepalives; /* the last ones in a row that nothing came back for */
	bool zero_window;		/* what it advertised last is a window of 0 */
	bool data_unanswered;		/* data arrived, and it sent none since */
	bool time_wait;			/* left with TIME-WAIT by what was seen */
	int64_t last_ns;		/* of its last segment; or FINDING_TIME_UNKNOWN */
};

struct finding_rst {
	bool any;
	unsigned from; /* TRACK_CLIENT or TRACK_SERVER: whose address it has */
	enum rst_cause cause;
	int64_t at_ns;
	bool ends;	/* it ended the connection; else it was ignored, or met TIME-WAIT */
	bool ttl_known; /* … of the RST and of all its sender's other segments */
	uint8_t ttl, sender_ttl; /* another TTL: perhaps from something in between */
	unsigned count;		 /* of all RSTs, both ends */
};

#define FINDING_INTERVALS 16

struct finding {
	uint64_t number; /* from 1, in order of the first segment */
	struct finding_end end[2];
	enum finding_opened opened;
	bool opened_inferred; /* only the SYN-ACK, or what it acknowledges, shows the SYN */
	bool handshake;	      /* both ends came to ESTABLISHED by what was seen */
	bool fast_open_taken; /* the SYN-ACK acknowledged the SYN's data */
	enum finding_ending ending;
	enum finding_who closed_first;
	enum finding_who time_wait_holder;
	struct finding_rst rst; /* the one that ended it; else the first */

	/* Repeated FINs of the end that repeated its FIN most (@fin_repeater). */
	unsigned fin_repeater;
	unsigned fin_interval_count;
	bool fin_intervals_cut; /* there were more */
	uint32_t fin_interval_ms[FINDING_INTERVALS];

	uint64_t reuses, reused_by; /* numbers of the connections before and behind on the 4-tuple;
				     * 0 none */
	int64_t reused_after_ns;    /* from the last segment of the one before to this one's SYN */
	enum finding_who reused_held_by; /* who held TIME-WAIT of the one before */
	bool reused_in_time_wait;	 /* … and still did as far as 60 s (Linux) tell */
	bool newer_syn_ignored;		 /* a SYN with another ISN came while it was open, or met
					  * TIME-WAIT and was answered by an old ACK */

	int64_t first_ns, last_ns; /* FINDING_TIME_UNKNOWN: the capture has no times */
	uint64_t handshake_ns;	   /* from the first SYN to the SYN-ACK's ACK; 0 unknown */
	bool evicted; /* forgotten early (--max-connections): later segments count as another */
	bool one_way; /* only one direction is in the capture */
};

/* --- words (finding_names.c, finding_text.c) --- */

/* As in the JSON: "client-syn", "graceful", "client", "certain". */
const char *finding_opened_name(enum finding_opened opened);
const char *finding_ending_name(enum finding_ending ending);
const char *finding_who_name(enum finding_who who);
const char *finding_confidence_name(enum finding_confidence confidence);
/* "FIN-WAIT-2", "CLOSED", "unknown": as ss spells them (ESTAB, SYN-RECV …). */
const char *finding_state_name(int state);

/* How sure the cause of its RST is; what a capture cannot tell is never certain. */
enum finding_confidence finding_rst_confidence(const struct finding *finding);

/* Whether both ends, one, or none offered an option, and so whether it is in use. */
enum finding_option {
	OPTION_AGREED,
	OPTION_CLIENT_DID_NOT,
	OPTION_SERVER_DID_NOT,
	OPTION_NEITHER,
	OPTION_UNKNOWN,
	OPTION_AGREEMENT_COUNT
};
enum finding_option finding_timestamps(const struct finding *finding);
enum finding_option finding_sack(const struct finding *finding);
enum finding_option finding_window_scale(const struct finding *finding);
const char *finding_option_name(enum finding_option option); /* "agreed", "client-did-not" … */

#define FINDING_TEXT_MAX 400

/*
 * What a colleague would say of the connection, in one sentence; and why an end is in its state.
 * "the server" and "the client" are its words, ports where they help. Returns @text, of
 * FINDING_TEXT_MAX bytes.
 */
char *finding_sentence(const struct finding *finding, char *text);
char *finding_state_why(const struct finding *finding, unsigned end, char *text);

/* --- what deserves a look (finding_problem.c) --- */

enum finding_problem {
	PROBLEM_NONE,
	/* in the order of weight: the later, the worse */
	PROBLEM_REUSED_TIME_WAIT, /* worked, but ports are short */
	PROBLEM_MANY_KEEPALIVES,
	PROBLEM_FIN_REPEATED,
	PROBLEM_LAST_ACK_LOST,
	PROBLEM_HALF_CLOSED, /* FIN-WAIT-2 and CLOSE-WAIT at the end: who has not closed */
	PROBLEM_SYN_MET_TIME_WAIT,
	PROBLEM_CLIENT_GONE,
	PROBLEM_REFUSED,
	PROBLEM_UNANSWERED,
	PROBLEM_STUCK_WINDOW, /* open behind a zero window */
	PROBLEM_VANISHED,     /* an end stopped answering, or no longer knows the connection */
	PROBLEM_RESET_ABORT,
	PROBLEM_RESET_AFTER_CLOSE, /* data met a closed socket */
	PROBLEM_RESET_UNREAD,	   /* data was lost for certain or likely */
	PROBLEM_RESET_MIDDLEBOX,   /* by the look of its TTL not from its sender */
	PROBLEM_COUNT,
};

/* The worst of those that fit. */
enum finding_problem finding_problem(const struct finding *finding);
const char *finding_problem_name(enum finding_problem problem); /* "half-closed" */
/* What is wrong, and what to look at or to do: one or two sentences of a colleague. Returns @text,
 * of FINDING_TEXT_MAX bytes; "" for PROBLEM_NONE. */
char *finding_advice(const struct finding *finding, char *text);

#endif
