/*
 * What a colleague would say of a connection, in one sentence: how it began, where that is not
 * the usual way; who closed, and how; who is left with what; and what else was odd.
 *
 * The clauses come in the order of their weight, since a text that is too long is cut at its end.
 * What a capture cannot show is called likely or perhaps, or unknown with the reason.
 */
#include "base/clock.h"
#include "explain/finding_facts.h"
#include "tcp/state.h"

/* A half-close that is worth being called one. */
#define HALF_CLOSE_NS NS_PER_S

static const struct finding_end *end_of(const struct words *words, unsigned end)
{
	return &words->finding->end[end];
}

/* The end that is told first: who closed first; where that is nobody, who closed at all. */
static unsigned first_told(const struct words *words)
{
	switch (words->finding->closed_first) {
	case WHO_CLIENT:
		return TRACK_CLIENT;
	case WHO_SERVER:
		return TRACK_SERVER;
	default:
		return !finding_sent_fin(words->finding, TRACK_CLIENT) &&
		       finding_sent_fin(words->finding, TRACK_SERVER);
	}
}

/* --- how it began --- */

/* Returns whether something stands there. */
static bool put_opening(struct words *words)
{
	const struct finding *finding = words->finding;

	switch (finding->opened) {
	case OPENED_UNKNOWN:
		words_put(words, "begun before the capture, so who opened it is unknown");
		if (finding->end[0].endpoint.port != finding->end[1].endpoint.port) {
			words_put(words, " (port ");
			words_put_number(words, finding->end[TRACK_SERVER].endpoint.port);
			words_put(words, " is taken for the server)");
			words->port_told = true;
		}
		return true;
	case OPENED_SIMULTANEOUS:
		words_put(words, "two SYNs crossed, so neither end is the client");
		return true;
	default:
		return false;
	}
}

/* --- who is left with what --- */

static void put_left_state(struct words *words, int state)
{
	switch (state) {
	case TCP_STATE_NONE:
	case TCP_CLOSE:
		words_put(words, "with nothing");
		return;
	case TCP_TIME_WAIT:
		words_put(words, "with TIME-WAIT");
		return;
	default:
		words_put(words, "in ");
		words_put(words, finding_state_name(state));
	}
}

/* "both ends are left with nothing" */
static void put_left_alike(struct words *words, int state)
{
	if (state < 0) {
		words_put(words, "the state of both ends is unknown");
		return;
	}
	words_put(words, state == TCP_STATE_NONE ? "nothing is left at either end"
						 : "both ends are left ");
	if (state != TCP_STATE_NONE)
		put_left_state(words, state);
}

static void put_left_unknown(struct words *words, unsigned end)
{
	words_put(words, "what is left at ");
	words_put_end(words, end);
	words_put(words, " is unknown");
}

/* A FIN counts as arrived when it was captured; without its ACK nobody knows. */
static void put_left_doubt(struct words *words, unsigned end)
{
	if (end_of(words, end)->state == TCP_CLOSE_WAIT && !end_of(words, !end)->fin_acked)
		words_put(words, " if the FIN has reached it");
}

/* "the server is left with TIME-WAIT since +1.3 s, the client with nothing" */
static void put_left(struct words *words, unsigned first)
{
	int state = end_of(words, first)->state, other = end_of(words, !first)->state;

	if (state == other) {
		put_left_alike(words, state);
		return;
	}
	if (state < 0) {
		/* What is known first. */
		first = !first;
		state = other;
		other = -1;
	}
	words_put_end(words, first);
	words_put(words, " is left ");
	put_left_state(words, state);
	if (state == TCP_TIME_WAIT)
		words_put_at(words, " since ", end_of(words, first)->since_ns);
	put_left_doubt(words, first);
	if (other < 0) {
		words_put(words, ", and ");
		put_left_unknown(words, !first);
		return;
	}
	words_put(words, ", ");
	words_put_end(words, !first);
	words_put(words, " ");
	put_left_state(words, other);
	put_left_doubt(words, !first);
}

