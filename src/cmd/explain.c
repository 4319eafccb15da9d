/*
 * contest explain: packets of files, pipes or an interface go through the filter and the decoder to
 * flows, which tells of each connection once; outputs make of that what was asked for. Ladders are
 * drawn from a second look at the same packets.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/privileges.h"
#include "capture/live.h"
#include "cmd/commands.h"
#include "cmd/explain_again.h"
#include "cmd/explain_input.h"
#include "cmd/explain_live.h"
#include "cmd/explain_options.h"
#include "cmd/explain_output.h"
#include "cmd/explain_stop.h"
#include "explain/flows.h"

#define BATCH 64 /* segments: what fits into a core's first cache */

struct explaining {
	const struct invocation *call;
	struct explain_options options;
	struct explain_names names;
	struct explain_output output;
	struct flows *flows;	     /* (owned) */
	struct explain_input *input; /* (owned) of files */
	struct capture_live *live;   /* (owned) of an interface, with … */
	struct explain_decoder decoder;
	struct explain_kept *kept; /* … (owned) what is to be drawn */
	struct new_file *svg;	   /* (owned) */
	uint64_t dropped;
	bool incomplete; /* something is missing that was to be read */
};

/* One line on stderr; the rest goes on. */
#define SAY(e, ...) invocation_fail((e)->call, CLI_DONE, __VA_ARGS__)

static int refuse(const struct explaining *e, int error, const struct why *why)
{
	return invocation_fail(e->call, error == -EINVAL ? CLI_USAGE : CLI_REFUSED, "%s",
			       why->text);
}

static int no_memory(const struct explaining *e)
{
	return invocation_fail(e->call, CLI_REFUSED, "%s", strerror(ENOMEM));
}

static const char *name_in_text(void *context, const struct tcp_endpoint *endpoint)
{
	const struct explaining *e = context;

	return e->input ? explain_input_name(e->input, endpoint) : NULL;
}

/* ---- reading */

static int read_files(struct explaining *e)
{
	struct segment segments[BATCH];
	struct why why;
	int n = 0, r = 0;

	while (r == 0 && (n = explain_input_next(e->input, segments, BATCH, &why)) > 0) {
		e->output.timeless = !explain_input_has_times(e->input);
		r = flows_feed(e->flows, segments, (size_t)n);
	}
	if (r < 0)
		return no_memory(e);
	if (n < 0) {
		SAY(e, "%s", why.text);
		e->incomplete = true;
	}
	return CLI_DONE;
}

static int read_interface(struct explaining *e)
{
	struct explain_live live = {
		.from = e->live,
		.decoder = &e->decoder,
		.flows = e->flows,
		.output = &e->output,
		.kept = e->kept,
		.color = e->call->color,
		.duration_ns = e->options.duration_ns,
	};
	struct why why;
	int r;

	/* As tcpdump does: whoever starts what is to be seen can wait for it. */
	SAY(e, "listening on %s", e->options.interface);
	r = explain_live_follow(&live, &why);
	e->dropped = live.dropped;
	if (r == -ENOMEM)
		return no_memory(e);
	if (r < 0) {
		SAY(e, "%s", why.text);
		e->incomplete = true;
	}
	return CLI_DONE;
}

/* ---- before it */

static int open_files(struct explaining *e)
{
	struct explain_options *options = &e->options;
	struct why why;
	int r = explain_input_open(options->paths, options->path_count, options->filter,
				   e->output.ladders != NULL, &e->input, &why);

	return r < 0 ? refuse(e, r == -EINVAL ? -EIO : r, &why) : CLI_DONE;
}

static int open_interface(struct explaining *e)
{
	struct why why;
	int r = explain_decoder_init(&e->decoder, NULL);

	if (r == 0 && e->output.ladders) {
		e->kept = explain_kept_new();
		r = e->kept ? 0 : -ENOMEM;
	}
	if (r < 0)
		return no_memory(e);
	r = capture_live_open(e->options.interface, e->options.expression, &e->live, &why);
	if (r == 0)
		r = privileges_drop(&why);
	return r < 0 ? refuse(e, r, &why) : CLI_DONE;
}

static int open_svg(struct explaining *e)
{
	int r = e->options.svg ? new_file_open(e->options.svg, &e->svg) : 0;

	return r < 0 ? invocation_fail(e->call, CLI_REFUSED, "cannot write %s: %s", e->options.svg,
				       strerror(-r))
		     : CLI_DONE;
}

