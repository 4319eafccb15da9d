/* A connection as a line of JSON: docs/contest.explain.1.schema.json. */
#ifndef CONTEST_CMD_EXPLAIN_JSON_H
#define CONTEST_CMD_EXPLAIN_JSON_H

#include "cmd/explain_names.h"
#include "explain/finding.h"
#include "render/json.h"

/* Writes the object and ends its line. @names may be NULL. */
void explain_json_finding(struct json_writer *json, const struct finding *finding,
			  const struct explain_names *names);

#endif
