/*
 * What is wrong, and what to look at or to do. Where an experiment of the lab shows it on this
 * kernel, it is named: the reader need not believe us.
 */
#include <assert.h>

#include "explain/finding_facts.h"
#include "tcp/state.h"

#define LAB(id) " (contest lab run " id ")"

static const struct finding_end *end_of(const struct words *words, unsigned end)
{
	return &words->finding->end[end];
}

/* Sentences begin with an end, or with the application of one. */
static void put_end(struct words *words, const char *before, unsigned end, const char *behind)
{
	words_put(words, before);
	words_put_end(words, end);
	words_put(words, behind);
}

static void reused_time_wait(struct words *words)
{
	const struct finding *finding = words->finding;

	words_put(words, "a local port came back while TIME-WAIT of its last connection lasted: "
			 "it worked, but local ports are short");
	words_put(words, ". Keep connections open and reuse them, or widen "
			 "net.ipv4.ip_local_port_range" LAB("port-exhaustion"));
	if (finding->reused_held_by == WHO_SERVER)
		words_put(words, "; that a newer SYN is let in: contest lab run reuse-server-side");
	else if (finding->reused_held_by == WHO_CLIENT)
		words_put(words, "; what lets a client do so: contest lab run reuse-client-side");
}

static void many_keepalives(struct words *words)
{
	uint64_t count = (uint64_t)end_of(words, 0)->keepalives + end_of(words, 1)->keepalives;

	words_put(words, "an idle connection was held open by ");
	words_put_count(words, count, "keep-alive or window probe");
	words_put(words, ". If nobody needs it, give the pool an idle timeout; if the path needs "
			 "fewer, raise TCP_KEEPINTVL and tcp_keepalive_time");
}

static unsigned fin_repeater(const struct words *words)
{
	return end_of(words, TRACK_SERVER)->fin_count > end_of(words, TRACK_CLIENT)->fin_count;
}

static void fin_repeated(struct words *words)
{
	unsigned end = fin_repeater(words);

	words_put_whose(words, end);
	words_put(words, " FIN was sent ");
	words_put_fin_times(words, end);
	words_put(words, ": it, or its ACK, was lost on the way or came late. See whether data is "
			 "repeated as well, which means loss" LAB("fin-wait1-retries"));
}

static void last_ack_lost(struct words *words)
{
	unsigned end = end_of(words, TRACK_SERVER)->state == TCP_LAST_ACK ||
		       end_of(words, TRACK_SERVER)->state == TCP_CLOSING;

	words_put(words, "the ACK of ");
	words_put_whose(words, end);
	words_put(words, " FIN is missing: it repeats that until an ACK comes or it gives up "
			 "(tcp_orphan_retries). See whether the capture just ends here; if not, "
			 "whether the other end's TIME-WAIT was gone, or packets get lost");
}

static void half_closed(struct words *words)
{
	unsigned first = !finding_sent_fin(words->finding, TRACK_CLIENT);

	if (end_of(words, first)->state == TCP_FIN_WAIT1) {
		put_end(words, "the FIN of ", first, " was not acknowledged");
		words_put(words, ": see whether the capture just ends here; if not, the path or "
				 "the other end is gone" LAB("fin-wait1-retries"));
		return;
	}
	put_end(words, "the application at ", !first, " has not closed");
	words_put_at(words, " since the FIN came at ",
		     end_of(words, first)->fin_inferred ? FINDING_TIME_UNKNOWN
							: end_of(words, first)->fin_ns);
	words_put(words,
		  ": look there for a missing close(), or a child that inherited the "
		  "descriptor; ss -tnp state close-wait names the process" LAB("close-wait-leak"));
	words_put(words, ". Once the FIN-WAIT-2 has ended a late FIN is answered by RST" LAB(
				 "fin-wait2-late-fin"));
}

static void syn_met_time_wait(struct words *words)
{
	words_put(words,
		  "a new SYN met what was left of the old connection and was answered by its "
		  "ACK: its sequence number and timestamp were not newer. Look for "
		  "several machines behind one address (NAT), or a client that resets its "
		  "timestamps" LAB("reuse-server-side"));
}

static void client_gone(struct words *words)
{
	words_put(words, "the client was gone before the connection was open: a connect() that was "
			 "given up, or a scan");
	words_put(words, ". Compare the client's connect timeout with the time to the SYN-ACK");
}

static void put_port(struct words *words, unsigned end)
{
	words_put_number(words, end_of(words, end)->endpoint.port);
}

static void refused(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;
	unsigned end = rst->any ? rst->from : TRACK_SERVER;

	words_put(words, "nobody listens on port ");
	put_port(words, end);
	words_put(words, ", or a firewall rejects: look with ss -ltn 'sport = :");
	put_port(words, end);
	words_put(words, "' at that end. A full accept queue does not answer so" LAB("backlog"));
}

static void unanswered(struct words *words)
{
	unsigned from = !end_of(words, TRACK_CLIENT)->syn_count &&
			end_of(words, TRACK_SERVER)->syn_count;

	words_put(words, "nothing came back from port ");
	put_port(words, !from);
	words_put(words, ": a firewall that drops, a host that is down, an answer that takes a way "
			 "which was not captured, or an accept queue that is full; for that see "
			 "TcpExtListenOverflows in nstat -az at the other end" LAB("backlog"));
}

static void stuck_window(struct words *words)
{
	unsigned end = end_of(words, TRACK_SERVER)->zero_window &&
		       !(end_of(words, TRACK_CLIENT)->zero_window &&
			 !finding_sent_fin(words->finding, TRACK_SERVER));

	put_end(words, "the application at ", end,
		" does not read: its window is 0, and what the "
		"other end wants to send waits, a FIN too");
	words_put(words, ". Look at Recv-Q with ss -tnp there, and at Send-Q at the other end; a "
			 "close() there shows on no wire");
}

