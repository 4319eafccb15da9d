#include "cmd/load_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "render/table.h"

#define INDENT 2
/* Destinations that are listed one by one. */
#define DESTINATIONS_SHOWN 8

const char *load_report_time(uint64_t ns, char *to, size_t room)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	size_t unit = 0;

	while (unit + 1 < ARRAY_SIZE(units) && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	if (value >= 999.5) /* seconds, which %g would write as 1e+03 */
		snprintf(to, room, "%.0f %s", value, units[unit]);
	else
		snprintf(to, room, "%.3g %s", value, units[unit]);
	return to;
}

static void heading(const struct screen *screen, const char *text)
{
	fputc('\n', screen->out);
	screen_print(screen, STYLE_BOLD, "%s", text);
	fputc('\n', screen->out);
}

static void wrap(const struct screen *screen, unsigned indent, const char *text)
{
	if (text && *text)
		screen_wrap(screen, text, indent, screen->width);
}

static void __attribute__((format(printf, 2, 3)))
say(const struct screen *screen, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	wrap(screen, INDENT, text);
}

/* ---- counts */

static void put_counts(const struct screen *screen, const struct load_result *result)
{
	const struct load_sum *sum = &result->sum;

	screen_print(screen, STYLE_BOLD, "%" PRIu64 " connections in %.2f s: %.1f/s",
		     sum->connected, load_result_seconds(result), load_result_rate(result));
	if (result->runs > 1)
		fprintf(screen->out, " (%" PRIu64 " runs)", result->runs);
	if (result->interrupted)
		screen_print(screen, STYLE_WARN, " interrupted");
	fputc('\n', screen->out);
	say(screen,
	    "attempted %" PRIu64 ": completed %" PRIu64 ", failed %" PRIu64 ", in flight %" PRIu64,
	    sum->attempted, sum->completed, sum->failed_all, sum->in_flight);
	say(screen, "answers %" PRIu64 ", bytes in %" PRIu64 ", out %" PRIu64, sum->answers,
	    sum->bytes_in, sum->bytes_out);
	if (sum->late)
		say(screen,
		    "%" PRIu64
		    " arrivals came late: as many as --concurrency allows were under way",
		    sum->late);
	if (result->processes_died)
		say(screen, "worker processes died: %" PRIu64 " of %" PRIu64,
		    result->processes_died, result->processes);
}

/* "connect 3, exchange 1" */
static void put_steps(const struct screen *screen, const struct load_sum *sum)
{
	static const char *const steps[LOAD_STEPS] = {
		[LOAD_STEP_SOCKET] = "socket() or bind()",
		[LOAD_STEP_CONNECT] = "connecting",
		[LOAD_STEP_EXCHANGE] = "the exchange",
		[LOAD_STEP_CLOSE] = "closing",
	};
	char text[200];
	size_t used = (size_t)snprintf(text, sizeof(text), "in");

	for (size_t i = 0; i < LOAD_STEPS; i++)
		if (sum->failed_at[i])
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s %" PRIu64,
						 used > 2 ? "," : "", steps[i], sum->failed_at[i]);
	wrap(screen, INDENT, text);
}

static void put_failures(const struct screen *screen, const struct load_sum *sum)
{
	struct table *table;
	char count[32];

	if (!sum->failed_all)
		return;
	fputc('\n', screen->out);
	table = table_new((const char *const[]){"Failed", "times", "which means"}, 3);
	for (unsigned i = 0; table && i < LOAD_FAILURES; i++) {
		if (!sum->failed[i])
			continue;
		snprintf(count, sizeof(count), "%" PRIu64, sum->failed[i]);
		table_add(table,
			  (const char *const[]){i ? load_failure_name(i) : "errno 0", count,
						i ? load_failure_meaning(i) : ""},
			  NULL);
	}
	if (table)
		table_print(screen, table);
	table_free(table);
	put_steps(screen, sum);
}

/* ---- latency */

