#include "cmd/load_result.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

static const char *const sysctl_names[] = {
	[SYSCTL_FIRST_PORT] = "ip_local_port_range_first",
	[SYSCTL_LAST_PORT] = "ip_local_port_range_last",
	[SYSCTL_RESERVED_PORTS] = "reserved_ports",
	[SYSCTL_TW_REUSE] = "tcp_tw_reuse",
	[SYSCTL_TW_REUSE_DELAY] = "tcp_tw_reuse_delay",
	[SYSCTL_TIMESTAMPS] = "tcp_timestamps",
	[SYSCTL_MAX_TW_BUCKETS] = "tcp_max_tw_buckets",
	[SYSCTL_SOMAXCONN] = "somaxconn",
};
static_assert(ARRAY_SIZE(sysctl_names) == LOAD_SYSCTLS, "a name for each sysctl");

const char *load_sysctl_name(enum load_sysctl sysctl)
{
	return (size_t)sysctl < ARRAY_SIZE(sysctl_names) ? sysctl_names[sysctl] : NULL;
}

struct load_result *load_result_new(void)
{
	return calloc(1, sizeof(struct load_result));
}

void load_result_free(struct load_result *result)
{
	if (!result)
		return;
	free(result->engine);
	free(result->protocol);
	free(result->closing);
	free(result->ports);
	free(result->command);
	free(result->forecast_text);
	free(result->sentence);
	free(result->cure);
	for (size_t i = 0; i < result->evidence_count; i++)
		free(result->evidence[i]);
	free(result->evidence);
	free(result->destinations);
	free(result->series);
	free(result);
}

int load_result_prove(struct load_result *result, const char *evidence)
{
	char *copy = strdup(evidence);

	if (!copy ||
	    ARRAY_ROOM(result->evidence, result->evidence_capacity, result->evidence_count) < 0) {
		free(copy);
		return -ENOMEM;
	}
	result->evidence[result->evidence_count++] = copy;
	return 0;
}

int load_result_sample(struct load_result *result, const struct load_slot *slot)
{
	if (ARRAY_ROOM(result->series, result->series_capacity, result->series_count) < 0)
		return -ENOMEM;
	result->series[result->series_count++] = *slot;
	return 0;
}

struct load_destination *load_result_destination(struct load_result *result, const char *name)
{
	struct load_destination *added;

	for (size_t i = 0; i < result->destination_count; i++)
		if (strcmp(result->destinations[i].name, name) == 0)
			return &result->destinations[i];
	if (ARRAY_ROOM(result->destinations, result->destination_capacity,
		       result->destination_count) < 0)
		return NULL;
	added = &result->destinations[result->destination_count++];
	*added = (struct load_destination){0};
	snprintf(added->name, sizeof(added->name), "%s", name);
	return added;
}

double load_result_seconds(const struct load_result *result)
{
	return (double)(result->ended - result->started) / LOAD_TICKS_PER_S;
}

double load_result_rate(const struct load_result *result)
{
	double seconds = load_result_seconds(result);

	return seconds > 0 ? (double)result->sum.connected / seconds : 0;
}

double load_slot_rate(const struct load_slot *slot)
{
	return (double)slot->connected * LOAD_TICKS_PER_S / (double)slot->length;
}

double load_audit_off(const struct load_audit *audit)
{
	return fabs((double)audit->kernels - (double)audit->ours) /
	       (audit->ours ? (double)audit->ours : 1);
}

bool load_result_is_bad(const struct load_result *result)
{
	return result->sum.failed_all > 0 || result->interrupted || result->processes_died > 0 ||
	       (result->limit != LIMIT_NONE && result->limit != LIMIT_CLIENT_CPU &&
		result->limit != LIMIT_CONCURRENCY);
}