/* Who does not answer: the other has keep-alives or a FIN without an answer. */
static unsigned silent_end(const struct words *words)
{
	const struct finding_end *server = end_of(words, TRACK_SERVER);

	return !(server->unanswered_keepalives || server->state == TCP_FIN_WAIT1);
}

/* A SYN showed it. */
static bool forgotten(const struct words *words)
{
	const struct finding *finding = words->finding;
	bool old_ack = finding->rst.any && finding->rst.cause == RST_ANSWERS_OLD_ACK;

	return (finding->newer_syn_ignored || old_ack) && !finding_sent_fin(words->finding, 0) &&
	       !finding_sent_fin(words->finding, 1);
}

static void silent(struct words *words)
{
	unsigned end = silent_end(words);

	put_end(words, "", end,
		" does not answer any more: a host that is gone, a path that is "
		"broken, or a firewall that forgot the connection");
	words_put(words, ". Keep-alives below the firewall's idle time keep it open; "
			 "TCP_USER_TIMEOUT notices earlier");
	if (end_of(words, !end)->state == TCP_FIN_WAIT1)
		words_put(words, LAB("fin-wait1-retries"));
}

static void vanished(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	if (rst->any && rst->cause == RST_HALF_OPEN &&
	    finding_sent_fin(words->finding, rst->from)) {
		put_end(words, "", rst->from,
			" closed and, likely, forgot the connection while the "
			"other end was still in CLOSE-WAIT");
		words_put(words, ": make the other end close when it reads end of file" LAB(
					 "fin-wait2-late-fin"));
	} else if (rst->any && rst->cause == RST_HALF_OPEN) {
		put_end(words, "", rst->from,
			" likely does not know the connection (any more): a "
			"restart, or a firewall that forgot it");
		words_put(words, ". Keep-alives below the firewall's idle time keep it open");
	} else if (forgotten(words)) {
		words_put(words,
			  "a new SYN came while the connection was open: its sender has likely "
			  "forgotten it (a restart), or is another machine behind the same "
			  "address (NAT)");
	} else {
		silent(words);
	}
}

static void reset_abort(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	put_end(words, "", rst->from, " reset a connection that was in use");
	if (rst->cause == RST_UNKNOWN) {
		words_put(words, ", and nothing in the capture says why: capture from before the "
				 "connection begins");
		return;
	}
	words_put(words, ": look in its application for SO_LINGER 0, ");
	/* It answered with data, and may have left some unread all the same. */
	if (words->finding->end[!rst->from].bytes)
		words_put(words, "for close() before everything was read, ");
	words_put(words, "and for what its system gives up (TCP_USER_TIMEOUT, keep-alives)");
	words_put(words, LAB("linger-zero"));
}

static void reset_after_close(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	put_end(words, "", !rst->from,
		" went on sending to somebody who had likely closed, and that "
		"data is lost");
	words_put(words, ". Let the protocol say who closes; who still wants an answer calls "
			 "shutdown(SHUT_WR) and reads to the end before close()" LAB("half-close"));
}

static void reset_unread(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	put_end(words, "the application at ", rst->from,
		" likely closed with data unread, so a RST went in place of a FIN, and what it had "
		"sent last may be lost");
	words_put(words, ". Let it read to the end of file before close(), after "
			 "shutdown(SHUT_WR)" LAB("unread-data"));
}

static void reset_middlebox(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	words_put(words, "the RST's TTL is ");
	words_put_number(words, rst->ttl);
	put_end(words, " and the other packets of ", rst->from, " have ");
	words_put_number(words, rst->sender_ttl);
	words_put(words, ": perhaps a firewall or load balancer sent it. Capture at both ends and "
			 "see whether this end sent it; then look at idle timeouts in between");
}

static void (*const advisers[])(struct words *) = {
	[PROBLEM_REUSED_TIME_WAIT] = reused_time_wait,
	[PROBLEM_MANY_KEEPALIVES] = many_keepalives,
	[PROBLEM_FIN_REPEATED] = fin_repeated,
	[PROBLEM_LAST_ACK_LOST] = last_ack_lost,
	[PROBLEM_HALF_CLOSED] = half_closed,
	[PROBLEM_SYN_MET_TIME_WAIT] = syn_met_time_wait,
	[PROBLEM_CLIENT_GONE] = client_gone,
	[PROBLEM_REFUSED] = refused,
	[PROBLEM_UNANSWERED] = unanswered,
	[PROBLEM_STUCK_WINDOW] = stuck_window,
	[PROBLEM_VANISHED] = vanished,
	[PROBLEM_RESET_ABORT] = reset_abort,
	[PROBLEM_RESET_AFTER_CLOSE] = reset_after_close,
	[PROBLEM_RESET_UNREAD] = reset_unread,
	[PROBLEM_RESET_MIDDLEBOX] = reset_middlebox,
};
static_assert(sizeof(advisers) / sizeof(advisers[0]) == PROBLEM_COUNT, "advice for each problem");

char *finding_advice(const struct finding *finding, char *text)
{
	struct words words = words_begin(finding, text);
	enum finding_problem problem = finding_problem(finding);

	if (!advisers[problem])
		return words_end(&words);
	advisers[problem](&words);
	words_put(&words, ".");
	words_end(&words);
	if (text[0] >= 'a' && text[0] <= 'z')
		text[0] = (char)(text[0] - 'a' + 'A');
	return text;
}
