#include "capture/tcpdump_text_fields.h"

#include <errno.h>

#include "base/cleanup.h"

/* The most that a segment can hold: what a capture before segmentation shows is far below. */
#define PAYLOAD_MAX (1u << 24)

/* What reading one field comes to; those of text_fields_parse() besides. */
enum { WRAPPED = 0, TAKEN = 1, LAST = 2, STRANGE = 3 };

/* A number behind its word: WRAPPED where the line ends before it. */
static int take_value(struct text_slice *rest, uint64_t max, uint64_t *ret)
{
	slice_skip_blanks(rest);
	if (slice_empty(*rest))
		return WRAPPED;
	return slice_number(rest, max, ret) ? TAKEN : -EBADMSG;
}

/* --- Options: "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"; "timestamp 1 0" of old --- */

static bool option_number(struct text_slice *option, uint64_t max, uint64_t *ret)
{
	slice_skip_blanks(option);
	return slice_number(option, max, ret);
}

static bool option_timestamps(struct text_slice option, struct tcp_options *options)
{
	uint64_t value, echo;

	slice_skip_blanks(&option);
	slice_take(&option, "val");
	if (!option_number(&option, UINT32_MAX, &value))
		return false;
	slice_skip_blanks(&option);
	slice_take(&option, "ecr");
	if (!option_number(&option, UINT32_MAX, &echo))
		return false;
	options->has_timestamps = true;
	options->ts_value = (uint32_t)value;
	options->ts_echo = (uint32_t)echo;
	return true;
}

/* " 1 {1:27}" or " 2 {1:27}{30:40}"; "sack sack 1 {…}" of old. */
static bool option_sack(struct text_slice option, struct tcp_options *options)
{
	uint64_t left, right;

	while (!slice_empty(option) && *option.at != '{')
		option.at++;
	while (slice_take(&option, "{")) {
		if (options->sack_count == ARRAY_SIZE(options->sack) ||
		    !slice_number(&option, UINT32_MAX, &left) || !slice_take(&option, ":") ||
		    !slice_number(&option, UINT32_MAX, &right) || !slice_take(&option, "}"))
			return false;
		options->sack[options->sack_count++] = (struct tcp_sack_block){(uint32_t)left,
									       (uint32_t)right};
	}
	return true;
}

/* False where an option that matters is not understood. */
static bool option_parse(struct text_slice option, struct tcp_options *options)
{
	uint64_t number;

	slice_skip_blanks(&option);
	options->malformed |= slice_find(option, "[bad opt]") != NULL;
	if (slice_take(&option, "mss")) {
		if (!option_number(&option, UINT16_MAX, &number))
			return false;
		options->has_mss = true;
		options->mss = (uint16_t)number;
	} else if (slice_take(&option, "wscale")) {
		if (!option_number(&option, UINT8_MAX, &number))
			return false;
		options->has_window_scale = true;
		options->window_scale = (uint8_t)number;
	} else if (slice_begins(option, "sackOK")) {
		options->sack_permitted = true;
	} else if (slice_take(&option, "sack")) {
		return option_sack(option, options);
	} else if (slice_take(&option, "TS ") || slice_take(&option, "timestamp ")) {
		return option_timestamps(option, options);
	} else if (slice_begins(option, "tfo")) {
		options->has_fastopen = true;
	}
	return !slice_find(option, "[|tcp]") && !slice_begins(option, "...");
}

/* Up to the bracket or a comma, off the front; tcpdump's own remarks stand in brackets. */
static struct text_slice take_option(struct text_slice *rest, char close)
{
	struct text_slice option = *rest;

	while (!slice_empty(*rest) && *rest->at != ',' && *rest->at != close) {
		const char *end = *rest->at == '[' ? slice_find(*rest, "]") : NULL;

		rest->at = end ? end + 1 : rest->at + 1;
	}
	option.end = rest->at;
	return option;
}

/* The opening bracket is off. Nothing, and no closing one, follows "[|tcp]". */
static int take_options(struct text_slice *rest, char close, struct text_fields *fields)
{
	while (!slice_empty(*rest)) {
		struct text_slice option = take_option(rest, close);

		fields->partly |= !option_parse(option, &fields->options);
		if (slice_empty(*rest))
			return slice_find(option, "[|tcp]") ? LAST : WRAPPED;
		if (*rest->at++ == close)
			return TAKEN;
	}
	return WRAPPED;
}