static void put_left_clause(struct words *words, unsigned first)
{
	words_put(words, "; ");
	put_left(words, first);
}

/* --- how it ended --- */

/* How far the first closer's FIN is the second's business: which segment acknowledged it. */
static void put_second_fin(struct words *words, unsigned first)
{
	const struct finding_end *closer = end_of(words, first), *other = end_of(words, !first);
	bool once = closer->fin_count == 1 && other->fin_count == 1;
	uint64_t later_ns = 0;

	if (closer->fin_acked_by_fin) {
		words_put(words, "; ");
		words_put_whose(words, !first);
		words_put(words, " FIN carried the ACK of that");
		if (once && other->fin_acked)
			words_put(words, " (three segments)");
		return;
	}
	if (!words_span(finding_fin_ns(words->finding, first),
			finding_fin_ns(words->finding, !first), &later_ns))
		later_ns = 0;
	words_put(words, later_ns ? ", and " : ", then ");
	words_put_end(words, !first);
	if (later_ns >= HALF_CLOSE_NS) {
		words_put(words, " after a half-close of ");
		words_put_duration(words, later_ns);
	} else if (later_ns) {
		words_put(words, " ");
		words_put_duration(words, later_ns);
		words_put(words, " later");
	}
	if (once && closer->fin_acked && other->fin_acked)
		words_put(words, " (four segments)");
}

static void put_inferred_fins(struct words *words)
{
	for (unsigned end = 0; end < 2; end++) {
		if (!end_of(words, end)->fin_inferred)
			continue;
		words_put(words, " (");
		words_put_whose(words, end);
		words_put(words, " FIN is inferred: only an ACK shows it)");
	}
}

static void put_graceful(struct words *words, unsigned first)
{
	const struct finding *finding = words->finding;

	if (finding->closed_first != WHO_CLIENT && finding->closed_first != WHO_SERVER) {
		words_put(words, "both ends closed, and who did first is unknown");
		words_put(words, finding->one_way ? ", for only one direction was captured"
						  : ", for the capture does not hold all of it");
	} else {
		words_put_end(words, first);
		words_put(words, " closed first");
		words_put_at(words, " at ", finding_fin_ns(words->finding, first));
		put_second_fin(words, first);
	}
	put_inferred_fins(words);
	if (end_of(words, !first)->state == TCP_LAST_ACK) {
		words_put(words, "; the ACK of ");
		words_put_whose(words, !first);
		words_put(words, " FIN is missing");
	}
	put_left_clause(words, first);
}

static void put_simultaneous(struct words *words, unsigned first)
{
	words_put(words, "both ends closed at once");
	words_put_at(words, " at ", finding_fin_ns(words->finding, first));
	words_put(words, ": neither FIN acknowledges the other's");
	put_inferred_fins(words);
	put_left_clause(words, first);
}

/* What is known of the other end, which sent no FIN. */
static void put_not_closed(struct words *words, unsigned first)
{
	uint64_t open_ns;

	words_put(words, ", and ");
	words_put_end(words, !first);
	if (!end_of(words, !first)->seen) {
		words_put(words, " was not captured");
		return;
	}
	words_put(words, " had not by the last packet");
	if (words_span(finding_fin_ns(words->finding, first), words->finding->last_ns, &open_ns) &&
	    open_ns) {
		words_put(words, ", ");
		words_put_duration(words, open_ns);
		words_put(words, " later");
	}
}

static void put_half_closed(struct words *words, unsigned first)
{
	words_put_end(words, first);
	words_put(words, " closed");
	words_put_at(words, " at ", finding_fin_ns(words->finding, first));
	put_not_closed(words, first);
	put_inferred_fins(words);
	if (!end_of(words, first)->fin_acked && !end_of(words, first)->fin_inferred)
		words_put(words, "; the FIN was not acknowledged");
	put_left_clause(words, first);
}

