/* Texts for people and names for machines. */
#include <assert.h>

#include "explain/track.h"

struct name {
	const char *name, *text;
};

static const struct name roles[] = {
	[ROLE_SYN] = {"syn", "SYN: asks for a connection"},
	[ROLE_SYN_REPEATED] = {"syn-repeated", "SYN repeated"},
	[ROLE_SYN_ACK] = {"syn-ack", "SYN, acknowledges the SYN"},
	[ROLE_SYN_ACK_REPEATED] = {"syn-ack-repeated", "SYN-ACK repeated"},
	[ROLE_HANDSHAKE_ACK] = {"handshake-ack", "acknowledges the SYN: open"},
	[ROLE_DATA] = {"data", "data"},
	[ROLE_DATA_REPEATED] = {"data-repeated", "data repeated"},
	[ROLE_ACK] = {"ack", "acknowledges data"},
	[ROLE_ACK_DATA_ONLY] = {"ack-data-only", "acknowledges data only, not the FIN"},
	[ROLE_ACK_OF_FIN] = {"ack-of-fin", "acknowledges the FIN"},
	[ROLE_ACK_OF_FIN_AGAIN] = {"ack-of-fin-again", "acknowledges the FIN again"},
	[ROLE_ACK_DUPLICATE] = {"ack-duplicate", "acknowledges nothing new"},
	[ROLE_WINDOW_UPDATE] = {"window-update", "window update"},
	[ROLE_KEEPALIVE] = {"keepalive", "keep-alive or window probe"},
	[ROLE_KEEPALIVE_ACK] = {"keepalive-ack", "answers the keep-alive"},
	[ROLE_FIN] = {"fin", "FIN, acknowledges no FIN"},
	[ROLE_FIN_AND_ACK_OF_FIN] = {"fin-and-ack-of-fin", "FIN, acknowledges the other's FIN"},
	[ROLE_FIN_REPEATED] = {"fin-repeated", "FIN repeated"},
	[ROLE_RST] = {"rst", "RST"},
	[ROLE_CHALLENGE_ACK] = {"challenge-ack", "challenge: says where this connection stands"},
	[ROLE_STRAY] = {"stray", "belongs to no connection that is open"},
	[ROLE_ILLEGAL] = {"illegal", "no TCP sends this: a scan, or damage"},
};
static_assert(sizeof(roles) / sizeof(roles[0]) == ROLE_COUNT, "a name for each role");

static const struct name causes[] = {
	[RST_NONE] = {"none", "no RST"},
	[RST_REFUSED] = {"refused", "RST: refused, nobody listens"},
	[RST_UNREAD_DATA] = {"unread-data",
			     "RST: close() with data unread (SO_LINGER 0 would look the same)"},
	[RST_ABORT] = {"abort", "RST: abort, or close() with SO_LINGER 0"},
	[RST_DATA_AFTER_CLOSE] = {"data-after-close",
				  "RST: answers data that came after its sender had closed"},
	[RST_HALF_OPEN] = {"half-open",
			   "RST: answers a segment of a connection that its sender does not know"},
	[RST_ANSWERS_OLD_ACK] =
		{"answers-old-ack",
		 "RST: answers the old connection, its sender is opening a new one"},
	[RST_CLIENT_GONE] = {"client-gone", "RST: the client had gone before it was open"},
	[RST_IGNORED] = {"ignored", "RST not at RCV.NXT: ends nothing"},
	[RST_INTO_TIME_WAIT] = {"into-time-wait",
				"RST into TIME-WAIT: deletes it unless tcp_rfc1337 = 1, which a "
				"capture cannot show"},
	[RST_UNKNOWN] = {"unknown", "RST: its reason lies before the capture"},
};
static_assert(sizeof(causes) / sizeof(causes[0]) == RST_CAUSE_COUNT, "a name for each cause");

static const char *const closings[] = {
	[CLOSING_NOT] = "open",
	[CLOSING_REFUSED] = "refused",
	[CLOSING_NO_ANSWER] = "no-answer",
	[CLOSING_HALF] = "half-closed",
	[CLOSING_GRACEFUL] = "graceful",
	[CLOSING_LAST_ACK] = "last-ack-missing",
	[CLOSING_SIMULTANEOUS] = "simultaneous",
	[CLOSING_ABORTED] = "aborted",
};
static_assert(sizeof(closings) / sizeof(closings[0]) == CLOSING_ABORTED + 1,
	      "a name for each closing");

static const struct name unknown = {"?", "?"};

static const struct name *role_entry(enum segment_role role)
{
	return (unsigned)role < ROLE_COUNT ? &roles[role] : &unknown;
}

static const struct name *cause_entry(enum rst_cause cause)
{
	return (unsigned)cause < RST_CAUSE_COUNT ? &causes[cause] : &unknown;
}

const char *segment_role_text(enum segment_role role)
{
	return role_entry(role)->text;
}

const char *segment_role_name(enum segment_role role)
{
	return role_entry(role)->name;
}

const char *rst_cause_text(enum rst_cause cause)
{
	return cause_entry(cause)->text;
}

const char *rst_cause_name(enum rst_cause cause)
{
	return cause_entry(cause)->name;
}

const char *track_closing_name(enum track_closing closing)
{
	return (unsigned)closing <= CLOSING_ABORTED ? closings[closing] : unknown.name;
}
