/* What is said of a RST: when it came, and why it was sent as far as the packets tell. */
#include "explain/finding_facts.h"

/* When, in the life of the connection. */
void words_put_rst_moment(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;
	bool mine = finding_sent_fin(words->finding, rst->from);
	uint64_t later_ns;

	words_put_at(words, " at ", rst->at_ns);
	if (mine && words_span(finding_fin_ns(words->finding, rst->from), rst->at_ns, &later_ns) &&
	    later_ns) {
		words_put(words, ", ");
		words_put_duration(words, later_ns);
		words_put(words, " after its own FIN");
	} else if (mine) {
		words_put(words, ", after its own FIN");
	} else if (finding_sent_fin(words->finding, !rst->from)) {
		words_put(words, ", after the FIN of ");
		words_put_end(words, !rst->from);
	}
}

static void put_foreign_rst(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	words_put(words, "; its TTL was ");
	words_put_number(words, rst->ttl);
	words_put(words, " and that of its sender's other packets ");
	words_put_number(words, rst->sender_ttl);
	words_put(words, ", so perhaps something in between sent it and ");
	words_put_end(words, rst->from);
	words_put(words, " knows nothing of it");
}

static void put_abort_cause(struct words *words, const struct finding_end *sender,
			    const struct finding_end *other)
{
	if (sender->unanswered_keepalives) {
		words_put(words, "likely because ");
		words_put_count(words, sender->unanswered_keepalives, "keep-alive");
		words_put(words, sender->unanswered_keepalives == 1
					 ? " or window probe was not answered"
					 : " or window probes were not answered");
	} else if (sender->data_unanswered || other->bytes) {
		words_put(words, "perhaps SO_LINGER 0, data left unread, or its system gave up");
	} else {
		words_put(words, "perhaps SO_LINGER 0, or its system gave up");
	}
}

static void put_half_open_cause(struct words *words, const struct finding_end *sender)
{
	if (sender->fin_seen && sender->fin_acked)
		words_put(words, "likely its FIN-WAIT-2 had ended silently (tcp_fin_timeout), so "
				 "that it no longer knew the connection");
	else
		words_put(words, "likely it did not know the connection (any more), after a "
				 "restart for example");
}

/* Why, as far as the packets tell; each with as much doubt as finding_rst_confidence() has. */
static void put_cause(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;
	const struct finding_end *sender = &words->finding->end[rst->from];
	const struct finding_end *other = &words->finding->end[!rst->from];

	switch (rst->cause) {
	case RST_REFUSED:
		words_put(words, "likely nobody listens there, or a firewall rejects");
		break;
	case RST_UNREAD_DATA:
		words_put(words, "likely close() with data unread (SO_LINGER 0 looks the same)");
		break;
	case RST_ABORT:
		put_abort_cause(words, sender, other);
		break;
	case RST_DATA_AFTER_CLOSE:
		words_put(words, "likely because data came after it had closed");
		break;
	case RST_HALF_OPEN:
		put_half_open_cause(words, sender);
		break;
	case RST_ANSWERS_OLD_ACK:
		words_put(words, "its new SYN had met this connection, whose ACK fits nothing "
				 "there");
		break;
	case RST_CLIENT_GONE:
		words_put(words, "likely connect() was given up, or it is a scan");
		break;
	default:
		words_put(words, "why is unknown, since nothing in the capture explains it");
		break;
	}
}

void words_put_rst_why(struct words *words)
{
	if (finding_rst_foreign(words->finding)) {
		put_foreign_rst(words);
		return;
	}
	words_put(words, ": ");
	put_cause(words);
}

/* A RST that ended nothing. One that did is the ending's business. */
void words_put_rst_aside(struct words *words)
{
	const struct finding_rst *rst = &words->finding->rst;

	if (!rst->any || rst->ends || words->finding->ending == ENDING_RESET ||
	    words->finding->ending == ENDING_REFUSED || words->finding->ending == ENDING_ABORTED)
		return;
	words_put(words, "; a RST of ");
	words_put_end(words, rst->from);
	words_put_at(words, " at ", rst->at_ns);
	if (rst->cause == RST_INTO_TIME_WAIT)
		words_put(words, " met TIME-WAIT, and whether it deleted that is unknown "
				 "(net.ipv4.tcp_rfc1337)");
	else if (rst->cause == RST_ANSWERS_OLD_ACK)
		words_put(words, " answers the old ACK that a new SYN had met");
	else if (rst->cause == RST_IGNORED)
		words_put(words, " ended nothing, likely because its number did not fit");
	else
		words_put(words, " ended nothing");
}
