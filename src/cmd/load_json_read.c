/*
 * contest.load/1 back into a result. A reader remembers the first thing that was wrong and where,
 * and hands out zeros from then on, so that the functions here read straight on.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/load_json.h"

/* Beyond them are no results of this program: sums of sums, and times of a run, stay whole. */
#define COUNT_MAX   (INT64_C(1) << 60)
#define EPOCH_MAX   1e10		    /* seconds: the year 2286 */
#define SECONDS_MAX (2 * 366 * 24 * 3600.0) /* a run, and its slots in all */

struct reader {
	struct why *why;
	int error; /* 0, or what the whole returns */
	const char *where;
};

static void __attribute__((format(printf, 3, 4)))
wrong(struct reader *reader, int error, const char *format, ...)
{
	char text[256];
	va_list args;

	if (reader->error)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reader->error = why_say(reader->why, error, "%s", text);
}

static const json_t *member(struct reader *reader, const json_t *of, const char *name)
{
	const json_t *value = json_object_get(of, name);

	if (!value)
		wrong(reader, -EINVAL, "%s\"%s\" is missing", reader->where, name);
	return value;
}

static int64_t integer(struct reader *reader, const json_t *of, const char *name, int64_t min)
{
	const json_t *value = member(reader, of, name);
	json_int_t number = json_integer_value(value);

	if (value && (!json_is_integer(value) || number < min || number > COUNT_MAX)) {
		wrong(reader, -EINVAL, "%s\"%s\" is no count", reader->where, name);
		return 0;
	}
	return number;
}

static uint64_t count(struct reader *reader, const json_t *of, const char *name)
{
	return (uint64_t)integer(reader, of, name, 0);
}

/* Any count of an object whose names are no member's of ours. */
static uint64_t count_of(struct reader *reader, const char *name, const json_t *value)
{
	json_int_t number = json_integer_value(value);

	if (json_is_integer(value) && number >= 0 && number <= COUNT_MAX)
		return (uint64_t)number;
	wrong(reader, -EINVAL, "%s\"%.60s\" is no count", reader->where, name);
	return 0;
}

static int64_t ticks(struct reader *reader, const json_t *of, const char *name, double min,
		     double max)
{
	const json_t *value = member(reader, of, name);
	double number = json_number_value(value);

	if (value && (!json_is_number(value) || !(number >= min && number <= max))) {
		wrong(reader, -EINVAL, "%s\"%s\" is no time", reader->where, name);
		return 0;
	}
	return llround(number * LOAD_TICKS_PER_S);
}

static char *string(struct reader *reader, const json_t *of, const char *name)
{
	const json_t *value = member(reader, of, name);
	char *copy;

	if (value && !json_is_string(value)) {
		wrong(reader, -EINVAL, "%s\"%s\" is no text", reader->where, name);
		return NULL;
	}
	copy = strdup(value ? json_string_value(value) : "");
	if (!copy)
		wrong(reader, -ENOMEM, "%s", strerror(ENOMEM));
	return copy;
}

static const json_t *object(struct reader *reader, const json_t *of, const char *name)
{
	const json_t *value = member(reader, of, name);

	if (!value || json_is_object(value))
		return value;
	wrong(reader, -EINVAL, "%s\"%s\" is no object", reader->where, name);
	return NULL;
}

static const json_t *array(struct reader *reader, const json_t *of, const char *name)
{
	const json_t *value = member(reader, of, name);

	if (!value || json_is_array(value))
		return value;
	wrong(reader, -EINVAL, "%s\"%s\" is no array", reader->where, name);
	return NULL;
}

static bool boolean(struct reader *reader, const json_t *of, const char *name)
{
	const json_t *value = member(reader, of, name);

	if (value && !json_is_boolean(value))
		wrong(reader, -EINVAL, "%s\"%s\" is neither true nor false", reader->where, name);
	return json_is_true(value);
}

