#include "cmd/explain_decoder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int explain_decoder_init(struct explain_decoder *decoder, struct capture_filter *filter)
{
	*decoder = (struct explain_decoder){.filter = filter, .fragments = fragments_new()};
	return decoder->fragments ? 0 : -ENOMEM;
}

void explain_decoder_done(struct explain_decoder *decoder)
{
	fragments_free(decoder->fragments);
	decoder->fragments = NULL;
}

/* Whether the packet is looked at. */
static bool passes(struct explain_decoder *decoder, const struct passing_packet *packet)
{
	struct why why;
	int r;

	if (!decoder->filter)
		return true;
	r = capture_filter_packet(decoder->filter, packet, &why);
	if (r > 0)
		return true;
	if (r == 0)
		decoder->filtered++;
	else if (decoder->unfiltered++ == 0)
		decoder->unfiltered_why = why;
	return false;
}

int explain_decoder_take(struct explain_decoder *decoder, const struct passing_packet *packet,
			 struct segment *ret)
{
	enum decode_result result;

	decoder->packets++;
	if (!passes(decoder, packet))
		return 0;
	result = fragments_decode(decoder->fragments, packet, ret);
	decoder->results[result]++;
	if (result != DECODE_SEGMENT)
		return 0;
	/* It lies in the packet, which passes by. */
	ret->payload = NULL;
	ret->payload_captured = 0;
	ret->time_ns = packet->time_ns;
	return 1;
}

uint64_t explain_decoder_given_up(const struct explain_decoder *decoder)
{
	return fragments_given_up(decoder->fragments);
}

char *explain_decoder_describe(const struct explain_decoder *decoder, char *text, size_t room)
{
	bool told[DECODE_RESULTS] = {false};
	size_t used = 0;

	text[0] = '\0';
	for (size_t n = 0; n < DECODE_RESULTS && used < room; n++) {
		size_t most = 0;

		for (size_t i = 1; i < DECODE_RESULTS; i++)
			if (told[most] ||
			    (!told[i] && decoder->results[i] > decoder->results[most]))
				most = i;
		if (told[most] || decoder->results[most] == 0)
			break;
		told[most] = true;
		used += (size_t)snprintf(text + used, room - used, "%s%" PRIu64 " %s",
					 n ? ", " : "", decoder->results[most],
					 decode_result_name((enum decode_result)most));
	}
	return text;
}
