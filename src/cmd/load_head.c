#include "cmd/load_head.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "load/limit.h"
#include "load/protocol.h"

/* All of three, the first two of more. */
static void put_destinations(const struct load_plan *plan, FILE *out)
{
	size_t count = plan->destination_count, shown = count > 3 ? 2 : count;
	char text[TCP_ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < shown; i++)
		fprintf(out, "%s%s", i ? ", " : "",
			tcp_endpoint_format(&plan->destinations[i], text));
	if (shown < count)
		fprintf(out, " and %zu more", count - shown);
}

/* What was done for as many descriptors as it takes. */
static void put_descriptors(const struct generator_facts *used, const struct load_plan *plan,
			    FILE *out)
{
	if (used->descriptors > used->descriptors_before &&
	    plan->concurrency / used->processes >= used->descriptors_before)
		fprintf(out,
			"\nThe limit of descriptors was raised from %llu to %llu (ulimit -Sn, "
			"-Hn).",
			(unsigned long long)used->descriptors_before,
			(unsigned long long)used->descriptors);
	if (used->processes > 1 && !plan->processes)
		fprintf(out, "\n%u worker processes: each may have %llu descriptors.",
			used->processes, (unsigned long long)used->descriptors);
}

static void put_head(const struct load_plan *plan, const struct watch_host *host,
		     const struct generator_facts *used, FILE *out)
{
	char forecast[512] = "";

	load_forecast(plan, host, forecast, sizeof(forecast));
	put_destinations(plan, out);
	fprintf(out, ": %s, close %s, ports %u to %u by %s; %s, %u thread%s in %u process%s",
		plan->protocol->name, load_closing_name(plan->closing), used->first_port,
		used->last_port, load_ports_name(plan->ports), plan->engine->name, used->threads,
		used->threads == 1 ? "" : "s", used->processes, used->processes == 1 ? "" : "es");
	put_descriptors(used, plan, out);
	if (*forecast)
		fprintf(out, "\nForecast: %s", forecast);
}

void load_head_print(const struct invocation *call, const struct load_plan *plan,
		     const struct watch_host *host, const struct generator *generator)
{
	CLEANUP_FREE char *text = NULL;
	struct generator_facts used;
	struct screen screen;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	generator_facts(generator, &used);
	put_head(plan, host, &used, out);
	if (fclose(out) != 0)
		return;
	screen_init(&screen, stdout, call->color);
	screen_wrap(&screen, text, 0, screen.width);
	fputc('\n', stdout);
	fflush(stdout);
}
