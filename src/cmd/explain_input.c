#include "cmd/explain_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/explain_source.h"
#include "cmd/explain_stop.h"

#define DAMAGE_KEPT 4 /* of what is damaged, so many are told one by one */

struct explain_input {
	struct place {
		struct explain_source source;
		int64_t first_ns; /* of a capture that is to be sorted */
	} * places;		  /* (owned) in the order in which they are read */
	size_t count, at;	  /* @at: the one that is open, or to be opened next */
	bool is_open, again;
	bool stopped;	/* by a signal */
	bool rewound;	/* nothing is counted any more … */
	uint64_t given; /* … and no more is read than before: so many segments */
	struct explain_decoder decoder, uncounted;
	struct tcpdump_text *meaning; /* (owned) of all texts, so that names mean the same */
	uint64_t text_segments, text_unclear;
	bool any_times;
	size_t damaged;
	struct why damage[DAMAGE_KEPT];
};

static int new_meaning(struct explain_input *input, struct why *why)
{
	struct tcpdump_text *meaning = tcpdump_text_new();

	if (!meaning)
		return why_set(why, -ENOMEM, "cannot begin");
	tcpdump_text_free(input->meaning);
	input->meaning = meaning;
	return 0;
}

static int open_at(struct explain_input *input, struct why *why)
{
	int r = explain_source_open(&input->places[input->at].source, input->again, input->meaning,
				    why);

	input->is_open = r == 0;
	return r;
}

static void close_at(struct explain_input *input)
{
	if (input->is_open)
		explain_source_close(&input->places[input->at].source);
	input->is_open = false;
}

/* ---- several files */

static int by_time(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	/* qsort(3) is not stable; @source.path points into one row of operands. */
	return x->source.start < y->source.start ? -1 : x->source.start > y->source.start;
}

/* 1 when the file can take part in the order by time, 0 when not, -errno with @why. */
static int look_at(struct explain_input *input, struct place *place, struct why *why)
{
	struct passing_packet packet;
	struct why damage;
	int r;

	r = explain_source_open(&place->source, false, input->meaning, why);
	if (r < 0)
		return r;
	r = place->source.stream ? capture_stream_next(place->source.stream, &packet, &damage) : 0;
	if (r == 1)
		place->first_ns = packet.time_ns;
	r = r == 1 && packet.time_known;
	explain_source_close(&place->source);
	return r;
}

static int look_at_all(struct explain_input *input, struct why *why)
{
	bool sort = true;

	for (size_t i = 0; i < input->count; i++) {
		struct place *place = &input->places[i];
		int r = 0;

		if (explain_source_is_file(&place->source))
			r = look_at(input, place, why);
		if (r < 0)
			return r;
		sort = sort && r == 1;
		place->source.start = (off_t)i;
	}
	if (sort)
		qsort(input->places, input->count, sizeof(*input->places), by_time);
	for (size_t i = 0; i < input->count; i++)
		input->places[i].source.start = -1;
	return new_meaning(input, why); /* what was looked at is read anew */
}

/* ---- the row */

static int begin(struct explain_input *input, struct capture_filter *filter, struct why *why)
{
	int r = new_meaning(input, why);

	if (r < 0)
		return r;
	if (explain_decoder_init(&input->decoder, filter) < 0 ||
	    explain_decoder_init(&input->uncounted, filter) < 0)
		return why_set(why, -ENOMEM, "cannot begin");
	if (input->count > 1)
		r = look_at_all(input, why);
	return r < 0 ? r : open_at(input, why);
}

int explain_input_open(const char *const *paths, size_t count, struct capture_filter *filter,
		       bool again, struct explain_input **ret, struct why *why)
{
	struct explain_input *input = calloc(1, sizeof(*input));
	int r;

	if (!input)
		return why_set(why, -ENOMEM, "cannot begin");
	input->again = again;
	input->places = calloc(count, sizeof(*input->places));
	for (size_t i = 0; input->places && i < count; i++)
		explain_source_init(&input->places[input->count++].source, paths[i]);
	r = input->places ? begin(input, filter, why) : why_set(why, -ENOMEM, "cannot begin");
	if (r < 0) {
		explain_input_close(input);
		return r;
	}
	*ret = input;
	return 0;
}

void explain_input_close(struct explain_input *input)
{
	if (!input)
		return;
	for (size_t i = 0; i < input->count; i++)
		explain_source_done(&input->places[i].source);
	explain_decoder_done(&input->decoder);
	explain_decoder_done(&input->uncounted);
	tcpdump_text_free(input->meaning);
	free(input->places);
	free(input);
}

