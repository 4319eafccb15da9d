/* What a judge says: the verdict, the deciding number, what it means, and the named numbers. */
#ifndef CONTEST_LAB_JUDGEMENT_H
#define CONTEST_LAB_JUDGEMENT_H

#include <jansson.h>
#include <stdbool.h>

enum verdict {
	VERDICT_HOLDS,
	VERDICT_REFUTED,
	VERDICT_CHANGED,      /* held on the kernels the article describes, not on this one */
	VERDICT_INCONCLUSIVE, /* a control behaved like its treatment, or a number is missing */
	VERDICT_NOT_TESTABLE, /* privilege, sysctl or module missing */
	VERDICT_ERROR,
	VERDICT_COUNT,
};

/* "holds", "refuted", "changed", "inconclusive", "not testable here", "error". */
const char *verdict_name(enum verdict verdict);
/* The verdict of that name, or -EINVAL. */
int verdict_parse(const char *name);

struct judgement {
	enum verdict verdict;
	char deciding[96]; /* the deciding number with its unit: "TIME-WAIT 60.3 s, set to 5 s" */
	char summary[400]; /* one sentence: what it means for the user */
	json_t *measured;  /* object of named numbers, unit in the name (owned) */
};

void judgement_init(struct judgement *judgement);
void judgement_done(struct judgement *judgement);

/* Sets verdict and summary; the last call counts. */
void judge_say(struct judgement *judgement, enum verdict verdict, const char *summary, ...)
	__attribute__((format(printf, 3, 4)));
void judge_deciding(struct judgement *judgement, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Names a number of the result: "life_s_at_fin_timeout_75". Numbers of time are rounded to
 * milliseconds; a NAN is left out. Text for what is no number (an errno's name).
 */
void judge_measured(struct judgement *judgement, double value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));
void judge_measured_text(struct judgement *judgement, const char *value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

#endif