/* --- The fields, which both spellings share --- */

static int take_ack(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;
	int r = take_value(rest, UINT32_MAX, &number);

	if (r == TAKEN) {
		fields->has_ack = true;
		fields->ack = (uint32_t)number;
	}
	return r;
}

static int take_window(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;
	int r = take_value(rest, UINT16_MAX, &number);

	if (r == TAKEN)
		fields->window = (uint16_t)number;
	return r;
}

static int take_urgent(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;

	fields->flags |= TCP_FLAG_URG; /* of old it is said by this word alone */
	return take_value(rest, UINT16_MAX, &number);
}

static int take_length(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;
	int r = take_value(rest, PAYLOAD_MAX, &number);

	if (r != TAKEN)
		return r;
	fields->has_length = true;
	fields->length = (uint32_t)number;
	return LAST;
}

/* The number after the last of the payload, which the length must agree with. */
static int take_range_end(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;
	int r = take_value(rest, UINT32_MAX, &number);

	if (r != TAKEN)
		return r;
	fields->length = (uint32_t)number - fields->seq;
	fields->has_length = true;
	return fields->length <= PAYLOAD_MAX ? TAKEN : -EBADMSG;
}

/* "seq 1" without payload, "seq 1:27" with it. */
static int take_seq(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;
	int r;

	slice_take(rest, ","); /* tcpdump's manual page has "seq, 1" */
	r = take_value(rest, UINT32_MAX, &number);
	if (r != TAKEN)
		return r;
	fields->has_seq = true;
	fields->seq = (uint32_t)number;
	return slice_take(rest, ":") ? take_range_end(rest, fields) : TAKEN;
}

/* "1:27(26)" */
static int take_old_range(struct text_slice *rest, struct text_fields *fields)
{
	uint64_t number;
	int r = take_seq(rest, fields);

	if (r != TAKEN)
		return r;
	if (!fields->has_length || !slice_take(rest, "(") ||
	    !slice_number(rest, PAYLOAD_MAX, &number) || !slice_take(rest, ")"))
		return -EBADMSG;
	return number == fields->length ? TAKEN : -EBADMSG;
}

/* "cksum 0x1234 (correct)", "cksum 0x1234 (incorrect -> 0x5678)" */
static int take_checksum(struct text_slice *rest, struct text_fields *fields)
{
	const char *close = slice_find(*rest, ")");

	if (!close)
		return WRAPPED;
	fields->checksum_bad = slice_find((struct text_slice){rest->at, close}, "incorrect");
	fields->checksum_known = true;
	rest->at = close + 1;
	return TAKEN;
}

static int take_new_options(struct text_slice *rest, struct text_fields *fields)
{
	slice_skip_blanks(rest);
	if (slice_empty(*rest))
		return WRAPPED;
	return slice_take(rest, "[") ? take_options(rest, ']', fields) : -EBADMSG;
}

static int take_old_ack(struct text_slice *rest, struct text_fields *fields)
{
	fields->flags |= TCP_FLAG_ACK; /* said by this word alone */
	return take_ack(rest, fields);
}

static int take_old_options(struct text_slice *rest, struct text_fields *fields)
{
	return take_options(rest, '>', fields);
}

static int take_old_checksum(struct text_slice *rest, struct text_fields *fields)
{
	const char *close = slice_find(*rest, "]");

	if (!close)
		return WRAPPED;
	fields->checksum_bad = !slice_begins(*rest, " sum ok");
	fields->checksum_known = true;
	rest->at = close + 1;
	return TAKEN;
}

struct field {
	const char *word;
	int (*take)(struct text_slice *rest, struct text_fields *fields);
};

static const struct field new_fields[] = {
	{"seq", take_seq},
	{"ack", take_ack},
	{"win", take_window},
	{"options", take_new_options},
	{"length", take_length},
	{"urg", take_urgent},
	{"cksum", take_checksum},
	{"opts", take_new_options},
	{NULL, NULL},
};

static const struct field old_fields[] = {
	{"ack", take_old_ack},		 {"win", take_window},
	{"<", take_old_options},	 {"urg", take_urgent},
	{"cksum", take_checksum},	 {"[tcp", take_old_checksum},
	{"[bad tcp", take_old_checksum}, {NULL, NULL},
};

static int take_field(struct text_slice *rest, const struct field *known,
		      struct text_fields *fields)
{
	for (; known->word; known++)
		if (slice_take(rest, known->word))
			return known->take(rest, fields);
	return STRANGE;
}

