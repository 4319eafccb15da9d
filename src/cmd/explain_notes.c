/* What a reader has to know besides the connections: what was left out, and what was not read. */
#include <inttypes.h>

#include "cmd/explain_summary.h"
#include "cmd/explain_words.h"

struct notes {
	const struct screen *screen;
	bool any;
};

/* A note, behind a dash; the first one behind the heading. */
#define NOTE(notes, ...)                                                                           \
	do {                                                                                       \
		begin(notes);                                                                      \
		explain_say((notes)->screen, STYLE_PLAIN, 4, "  - " __VA_ARGS__);                  \
	} while (0)

static void begin(struct notes *notes)
{
	if (!notes->any)
		explain_heading(notes->screen, "Notes");
	notes->any = true;
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* Packets that came to nothing, by the reason. */
static void put_packets(struct notes *notes, const struct explain_model *model)
{
	static const char *const reasons[] = {
		[DECODE_NOT_IP] = "neither IPv4 nor IPv6",
		[DECODE_NOT_TCP] = "not TCP",
		[DECODE_FRAGMENT] = "pieces of fragmented datagrams",
		[DECODE_TUNNEL] = "a tunnel or encryption that is not looked into",
		[DECODE_TRUNCATED] = "captured without all of their TCP header (a longer snap "
				     "length shows it)",
		[DECODE_MALFORMED] = "damaged: their lengths contradict each other",
	};

	for (int i = DECODE_NOT_IP; i <= DECODE_MALFORMED; i++)
		if (model->decoded[i])
			NOTE(notes, "%" PRIu64 " packet%s: %s", model->decoded[i],
			     plural(model->decoded[i]),
			     reasons[i] ? reasons[i] : decode_result_name((enum decode_result)i));
	if (model->given_up)
		NOTE(notes, "%" PRIu64 " segment%s in fragments of which some are missing",
		     model->given_up, plural(model->given_up));
	if (model->filtered)
		NOTE(notes, "%" PRIu64 " packet%s left out by the filter", model->filtered,
		     plural(model->filtered));
	if (model->kernel_dropped)
		NOTE(notes,
		     "%" PRIu64 " packet%s lost: the kernel had no room for them; what is said of "
		     "gaps may be due to that",
		     model->kernel_dropped, plural(model->kernel_dropped));
}

static void put_segments(struct notes *notes, const struct explain_model *model)
{
	const struct flows_sums *sums = &model->sums;

	if (sums->copies)
		NOTE(notes, "%" PRIu64 " packet%s captured twice and counted once", sums->copies,
		     plural(sums->copies));
	if (sums->illegal)
		NOTE(notes, "%" PRIu64 " segment%s that no TCP sends: a scan, or damage",
		     sums->illegal, plural(sums->illegal));
	if (sums->back_in_time)
		NOTE(notes,
		     "%" PRIu64 " packet%s with an earlier time than the one before: the order of "
		     "the capture was taken",
		     sums->back_in_time, plural(sums->back_in_time));
	if (sums->evicted)
		NOTE(notes,
		     "%" PRIu64 " connection%s forgotten early for want of room "
		     "(--max-connections): what came of them later counts as another",
		     sums->evicted, plural(sums->evicted));
}

void explain_summary_notes(const struct screen *screen, const struct explain_model *model)
{
	struct notes notes = {.screen = screen};

	for (size_t i = 0; i < model->note_count; i++)
		NOTE(&notes, "%s", model->notes[i]);
	put_packets(&notes, model);
	put_segments(&notes, model);
	if (model->lines_unclear)
		NOTE(&notes,
		     "%" PRIu64 " line%s of tcpdump's text not understood, or not all of it",
		     model->lines_unclear, plural(model->lines_unclear));
	if (model->no_times)
		NOTE(&notes, "the text has no times: nothing is said of how long anything took");
}
