#include "cmd/load_json.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define COUNT(name, member)                                                                        \
	{                                                                                          \
		name, offsetof(struct load_result, member)                                         \
	}
const struct load_count load_json_counts[LOAD_COUNTS] = {
	COUNT("runs", runs),
	COUNT("attempted", sum.attempted),
	COUNT("connected", sum.connected),
	COUNT("completed", sum.completed),
	COUNT("in_flight", sum.in_flight),
	COUNT("answers", sum.answers),
	COUNT("bytes_in", sum.bytes_in),
	COUNT("bytes_out", sum.bytes_out),
	COUNT("closed_by_us", sum.closed_by_us),
	COUNT("closed_by_peer", sum.closed_by_peer),
	COUNT("reset_by_us", sum.reset_by_us),
	COUNT("reset_by_peer", sum.reset_by_peer),
	COUNT("connect_calls", sum.connect_calls),
	COUNT("connect_ns", sum.connect_ns),
	COUNT("cpu_ns", sum.cpu_ns),
	COUNT("port_retries", sum.port_retries),
	COUNT("port_waits_ns", sum.port_waits_ns),
	COUNT("descriptor_waits", sum.descriptor_waits),
	COUNT("late", sum.late),
	COUNT("time_wait", time_wait),
	COUNT("processes", processes),
	COUNT("threads", threads),
};
#undef COUNT

#define KERNEL(member)                                                                             \
	{                                                                                          \
#member, offsetof(struct watch_kernel, member)                                     \
	}
const struct load_count load_json_kernels[LOAD_KERNELS] = {
	KERNEL(active_opens),	   KERNEL(passive_opens),      KERNEL(attempt_fails),
	KERNEL(estab_resets),	   KERNEL(retrans_segs),       KERNEL(out_rsts),
	KERNEL(syn_retrans),	   KERNEL(listen_overflows),   KERNEL(listen_drops),
	KERNEL(time_wait_entered), KERNEL(time_wait_overflow), KERNEL(time_wait_recycled),
};
#undef KERNEL

const char *const load_json_steps[LOAD_STEPS] = {
	[LOAD_STEP_SOCKET] = "socket",
	[LOAD_STEP_CONNECT] = "connect",
	[LOAD_STEP_EXCHANGE] = "exchange",
	[LOAD_STEP_CLOSE] = "close",
};

/* Whether memory was short: jansson's functions take a NULL for a value and then return -1. */
struct maker {
	bool failed;
};

static void set(struct maker *maker, json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) < 0)
		maker->failed = true;
}

static void append(struct maker *maker, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0)
		maker->failed = true;
}

static json_t *integer(uint64_t number)
{
	return json_integer((json_int_t)number);
}

/* Of a computed number what means something: three digits behind the point. */
static json_t *real(double number)
{
	return json_real(round(number * 1000) / 1000);
}

static json_t *ticks(int64_t count)
{
	return json_real((double)count / LOAD_TICKS_PER_S);
}

static json_t *string(const char *text)
{
	return json_string(text ? text : "");
}

/* ---- parts */

static json_t *counted(struct maker *maker, const struct load_sum *sum)
{
	json_t *object = json_object();

	for (unsigned i = 1; i < LOAD_FAILURES; i++)
		if (sum->failed[i])
			set(maker, object, load_failure_name(i), integer(sum->failed[i]));
	/* What is counted as no reason at all must not be lost either. */
	if (sum->failed[0])
		set(maker, object, "errno 0", integer(sum->failed[0]));
	return object;
}

static json_t *steps(struct maker *maker, const struct load_sum *sum)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < LOAD_STEPS; i++)
		set(maker, object, load_json_steps[i], integer(sum->failed_at[i]));
	return object;
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static json_t *latency(struct maker *maker, const struct histogram *histogram)
{
	static const struct {
		const char *name;
		double fraction;
	} levels[] = {{"p50", 0.5},    {"p90", 0.9},	  {"p99", 0.99},
		      {"p999", 0.999}, {"p9999", 0.9999}, {"max", 1}};
	json_t *object = json_object();

	set(maker, object, "count", integer(histogram->count));
	set(maker, object, "mean", real(us((uint64_t)histogram_mean(histogram))));
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		set(maker, object, levels[i].name,
		    real(us(histogram_at(histogram, levels[i].fraction))));
	return object;
}