static void no_memory(struct reader *reader)
{
	wrong(reader, -ENOMEM, "%s", strerror(ENOMEM));
}

/* ---- parts */

static void read_failed(struct reader *reader, const json_t *document, struct load_sum *sum)
{
	const json_t *failed = object(reader, document, "failed");
	const json_t *steps = object(reader, document, "failed_at"), *value;
	const char *name;

	reader->where = "in \"failed\": ";
	json_object_foreach ((json_t *)failed, name, value) {
		int reason = load_failure_find(name);

		if (reason < 0 && strcmp(name, "errno 0") == 0)
			reason = 0;
		if (reason < 0) {
			wrong(reader, -EINVAL, "in \"failed\": \"%.60s\" is no reason", name);
			return;
		}
		sum->failed[reason] = count_of(reader, name, value);
		sum->failed_all += sum->failed[reason];
	}
	reader->where = "in \"failed_at\": ";
	for (size_t i = 0; steps && i < LOAD_STEPS; i++)
		sum->failed_at[i] = count(reader, steps, load_json_steps[i]);
	reader->where = "";
}

static void read_destinations(struct reader *reader, const json_t *document,
			      struct load_result *result)
{
	const json_t *list = array(reader, document, "destinations"), *at;
	size_t i;

	reader->where = "in \"destinations\": ";
	json_array_foreach (list, i, at) {
		CLEANUP_FREE char *name = string(reader, at, "address");
		struct load_destination *added;

		added = name ? load_result_destination(result, name) : NULL;
		if (!added) {
			no_memory(reader);
			return;
		}
		added->ports_used = count(reader, at, "ports_used");
		added->ports_available = count(reader, at, "ports_available");
	}
	reader->where = "";
}

static void read_series(struct reader *reader, const json_t *document, struct load_result *result)
{
	const json_t *list = array(reader, document, "series"), *at, *ports;
	int64_t until = INT64_MIN;
	size_t i;

	reader->where = "in \"series\": ";
	json_array_foreach (list, i, at) {
		struct load_slot slot = {
			.end = result->started + ticks(reader, at, "at_s", 0, SECONDS_MAX),
			.length = ticks(reader, at, "seconds", 1.0 / LOAD_TICKS_PER_S, SECONDS_MAX),
			.connected = count(reader, at, "connected"),
			.failed = count(reader, at, "failed"),
			.in_flight = count(reader, at, "in_flight"),
			.connect_calls = count(reader, at, "connect_calls"),
			.connect_ns = count(reader, at, "connect_ns"),
			.cpu_ns = count(reader, at, "cpu_ns"),
			.time_wait = count(reader, at, "time_wait"),
		};

		ports = member(reader, at, "ports_used");
		slot.ports_known = ports && !json_is_null(ports);
		if (slot.ports_known)
			slot.ports_used = count_of(reader, "ports_used", ports);
		if (!reader->error && slot.end - slot.length < until)
			wrong(reader, -EINVAL, "in \"series\": times are not in order");
		if (reader->error)
			return;
		until = slot.end;
		if (load_result_sample(result, &slot) < 0)
			no_memory(reader);
	}
	reader->where = "";
}

static void read_histogram(struct reader *reader, const json_t *from, struct histogram *ret)
{
	const json_t *counts = array(reader, from, "counts"), *pair;
	size_t i;

	json_array_foreach (counts, i, pair) {
		const json_t *index = json_array_get(pair, 0), *number = json_array_get(pair, 1);
		json_int_t at = json_integer_value(index), n = json_integer_value(number);

		if (!json_is_integer(index) || !json_is_integer(number) || at < 0 ||
		    at >= HISTOGRAM_SIZE || n < 0 || n > COUNT_MAX) {
			wrong(reader, -EINVAL, "%sa counter is wrong", reader->where);
			return;
		}
		ret->counts[at] += (uint64_t)n;
		ret->count += (uint64_t)n;
	}
	ret->min = count(reader, from, "min_ns");
	ret->max = count(reader, from, "max_ns");
	ret->above = count(reader, from, "above");
	if (ret->min > ret->max || ret->above > ret->count)
		wrong(reader, -EINVAL, "%sit does not fit together", reader->where);
}

