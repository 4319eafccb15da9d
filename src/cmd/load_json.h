/* contest.load/1: the results of a load as JSON, written and read
 * (docs/contest.load.1.schema.json).
 */
#ifndef CONTEST_CMD_LOAD_JSON_H
#define CONTEST_CMD_LOAD_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "base/why.h"
#include "cmd/load_result.h"

#define LOAD_SCHEMA "contest.load/1"

/* The document (owned by the caller), or NULL when memory is short. */
json_t *load_json_make(const struct load_result *result);
/* Writes it, ended by a newline; whoever owns @out sees whether that failed. */
void load_json_write(const json_t *document, FILE *out);

/*
 * Reads what load_json_make() made. 0 with *ret (for load_result_free()); -EINVAL with @why: no
 * JSON, another schema, a part missing or wrong, counts that do not add up; -ENOMEM likewise.
 */
int load_json_read(const char *text, size_t length, struct load_result **ret, struct why *why);

/*
 * The members that are plain counts, for both directions: their names, and where in a result they
 * are.
 */
struct load_count {
	const char *name;
	size_t offset;
};
#define LOAD_COUNTS  22
#define LOAD_KERNELS 12
extern const struct load_count load_json_counts[LOAD_COUNTS];	/* uint64_t in load_result */
extern const struct load_count load_json_kernels[LOAD_KERNELS]; /* int64_t in watch_kernel */
extern const char *const load_json_steps[LOAD_STEPS];

#endif