/* --- Each spelling --- */

/* "S.]", "none]": the bracket is open. */
static int take_flags(struct text_slice *rest, struct text_fields *fields)
{
	static const char letters[] = "FSRP.UEWe";

	if (slice_take(rest, "none]"))
		return TAKEN;
	for (; !slice_empty(*rest); rest->at++) {
		const char *letter = *rest->at ? strchr(letters, *rest->at) : NULL;

		if (*rest->at == ']') {
			rest->at++;
			return TAKEN;
		}
		if (!letter)
			return -EBADMSG;
		/* The letters stand in the order of the bits; "e" is AE of RFC 9768. */
		fields->flags |= (uint8_t)(1u << (letter - letters));
	}
	return WRAPPED;
}

static int parse_new(struct text_slice rest, struct text_fields *fields)
{
	const char *comma;
	int r;

	if (!slice_take(&rest, "Flags ["))
		return WRAPPED;
	r = take_flags(&rest, fields);
	while (r == TAKEN || r == STRANGE) {
		slice_skip_blanks(&rest);
		if (slice_empty(rest))
			return 1;
		if (slice_take(&rest, ",")) {
			slice_skip_blanks(&rest);
			if (slice_empty(rest))
				return 0;
		}
		r = take_field(&rest, new_fields, fields);
		if (r != STRANGE)
			continue;
		if (slice_begins(rest, "[bad hdr length"))
			return -EBADMSG;
		/* Shortened by hand, perhaps; what follows may still be known. */
		fields->partly = true;
		comma = slice_find(rest, ",");
		rest.at = comma ? comma : rest.end;
	}
	return r == LAST ? 1 : r;
}

static void take_old_flags(struct text_slice *rest, struct text_fields *fields)
{
	static const struct {
		char letter;
		uint8_t flag;
	} letters[] = {{'S', TCP_FLAG_SYN}, {'F', TCP_FLAG_FIN}, {'R', TCP_FLAG_RST},
		       {'P', TCP_FLAG_PSH}, {'W', TCP_FLAG_CWR}, {'E', TCP_FLAG_ECE}};

	for (; !slice_empty(*rest) && *rest->at != ' ' && *rest->at != ','; rest->at++)
		for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
			if (*rest->at == letters[i].letter)
				fields->flags |= letters[i].flag;
}

/* Of old the window, which is always said, tells that the line is whole enough. */
static int parse_old(struct text_slice rest, struct text_fields *fields)
{
	bool whole = false;
	int r = TAKEN;

	take_old_flags(&rest, fields);
	while (r == TAKEN) {
		slice_take(&rest, ",");
		slice_skip_blanks(&rest);
		if (slice_empty(rest))
			return whole;
		whole |= slice_begins(rest, "win ");
		r = text_digit(*rest.at) && !fields->has_seq
			    ? take_old_range(&rest, fields)
			    : take_field(&rest, old_fields, fields);
	}
	if (r == STRANGE) /* "(DF) [tos 0x10] (ttl 64, id 1, len 60)" and the payload's protocol */
		return whole ? 1 : -EBADMSG;
	return r;
}

/* --- What -v says of IP --- */

/* The last one: in a tunnel that of the inner packet. */
static bool header_value(struct text_slice header, const char *word, uint64_t max, uint64_t *ret)
{
	bool found = false;
	const char *at;

	while ((at = slice_find(header, word))) {
		header.at = at + strlen(word);
		slice_skip_blanks(&header); /* "ttl  64" of old */
		found |= slice_number(&header, max, ret);
	}
	return found;
}

static void parse_header(struct text_slice header, struct text_fields *fields)
{
	uint64_t number;

	if (header_value(header, "ttl ", UINT8_MAX, &number) ||
	    header_value(header, "hlim ", UINT8_MAX, &number))
		fields->ttl = (uint8_t)number;
	if (header_value(header, ", id ", UINT16_MAX, &number))
		fields->ip_id = (uint16_t)number;
}

int text_fields_parse(const struct text_shape *shape, struct text_fields *ret)
{
	struct text_fields fields = {0};
	int r = shape->form == TEXT_SEGMENT ? parse_new(shape->fields, &fields)
					    : parse_old(shape->fields, &fields);

	if (r <= 0)
		return r;
	parse_header(shape->before, &fields);
	*ret = fields;
	return 1;
}