static void note_damage(struct explain_input *input, const struct why *why)
{
	/* What was cut off by Ctrl-C is not damaged. */
	if (input->rewound || explain_stop_asked())
		return;
	if (input->damaged < DAMAGE_KEPT)
		input->damage[input->damaged] = *why;
	input->damaged++;
}

/* Segments of a capture: how many; fewer than @room at its end. */
static size_t take_packets(struct explain_input *input, struct explain_source *source,
			   struct segment *ret, size_t room)
{
	struct explain_decoder *decoder = input->rewound ? &input->uncounted : &input->decoder;
	struct passing_packet packet;
	size_t count = 0;
	struct why why;
	int r = 1;

	while (count < room && (r = explain_source_next(source, &packet, &why)) == 1) {
		if (packet.time_known)
			input->any_times = true;
		count += (size_t)explain_decoder_take(decoder, &packet, &ret[count]);
	}
	if (r < 0)
		note_damage(input, &why);
	return count;
}

/* Whether a text's segment passes the filter. */
static bool passes(struct explain_input *input, const struct segment *segment)
{
	struct explain_decoder *decoder = &input->decoder;
	struct why why;
	int r = decoder->filter ? capture_filter_segment(decoder->filter, segment, &why) : 1;

	if (r < 0 && decoder->unfiltered++ == 0)
		decoder->unfiltered_why = why;
	if (r == 0)
		decoder->filtered++;
	return r > 0;
}

static size_t take_lines(struct explain_input *input, struct explain_text *text,
			 struct segment *ret, size_t room)
{
	size_t count = 0;
	int r = 1;

	while (count < room && (r = explain_text_next(text, &ret[count])) == 1) {
		if (!input->rewound)
			input->text_segments++;
		count += passes(input, &ret[count]);
	}
	if (r < 0) {
		struct why why;

		why_set(&why, r, "cannot read %s to its end",
			explain_source_name(&input->places[input->at].source));
		note_damage(input, &why);
	}
	if (tcpdump_text_has_times(input->meaning))
		input->any_times = true;
	return count;
}

/* Whether it ends here: the second time where it ended the first time; at a signal, unless from a
 * pipe, whose writer has got it, too (explain_pipe.h). */
static bool is_over(struct explain_input *input)
{
	if (input->at >= input->count)
		return true;
	if (input->rewound)
		return input->given == 0;
	if (explain_stop_asked() && !explain_source_is_pipe(&input->places[input->at].source))
		input->stopped = true;
	return input->stopped;
}

/* Some of the source that is open, or none; behind its end the next one's turn comes. */
static size_t take(struct explain_input *input, struct segment *ret, size_t room)
{
	struct explain_source *source = &input->places[input->at].source;
	size_t count;

	if (input->rewound && input->given < room)
		room = (size_t)input->given;
	count = source->stream ? take_packets(input, source, ret, room)
			       : take_lines(input, source->text, ret, room);
	if (count < room) {
		close_at(input);
		input->at++;
	}
	if (input->rewound)
		input->given -= count;
	else
		input->given += count;
	return count;
}

int explain_input_next(struct explain_input *input, struct segment *ret, size_t room,
		       struct why *why)
{
	size_t count = 0;

	while (count == 0 && !is_over(input)) {
		int r = input->is_open ? 0 : open_at(input, why);

		if (r < 0)
			return r;
		count = take(input, ret, room);
	}
	if (count == 0 && !input->rewound)
		input->text_unclear = tcpdump_text_unclear(input->meaning);
	return (int)count;
}

int explain_input_rewind(struct explain_input *input, struct why *why)
{
	close_at(input);
	input->at = 0;
	input->rewound = true;
	return new_meaning(input, why);
}

/* ---- what was found */

const struct explain_decoder *explain_input_decoder(const struct explain_input *input)
{
	return &input->decoder;
}

uint64_t explain_input_text_segments(const struct explain_input *input)
{
	return input->text_segments;
}

uint64_t explain_input_text_unclear(const struct explain_input *input)
{
	return input->text_unclear;
}

bool explain_input_has_times(const struct explain_input *input)
{
	return input->any_times;
}

bool explain_input_interrupted(const struct explain_input *input)
{
	return input->stopped;
}

size_t explain_input_damage(const struct explain_input *input)
{
	return input->damaged;
}

const char *explain_input_damage_why(const struct explain_input *input, size_t index)
{
	return index < input->damaged && index < DAMAGE_KEPT ? input->damage[index].text : NULL;
}

const char *explain_input_name(const struct explain_input *input,
			       const struct tcp_endpoint *endpoint)
{
	return tcpdump_text_name(input->meaning, endpoint);
}
