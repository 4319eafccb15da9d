/* What the runner knows of results: whether one is fit to be kept, and one for who left none. */
#ifndef CONTEST_LAB_RUNNER_RESULT_H
#define CONTEST_LAB_RUNNER_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lab/experiment.h"
#include "world/world.h"

/* Seconds to the millisecond, as a number of the document (a new reference). */
json_t *runner_seconds(int64_t ns);

/* An entry of results[] for an experiment that could not report one itself (a new reference). */
json_t *runner_error_result(const struct experiment *experiment, int64_t took_ns, bool falsified,
			    const char *summary);

/* Whether it is an entry of results[] that belongs to this experiment. */
bool runner_result_fits(const json_t *result, const struct experiment *experiment);

/* The wire that the arms of a result say they had: "tun" or "veth" (borrowed); NULL: none says. */
const char *runner_link_of(const json_t *result);

/* The wire that there will be: of WORLD_LINK_WIRE, TUN where it opens. */
const char *runner_link_expected(enum world_link link);

#endif
