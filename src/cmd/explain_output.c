#include "cmd/explain_output.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cmd/explain_json.h"
#include "cmd/explain_list.h"
#include "cmd/explain_zeek.h"

/* So many ladders without --limit. */
#define LADDERS 10

/* A form of output. Any function may be missing. */
struct explain_form {
	bool text;
	void (*begin)(struct explain_output *output);
	void (*tell)(struct explain_output *output, const struct finding *finding);
	void (*end)(struct explain_output *output, const char *command);
};

/* ---- for people */

static void end_summary(struct explain_output *output, const char *command)
{
	(void)command;
	explain_summary_print(&output->screen, &output->model);
}

static void tell_listed(struct explain_output *output, const struct finding *finding)
{
	explain_list_print(&output->screen, finding, 1, output->model.names);
}

static void end_list(struct explain_output *output, const char *command)
{
	size_t limit = output->options->limit;

	(void)command;
	if (limit && output->told > limit)
		fprintf(output->screen.out, "\nand %" PRIu64 " more\n", output->told - limit);
	explain_summary_notes(&output->screen, &output->model);
}

static void end_problems(struct explain_output *output, const char *command)
{
	explain_problems_print(&output->screen, output->problems, output->model.names, command);
	explain_summary_notes(&output->screen, &output->model);
}

/* ---- for programs */

static void tell_json(struct explain_output *output, const struct finding *finding)
{
	explain_json_finding(&output->json, finding, output->model.names);
}

static void begin_zeek(struct explain_output *output)
{
	explain_zeek_head(output->screen.out);
}

static void tell_zeek(struct explain_output *output, const struct finding *finding)
{
	explain_zeek_finding(output->screen.out, finding, flows_history(output->flows),
			     output->model.names);
}

static void end_zeek(struct explain_output *output, const char *command)
{
	(void)command;
	explain_zeek_end(output->screen.out);
}

static const struct explain_form summary_form = {.text = true, .end = end_summary};
static const struct explain_form list_form = {.text = true, .tell = tell_listed, .end = end_list};
static const struct explain_form problems_form = {.text = true, .end = end_problems};
static const struct explain_form ladder_form = {.text = true};
static const struct explain_form json_form = {.tell = tell_json};
static const struct explain_form zeek_form = {
	.begin = begin_zeek,
	.tell = tell_zeek,
	.end = end_zeek,
};

static const struct explain_form *form_of(const struct explain_options *options)
{
	if (options->format == EXPLAIN_JSON)
		return &json_form;
	if (options->format == EXPLAIN_ZEEK)
		return &zeek_form;
	if (options->problems)
		return &problems_form;
	if (options->list)
		return &list_form;
	return options->ladder ? &ladder_form : &summary_form;
}

/* ---- all forms */

int explain_output_init(struct explain_output *output, struct explain_options *options,
			enum color_choice color, const struct explain_names *names)
{
	*output = (struct explain_output){
		.options = options,
		.form = form_of(options),
		.json = JSON_WRITER(stdout),
		.model.names = names,
	};
	screen_init(&output->screen, stdout, color);
	if (options->problems)
		output->problems = explain_problems_new();
	if (options->ladder || options->svg)
		output->ladders = explain_ladders_new(options->limit ? options->limit : LADDERS);
	if ((options->problems && !output->problems) ||
	    ((options->ladder || options->svg) && !output->ladders))
		return -ENOMEM;
	return 0;
}

void explain_output_done(struct explain_output *output)
{
	explain_problems_free(output->problems);
	explain_ladders_free(output->ladders);
	explain_model_done(&output->model);
}

void explain_output_begin(struct explain_output *output)
{
	if (output->form->begin)
		output->form->begin(output);
}

/* To where it is printed at once, or drawn later. */
static int show(struct explain_output *output, const struct finding *finding)
{
	size_t limit = output->options->limit;

	output->told++;
	if (output->form->tell && (!limit || output->told <= limit))
		output->form->tell(output, finding);
	return output->ladders ? explain_ladders_choose(output->ladders, finding) : 0;
}

/* Of a text without times, in which all segments have the same: nothing is known of when. */
static void forget_times(struct finding *finding)
{
	for (size_t i = 0; i < 2; i++) {
		struct finding_end *end = &finding->end[i];

		end->since_ns = end->last_ns = FINDING_TIME_UNKNOWN;
		end->fin_ns = end->fin_acked_ns = FINDING_TIME_UNKNOWN;
	}
	finding->rst.at_ns = FINDING_TIME_UNKNOWN;
	finding->first_ns = finding->last_ns = FINDING_TIME_UNKNOWN;
	finding->reused_after_ns = FINDING_TIME_UNKNOWN;
	finding->handshake_ns = 0;
	finding->fin_interval_count = 0;
}

static int tell(struct explain_output *output, const struct finding *finding)
{
	bool troubled;
	int r;

	if (!explain_choice_fits(&output->options->choice, finding, output->model.names))
		return 0;
	troubled = finding_problem(finding) != PROBLEM_NONE;
	output->troubled += troubled;
	r = explain_model_add(&output->model, finding);
	if (r == 0 && output->problems)
		r = explain_problems_add(output->problems, finding);
	if (r == 0 && (troubled || !output->options->problems))
		r = show(output, finding);
	return r;
}

int explain_output_tell(void *context, const struct finding *finding)
{
	struct explain_output *output = context;
	struct finding timeless;

	if (!output->timeless)
		return tell(output, finding);
	timeless = *finding;
	forget_times(&timeless);
	return tell(output, &timeless);
}

void explain_output_end(struct explain_output *output, const char *command)
{
	if (output->form->end)
		output->form->end(output, command);
}

bool explain_output_is_text(const struct explain_output *output)
{
	return output->form->text;
}
