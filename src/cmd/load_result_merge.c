/*
 * Adding results up. Each part is an operation that does not mind the grouping: sums, the earlier
 * and the later time, "the same or else several", lists one behind the other. Series are cut to
 * the seconds of the wall clock first (a slot's counts shared out by time, in whole numbers); a
 * series that was cut stays as it is when it is cut again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/load_result.h"

/* ---- series */

static int64_t second_of(int64_t ticks)
{
	return (ticks + LOAD_TICKS_PER_S - 1) / LOAD_TICKS_PER_S;
}

/* What of @count falls to the first @part of @length ticks. */
static uint64_t share(uint64_t count, int64_t part, int64_t length)
{
	return (uint64_t)((unsigned __int128)count * (uint64_t)part / (uint64_t)length);
}

/* The piece of @slot that ends at @to, all before @from having been cut off. */
static struct load_slot cut(const struct load_slot *slot, int64_t from, int64_t to)
{
	int64_t begin = slot->end - slot->length;
	struct load_slot piece = *slot;

#define PIECE(member)                                                                              \
	piece.member = share(slot->member, to - begin, slot->length) -                             \
		       share(slot->member, from - begin, slot->length)
	PIECE(connected);
	PIECE(failed);
	PIECE(connect_calls);
	PIECE(connect_ns);
	PIECE(cpu_ns);
#undef PIECE
	piece.end = second_of(to) * LOAD_TICKS_PER_S;
	piece.length = LOAD_TICKS_PER_S;
	return piece;
}

/* @later: within the same run, so that what stood at the end is the later one's. */
static void add_counts(struct load_slot *to, const struct load_slot *from)
{
	to->connected += from->connected;
	to->failed += from->failed;
	to->connect_calls += from->connect_calls;
	to->connect_ns += from->connect_ns;
	to->cpu_ns += from->cpu_ns;
}

static int put_piece(struct load_result *to, const struct load_slot *piece)
{
	struct load_slot *last = to->series_count ? &to->series[to->series_count - 1] : NULL;

	if (!last || last->end != piece->end)
		return load_result_sample(to, piece);
	add_counts(last, piece);
	last->in_flight = piece->in_flight;
	last->time_wait = piece->time_wait;
	if (piece->ports_known) {
		last->ports_used = piece->ports_used;
		last->ports_known = true;
	}
	return 0;
}

/* The series of one result in slots of a second, into the empty series of @to. */
static int cut_series(struct load_result *to, const struct load_result *from)
{
	int r = 0;

	for (size_t i = 0; i < from->series_count; i++) {
		const struct load_slot *slot = &from->series[i];
		int64_t at = slot->end - slot->length;

		while (at < slot->end && r == 0) {
			int64_t next = (at / LOAD_TICKS_PER_S + 1) * LOAD_TICKS_PER_S;
			struct load_slot piece;

			if (next > slot->end)
				next = slot->end;
			piece = cut(slot, at, next);
			r = put_piece(to, &piece);
			at = next;
		}
	}
	return r;
}

static void add_slot(struct load_slot *to, const struct load_slot *from)
{
	add_counts(to, from);
	to->in_flight += from->in_flight;
	to->time_wait += from->time_wait;
	to->ports_used += from->ports_used;
	to->ports_known |= from->ports_known;
}

/* Both are cut: zips them into a new series of @to. */
static int zip_series(struct load_result *to, const struct load_result *with)
{
	struct load_result both = {0};
	size_t j = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < to->series_count; i++) {
		struct load_slot slot = to->series[i];

		while (r == 0 && j < with->series_count && with->series[j].end < slot.end)
			r = load_result_sample(&both, &with->series[j++]);
		if (j < with->series_count && with->series[j].end == slot.end)
			add_slot(&slot, &with->series[j++]);
		if (r == 0)
			r = load_result_sample(&both, &slot);
	}
	while (r == 0 && j < with->series_count)
		r = load_result_sample(&both, &with->series[j++]);
	if (r < 0) {
		free(both.series);
		return r;
	}
	free(to->series);
	to->series = both.series;
	to->series_count = both.series_count;
	to->series_capacity = both.series_capacity;
	return 0;
}

static int merge_series(struct load_result *to, const struct load_result *from)
{
	struct load_result whole = {0};
	int r = cut_series(&whole, from);

	if (r == 0)
		r = zip_series(to, &whole);
	free(whole.series);
	return r;
}

/* ---- counts */

static void merge_sum(struct load_sum *to, const struct load_sum *from)
{
	to->attempted += from->attempted;
	to->connected += from->connected;
	to->completed += from->completed;
	to->in_flight += from->in_flight;
	to->failed_all += from->failed_all;
	to->answers += from->answers;
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	to->closed_by_us += from->closed_by_us;
	to->closed_by_peer += from->closed_by_peer;
	to->reset_by_us += from->reset_by_us;
	to->reset_by_peer += from->reset_by_peer;
	for (size_t i = 0; i < LOAD_FAILURES; i++)
		to->failed[i] += from->failed[i];
	for (size_t i = 0; i < LOAD_STEPS; i++)
		to->failed_at[i] += from->failed_at[i];
	to->connect_calls += from->connect_calls;
	to->connect_ns += from->connect_ns;
	to->port_retries += from->port_retries;
	to->port_waits_ns += from->port_waits_ns;
	to->descriptor_waits += from->descriptor_waits;
	to->late += from->late;
	to->cpu_ns += from->cpu_ns;
}