static const struct {
	const char *name;
	double fraction;
} levels[] = {{"p50", 0.5},	{"p90", 0.9},	    {"p99", 0.99},
	      {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};

static void put_latency(const struct screen *screen, const char *name,
			const struct histogram *histogram)
{
	char text[32];

	if (!histogram->count)
		return;
	fprintf(screen->out, "%*s%-11s %9" PRIu64, INDENT, "", name, histogram->count);
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		fprintf(screen->out, " %8s",
			load_report_time(histogram_at(histogram, levels[i].fraction), text,
					 sizeof(text)));
	fputc('\n', screen->out);
}

static void put_latencies(const struct screen *screen, const struct load_result *result)
{
	static const char *const names[LATENCIES] = {
		[LATENCY_CONNECT] = "connect", [LATENCY_FIRST_BYTE] = "first byte",
		[LATENCY_TOTAL] = "total",     [LATENCY_CLOSE] = "close",
		[LATENCY_LATE] = "start late",
	};
	uint64_t all = 0;

	for (size_t i = 0; i < LATENCIES; i++)
		all += result->latency[i].count;
	if (!all)
		return;
	fputc('\n', screen->out);
	screen_print(screen, STYLE_BOLD, "%-*s %9s", 11 + INDENT, "Latency", "count");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		screen_print(screen, STYLE_BOLD, " %8s", levels[i].name);
	fputc('\n', screen->out);
	for (size_t i = 0; i < LATENCIES; i++)
		put_latency(screen, names[i], &result->latency[i]);
}

/* ---- the wire and the ports */

static void put_wire(const struct screen *screen, const struct load_result *result)
{
	const struct load_sum *sum = &result->sum;

	heading(screen, "On the wire");
	say(screen,
	    "closed first: by us %" PRIu64 ", by the peer %" PRIu64 "; reset: by us %" PRIu64
	    ", by the peer %" PRIu64,
	    sum->closed_by_us, sum->closed_by_peer, sum->reset_by_us, sum->reset_by_peer);
	say(screen,
	    "the kernel's counts: SYN retransmits %" PRId64 ", all retransmits %" PRId64
	    ", RSTs sent %" PRId64,
	    result->kernel.syn_retrans, result->kernel.retrans_segs, result->kernel.out_rsts);
}

static void put_ports(const struct screen *screen, const struct load_result *result)
{
	size_t shown = result->destination_count;

	heading(screen, "Ports");
	if (shown > DESTINATIONS_SHOWN)
		shown = DESTINATIONS_SHOWN;
	for (size_t i = 0; i < shown; i++) {
		const struct load_destination *at = &result->destinations[i];

		say(screen, "towards %s: %" PRIu64 " of %" PRIu64 " in use", at->name,
		    at->ports_used, at->ports_available);
	}
	if (shown < result->destination_count)
		say(screen, "and %zu more destinations", result->destination_count - shown);
	say(screen, "sockets in TIME-WAIT here: %" PRIu64, result->time_wait);
	if (result->ports && strcmp(result->ports, "ring") == 0)
		say(screen,
		    "--ports ring: ports in TIME-WAIT were taken again (%" PRId64
		    " times); ordinary clients wait for them instead",
		    result->kernel.time_wait_recycled);
	if (result->sum.port_retries)
		say(screen, "%" PRIu64 " times a port was taken and the next one was tried",
		    result->sum.port_retries);
}

/* ---- audit */

static void put_difference(const struct screen *screen, const struct load_audit *line)
{
	char off[32] = "";

	if (line->ours)
		snprintf(off, sizeof(off), ", %.*f %% off", load_audit_off(line) < 0.1 ? 2 : 0,
			 100 * load_audit_off(line));
	say(screen, "- %s: %" PRIu64 " by our count, %" PRId64 " by the kernel's (%s)%s",
	    line->what, line->ours, line->kernels, line->counter, off);
}

static void put_audit(const struct screen *screen, const struct load_result *result)
{
	size_t bad = 0;

	for (size_t i = 0; i < result->audit_count; i++)
		bad += !result->audit[i].agrees;
	heading(screen, "Audit");
	if (!bad) {
		say(screen, "our counts agree with the kernel's (%s %" PRId64 " and %zu more)",
		    result->audit_count ? result->audit[0].counter : "none",
		    result->audit_count ? result->audit[0].kernels : 0,
		    result->audit_count ? result->audit_count - 1 : 0);
		return;
	}
	for (size_t i = 0; i < result->audit_count; i++)
		if (!result->audit[i].agrees)
			put_difference(screen, &result->audit[i]);
	say(screen, "The kernel counts for the whole network namespace: whatever else opens or "
		    "closes connections in it is counted, too.");
}

/* ---- what ran out */

static enum screen_style limit_style(enum load_limit limit)
{
	switch (limit) {
	case LIMIT_NONE:
		return STYLE_GOOD;
	case LIMIT_CLIENT_CPU:
	case LIMIT_CONCURRENCY:
	case LIMIT_INTERRUPTED:
		return STYLE_WARN;
	default:
		return STYLE_BAD;
	}
}

static void put_limit(const struct screen *screen, const struct load_result *result)
{
	fputc('\n', screen->out);
	screen_print(screen, STYLE_BOLD, "Limited by: ");
	screen_print(screen, limit_style(result->limit), "%s", load_limit_name(result->limit));
	fputc('\n', screen->out);
	wrap(screen, INDENT, result->sentence);
	for (size_t i = 0; i < result->evidence_count; i++)
		say(screen, "- %s", result->evidence[i]);
	if (result->cure && *result->cure)
		say(screen, "What helps: %s", result->cure);
}

void load_report_text(const struct screen *screen, const struct load_result *result)
{
	put_counts(screen, result);
	put_failures(screen, &result->sum);
	put_latencies(screen, result);
	put_wire(screen, result);
	put_ports(screen, result);
	put_audit(screen, result);
	put_limit(screen, result);
}
