#include "lab/runner_result.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

json_t *runner_seconds(int64_t ns)
{
	return json_real(round(clock_seconds(ns) * 1000) / 1000);
}

json_t *runner_error_result(const struct experiment *experiment, int64_t took_ns, bool falsified,
			    const char *summary)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:{}, s:[], s:n, s:b}", "id",
			 experiment->id, "claim", experiment->claim, "section",
			 experiment->section ? experiment->section : "", "source",
			 experiment->source ? experiment->source : "", "verdict",
			 verdict_name(VERDICT_ERROR), "deciding", "", "summary", summary, "seconds",
			 runner_seconds(took_ns), "measured", "arms", "pcapng", "falsified",
			 (int)falsified);
}

static bool is_text(const json_t *object, const char *name)
{
	return json_is_string(json_object_get(object, name));
}

bool runner_result_fits(const json_t *result, const struct experiment *experiment)
{
	const char *id = json_string_value(json_object_get(result, "id"));
	const char *verdict = json_string_value(json_object_get(result, "verdict"));

	return id && strcmp(id, experiment->id) == 0 && verdict && verdict_parse(verdict) >= 0 &&
	       is_text(result, "claim") && is_text(result, "summary") &&
	       json_is_number(json_object_get(result, "seconds")) &&
	       json_is_object(json_object_get(result, "measured")) &&
	       json_is_array(json_object_get(result, "arms"));
}

const char *runner_link_of(const json_t *result)
{
	const json_t *arms = json_object_get(result, "arms"), *arm;
	size_t i;

	json_array_foreach (arms, i, arm) {
		const char *link = json_string_value(json_object_get(arm, "link"));

		if (link && (strcmp(link, "tun") == 0 || strcmp(link, "veth") == 0))
			return link;
	}
	return NULL;
}

const char *runner_link_expected(enum world_link link)
{
	CLEANUP_CLOSE int fd = -1;

	if (link != WORLD_LINK_WIRE)
		return world_link_name(link);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	return world_link_name(fd >= 0 ? WORLD_LINK_WIRE_TUN : WORLD_LINK_WIRE_VETH);
}
