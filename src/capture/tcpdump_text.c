/*
 * A line is cleaned of what pasting did to it and, where the one before it was not whole (-v's two
 * lines, a line wrapped by a mail program), put behind that one. Then: which kind of line it is and
 * where its parts are (shape), what is printed of the TCP header (fields), when (time), from whom
 * to whom (names), and what the numbers are relative to (pairs).
 */
#include "capture/tcpdump_text.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "capture/tcpdump_text_fields.h"
#include "capture/tcpdump_text_names.h"
#include "capture/tcpdump_text_pairs.h"
#include "capture/tcpdump_text_shape.h"
#include "capture/tcpdump_text_time.h"

/* A line that is not whole by then is none of tcpdump's. */
#define WRAPPED_LINES_MAX 8

/* Marks with which a line is quoted, "> > ", "| ". */
#define QUOTE_MAX 8

/* The beginning of a packet, whose rest is to come. */
struct held {
	char text[TEXT_LINE_MAX];
	size_t length, lines;
	char quote[QUOTE_MAX + 1];
	bool quoted_by_icmp; /* a header within ICMP, which is no packet */
};

struct tcpdump_text {
	struct text_times times;
	struct text_pairs pairs;
	struct text_names names;
	struct held held;
	uint64_t unclear;
	/* The last packet was ICMP: how its first line began. */
	bool icmp, icmp_timed;
	size_t icmp_indent;
};

struct tcpdump_text *tcpdump_text_new(void)
{
	struct tcpdump_text *text = calloc(1, sizeof(*text));
	uint64_t seed = 0;

	if (!text)
		return NULL;
	/* Early in boot there is none; then hostile texts are slower, and that is all. */
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	text_names_init(&text->names, seed);
	text->pairs.seed = seed;
	return text;
}

void tcpdump_text_free(struct tcpdump_text *text)
{
	if (!text)
		return;
	text_names_done(&text->names);
	text_pairs_done(&text->pairs);
	free(text);
}

bool tcpdump_text_has_times(const struct tcpdump_text *text)
{
	return text->times.any;
}

uint64_t tcpdump_text_unclear(const struct tcpdump_text *text)
{
	return text->unclear + text->pairs.evicted;
}

const char *tcpdump_text_name(const struct tcpdump_text *text, const struct tcp_endpoint *endpoint)
{
	/* What is given away is kept, which is no change that a caller could see. */
	return text_names_name((struct text_names *)&text->names, endpoint);
}

/* --- One segment --- */

static void set_fields(const struct text_fields *printed, struct segment *segment)
{
	segment->seq = printed->seq;
	segment->ack = printed->ack;
	segment->window = printed->window;
	segment->flags = printed->flags;
	segment->ttl = printed->ttl;
	segment->ip_id = printed->ip_id;
	segment->payload_length = printed->length;
	segment->options = printed->options;
	segment->checksum_known = printed->checksum_known;
	segment->checksum_bad = printed->checksum_bad;
}

/* 1, 0 where it is unclear, or -ENOMEM. */
static int resolve(struct tcpdump_text *text, const struct text_shape *shape,
		   const struct text_fields *printed, struct segment *ret)
{
	struct segment segment = {0};
	bool timed = text_times_read(&text->times, shape->before, &segment.time_ns);
	int r;

	set_fields(printed, &segment);
	r = text_names_endpoint(&text->names, shape->source, &segment.source);
	if (r == 0)
		r = text_names_endpoint(&text->names, shape->target, &segment.target);
	if (r == 0)
		r = text_pairs_resolve(&text->pairs, printed, &segment);
	if (r == -ENOMEM)
		return r;
	if (r <= 0) {
		text->unclear++;
		return 0;
	}
	text->unclear += printed->partly || !timed;
	*ret = segment;
	return 1;
}

/* --- Lines that are not whole --- */

static bool is_quote_mark(char c)
{
	return c == '>' || c == '|';
}

/* Marks and blanks off the front; no more of them than @quote has, if given. */
static void skip_quote(struct text_slice *line, const char *quote, char *ret_quote)
{
	size_t n = 0;

	for (;;) {
		slice_skip_blanks(line);
		if (slice_empty(*line) || !is_quote_mark(*line->at) || n == QUOTE_MAX ||
		    (quote && quote[n] != *line->at))
			break;
		if (ret_quote)
			ret_quote[n] = *line->at;
		n++;
		line->at++;
	}
	if (ret_quote)
		ret_quote[n] = '\0';
}

/* How far the text is indented, behind its quote marks. */
static size_t indent(struct text_slice line)
{
	const char *start;

	while (!slice_empty(line) && is_quote_mark(*line.at))
		line.at++;
	start = line.at;
	slice_skip_blanks(&line);
	return (size_t)(line.at - start);
}

static struct text_slice held_line(const struct tcpdump_text *text)
{
	return (struct text_slice){text->held.text, text->held.text + text->held.length};
}

/*
 * With -v, ICMP is followed by what it says of the packet that it is about, indented and without a
 * time, the same way as a packet.
 */
static bool is_quoted_by_icmp(const struct tcpdump_text *text, struct text_slice line)
{
	return text->icmp && text_begins_packet(line) &&
	       ((text->icmp_timed && !text_times_there(line)) || indent(line) > text->icmp_indent);
}

static void hold_first(struct tcpdump_text *text, struct text_slice line)
{
	struct text_slice rest = line;

	text->held.quoted_by_icmp = is_quoted_by_icmp(text, line);
	text->held.lines = 0;
	text->held.length = slice_length(line);
	memcpy(text->held.text, line.at, text->held.length);
	skip_quote(&rest, NULL, text->held.quote);
}