static void merge_kernel(struct watch_kernel *to, const struct watch_kernel *from)
{
	to->active_opens += from->active_opens;
	to->passive_opens += from->passive_opens;
	to->attempt_fails += from->attempt_fails;
	to->estab_resets += from->estab_resets;
	to->retrans_segs += from->retrans_segs;
	to->out_rsts += from->out_rsts;
	to->syn_retrans += from->syn_retrans;
	to->listen_overflows += from->listen_overflows;
	to->listen_drops += from->listen_drops;
	to->time_wait_entered += from->time_wait_entered;
	to->time_wait_overflow += from->time_wait_overflow;
	to->time_wait_recycled += from->time_wait_recycled;
}

static void merge_audit(struct load_result *to, const struct load_result *from)
{
	for (size_t i = 0; i < from->audit_count; i++) {
		const struct load_audit *line = &from->audit[i];
		size_t at = 0;

		while (at < to->audit_count && strcmp(to->audit[at].counter, line->counter) != 0)
			at++;
		if (at == LOAD_AUDIT_MAX)
			continue;
		if (at == to->audit_count) {
			to->audit[to->audit_count++] = *line;
			continue;
		}
		to->audit[at].ours += line->ours;
		to->audit[at].kernels += line->kernels;
		to->audit[at].agrees &= line->agrees;
	}
}

static int merge_destinations(struct load_result *to, const struct load_result *from)
{
	for (size_t i = 0; i < from->destination_count; i++) {
		const struct load_destination *more = &from->destinations[i];
		struct load_destination *at = load_result_destination(to, more->name);

		if (!at)
			return -ENOMEM;
		at->ports_used += more->ports_used;
		at->ports_available += more->ports_available;
	}
	return 0;
}

/* ---- words */

static int merge_word(char **to, const char *from, bool first, const char *otherwise)
{
	const char *word = first || (*to && from && strcmp(*to, from) == 0) ? from : otherwise;
	char *copy = strdup(word ? word : "");

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int merge_words(struct load_result *to, const struct load_result *from, bool first)
{
	if (merge_word(&to->engine, from->engine, first, "several") < 0 ||
	    merge_word(&to->protocol, from->protocol, first, "several") < 0 ||
	    merge_word(&to->closing, from->closing, first, "several") < 0 ||
	    merge_word(&to->ports, from->ports, first, "several") < 0 ||
	    merge_word(&to->forecast_text, from->forecast_text, first,
		       "several loads: this is the sum of their forecasts") < 0)
		return -ENOMEM;
	for (size_t i = 0; i < LOAD_SYSCTLS; i++)
		if (first || to->sysctls[i] == from->sysctls[i])
			to->sysctls[i] = from->sysctls[i];
		else
			to->sysctls[i] = LOAD_SYSCTL_DIFFERS;
	return 0;
}

/* What ran out says more than that it was interrupted, and that more than what took its time. */
static int weight(enum load_limit limit)
{
	switch (limit) {
	case LIMIT_NONE:
		return 0;
	case LIMIT_CLIENT_CPU:
	case LIMIT_CONCURRENCY:
		return 1;
	case LIMIT_INTERRUPTED:
		return 2;
	default:
		return 3;
	}
}

static int tell_limit(struct load_result *to, const struct load_result *from, const char *name)
{
	CLEANUP_FREE char *text = NULL;
	int r = 0;

	/* What was merged has told already which run said what. */
	for (size_t i = 0; from->runs > 1 && r == 0 && i < from->evidence_count; i++)
		r = load_result_prove(to, from->evidence[i]);
	if (from->runs > 1 || r < 0)
		return r;
	if (asprintf(&text, "%s: %s: %s", name, load_limit_name(from->limit),
		     from->sentence ? from->sentence : "") < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return load_result_prove(to, text);
}

static int count_limits(struct load_result *to)
{
	char *text;

	if (asprintf(&text, "%llu of %llu runs were limited by: %s",
		     (unsigned long long)to->limits[to->limit], (unsigned long long)to->runs,
		     load_limit_name(to->limit)) < 0)
		return -ENOMEM;
	free(to->sentence);
	to->sentence = text;
	return 0;
}

static int merge_limit(struct load_result *to, const struct load_result *from, bool first,
		       const char *name)
{
	for (size_t i = 0; i < LIMITS; i++)
		to->limits[i] += from->limits[i];
	if (first || weight(from->limit) > weight(to->limit)) {
		to->limit = from->limit;
		if (merge_word(&to->cure, from->cure, true, NULL) < 0)
			return -ENOMEM;
	}
	return tell_limit(to, from, name) < 0 ? -ENOMEM : count_limits(to);
}

int load_result_merge(struct load_result *to, const struct load_result *from, const char *name)
{
	bool first = to->runs == 0;

	if (first || from->started < to->started)
		to->started = from->started;
	if (first || from->ended > to->ended)
		to->ended = from->ended;
	to->runs += from->runs;
	merge_sum(&to->sum, &from->sum);
	merge_kernel(&to->kernel, &from->kernel);
	merge_audit(to, from);
	for (size_t i = 0; i < LATENCIES; i++)
		histogram_add(&to->latency[i], &from->latency[i]);
	to->time_wait += from->time_wait;
	to->processes += from->processes;
	to->processes_died += from->processes_died;
	to->threads += from->threads;
	to->forecast += from->forecast;
	to->interrupted |= from->interrupted;
	if (merge_words(to, from, first) < 0 || merge_limit(to, from, first, name) < 0 ||
	    merge_destinations(to, from) < 0 || merge_series(to, from) < 0)
		return -ENOMEM;
	return 0;
}
