/*
 * What the arms of an experiment brought: named numbers and texts, timelines, counters, exchanges.
 * Kept as JSON, because it travels from process to process and into the results as such.
 */
#ifndef CONTEST_LAB_EVIDENCE_H
#define CONTEST_LAB_EVIDENCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct evidence;

struct evidence *evidence_new(void);
void evidence_free(struct evidence *evidence);

/* Adds what an arm process brought (takes over the reference). 0 or -ENOMEM / -EINVAL. */
int evidence_add_arm(struct evidence *evidence, json_t *arm);

/* All arms, as results[].arms of the result (borrowed). */
const json_t *evidence_arms(const struct evidence *evidence);

/* Whether the arm ran to its end: false for an optional arm that is not testable here. */
bool evidence_has(const struct evidence *evidence, const char *arm);

/*
 * What an arm measured. A missing number is NAN (a missing text ""), and is remembered: the
 * verdict is then inconclusive whatever the judge says, and names the number. Ask evidence_has()
 * or evidence_knows() first where it may rightly be missing.
 */
double evidence_number(const struct evidence *evidence, const char *arm, const char *name);
const char *evidence_text(const struct evidence *evidence, const char *arm, const char *name);
bool evidence_knows(const struct evidence *evidence, const char *arm, const char *name);

/* evidence_number() as truth: measured, and not 0. */
bool evidence_is(const struct evidence *evidence, const char *arm, const char *name);

/* The first number that was asked for and missing ("arm: name"), or NULL. */
const char *evidence_missing(const struct evidence *evidence);

/* Made evidence, for tests of judges. */
void evidence_set_number(struct evidence *evidence, const char *arm, const char *name,
			 double value);
void evidence_set_text(struct evidence *evidence, const char *arm, const char *name,
		       const char *value);

#endif