static void read_histograms(struct reader *reader, const json_t *document,
			    struct load_result *result)
{
	const json_t *all = object(reader, document, "histograms");

	reader->where = "in \"histograms\": ";
	for (size_t i = 0; all && i < LATENCIES; i++) {
		const json_t *one = object(reader, all, load_latency_name((enum load_latency)i));

		if (one)
			read_histogram(reader, one, &result->latency[i]);
	}
	reader->where = "";
}

static void read_kernel(struct reader *reader, const json_t *document, struct load_result *result)
{
	const json_t *from = object(reader, document, "kernel");

	reader->where = "in \"kernel\": ";
	for (size_t i = 0; from && i < LOAD_KERNELS; i++) {
		char *at = (char *)&result->kernel + load_json_kernels[i].offset;

		*(int64_t *)at = integer(reader, from, load_json_kernels[i].name, -COUNT_MAX);
	}
	reader->where = "";
}

static void copy_text(char *to, size_t room, char *text)
{
	snprintf(to, room, "%s", text ? text : "");
	free(text);
}

static void read_audit(struct reader *reader, const json_t *document, struct load_result *result)
{
	const json_t *list = array(reader, document, "audit"), *at;
	size_t i;

	reader->where = "in \"audit\": ";
	json_array_foreach (list, i, at) {
		struct load_audit *line = &result->audit[result->audit_count];

		if (result->audit_count == LOAD_AUDIT_MAX) {
			wrong(reader, -EINVAL, "in \"audit\": too many lines");
			return;
		}
		copy_text(line->what, sizeof(line->what), string(reader, at, "what"));
		copy_text(line->counter, sizeof(line->counter), string(reader, at, "counter"));
		line->ours = count(reader, at, "ours");
		line->kernels = integer(reader, at, "kernels", -COUNT_MAX);
		line->agrees = boolean(reader, at, "agrees");
		result->audit_count++;
	}
	reader->where = "";
}

static void read_sysctls(struct reader *reader, const json_t *document, struct load_result *result)
{
	const json_t *from = object(reader, document, "sysctls");

	reader->where = "in \"sysctls\": ";
	for (size_t i = 0; from && i < LOAD_SYSCTLS; i++) {
		const char *name = load_sysctl_name((enum load_sysctl)i);
		const json_t *value = member(reader, from, name);

		if (json_is_null(value))
			result->sysctls[i] = -1;
		else if (json_is_string(value))
			result->sysctls[i] = LOAD_SYSCTL_DIFFERS;
		else
			result->sysctls[i] = integer(reader, from, name, 0);
	}
	reader->where = "";
}

static int find_limit(const char *name)
{
	for (size_t i = 0; i < LIMITS; i++)
		if (name && strcmp(load_limit_name((enum load_limit)i), name) == 0)
			return (int)i;
	return -EINVAL;
}

static void read_limit(struct reader *reader, const json_t *document, struct load_result *result)
{
	const json_t *because = object(reader, document, "limited_because"), *value, *list, *runs;
	int limit = find_limit(json_string_value(member(reader, document, "limited_by")));
	const char *name;
	size_t i;

	if (limit < 0) {
		wrong(reader, -EINVAL, "\"limited_by\" is no limit that is known here");
		return;
	}
	result->limit = (enum load_limit)limit;
	reader->where = "in \"limited_because\": ";
	result->sentence = string(reader, because, "sentence");
	result->cure = string(reader, because, "cure");
	list = array(reader, because, "evidence");
	runs = object(reader, because, "runs");
	json_array_foreach (list, i, value)
		if (!json_is_string(value))
			wrong(reader, -EINVAL, "%sevidence is no text", reader->where);
		else if (load_result_prove(result, json_string_value(value)) < 0)
			no_memory(reader);
	json_object_foreach ((json_t *)runs, name, value) {
		limit = find_limit(name);
		if (limit < 0)
			wrong(reader, -EINVAL, "%s\"%.60s\" is no limit", reader->where, name);
		else
			result->limits[limit] = count_of(reader, name, value);
	}
	reader->where = "";
}

