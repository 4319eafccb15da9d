/* What deserves a look. A connection may have several problems; the worst is told. */
#include <assert.h>

#include "explain/finding_facts.h"
#include "tcp/state.h"

/*
 * Keep-alives are meant for idle connections. Worth a word where there are some dozen of them and
 * hardly anything else: a pool that keeps what nobody uses.
 */
#define MANY_KEEPALIVES 12

/* FINs without any answer, until the other end counts as vanished: the loss probe and two repeats
 * by the timer (Linux) may be plain loss. */
#define FINS_UNANSWERED 4

static const char *const names[] = {
	[PROBLEM_NONE] = "none",
	[PROBLEM_REUSED_TIME_WAIT] = "reused-time-wait",
	[PROBLEM_MANY_KEEPALIVES] = "many-keepalives",
	[PROBLEM_FIN_REPEATED] = "fin-repeated",
	[PROBLEM_LAST_ACK_LOST] = "last-ack-lost",
	[PROBLEM_HALF_CLOSED] = "half-closed",
	[PROBLEM_SYN_MET_TIME_WAIT] = "syn-met-time-wait",
	[PROBLEM_CLIENT_GONE] = "client-gone",
	[PROBLEM_REFUSED] = "refused",
	[PROBLEM_UNANSWERED] = "unanswered",
	[PROBLEM_STUCK_WINDOW] = "stuck-window",
	[PROBLEM_VANISHED] = "vanished",
	[PROBLEM_RESET_ABORT] = "reset-abort",
	[PROBLEM_RESET_AFTER_CLOSE] = "reset-after-close",
	[PROBLEM_RESET_UNREAD] = "reset-unread",
	[PROBLEM_RESET_MIDDLEBOX] = "reset-middlebox",
};
static_assert(sizeof(names) / sizeof(names[0]) == PROBLEM_COUNT, "a name for each problem");

const char *finding_problem_name(enum finding_problem problem)
{
	return (unsigned)problem < PROBLEM_COUNT ? names[problem] : "unknown";
}

/* An end with a window of 0, and another that may still have something to send to it. */
static bool stuck(const struct finding *finding, unsigned end)
{
	int state = finding->end[!end].state;

	return finding->end[end].zero_window && !finding_sent_fin(finding, !end) &&
	       (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT);
}

/* Nothing came back for what this end sent last. */
static bool unheard(const struct finding *finding, unsigned end)
{
	const struct finding_end *me = &finding->end[end], *other = &finding->end[!end];

	/* A capture of one direction never holds an answer. */
	if (finding->one_way || !other->seen)
		return false;
	if (me->unanswered_keepalives > 1)
		return true;
	return me->state == TCP_FIN_WAIT1 && me->fin_count >= FINS_UNANSWERED &&
	       other->last_ns <= me->fin_ns;
}

static enum finding_problem reset_problem(const struct finding *finding)
{
	const struct finding_rst *rst = &finding->rst;

	switch (rst->cause) {
	case RST_UNREAD_DATA:
		return PROBLEM_RESET_UNREAD;
	case RST_DATA_AFTER_CLOSE:
		return PROBLEM_RESET_AFTER_CLOSE;
	case RST_HALF_OPEN:
		return PROBLEM_VANISHED;
	case RST_ANSWERS_OLD_ACK:
		/* Its sender knows nothing of a connection that nobody had closed. */
		return finding_any_fin(finding) ? PROBLEM_SYN_MET_TIME_WAIT : PROBLEM_VANISHED;
	case RST_CLIENT_GONE:
		return PROBLEM_CLIENT_GONE;
	default:
		return finding->end[rst->from].unanswered_keepalives ? PROBLEM_VANISHED
								     : PROBLEM_RESET_ABORT;
	}
}

/* By the ending alone. */
static enum finding_problem ending_problem(const struct finding *finding)
{
	switch (finding->ending) {
	case ENDING_RESET:
		return reset_problem(finding);
	case ENDING_REFUSED:
		return PROBLEM_REFUSED;
	case ENDING_UNANSWERED:
		return PROBLEM_UNANSWERED;
	case ENDING_ABORTED:
		return PROBLEM_CLIENT_GONE;
	case ENDING_HALF_CLOSED:
		return finding->one_way ? PROBLEM_NONE : PROBLEM_HALF_CLOSED;
	default:
		break;
	}
	if (finding->one_way)
		return PROBLEM_NONE; /* the ACK is in the direction that is missing */
	for (unsigned end = 0; end < 2; end++)
		if (finding->end[end].state == TCP_LAST_ACK ||
		    finding->end[end].state == TCP_CLOSING)
			return PROBLEM_LAST_ACK_LOST;
	return PROBLEM_NONE;
}

/* A SYN that a connection answered which nobody needs any more, or which its sender forgot. */
static enum finding_problem syn_problem(const struct finding *finding)
{
	bool old_ack = finding->rst.any && finding->rst.cause == RST_ANSWERS_OLD_ACK;

	if (!finding->newer_syn_ignored && !old_ack)
		return PROBLEM_NONE;
	return finding_any_fin(finding) ? PROBLEM_SYN_MET_TIME_WAIT : PROBLEM_VANISHED;
}

static bool many_keepalives(const struct finding *finding, unsigned end)
{
	const struct finding_end *me = &finding->end[end];

	return me->keepalives >= MANY_KEEPALIVES && me->keepalives > me->packets / 2;
}

static enum finding_problem end_problem(const struct finding *finding, unsigned end)
{
	if (unheard(finding, end))
		return PROBLEM_VANISHED;
	if (stuck(finding, end))
		return PROBLEM_STUCK_WINDOW;
	if (finding->end[end].fin_count > 1)
		return PROBLEM_FIN_REPEATED;
	return many_keepalives(finding, end) ? PROBLEM_MANY_KEEPALIVES : PROBLEM_NONE;
}

static void take_worse(enum finding_problem *worst, enum finding_problem problem)
{
	if (problem > *worst)
		*worst = problem;
}

enum finding_problem finding_problem(const struct finding *finding)
{
	enum finding_problem worst = finding->reused_in_time_wait ? PROBLEM_REUSED_TIME_WAIT
								  : PROBLEM_NONE;

	if (finding_rst_foreign(finding))
		return PROBLEM_RESET_MIDDLEBOX;
	take_worse(&worst, ending_problem(finding));
	take_worse(&worst, syn_problem(finding));
	take_worse(&worst, end_problem(finding, TRACK_CLIENT));
	take_worse(&worst, end_problem(finding, TRACK_SERVER));
	return worst;
}
