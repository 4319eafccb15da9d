#include "capture/tcpdump_text_shape.h"

#include "base/cleanup.h"

/* --- What pasting does to a line --- */

static const struct {
	const char *written;
	char meant;
} entities[] = {
	{"&#62;", '>'},	 {"&lt;", '<'},	  {"&#60;", '<'},    {"&amp;", '&'},
	{"&nbsp;", ' '}, {"&#160;", ' '}, {"\xc2\xa0", ' '},
};

/* Off the front: a terminal's "ESC [ 1 ; 31 m", as grep --color puts around what it found. */
static bool take_colour(struct text_slice *rest)
{
	if (!slice_take(rest, "\x1b["))
		return false;
	while (!slice_empty(*rest) && (text_digit(*rest->at) || *rest->at == ';'))
		rest->at++;
	if (!slice_empty(*rest))
		rest->at++;
	return true;
}

static char take_character(struct text_slice *rest)
{
	for (size_t i = 0; i < ARRAY_SIZE(entities); i++)
		if (*rest->at == *entities[i].written && slice_take(rest, entities[i].written))
			return entities[i].meant;
	return (unsigned char)*rest->at < ' ' ? (rest->at++, ' ') : *rest->at++;
}

size_t text_clean(const char *line, size_t length, char *clean)
{
	struct text_slice rest = {line, line + length};
	size_t n = 0;

	while (!slice_empty(rest) && n < TEXT_LINE_MAX) {
		if (take_colour(&rest))
			continue;
		clean[n++] = take_character(&rest);
		/* Here and not above, for "&amp;gt;": escaped twice. */
		if (n >= 4 && !memcmp(clean + n - 4, "&gt;", 4)) {
			n -= 3;
			clean[n - 1] = '>';
		}
	}
	while (n > 0 && clean[n - 1] == ' ')
		n--;
	return n;
}

/* --- The parts --- */

/* What -v says of IPv4, and of IPv6 (its parts are left out where they are 0). */
static const char *find_ip_header(struct text_slice line)
{
	static const char *const beginnings[] = {"(tos 0x", "(flowlabel 0x", "(class 0x", "(hlim "};

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		const char *at = slice_find(line, beginnings[i]);

		if (at)
			return at;
	}
	return NULL;
}

/* "S 1:1(0)", ". ack 1", "P, cksum 0x1234 (correct), 1:27(26)", "R [tcp sum ok] 1:1(0)". */
static bool begins_old_fields(struct text_slice fields)
{
	uint64_t number;
	const char *flags = fields.at;

	while (!slice_empty(fields) && strchr("SFRPWE.", *fields.at) && *fields.at)
		fields.at++;
	if (fields.at == flags || fields.at - flags > 6)
		return false;
	if (slice_empty(fields))
		return true; /* wrapped */
	slice_take(&fields, ",");
	if (!slice_take(&fields, " "))
		return false;
	if (slice_begins(fields, "ack ") || slice_begins(fields, "win ") ||
	    slice_begins(fields, "cksum 0x") || slice_begins(fields, "[tcp sum ok]") ||
	    slice_begins(fields, "[bad tcp cksum"))
		return true;
	return slice_number(&fields, UINT64_MAX, &number) && slice_begins(fields, ":");
}

static bool begins_quiet(struct text_slice fields)
{
	return slice_begins(fields, "[|tcp]") ||
	       (slice_take(&fields, "tcp ") && !slice_empty(fields) && text_digit(*fields.at));
}

static enum text_form form_of_fields(struct text_slice fields)
{
	if (slice_begins(fields, "Flags [") || slice_is(fields, "Flags") || slice_empty(fields))
		return TEXT_SEGMENT;
	if (begins_old_fields(fields))
		return TEXT_SEGMENT_OLD;
	if (begins_quiet(fields))
		return TEXT_WITHOUT_NUMBERS;
	if (slice_begins(fields, "ICMP") || slice_begins(fields, "icmp"))
		return TEXT_ICMP;
	return TEXT_OTHER;
}

/* A dot stands before it: what a text that is not tcpdump's rarely has on both sides of an arrow.
 */
