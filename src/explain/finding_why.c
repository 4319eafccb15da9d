/* Why an end is in its state: what it sent, and what came or did not. No sentence, no full stop. */
#include "explain/finding_facts.h"
#include "tcp/state.h"

static const struct finding_end *end_of(const struct words *words, unsigned end)
{
	return &words->finding->end[end];
}

static void put_times(struct words *words, unsigned end)
{
	if (end_of(words, end)->fin_count < 2)
		return;
	words_put(words, ", though it was sent ");
	words_put_fin_times(words, end);
}

/* "its FIN", and where it is not in the capture, how it is known. */
static void put_its_fin(struct words *words, unsigned end)
{
	words_put(words, end_of(words, end)->fin_inferred ? "its FIN, which only an ACK shows,"
							  : "its FIN");
}

static void put_fin_not_acked(struct words *words, unsigned end)
{
	put_its_fin(words, end);
	words_put(words, " was not acknowledged in the capture");
	put_times(words, end);
}

static void put_other_fin(struct words *words, unsigned end)
{
	const struct finding_end *other = end_of(words, !end);

	words_put(words, "the other's FIN");
	if (other->fin_inferred)
		words_put(words, " (only an ACK shows it)");
	else
		words_put_at(words, " at ", other->fin_ns);
}

/* --- unknown --- */

static bool rst_met_time_wait(const struct finding *finding, unsigned end)
{
	const struct finding_rst *rst = &finding->rst;

	return rst->any && rst->from != end && !rst->ends &&
	       (rst->cause == RST_INTO_TIME_WAIT ||
		(rst->cause == RST_ANSWERS_OLD_ACK && finding->end[end].time_wait));
}

static void why_unknown(struct words *words, unsigned end)
{
	const struct finding *finding = words->finding;
	const struct finding_end *me = &finding->end[end];
	const struct finding_rst *rst = &finding->rst;

	if (rst_met_time_wait(finding, end)) {
		words_put(words, "a RST came");
		words_put_at(words, " at ", rst->at_ns);
		words_put(words, " that may have deleted TIME-WAIT: net.ipv4.tcp_rfc1337 decides, "
				 "which a capture cannot show");
	} else if (rst->any && !rst->ends && rst->from == end) {
		words_put(words, "a RST with its address");
		words_put_at(words, " at ", rst->at_ns);
		words_put(words, " ended nothing, and it sent no more: a socket that sends RST is "
				 "gone, but perhaps it was not its own");
	} else if (finding->ending == ENDING_UNANSWERED && !me->seen) {
		words_put(words, "it has not answered the SYN: whether it is there a capture "
				 "cannot show");
	} else if (!me->seen) {
		words_put(words, "nothing that it sent is in the capture");
	} else if (finding->opened == OPENED_UNKNOWN) {
		words_put(words, "the connection began before the capture, and nothing that it "
				 "sent since shows its state");
	} else {
		words_put(words, "what is in the capture does not decide it");
	}
}

/* --- closed --- */

/* It sent the RST that ended the connection, or took it. */
static void why_reset(struct words *words, unsigned end)
{
	const struct finding_rst *rst = &words->finding->rst;

	if (rst->from != end)
		words_put(words, "a RST that fits was sent to it");
	else
		words_put(words, finding_rst_foreign(words->finding)
					 ? "a RST with its address, but perhaps from "
					   "something in between, was sent"
					 : "it sent a RST");
	words_put_at(words, " at ", rst->at_ns);
	if (rst->from != end)
		words_put(words, ", which ends it at once");
	else
		words_put(words, finding_rst_foreign(words->finding)
					 ? "; only if it is its own, nothing is left here"
					 : ", and who sends one has no socket left");
}

static void why_closed(struct words *words, unsigned end)
{
	const struct finding *finding = words->finding;
	const struct finding_end *me = &finding->end[end];

	if (finding->ending == ENDING_REFUSED) {
		words_put(words, end == finding->rst.from
					 ? "it answered the SYN with a RST: no connection came "
					   "about"
					 : "its SYN was answered by a RST: connect() fails");
	} else if (finding->ending == ENDING_GRACEFUL && me->fin_acked && !finding->rst.ends) {
		words_put(words, "it closed second, and its FIN was acknowledged");
		words_put_at(words, " at ", me->fin_acked_ns);
		words_put(words, ": nothing is left of it");
	} else if (finding->rst.any) {
		why_reset(words, end);
	} else {
		words_put(words, "nothing is left of it");
	}
}