static json_t *histogram(struct maker *maker, const struct histogram *from)
{
	json_t *object = json_object(), *counts = json_array();

	for (size_t i = 0; i < HISTOGRAM_SIZE; i++)
		if (from->counts[i])
			append(maker, counts,
			       json_pack("[I, I]", (json_int_t)i, (json_int_t)from->counts[i]));
	set(maker, object, "min_ns", integer(from->min));
	set(maker, object, "max_ns", integer(from->max));
	set(maker, object, "above", integer(from->above));
	set(maker, object, "counts", counts);
	return object;
}

static json_t *latencies(struct maker *maker, const struct load_result *result,
			 json_t *(*make)(struct maker *maker, const struct histogram *histogram))
{
	json_t *object = json_object();

	for (size_t i = 0; i < LATENCIES; i++)
		set(maker, object, load_latency_name((enum load_latency)i),
		    make(maker, &result->latency[i]));
	return object;
}

static json_t *destinations(struct maker *maker, const struct load_result *result)
{
	json_t *array = json_array();

	for (size_t i = 0; i < result->destination_count; i++) {
		const struct load_destination *at = &result->destinations[i];

		append(maker, array,
		       json_pack("{s:s, s:I, s:I}", "address", at->name, "ports_used",
				 (json_int_t)at->ports_used, "ports_available",
				 (json_int_t)at->ports_available));
	}
	return array;
}

static json_t *slot(struct maker *maker, const struct load_slot *slot, int64_t started)
{
	double calls = slot->connect_calls ? (double)slot->connect_calls : 1;
	json_t *object = json_object();

	set(maker, object, "at_s", ticks(slot->end - started));
	set(maker, object, "seconds", ticks(slot->length));
	set(maker, object, "rate", real(load_slot_rate(slot)));
	set(maker, object, "connected", integer(slot->connected));
	set(maker, object, "failed", integer(slot->failed));
	set(maker, object, "in_flight", integer(slot->in_flight));
	set(maker, object, "connect_us", real(us(slot->connect_ns) / calls));
	set(maker, object, "connect_calls", integer(slot->connect_calls));
	set(maker, object, "connect_ns", integer(slot->connect_ns));
	set(maker, object, "cpu",
	    real((double)slot->cpu_ns / 1e9 * LOAD_TICKS_PER_S / (double)slot->length));
	set(maker, object, "cpu_ns", integer(slot->cpu_ns));
	set(maker, object, "time_wait", integer(slot->time_wait));
	set(maker, object, "ports_used",
	    slot->ports_known ? integer(slot->ports_used) : json_null());
	return object;
}

static json_t *series(struct maker *maker, const struct load_result *result)
{
	json_t *array = json_array();

	for (size_t i = 0; i < result->series_count; i++)
		append(maker, array, slot(maker, &result->series[i], result->started));
	return array;
}

static json_t *kernel(struct maker *maker, const struct watch_kernel *counts)
{
	json_t *object = json_object();

	for (size_t i = 0; i < LOAD_KERNELS; i++) {
		const char *at = (const char *)counts + load_json_kernels[i].offset;

		set(maker, object, load_json_kernels[i].name, json_integer(*(const int64_t *)at));
	}
	return object;
}

static json_t *audit(struct maker *maker, const struct load_result *result)
{
	json_t *array = json_array();

	for (size_t i = 0; i < result->audit_count; i++) {
		const struct load_audit *line = &result->audit[i];

		append(maker, array,
		       json_pack("{s:s, s:s, s:I, s:I, s:f, s:b}", "what", line->what, "counter",
				 line->counter, "ours", (json_int_t)line->ours, "kernels",
				 (json_int_t)line->kernels, "off",
				 round(load_audit_off(line) * 1e6) / 1e6, "agrees", line->agrees));
	}
	return array;
}