static void read_head(struct reader *reader, const json_t *document, struct load_result *result)
{
	const json_t *forecast = object(reader, document, "forecast");

	result->command = string(reader, document, "command");
	result->engine = string(reader, document, "engine");
	result->protocol = string(reader, document, "protocol");
	result->closing = string(reader, document, "close");
	result->ports = string(reader, document, "ports");
	result->started = ticks(reader, document, "started", 0, EPOCH_MAX);
	result->ended = result->started + ticks(reader, document, "seconds", 0, EPOCH_MAX);
	result->interrupted = boolean(reader, document, "interrupted");
	result->processes_died = count(reader, document, "processes_died");
	if (!forecast)
		return;
	result->forecast = llround(json_number_value(member(reader, forecast, "rate")) * 1000);
	result->forecast_text = string(reader, forecast, "text");
}

static void read_counts(struct reader *reader, const json_t *document, struct load_result *result)
{
	const struct load_sum *sum = &result->sum;

	for (size_t i = 0; i < LOAD_COUNTS; i++) {
		char *at = (char *)result + load_json_counts[i].offset;

		*(uint64_t *)at = count(reader, document, load_json_counts[i].name);
	}
	read_failed(reader, document, &result->sum);
	if (sum->attempted != sum->completed + sum->failed_all + sum->in_flight)
		wrong(reader, -EINVAL,
		      "its counts do not add up: attempted is not completed + "
		      "failed + in_flight");
	if (result->runs == 0)
		wrong(reader, -EINVAL, "\"runs\" is 0");
}

/* ---- the whole */

static void check_schema(struct reader *reader, const json_t *document)
{
	const char *schema = json_string_value(json_object_get(document, "schema"));
	size_t length = strcspn(LOAD_SCHEMA, "/") + 1;

	if (!schema)
		wrong(reader, -EINVAL, "not a result of contest load: it has no \"schema\"");
	else if (strcmp(schema, LOAD_SCHEMA) == 0)
		return;
	else if (strncmp(schema, LOAD_SCHEMA, length) == 0)
		wrong(reader, -EINVAL,
		      "its schema is %.60s, which this version of contest does not know (it knows "
		      "%s)",
		      schema, LOAD_SCHEMA);
	else
		wrong(reader, -EINVAL, "its schema is %.60s, not %s", schema, LOAD_SCHEMA);
}

static void read_document(struct reader *reader, const json_t *document, struct load_result *result)
{
	static void (*const parts[])(struct reader * reader, const json_t *document,
				     struct load_result *result) = {
		read_head,   read_counts, read_limit,	read_destinations, read_series,
		read_kernel, read_audit,  read_sysctls, read_histograms,
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts) && !reader->error; i++)
		parts[i](reader, document, result);
}

int load_json_read(const char *text, size_t length, struct load_result **ret, struct why *why)
{
	struct load_result *result = load_result_new();
	struct reader reader = {.why = why, .where = ""};
	json_error_t error;
	json_t *document;

	if (!result)
		return why_say(why, -ENOMEM, "%s", strerror(ENOMEM));
	document = json_loadb(text, length, 0, &error);
	if (!document)
		wrong(&reader, -EINVAL, "not JSON: line %d: %.160s", error.line, error.text);
	else
		check_schema(&reader, document);
	if (!reader.error)
		read_document(&reader, document, result);
	json_decref(document);
	if (reader.error) {
		load_result_free(result);
		return reader.error;
	}
	*ret = result;
	return 0;
}