static bool has_port(struct text_slice endpoint)
{
	return memchr(endpoint.at, '.', slice_length(endpoint));
}

/* The parts around a " > ", if a colon ends the second endpoint: that of -e's addresses is none. */
static struct text_shape shape_around(struct text_slice line, const char *arrow)
{
	struct text_shape shape = {.form = TEXT_NOTHING, .fields = {arrow + 3, line.end}};

	shape.source = (struct text_slice){arrow, arrow};
	while (shape.source.at > line.at && shape.source.at[-1] != ' ')
		shape.source.at--;
	shape.before = (struct text_slice){line.at, shape.source.at};
	shape.target = slice_word(&shape.fields);
	if (slice_length(shape.target) < 2 || shape.target.end[-1] != ':' ||
	    slice_empty(shape.source))
		return shape;
	shape.target.end--;
	slice_skip_blanks(&shape.fields);
	shape.form = form_of_fields(shape.fields);
	if (!has_port(shape.source) || !has_port(shape.target) ||
	    (slice_empty(shape.fields) && !text_begins_packet(line)))
		shape.form = shape.form == TEXT_ICMP ? TEXT_ICMP : TEXT_OTHER;
	return shape;
}

static bool is_ip_word(struct text_slice word)
{
	return slice_is(word, "IP") || slice_is(word, "IP6") || slice_is(word, "ip:");
}

/* "12:00:00.000000 IP 10.0.0.1.1234 >": wrapped before the end of the second endpoint. */
static bool ends_in_endpoints(struct text_slice line)
{
	struct text_slice source, arrow;

	for (unsigned int words = 0; words < 12 && !slice_empty(line); words++) {
		if (!is_ip_word(slice_word(&line)))
			continue;
		source = slice_word(&line);
		arrow = slice_word(&line);
		slice_word(&line);
		return slice_empty(line) && (slice_is(arrow, ">") || slice_empty(arrow)) &&
		       (slice_empty(source) || has_port(source));
	}
	return false;
}

/* Of a line without both endpoints. */
static bool is_beginning(struct text_slice line)
{
	return find_ip_header(line) || slice_find(line, "ethertype IPv4") ||
	       slice_find(line, "ethertype IPv6") || ends_in_endpoints(line);
}

struct text_shape text_shape(struct text_slice line)
{
	struct text_shape best = {.form = TEXT_NOTHING, .before = line}, shape;
	struct text_slice rest = line;
	const char *arrow;

	/* In a tunnel the inner packet follows the outer: the first that is TCP is it. */
	while ((arrow = slice_find(rest, " > "))) {
		shape = shape_around(line, arrow);
		if (shape.form == TEXT_SEGMENT || shape.form == TEXT_SEGMENT_OLD)
			return shape;
		if (shape.form != TEXT_NOTHING && best.form == TEXT_NOTHING)
			best = shape;
		rest.at = arrow + 2;
	}
	if (best.form == TEXT_NOTHING && is_beginning(line))
		best.form = TEXT_BEGINNING;
	return best;
}

/* "12:00:00.000000", and what looks like it in front of a line. */
static bool is_time_word(struct text_slice word)
{
	static const char like[] = "00:00:00.";

	if (slice_length(word) < sizeof(like))
		return false;
	for (size_t i = 0; like[i]; i++)
		if (like[i] == '0' ? !text_digit(word.at[i]) : word.at[i] != like[i])
			return false;
	return true;
}

bool text_begins_packet(struct text_slice line)
{
	if (find_ip_header(line) || slice_find(line, "ethertype "))
		return true;
	for (unsigned int words = 0; words < 4 && !slice_empty(line); words++) {
		struct text_slice word = slice_word(&line);

		if (is_ip_word(word) || is_time_word(word))
			return true;
	}
	return false;
}

bool text_is_banner(struct text_slice line)
{
	static const char *const parts[] = {
		"listening on ",    "reading from file ",	  "verbose output suppressed",
		"packets captured", "packets received by filter", "packets dropped by ",
		"packet captured",
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (slice_find(line, parts[i]))
			return true;
	return slice_find(line, "tcpdump ") && !text_begins_packet(line);
}