static int prepare(struct explaining *e)
{
	struct flows_plan plan = {
		.max_connections = e->options.max_connections,
		.history = e->options.format == EXPLAIN_ZEEK,
	};
	int r;

	e->names = (struct explain_names){.name = name_in_text, .context = e};
	if (explain_output_init(&e->output, &e->options, e->call->color, &e->names) < 0)
		return no_memory(e);
	e->flows = flows_new(&plan, explain_output_tell, &e->output);
	if (!e->flows)
		return no_memory(e);
	e->output.flows = e->flows;
	r = explain_stop_init();
	if (r < 0)
		return invocation_fail(e->call, CLI_REFUSED, "cannot take signals: %s",
				       strerror(-r));
	/* Whoever reads from us may go when he has seen enough, as with any other tool of a pipe.
	 */
	signal(SIGPIPE, SIG_DFL);
	r = e->options.interface ? open_interface(e) : open_files(e);
	return r == CLI_DONE ? open_svg(e) : r;
}

/* ---- what is to be said of the reading */

static const struct explain_decoder *decoder_of(const struct explaining *e)
{
	return e->input ? explain_input_decoder(e->input) : &e->decoder;
}

static void tell_damage(struct explaining *e)
{
	size_t damaged = explain_input_damage(e->input), told = 0;
	const char *why;

	for (; (why = explain_input_damage_why(e->input, told)); told++)
		SAY(e, "%s; what came before is explained", why);
	if (damaged > told)
		SAY(e, "%zu more files could not be read to their end", damaged - told);
	if (explain_input_interrupted(e->input))
		SAY(e, "interrupted: what was read by then is explained");
	e->incomplete = e->incomplete || damaged > 0 || explain_input_interrupted(e->input);
}

static void tell_unfiltered(struct explaining *e)
{
	const struct explain_decoder *decoder = decoder_of(e);

	if (decoder->unfiltered == 0)
		return;
	SAY(e, "%" PRIu64 " packets are left out: %s", decoder->unfiltered,
	    decoder->unfiltered_why.text);
	e->incomplete = true;
}

static void tell_dropped(struct explaining *e)
{
	if (e->dropped == 0)
		return;
	SAY(e,
	    "the kernel had to drop %" PRIu64
	    " packets: what they would have shown is missing; a filter makes less work",
	    e->dropped);
	e->incomplete = true;
}

/* Nothing to explain: what there was instead. */
static void tell_nothing(struct explaining *e, const struct flows_sums *sums)
{
	const struct explain_decoder *decoder = decoder_of(e);
	char what[256];

	if (sums->segments > 0)
		return;
	if (decoder->packets == 0 && decoder->filtered == 0)
		SAY(e, "there was no packet");
	else if (decoder->filtered >= decoder->packets && decoder->filtered > 0)
		SAY(e, "no packet of %" PRIu64 " passes the filter", decoder->filtered);
	else
		SAY(e, "no TCP: of %" PRIu64 " packets %s", decoder->packets,
		    explain_decoder_describe(decoder, what, sizeof(what)));
	e->incomplete = true;
}

static void fill_model(struct explaining *e)
{
	struct explain_model *model = &e->output.model;
	const struct explain_decoder *decoder = decoder_of(e);

	flows_sums(e->flows, &model->sums);
	model->packets = decoder->packets - decoder->filtered;
	model->filtered = decoder->filtered;
	memcpy(model->decoded, decoder->results, sizeof(model->decoded));
	model->given_up = explain_decoder_given_up(decoder);
	model->kernel_dropped = e->dropped;
	if (!e->input)
		return;
	model->packets += explain_input_text_segments(e->input);
	model->lines_unclear = explain_input_text_unclear(e->input);
	model->no_times = explain_input_text_segments(e->input) > 0 &&
			  !explain_input_has_times(e->input);
}

/* ---- ladders */

/* The second look. */
static int look_again(struct explaining *e)
{
	struct explain_ladders *ladders = e->output.ladders;
	struct segment segments[BATCH];
	struct why why;
	int n, r = 0;

	if (e->kept) {
		size_t count;
		const struct segment *all = explain_kept_all(e->kept, &count);

		return explain_ladders_feed(ladders, all, count) < 0 ? no_memory(e) : CLI_DONE;
	}
	n = explain_input_rewind(e->input, &why);
	while (n >= 0 && r == 0 && (n = explain_input_next(e->input, segments, BATCH, &why)) > 0)
		r = explain_ladders_feed(ladders, segments, (size_t)n);
	if (r < 0)
		return no_memory(e);
	return n < 0 ? invocation_fail(e->call, CLI_REFUSED, "%s", why.text) : CLI_DONE;
}

static int write_svg(struct explaining *e)
{
	int r = explain_ladders_write_svg(e->output.ladders, new_file_stream(e->svg));

	if (r == 0)
		r = new_file_commit(TAKE_PTR(e->svg));
	return r < 0 ? invocation_fail(e->call, CLI_REFUSED, "cannot write %s: %s", e->options.svg,
				       strerror(-r))
		     : CLI_DONE;
}

