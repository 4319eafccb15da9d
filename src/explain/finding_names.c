/* Names for machines, and the facts that are a name: how sure, and agreed or not. */
#include <assert.h>

#include "explain/finding_facts.h"
#include "tcp/state.h"

static const char unknown[] = "unknown";

static const char *const opened_names[] = {
	[OPENED_CLIENT_SYN] = "client-syn",
	[OPENED_FAST_OPEN] = "fast-open",
	[OPENED_SIMULTANEOUS] = "simultaneous",
	[OPENED_UNKNOWN] = unknown,
};
static_assert(sizeof(opened_names) / sizeof(opened_names[0]) == OPENED_COUNT, "a name for each");

static const char *const ending_names[] = {
	[ENDING_GRACEFUL] = "graceful",	      [ENDING_SIMULTANEOUS] = "simultaneous",
	[ENDING_HALF_CLOSED] = "half-closed", [ENDING_RESET] = "reset",
	[ENDING_REFUSED] = "refused",	      [ENDING_UNANSWERED] = "unanswered",
	[ENDING_ABORTED] = "aborted",	      [ENDING_OPEN] = "open",
};
static_assert(sizeof(ending_names) / sizeof(ending_names[0]) == ENDING_COUNT, "a name for each");

static const char *const who_names[] = {
	[WHO_CLIENT] = "client", [WHO_SERVER] = "server", [WHO_BOTH] = "both",
	[WHO_NONE] = "none",	 [WHO_UNKNOWN] = unknown,
};
static_assert(sizeof(who_names) / sizeof(who_names[0]) == WHO_COUNT, "a name for each");

static const char *const confidence_names[] = {
	[CONFIDENCE_CERTAIN] = "certain",
	[CONFIDENCE_LIKELY] = "likely",
	[CONFIDENCE_GUESS] = "guess",
};
static_assert(sizeof(confidence_names) / sizeof(confidence_names[0]) == CONFIDENCE_COUNT,
	      "a name for each");

static const char *const option_names[] = {
	[OPTION_AGREED] = "agreed",
	[OPTION_CLIENT_DID_NOT] = "client-did-not",
	[OPTION_SERVER_DID_NOT] = "server-did-not",
	[OPTION_NEITHER] = "neither",
	[OPTION_UNKNOWN] = unknown,
};
static_assert(sizeof(option_names) / sizeof(option_names[0]) == OPTION_AGREEMENT_COUNT,
	      "a name for each");

const char *finding_opened_name(enum finding_opened opened)
{
	return (unsigned)opened < OPENED_COUNT ? opened_names[opened] : unknown;
}

const char *finding_ending_name(enum finding_ending ending)
{
	return (unsigned)ending < ENDING_COUNT ? ending_names[ending] : unknown;
}

const char *finding_who_name(enum finding_who who)
{
	return (unsigned)who < WHO_COUNT ? who_names[who] : unknown;
}

const char *finding_confidence_name(enum finding_confidence confidence)
{
	return (unsigned)confidence < CONFIDENCE_COUNT ? confidence_names[confidence] : unknown;
}

const char *finding_option_name(enum finding_option option)
{
	return (unsigned)option < OPTION_AGREEMENT_COUNT ? option_names[option] : unknown;
}

const char *finding_state_name(int state)
{
	switch (state) {
	case TCP_ESTABLISHED: /* ss shortens these two */
		return "ESTAB";
	case TCP_SYN_RECV:
		return "SYN-RECV";
	default:
		return state < 0 || state >= TCP_STATE_COUNT ? unknown : tcp_state_name(state);
	}
}

/*
 * That a SYN was refused, or that a RST repeats the ACK which an old connection gave, stands in the
 * packets. All else is a conclusion (rst.c); a RST with the ACK flag and nothing unread has several
 * explanations of the same weight.
 */
static enum finding_confidence cause_confidence(enum rst_cause cause)
{
	switch (cause) {
	case RST_NONE:
	case RST_REFUSED:
	case RST_ANSWERS_OLD_ACK:
		return CONFIDENCE_CERTAIN;
	case RST_UNREAD_DATA:
	case RST_DATA_AFTER_CLOSE:
	case RST_HALF_OPEN:
	case RST_CLIENT_GONE:
	case RST_IGNORED:
	case RST_INTO_TIME_WAIT:
		return CONFIDENCE_LIKELY;
	default:
		return CONFIDENCE_GUESS;
	}
}

enum finding_confidence finding_rst_confidence(const struct finding *finding)
{
	const struct finding_rst *rst = &finding->rst;
	enum finding_confidence confidence;

	if (!rst->any)
		return CONFIDENCE_CERTAIN;
	/* Whether it is its sender's at all. */
	if (finding_rst_foreign(finding))
		return CONFIDENCE_GUESS;
	confidence = cause_confidence(rst->cause);
	/* What it answers may be in the direction that is missing. */
	return finding->one_way && confidence == CONFIDENCE_LIKELY ? CONFIDENCE_GUESS : confidence;
}

/*
 * @answers_only: a SYN-ACK has the option only when the SYN had it (RFC 7323 2.2 and 3.2; RFC 2018
 * does not say so of SACK), so that a SYN-ACK alone can show that it is agreed on.
 */
static enum finding_option agreement(const struct finding *finding, bool client, bool server,
				     bool answers_only)
{
	bool client_known = finding->end[TRACK_CLIENT].syn_seen;
	bool server_known = finding->end[TRACK_SERVER].syn_seen;

	if (client_known && server_known) {
		if (client && server)
			return OPTION_AGREED;
		if (!client && !server)
			return OPTION_NEITHER;
		return client ? OPTION_SERVER_DID_NOT : OPTION_CLIENT_DID_NOT;
	}
	if (client_known && !client)
		return OPTION_CLIENT_DID_NOT;
	if (server_known && server && answers_only && finding->opened != OPENED_SIMULTANEOUS)
		return OPTION_AGREED;
	if (server_known && !server && finding->opened == OPENED_SIMULTANEOUS)
		return OPTION_SERVER_DID_NOT;
	return OPTION_UNKNOWN;
}

enum finding_option finding_timestamps(const struct finding *finding)
{
	return agreement(finding, finding->end[0].has_timestamps, finding->end[1].has_timestamps,
			 true);
}

enum finding_option finding_sack(const struct finding *finding)
{
	return agreement(finding, finding->end[0].sack_permitted, finding->end[1].sack_permitted,
			 false);
}

enum finding_option finding_window_scale(const struct finding *finding)
{
	return agreement(finding, finding->end[0].has_window_scale,
			 finding->end[1].has_window_scale, true);
}