static void put_reset(struct words *words, unsigned first)
{
	const struct finding *finding = words->finding;

	if (!finding->rst.any) {
		words_put(words, "a RST ended the connection");
	} else if (finding_rst_foreign(finding)) {
		words_put(words, "a RST with the address of ");
		words_put_end(words, finding->rst.from);
		words_put(words, " ended the connection");
		words_put_at(words, " at ", finding->rst.at_ns);
		words_put_rst_why(words);
		return; /* who is left with what depends on that */
	} else {
		words_put_end(words, finding->rst.from);
		words_put(words, " reset the connection");
		words_put_rst_moment(words);
		words_put_rst_why(words);
	}
	put_left_clause(words, first);
}

static void put_refused(struct words *words)
{
	const struct finding *finding = words->finding;

	words_put_end(words, finding->rst.any ? finding->rst.from : TRACK_SERVER);
	words_put(words, " refused: it answered the SYN with a RST");
	if (finding_rst_foreign(finding))
		words_put_rst_why(words);
	else
		words_put(words, " (likely nobody listens there, or a firewall rejects)");
}

/* "the client's SYN to port 80, sent 6 times over 31 s" */
static void put_unanswered(struct words *words)
{
	const struct finding *finding = words->finding;
	unsigned from = !finding->end[TRACK_CLIENT].syn_count &&
			finding->end[TRACK_SERVER].syn_count;
	uint32_t count = finding->end[from].syn_count;
	uint64_t over_ns;

	words_put(words, "nothing in the capture answers ");
	words_put_whose(words, from);
	words_put(words, " SYN to port ");
	words_put_number(words, finding->end[!from].endpoint.port);
	words->port_told = true;
	if (count > 1) {
		words_put(words, ", sent ");
		words_put_count(words, count, "time");
		if (words_span(finding->first_ns, finding->end[from].last_ns, &over_ns)) {
			words_put(words, " over ");
			words_put_duration(words, over_ns);
		}
	}
	put_left_clause(words, from);
}

static void put_aborted(struct words *words, unsigned first)
{
	const struct finding *finding = words->finding;

	if (!finding->rst.any) {
		words_put(words, "it was given up while it was being opened");
	} else {
		words_put_end(words, finding->rst.from);
		words_put(words, " gave up while it was being opened, with a RST");
		words_put_at(words, " at ", finding->rst.at_ns);
		words_put_rst_why(words);
	}
	put_left_clause(words, first);
}

static void put_zero_windows(struct words *words)
{
	for (unsigned end = 0; end < 2; end++) {
		/* A FIN that is on its way already was not held up. */
		if (!end_of(words, end)->zero_window || finding_sent_fin(words->finding, !end))
			continue;
		words_put(words, "; the window of ");
		words_put_end(words, end);
		words_put(words, " is 0, so that nothing can be sent to it, a FIN neither");
	}
}

static void put_unanswered_keepalives(struct words *words)
{
	for (unsigned end = 0; end < 2; end++) {
		uint32_t count = end_of(words, end)->unanswered_keepalives;

		if (!count)
			continue;
		words_put(words, "; the last ");
		if (count > 1) {
			words_put_number(words, count);
			words_put(words, " ");
		}
		words_put(words, count == 1 ? "keep-alive or window probe of "
					    : "keep-alives or window probes of ");
		words_put_end(words, end);
		words_put(words, " had no answer");
	}
}

static void put_transfer(struct words *words)
{
	const struct finding *finding = words->finding;

	words_put(words, "; ");
	words_put_count(words, finding->end[TRACK_CLIENT].bytes, "byte");
	words_put(words, " from ");
	words_put_end(words, TRACK_CLIENT);
	words_put(words, ", ");
	words_put_number(words, finding->end[TRACK_SERVER].bytes);
	words_put(words, " from ");
	words_put_end(words, TRACK_SERVER);
}