static json_t *sysctls(struct maker *maker, const struct load_result *result)
{
	json_t *object = json_object();

	for (size_t i = 0; i < LOAD_SYSCTLS; i++) {
		int64_t value = result->sysctls[i];
		json_t *number = value == -1			? json_null()
				 : value == LOAD_SYSCTL_DIFFERS ? json_string("several")
								: json_integer(value);

		set(maker, object, load_sysctl_name((enum load_sysctl)i), number);
	}
	return object;
}

static json_t *because(struct maker *maker, const struct load_result *result)
{
	json_t *object = json_object(), *evidence = json_array(), *limits = json_object();

	for (size_t i = 0; i < result->evidence_count; i++)
		append(maker, evidence, json_string(result->evidence[i]));
	for (size_t i = 0; i < LIMITS; i++)
		if (result->limits[i])
			set(maker, limits, load_limit_name((enum load_limit)i),
			    integer(result->limits[i]));
	set(maker, object, "sentence", string(result->sentence));
	set(maker, object, "evidence", evidence);
	set(maker, object, "cure", string(result->cure));
	set(maker, object, "runs", limits);
	return object;
}

/* ---- the whole */

static void put_head(struct maker *maker, json_t *object, const struct load_result *result)
{
	set(maker, object, "schema", json_string(LOAD_SCHEMA));
	set(maker, object, "command", string(result->command));
	set(maker, object, "engine", string(result->engine));
	set(maker, object, "protocol", string(result->protocol));
	set(maker, object, "close", string(result->closing));
	set(maker, object, "ports", string(result->ports));
	set(maker, object, "destinations", destinations(maker, result));
	set(maker, object, "started", ticks(result->started));
	set(maker, object, "seconds", ticks(result->ended - result->started));
	set(maker, object, "rate", real(load_result_rate(result)));
	set(maker, object, "interrupted", json_boolean(result->interrupted));
	set(maker, object, "limited_by", string(load_limit_name(result->limit)));
	set(maker, object, "limited_because", because(maker, result));
}

static void put_counts(struct maker *maker, json_t *object, const struct load_result *result)
{
	for (size_t i = 0; i < LOAD_COUNTS; i++) {
		const char *at = (const char *)result + load_json_counts[i].offset;

		set(maker, object, load_json_counts[i].name, integer(*(const uint64_t *)at));
	}
	set(maker, object, "processes_died", integer(result->processes_died));
	set(maker, object, "failed", counted(maker, &result->sum));
	set(maker, object, "failed_at", steps(maker, &result->sum));
	set(maker, object, "ports_used",
	    integer(result->destination_count ? result->destinations[0].ports_used : 0));
	set(maker, object, "ports_available",
	    integer(result->destination_count ? result->destinations[0].ports_available : 0));
	set(maker, object, "syn_retransmits",
	    integer(result->kernel.syn_retrans > 0 ? (uint64_t)result->kernel.syn_retrans : 0));
}

json_t *load_json_make(const struct load_result *result)
{
	struct maker maker = {0};
	json_t *object = json_object();

	put_head(&maker, object, result);
	put_counts(&maker, object, result);
	set(&maker, object, "latency_us", latencies(&maker, result, latency));
	set(&maker, object, "forecast",
	    json_pack("{s:f, s:s}", "rate", (double)result->forecast / 1000, "text",
		      result->forecast_text ? result->forecast_text : ""));
	set(&maker, object, "sysctls", sysctls(&maker, result));
	set(&maker, object, "kernel", kernel(&maker, &result->kernel));
	set(&maker, object, "audit", audit(&maker, result));
	set(&maker, object, "series", series(&maker, result));
	set(&maker, object, "histograms", latencies(&maker, result, histogram));
	if (maker.failed) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* 15 digits come back as the same number, and 0.1 is "0.1". */
void load_json_write(const json_t *document, FILE *out)
{
	if (json_dumpf(document, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) == 0)
		fputc('\n', out);
}