/* False when there is no more room: a packet is never as long. */
static bool hold_more(struct tcpdump_text *text, struct text_slice line)
{
	struct held *held = &text->held;

	skip_quote(&line, held->quote, NULL);
	if (held->lines++ == WRAPPED_LINES_MAX ||
	    held->length + 1 + slice_length(line) > sizeof(held->text))
		return false;
	held->text[held->length++] = ' ';
	memcpy(held->text + held->length, line.at, slice_length(line));
	held->length += slice_length(line);
	return true;
}

/* What is held comes to nothing. It is unclear where it was TCP. */
static void give_up_held(struct tcpdump_text *text)
{
	struct text_slice line = held_line(text);
	enum text_form form;

	if (text->held.length == 0)
		return;
	form = text_shape(line).form;
	if (!text->held.quoted_by_icmp &&
	    (form == TEXT_SEGMENT || form == TEXT_SEGMENT_OLD || slice_find(line, "TCP (6)")))
		text->unclear++;
	text->held.length = 0;
}

/*
 * Puts the line behind what is held, if it belongs there; what is held is then all of it. Two
 * shapes of a segment never make one.
 */
static void hold(struct tcpdump_text *text, struct text_slice line)
{
	bool joined = false;

	if (text->held.length > 0 && !slice_empty(line) && !text_begins_packet(line) &&
	    (text_shape(held_line(text)).form == TEXT_BEGINNING ||
	     text_shape(line).form == TEXT_NOTHING))
		joined = hold_more(text, line);
	if (joined)
		return;
	give_up_held(text);
	hold_first(text, line);
}

/* --- One line --- */

static void remember_icmp(struct tcpdump_text *text, const struct text_shape *shape)
{
	text->icmp = shape->form == TEXT_ICMP;
	text->icmp_timed = text_times_there(shape->before);
	text->icmp_indent = indent(held_line(text));
}

/* What is whole. 1 with a segment, 0 without, or -ENOMEM. */
static int take_whole(struct tcpdump_text *text, const struct text_shape *shape,
		      const struct text_fields *fields, bool understood, struct segment *ret)
{
	if (text->held.quoted_by_icmp || shape->form == TEXT_NOTHING)
		return 0;
	remember_icmp(text, shape);
	if (shape->form == TEXT_ICMP || shape->form == TEXT_OTHER)
		return 0;
	if (understood)
		return resolve(text, shape, fields, ret);
	text->unclear++;
	return 0;
}

/* The segment of what is held, if it is whole; otherwise it stays. */
static int take_held(struct tcpdump_text *text, struct segment *ret)
{
	struct text_shape shape = text_shape(held_line(text));
	struct text_fields fields;
	int r = -EBADMSG;

	if (shape.form == TEXT_BEGINNING)
		return 0;
	if (shape.form == TEXT_SEGMENT || shape.form == TEXT_SEGMENT_OLD)
		r = text_fields_parse(&shape, &fields);
	if (r == 0)
		return 0;
	r = take_whole(text, &shape, &fields, r > 0, ret);
	text->held.length = 0;
	return r;
}

int tcpdump_text_line(struct tcpdump_text *text, const char *line, size_t length,
		      struct segment *ret)
{
	char clean[TEXT_LINE_MAX];
	struct text_slice slice = {clean, clean + text_clean(line, length, clean)};

	if (text_is_banner(slice)) {
		give_up_held(text);
		if (text->times.count)
			text_times_begin(&text->times);
		if (slice_find(slice, "-ttt ") || slice_find(slice, "-nttt "))
			text_times_differences(&text->times);
		return 0;
	}
	hold(text, slice);
	if (text->held.length == 0)
		return 0;
	return take_held(text, ret);
}

/* --- The beginning of a text --- */

/* The next line of @rest, clean, in @clean. False at the end. */
static bool next_line(struct text_slice *rest, char *clean, struct text_slice *ret)
{
	const char *end;

	if (slice_empty(*rest))
		return false;
	end = memchr(rest->at, '\n', slice_length(*rest));
	end = end ? end : rest->end;
	*ret = (struct text_slice){clean,
				   clean + text_clean(rest->at, (size_t)(end - rest->at), clean)};
	rest->at = end < rest->end ? end + 1 : end;
	return true;
}

void tcpdump_text_peek(struct tcpdump_text *text, const char *bytes, size_t length)
{
	struct text_slice rest = {bytes, bytes + length}, line;
	struct text_times times = {0};
	char clean[TEXT_LINE_MAX];
	int64_t ns;

	while (!times.differences && next_line(&rest, clean, &line)) {
		struct text_shape shape = text_shape(line);

		if (text_is_banner(line))
			text_times_begin(&times);
		else if (shape.form != TEXT_NOTHING)
			text_times_read(&times, shape.before, &ns);
	}
	text->times.differences = times.differences;
}

bool tcpdump_text_recognize(const char *bytes, size_t length)
{
	struct text_slice rest = {bytes, bytes + length}, line;
	char clean[TEXT_LINE_MAX];

	/* No text has a NUL, every capture file has some. */
	if (length == 0 || memchr(bytes, '\0', length))
		return false;
	while (next_line(&rest, clean, &line)) {
		struct text_shape shape = text_shape(line);
		enum text_form form = shape.form;

		if ((form == TEXT_SEGMENT && !slice_empty(shape.fields)) ||
		    form == TEXT_SEGMENT_OLD || form == TEXT_WITHOUT_NUMBERS ||
		    slice_find(line, "listening on ") || slice_find(line, "reading from file "))
			return true;
	}
	return false;
}