/* More than anybody asked for is not drawn in silence, and not in part. */
static int check_ladders(const struct explaining *e)
{
	uint64_t chosen = explain_ladders_chosen(e->output.ladders);
	size_t limit = explain_ladders_limit(e->output.ladders);

	if (chosen > limit && !e->options.limit)
		return invocation_fail(
			e->call, CLI_USAGE,
			"%" PRIu64
			" connections are too many ladders: choose with --connection N or "
			"ADDR:PORT (--list shows them), with a filter, or the first ones with "
			"--limit N",
			chosen);
	return CLI_DONE;
}

static int draw(struct explaining *e)
{
	uint64_t left_out;
	int r = check_ladders(e);

	if (r == CLI_DONE)
		r = look_again(e);
	if (r != CLI_DONE)
		return r;
	if (explain_ladders_make(e->output.ladders, &e->names, e->options.rows) < 0)
		return no_memory(e);
	if (e->options.ladder)
		explain_ladders_print(e->output.ladders, &e->output.screen, &e->names);
	left_out = explain_ladders_left_out(e->output.ladders) +
		   (e->kept ? explain_kept_left_out(e->kept) : 0);
	if (left_out > 0)
		SAY(e, "%" PRIu64 " packets found no room for ladders; the first ones are drawn",
		    left_out);
	return e->svg ? write_svg(e) : CLI_DONE;
}

/* ---- the end */

static int check_choice(const struct explaining *e)
{
	const char *unmet = explain_choice_unmet(&e->options.choice);
	struct flows_sums sums;

	if (!unmet)
		return CLI_DONE;
	flows_sums(e->flows, &sums);
	return invocation_fail(e->call, CLI_USAGE,
			       "no connection is '%s': there are %" PRIu64 "; --list shows them",
			       unmet, sums.connections);
}

static int finish(struct explaining *e)
{
	CLEANUP_FREE char *command = explain_again(&e->options);
	int r = flows_finish(e->flows);

	if (r < 0)
		return no_memory(e);
	fill_model(e);
	if (e->input)
		tell_damage(e);
	tell_unfiltered(e);
	tell_dropped(e);
	tell_nothing(e, &e->output.model.sums);
	explain_output_end(&e->output, command);
	r = check_choice(e);
	if (r == CLI_DONE && e->output.ladders && e->output.model.sums.connections > 0)
		r = draw(e);
	if (r == CLI_DONE && (e->incomplete || (e->options.problems && e->output.troubled > 0)))
		r = CLI_BAD;
	return r;
}

static int run(struct explaining *e)
{
	int r = prepare(e);

	if (r != CLI_DONE)
		return r;
	explain_output_begin(&e->output);
	r = e->live ? read_interface(e) : read_files(e);
	return r == CLI_DONE ? finish(e) : r;
}

static int explain_run(const struct invocation *call)
{
	struct explaining e = {.call = call};
	int r = explain_options_read(call, &e.options);

	if (r == CLI_DONE)
		r = run(&e);
	new_file_discard(e.svg);
	explain_input_close(e.input);
	explain_decoder_done(&e.decoder);
	explain_kept_free(e.kept);
	capture_live_close(e.live);
	flows_free(e.flows);
	explain_output_done(&e.output);
	explain_stop_done();
	explain_options_done(&e.options);
	return r;
}

const struct command explain_command = {
	.name = "explain",
	.summary = "say what happened to every TCP connection of a capture",
	.description =
		"Reads captures (pcap, pcapng, compressed too), what tcpdump printed, or packets "
		"from an interface, and says for each connection how it began, who closed first, "
		"how it ended, what each end is left with, and why. Operands that are files (or -, "
		"standard input) are read; what follows the last of them is a filter as tcpdump "
		"takes it.",
	.operands = "[FILE...] [FILTER]",
	.operand_noun = "capture",
	.operand_files = true,
	.max_operands = OPERANDS_ANY,
	.needs = "CAP_NET_RAW or root for -i, given up once the interface is open",
	.bad = "something is missing (a capture cut off or damaged, packets dropped, no TCP in it), "
	       "or --problems found some",
	.options = explain_option_table,
	.examples =
		(const struct cli_example[]){
			{"contest explain trace.pcap", "what happened, in sums"},
			{"contest explain trace.pcap --problems",
			 "what deserves a look, worst first"},
			{"contest explain trace.pcap --connection 3", "one of them as a ladder"},
			{"contest explain ticket.txt 'host 10.0.0.1 and port 80'",
			 "from tcpdump's text, filtered"},
			{"contest explain -i eth0 port 5000", "live, until Ctrl-C"},
			{"tcpdump -w - | contest explain --json", "from a pipe, for programs"},
			{NULL},
		},
	.run = explain_run,
};