static void put_open(struct words *words)
{
	const struct finding *finding = words->finding;

	if (!finding->handshake && finding->opened != OPENED_UNKNOWN) {
		words_put(words, "the handshake is not finished in the capture");
		put_left_clause(words, TRACK_CLIENT);
	} else {
		words_put(words, "nobody had closed by its last packet");
		words_put_at(words, " at ", finding->last_ns);
		put_transfer(words);
		if (end_of(words, 0)->state < 0 || end_of(words, 1)->state < 0)
			put_left_clause(words, TRACK_CLIENT);
	}
	put_zero_windows(words);
	put_unanswered_keepalives(words);
}

static void put_ending(struct words *words)
{
	unsigned first = first_told(words);

	switch (words->finding->ending) {
	case ENDING_GRACEFUL:
		put_graceful(words, first);
		break;
	case ENDING_SIMULTANEOUS:
		put_simultaneous(words, first);
		break;
	case ENDING_HALF_CLOSED:
		put_half_closed(words, first);
		put_zero_windows(words);
		put_unanswered_keepalives(words);
		break;
	case ENDING_RESET:
		put_reset(words, first);
		break;
	case ENDING_REFUSED:
		put_refused(words);
		break;
	case ENDING_UNANSWERED:
		put_unanswered(words);
		break;
	case ENDING_ABORTED:
		put_aborted(words, first);
		break;
	default:
		put_open(words);
		break;
	}
}

/* --- what else was odd --- */

static void put_repeated_fins(struct words *words)
{
	for (unsigned end = 0; end < 2; end++) {
		if (end_of(words, end)->fin_count < 2)
			continue;
		words_put(words, "; ");
		words_put_whose(words, end);
		words_put(words, " FIN was sent ");
		words_put_fin_times(words, end);
	}
}

static void put_reuse(struct words *words)
{
	const struct finding *finding = words->finding;
	bool known = finding->reused_after_ns != FINDING_TIME_UNKNOWN;

	if (!finding->reuses)
		return;
	words_put(words, "; it reused the 4-tuple of connection ");
	words_put_number(words, finding->reuses);
	if (known && finding->first_ns != FINDING_TIME_UNKNOWN) {
		words_put(words, ", ");
		words_put_duration(words, finding->reused_after_ns > 0
						  ? (uint64_t)finding->reused_after_ns
						  : 0);
		words_put(words, " after the last packet of that");
	}
	if (!finding->reused_in_time_wait)
		return;
	words_put(words, ", while ");
	if (finding->reused_held_by == WHO_CLIENT || finding->reused_held_by == WHO_SERVER)
		words_put_whose(words, finding->reused_held_by == WHO_SERVER);
	else
		words_put(words, finding->reused_held_by == WHO_BOTH ? "both ends'" : "its");
	words_put(words, " TIME-WAIT lasted");
}

static void put_fast_open(struct words *words)
{
	const struct finding *finding = words->finding;

	if (finding->opened != OPENED_FAST_OPEN)
		return;
	words_put(words, finding->fast_open_taken
				 ? "; the data in the SYN was taken (Fast Open)"
				 : "; the data in the SYN was not taken (Fast Open)");
}

static void put_reservations(struct words *words)
{
	const struct finding *finding = words->finding;

	if (finding->newer_syn_ignored)
		words_put(words, "; a SYN with another first number came and opened nothing");
	if (finding->one_way && finding->ending != ENDING_UNANSWERED) {
		words_put(words, "; only packets of ");
		words_put_end(words, finding->end[TRACK_SERVER].seen);
		words_put(words, " were captured");
	}
	if (finding->evicted)
		words_put(words, "; told early (--max-connections), so what came later counts as "
				 "another connection");
}

char *finding_sentence(const struct finding *finding, char *text)
{
	struct words words = words_begin(finding, text);

	if (put_opening(&words))
		words_put(&words, ": ");
	put_ending(&words);
	put_repeated_fins(&words);
	words_put_rst_aside(&words);
	put_reuse(&words);
	put_fast_open(&words);
	put_reservations(&words);
	words_put(&words, ".");
	words_end(&words);
	if (text[0] >= 'a' && text[0] <= 'z')
		text[0] = (char)(text[0] - 'a' + 'A');
	return text;
}