/* --- there --- */

static void why_established(struct words *words, unsigned end)
{
	const struct finding *finding = words->finding;
	const struct finding_end *me = &finding->end[end], *other = &finding->end[!end];

	if (other->fin_seen || other->fin_inferred) {
		put_other_fin(words, end);
		words_put(words,
			  ", or data before that, has not reached it, and it has not sent its "
			  "own");
		return;
	}
	if (finding->handshake)
		words_put(words, "the handshake was finished");
	else
		words_put(words, finding->opened == OPENED_UNKNOWN ? "it has sent data"
								   : "its SYN was acknowledged");
	words_put(words, ", and no FIN was seen of either end");
	if (other->zero_window)
		words_put(words,
			  "; the other's window is 0: if it has called close(), its FIN waits");
	if (me->unanswered_keepalives)
		words_put(words, "; its last keep-alives were not answered");
}

static void why_syn_sent(struct words *words, unsigned end)
{
	uint32_t count = end_of(words, end)->syn_count;

	words_put(words, "its SYN");
	if (count > 1) {
		words_put(words, ", sent ");
		words_put_count(words, count, "time");
		words_put(words, ",");
	}
	words_put(words, " had no answer in the capture that opens the connection");
}

static void why_fin_wait2(struct words *words, unsigned end)
{
	const struct finding_end *me = end_of(words, end);

	put_its_fin(words, end);
	words_put(words, " was acknowledged");
	if (me->fin_acked)
		words_put_at(words, " at ", me->fin_acked_ns);
	words_put(words, ", and the other's has not come; Linux drops this state silently after "
			 "tcp_fin_timeout when the application has let go of the socket");
}

static void why_close_wait(struct words *words, unsigned end)
{
	if (!end_of(words, !end)->fin_acked && !end_of(words, !end)->fin_inferred) {
		put_other_fin(words, end);
		words_put(words, " counts as arrived, though it was not acknowledged: whether it "
				 "came, and whether this end is there, a capture cannot show");
		return;
	}
	words_put(words, "got ");
	put_other_fin(words, end);
	words_put(words, " and has not sent its own: ");
	if (end_of(words, !end)->zero_window)
		words_put(words, "the application has not called close(), or the FIN waits behind "
				 "the other's window of 0");
	else if (!end_of(words, end)->seen)
		words_put(words, "but nothing that it sent is in the capture");
	else
		words_put(words, "the application has not called close()");
}

static void why_time_wait(struct words *words, unsigned end)
{
	const struct finding *finding = words->finding;

	words_put(words, finding->ending == ENDING_SIMULTANEOUS
				 ? "both ends closed at once, and its FIN was acknowledged"
				 : "it closed first and got the other's FIN");
	if (finding->ending != ENDING_SIMULTANEOUS && !finding->end[!end].fin_inferred)
		words_put_at(words, " at ", finding->end[!end].fin_ns);
	words_put(words, "; Linux keeps this for 60 s to acknowledge that FIN again and to let old "
			 "segments die");
	if (!finding->reused_by)
		return;
	words_put(words, "; connection ");
	words_put_number(words, finding->reused_by);
	words_put(words, " took the 4-tuple over");
}

char *finding_state_why(const struct finding *finding, unsigned end, char *text)
{
	struct words words = words_begin(finding, text);

	switch (finding->end[end].state) {
	case TCP_STATE_NONE:
	case TCP_CLOSE:
		why_closed(&words, end);
		break;
	case TCP_ESTABLISHED:
		why_established(&words, end);
		break;
	case TCP_SYN_SENT:
		why_syn_sent(&words, end);
		break;
	case TCP_SYN_RECV:
		words_put(&words, "it got a SYN and answered, and the ACK of that did not come in "
				  "the capture");
		break;
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		put_fin_not_acked(&words, end);
		break;
	case TCP_FIN_WAIT2:
		why_fin_wait2(&words, end);
		break;
	case TCP_CLOSE_WAIT:
		why_close_wait(&words, end);
		break;
	case TCP_TIME_WAIT:
		why_time_wait(&words, end);
		break;
	case TCP_CLOSING:
		words_put(&words, "both FINs crossed, and ");
		put_fin_not_acked(&words, end);
		break;
	case TCP_LISTEN:
		words_put(&words, "it listens, and no SYN has reached it");
		break;
	default:
		why_unknown(&words, end);
		break;
	}
	return words_end(&words);
}
