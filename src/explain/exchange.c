/* A connection told as an exchange: rows for a ladder, with numbers and notes for a person. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "explain/track.h"
#include "tcp/seq.h"

#define NOTE_MAX    240
#define OPTIONS_MAX 120

/*
 * First sequence numbers are random. One this small, of a connection whose SYN was not seen, is
 * from a text in which tcpdump had made them relative already.
 */
#define RELATIVE_ALREADY 65536

/* While walking a connection's segments. */
struct teller {
	const struct connection *connection;
	struct exchange *exchange;
	uint32_t base[2]; /* what is 0 in the exchange */
	bool *held;	  /* (borrowed) of each segment: see mark_held() */
	unsigned fins[2]; /* seen so far */
	int ttl[2];	  /* of all segments of the end but RST; -1 none yet, -2 various */
};

struct note {
	char text[NOTE_MAX];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void note_add(struct note *note, const char *format,
							   ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(note->text + note->length, sizeof(note->text) - note->length, format,
		      arguments);
	va_end(arguments);
	if (n > 0)
		note->length += (size_t)n;
	if (note->length >= sizeof(note->text))
		note->length = sizeof(note->text) - 1;
}

static const char *ordinal_suffix(unsigned n)
{
	if (n % 100 / 10 == 1)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

static void note_rst(const struct teller *teller, const struct tracked_segment *tracked,
		     struct note *note)
{
	int ttl = teller->ttl[tracked->from];

	note_add(note, "%s", rst_cause_text(tracked->cause));
	/* A hint, no proof: the RST of a middlebox rarely has its sender's TTL, and the sender
	 * itself may use another one for it. */
	if (ttl >= 0 && ttl != tracked->segment.ttl)
		note_add(note, "; TTL %u, its sender's was %d: perhaps from something in between",
			 tracked->segment.ttl, ttl);
}

static bool covers_inferred_fin(const struct teller *teller, const struct tracked_segment *tracked)
{
	const struct track_end *other = &teller->connection->end[!tracked->from];

	return other->fin_inferred && tracked->segment.ack == other->fin_seq + 1;
}

static void note_role(const struct teller *teller, const struct tracked_segment *tracked,
		      struct note *note)
{
	const struct segment *s = &tracked->segment;

	switch (tracked->role) {
	case ROLE_RST:
		note_rst(teller, tracked, note);
		return;
	case ROLE_FIN_REPEATED:
		note_add(note, "%s (%u%s time)", segment_role_text(tracked->role),
			 teller->fins[tracked->from], ordinal_suffix(teller->fins[tracked->from]));
		return;
	case ROLE_ILLEGAL:
		if (s->payload_length && (s->flags & TCP_FLAG_ACK) && !(s->flags & TCP_FLAG_SYN)) {
			note_add(note, "data beyond its own FIN: no TCP sends this");
			return;
		}
		break;
	case ROLE_STRAY:
		if (s->flags & TCP_FLAG_SYN) {
			note_add(note, "SYN of another connection: opens nothing here");
			return;
		}
		break;
	case ROLE_ACK_OF_FIN:
		if (s->payload_length)
			note_add(note, "data, ");
		break;
	default:
		break;
	}
	note_add(note, "%s", segment_role_text(tracked->role));
	if ((s->flags & TCP_FLAG_ACK) && covers_inferred_fin(teller, tracked))
		note_add(note, " (inferred: that FIN is not in the capture)");
}

static char *make_note(const struct teller *teller, const struct tracked_segment *tracked)
{
	const struct segment *s = &tracked->segment;
	struct note note = {.length = 0};

	note_role(teller, tracked, &note);
	if (s->window == 0 && !(s->flags & (TCP_FLAG_RST | TCP_FLAG_SYN)) &&
	    tracked->role != ROLE_ILLEGAL)
		note_add(&note, ", window 0");
	return strdup(note.text);
}

/* What is worth telling of the options: of SYNs only, where they are agreed on. NULL: nothing. */
static char *make_options(const struct segment *s)
{
	const struct tcp_options *options = &s->options;
	const char *fast_open = options->has_fastopen ? ", Fast Open" : "";
	char text[OPTIONS_MAX];

	if (!(s->flags & TCP_FLAG_SYN))
		return NULL;
	if (options->has_timestamps)
		snprintf(text, sizeof(text), "TS %u ecr %u%s", options->ts_value, options->ts_echo,
			 fast_open);
	else
		snprintf(text, sizeof(text), "no TS%s", fast_open);
	return strdup(text);
}

/* What the exchange calls 0: the SYN, or the number before the first that was seen. */
static uint32_t base_of(const struct connection *connection, unsigned end)
{
	const struct track_end *ends = connection->end;

	if (ends[end].isn_known)
		return ends[end].isn;
	if (!ends[!end].isn_known && ends[0].isn < RELATIVE_ALREADY &&
	    ends[1].isn < RELATIVE_ALREADY)
		return 0;
	return ends[end].isn - 1;
}

/* Held up on the way is what arrived after something that its sender sent later. */
static void mark_held(const struct connection *connection, bool *held)
{
	int64_t first_ns[2] = {INT64_MAX, INT64_MAX}; /* arrival of what was sent later */

	for (size_t at = connection->count; at-- > 0;) {
		const struct tracked_segment *tracked = &connection->segments[at];
		int64_t *first = &first_ns[tracked->from];

		if (tracked->lost)
			continue;
		held[at] = tracked->delivered_ns > tracked->segment.time_ns &&
			   *first < tracked->delivered_ns;
		if (tracked->delivered_ns < *first)
			*first = tracked->delivered_ns;
	}
}

/* No interval is negative, even where the capture's clock went back. */
static int64_t since(int64_t time_ns, int64_t first_ns)
{
	return time_ns > first_ns ? time_ns - first_ns : 0;
}

static int tell(const struct teller *teller, size_t at)
{
	const struct connection *connection = teller->connection;
	const struct tracked_segment *tracked = &connection->segments[at];
	const struct segment *s = &tracked->segment;
	int64_t first_ns = connection->segments[0].segment.time_ns;
	struct exchange_row *row = exchange_add(teller->exchange);
	char flags[SEGMENT_FLAGS_TEXT_MAX];

	if (!row)
		return -1;
	row->time_ns = since(s->time_ns, first_ns);
	row->delivered_ns = since(tracked->delivered_ns, first_ns);
	row->from_right = tracked->from == TRACK_SERVER;
	row->fate = connection->segments[at].lost ? EXCHANGE_DROPPED
		    : teller->held[at]		  ? EXCHANGE_HELD
						  : EXCHANGE_DELIVERED;
	row->has_ack = s->flags & TCP_FLAG_ACK;
	row->seq = s->seq - teller->base[tracked->from];
	row->ack = row->has_ack ? s->ack - teller->base[!tracked->from] : 0;
	row->length = s->payload_length;
	row->left_state = tracked->state[TRACK_CLIENT];
	row->right_state = tracked->state[TRACK_SERVER];
	row->flags = strdup(segment_flags_format(s->flags, flags));
	row->note = make_note(teller, tracked);
	row->options = make_options(s);
	return row->flags && row->note ? 0 : -1;
}

static void follow(struct teller *teller, const struct tracked_segment *tracked)
{
	int *ttl = &teller->ttl[tracked->from];

	if (tracked->role == ROLE_FIN || tracked->role == ROLE_FIN_AND_ACK_OF_FIN)
		teller->fins[tracked->from] = 1;
	else if (tracked->role == ROLE_FIN_REPEATED)
		teller->fins[tracked->from]++;
	if (tracked->role == ROLE_RST || tracked->role == ROLE_ILLEGAL)
		return;
	if (*ttl == -1)
		*ttl = tracked->segment.ttl;
	else if (*ttl != tracked->segment.ttl)
		*ttl = -2;
}

/* Of more rows than fit, the first third and the last two: the close is what one came for. */
static int tell_all(struct teller *teller, size_t limit)
{
	size_t count = teller->connection->count;
	size_t rows = limit && limit < count ? limit : count;
	size_t head = rows == count ? count : rows / 3;
	size_t tail = count - (rows - head);
	int r = 0;

	for (size_t at = 0; at < count && r == 0; at++) {
		follow(teller, &teller->connection->segments[at]);
		if (at < head || at >= tail)
			r = tell(teller, at);
	}
	teller->exchange->left_out = count - rows;
	teller->exchange->left_out_before = head;
	return r;
}

static int name_ends(struct exchange *exchange, const struct connection *connection,
		     const char *client, const char *server)
{
	char text[TCP_ENDPOINT_TEXT_MAX];

	exchange->left = strdup(client);
	exchange->right = strdup(server);
	exchange->left_address = strdup(tcp_endpoint_format(&connection->end[0].endpoint, text));
	exchange->right_address = strdup(tcp_endpoint_format(&connection->end[1].endpoint, text));
	if (!exchange->left || !exchange->right)
		return -1;
	return exchange->left_address && exchange->right_address ? 0 : -1;
}

static void drop_exchange(struct exchange **exchange)
{
	exchange_free(*exchange);
}

struct exchange *connection_exchange(const struct connection *connection, const char *client,
				     const char *server, size_t limit)
{
	CLEANUP(drop_exchange) struct exchange *exchange = exchange_new();
	CLEANUP_FREE bool *held = calloc(connection->count + 1, sizeof(*held));
	struct teller teller = {
		.connection = connection,
		.exchange = exchange,
		.held = held,
		.base = {base_of(connection, 0), base_of(connection, 1)},
		.ttl = {-1, -1},
	};

	if (!exchange || !held || name_ends(exchange, connection, client, server) < 0)
		return NULL;
	mark_held(connection, held);
	if (tell_all(&teller, limit) < 0)
		return NULL;
	return TAKE_PTR(exchange);
}
