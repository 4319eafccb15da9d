#include "cmd/serve_report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/why.h"
#include "serve/engine.h"
#include "serve/protocol.h"

/* Numbers beyond TALLY_ERRNO_MAX are counted as 0. */
static const char *error_name(int error)
{
	return error ? errno_name(error) : "other";
}

/* ---- text */

static void put_errors(const struct tally_sum *sum, FILE *out)
{
	const char *glue = "errors: ";

	for (int i = 0; i < TALLY_ERRNO_MAX; i++) {
		if (!sum->errors[i])
			continue;
		fprintf(out, "%s%s %" PRIu64, glue, error_name(i), sum->errors[i]);
		glue = ", ";
	}
	if (glue[0] == ',')
		fputc('\n', out);
}

static void put_rare(const struct serve_report *report, FILE *out)
{
	const struct tally_sum *sum = &report->sum;

	if (sum->refused)
		fprintf(out, "refused %" PRIu64 ": more than %zu open at once\n", sum->refused,
			report->options->plan.max_connections);
	if (sum->idle_closed)
		fprintf(out, "closed after being idle %" PRIu64 "\n", sum->idle_closed);
	if (sum->paused)
		fprintf(out, "accepting paused %" PRIu64 " times for want of room\n", sum->paused);
	put_errors(sum, out);
	if (report->died)
		fprintf(out, "worker processes died: %u of %u\n", report->died, report->processes);
	if (report->log_lost)
		fprintf(out, "log lines lost: %" PRIu64 " (%s)\n", report->log_lost,
			errno_name(report->log_error));
}

void serve_report_text(const struct serve_report *report, FILE *out)
{
	const struct tally_sum *sum = &report->sum;
	double rate = report->seconds > 0 ? (double)sum->accepted / report->seconds : 0;

	fprintf(out,
		"accepted %" PRIu64 " in %.1f s (%.1f/s), open %" PRIu64 ", tasks at most %" PRIu64
		"\n",
		sum->accepted, report->seconds, rate, sum->open, sum->tasks_max);
	fprintf(out,
		"closed by us %" PRIu64 ", by the peer %" PRIu64 ", reset %" PRIu64
		"; answers %" PRIu64 ", bytes in %" PRIu64 ", out %" PRIu64 "\n",
		sum->closed_by_us, sum->closed_by_peer, sum->reset, sum->answers, sum->bytes_in,
		sum->bytes_out);
	put_rare(report, out);
}

/* ---- JSON */

static json_t *endpoints(const struct serve_report *report)
{
	json_t *list = json_array();
	char text[TCP_ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < report->at_count; i++)
		json_array_append_new(list, json_string(tcp_endpoint_format(&report->at[i], text)));
	return list;
}

static json_t *errors(const struct tally_sum *sum)
{
	json_t *object = json_object();

	for (int i = 0; i < TALLY_ERRNO_MAX; i++)
		if (sum->errors[i])
			json_object_set_new(object, error_name(i),
					    json_integer((json_int_t)sum->errors[i]));
	return object;
}

static void set_number(json_t *object, const char *name, uint64_t number)
{
	json_object_set_new(object, name, json_integer((json_int_t)number));
}

static json_t *head(const struct serve_report *report)
{
	const struct serve_plan *plan = &report->options->plan;
	json_t *object = json_object();

	json_object_set_new(object, "schema", json_string("contest.serve/1"));
	json_object_set_new(object, "engine", json_string(plan->engine->name));
	json_object_set_new(object, "protocol", json_string(plan->protocol->name));
	json_object_set_new(object, "close", json_string(serve_closing_name(plan->closing)));
	json_object_set_new(object, "listening", endpoints(report));
	json_object_set_new(object, "seconds", json_real(report->seconds));
	return object;
}

int serve_report_json(const struct serve_report *report, FILE *out)
{
	const struct tally_sum *sum = &report->sum;
	const struct {
		const char *name;
		uint64_t number;
	} numbers[] = {
		{"accepted", sum->accepted},
		{"closed_by_us", sum->closed_by_us},
		{"closed_by_peer", sum->closed_by_peer},
		{"reset", sum->reset},
		{"open", sum->open},
		{"answers", sum->answers},
		{"bytes_in", sum->bytes_in},
		{"bytes_out", sum->bytes_out},
		{"refused", sum->refused},
		{"idle_closed", sum->idle_closed},
		{"paused", sum->paused},
		{"tasks_max", sum->tasks_max},
		{"processes", report->processes},
		{"processes_died", report->died},
		{"log_lines_lost", report->log_lost},
	};
	json_t *object = head(report);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		set_number(object, numbers[i].name, numbers[i].number);
	json_object_set_new(object, "errors", errors(sum));
	/* A name is missing where memory was short; then say nothing rather than half of it. */
	if (json_object_size(object) != 6 + ARRAY_SIZE(numbers) + 1)
		r = -ENOMEM;
	else if (json_dumpf(object, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0)
		fputc('\n', out); /* cli_main() sees when output failed */
	json_decref(object);
	return r;
}
