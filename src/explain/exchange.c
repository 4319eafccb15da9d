/* A connection told as an exchange: rows for a ladder, with numbers and notes for a person. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
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
	unsigned fins[2]; /* seen so far */
	int ttl[2];	  /* of all segments of the end but RST; -1 none yet, -2 various */
};

/* What a row tells: a segment was sent, or arrived, or both. */
struct moment {
	const struct tracked_segment *segment;
	size_t step;
	enum exchange_fate fate;
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

static int by_step(const void *a, const void *b)
{
	const struct moment *one = a, *other = b;

	return one->step < other->step ? -1 : one->step > other->step;
}

/* Both moments of a segment become one where nothing happened between them. Returns how many are
 * left. */
static size_t join_moments(struct moment *moments, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		moments[kept] = moments[i];
		if (i + 1 < count && moments[i + 1].segment == moments[i].segment) {
			moments[kept].fate = EXCHANGE_DELIVERED;
			i++;
		}
		kept++;
	}
	return kept;
}

/* What is told, in order. NULL when memory is short. */
static struct moment *make_moments(const struct connection *connection, size_t *ret_count)
{
	struct moment *moments = calloc(2 * connection->count + 1, sizeof(*moments));
	size_t count = 0;

	if (!moments)
		return NULL;
	for (size_t at = 0; at < connection->count; at++) {
		const struct tracked_segment *tracked = &connection->segments[at];

		moments[count++] = (struct moment){tracked, tracked->sent_step,
						   tracked->stuck  ? EXCHANGE_STUCK
						   : tracked->lost ? EXCHANGE_DROPPED
								   : EXCHANGE_HELD};
		if (!tracked->lost)
			moments[count++] = (struct moment){tracked, tracked->arrived_step,
							   EXCHANGE_ARRIVAL};
	}
	qsort(moments, count, sizeof(*moments), by_step);
	*ret_count = join_moments(moments, count);
	return moments;
}

/* As many digits as tell something. */
static char *format_interval(int64_t ns, char text[static 32])
{
	if (ns >= NS_PER_S)
		snprintf(text, 32, "%.3f s", clock_seconds(ns));
	else
		snprintf(text, 32, "%.*f ms", ns < NS_PER_MS ? 3 : 1, clock_seconds(ns) * 1000);
	return text;
}

static char *make_arrival_note(const struct tracked_segment *tracked)
{
	int64_t way_ns = tracked->delivered_ns - tracked->segment.time_ns;
	char interval[32], text[NOTE_MAX];

	snprintf(text, sizeof(text), "arrives %s after it was sent",
		 format_interval(way_ns, interval));
	return strdup(text);
}

/* No interval is negative, even where the capture's clock went back. */
static int64_t since(int64_t time_ns, int64_t first_ns)
{
	return time_ns > first_ns ? time_ns - first_ns : 0;
}

static int tell(const struct teller *teller, const struct moment *moment)
{
	const struct tracked_segment *tracked = moment->segment;
	const struct segment *s = &tracked->segment;
	bool arrival = moment->fate == EXCHANGE_ARRIVAL;
	const int *state = moment->fate == EXCHANGE_HELD ? tracked->sent_state : tracked->state;
	int64_t first_ns = teller->connection->segments[0].segment.time_ns;
	struct exchange_row *row = exchange_add(teller->exchange);
	char flags[SEGMENT_FLAGS_TEXT_MAX];

	if (!row)
		return -1;
	row->delivered_ns = since(tracked->delivered_ns, first_ns);
	row->time_ns = arrival ? row->delivered_ns : since(s->time_ns, first_ns);
	row->from_right = tracked->from == TRACK_SERVER;
	row->fate = moment->fate;
	row->has_ack = s->flags & TCP_FLAG_ACK;
	row->seq = s->seq - teller->base[tracked->from];
	row->ack = row->has_ack ? s->ack - teller->base[!tracked->from] : 0;
	row->length = s->payload_length;
	row->left_state = state[TRACK_CLIENT];
	row->right_state = state[TRACK_SERVER];
	row->flags = strdup(segment_flags_format(s->flags, flags));
	row->note = arrival ? make_arrival_note(tracked) : make_note(teller, tracked);
	row->options = arrival ? NULL : make_options(s); /* told when it was sent */
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
	size_t count = 0;
	CLEANUP_FREE struct moment *moments = make_moments(teller->connection, &count);
	size_t rows = limit && limit < count ? limit : count;
	size_t head = rows == count ? count : rows / 3;
	size_t tail = count - (rows - head);
	int r = moments ? 0 : -1;

	for (size_t at = 0; at < count && r == 0; at++) {
		if (moments[at].fate != EXCHANGE_ARRIVAL)
			follow(teller, moments[at].segment);
		if (at < head || at >= tail)
			r = tell(teller, &moments[at]);
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
	struct teller teller = {
		.connection = connection,
		.exchange = exchange,
		.base = {base_of(connection, 0), base_of(connection, 1)},
		.ttl = {-1, -1},
	};

	if (!exchange || name_ends(exchange, connection, client, server) < 0)
		return NULL;
	if (tell_all(&teller, limit) < 0)
		return NULL;
	return TAKE_PTR(exchange);
}
